//! The engine over a source that does as it is told, in paused time.

mod absence;
mod budgets;
mod cold;
mod dear;
mod demand;
mod outage;
mod pace;
mod reload;
mod remembered;
