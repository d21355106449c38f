//! What a true HPA controller makes of budgets, fallbacks, composites, schedules and activation.
//!
//! Every step prints what was put in, what the API server serves, and the replicas that came of it.

mod activation;
mod beginning;
mod budget;
mod ceiling;
mod composite;
mod fallback;
mod kinds;
mod schedule;
mod stage;
mod witness;
mod zero;

use stage::Stage;
use witness::Witness;
