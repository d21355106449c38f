//! The pure core: no I/O, no clock, no async. Time reaches it as an argument.
//!
//! ```text
//! signal ──▶ series ──▶ snapshot ──▶ evaluate ──▶ reading │ refusal
//! (what)     (numbers)  (how fresh)  (select, fold)  (what the HPA gets)
//! ```

pub mod autoscaler;
pub mod budget;
pub mod composite;
pub mod evaluate;
pub mod expression;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod fold;
pub mod freshness;
pub mod guard;
pub mod histogram;
pub mod hpa;
pub mod justify;
pub mod metric;
pub mod population;
pub mod quantity;
pub mod rate;
pub mod reading;
pub mod refusal;
pub mod schedule;
pub mod selector;
pub mod series;
pub mod signal;
pub mod slope;
pub mod time;
pub mod workload;
