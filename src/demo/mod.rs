//! A simulated fleet under a simulated day, to try scaling policies on without a GPU.
//!
//! ```text
//! trace ──▶ fleet ──▶ replica (engine) ──▶ tally       what clients live to see
//! (day)       ▲          │ counters, gpu ──▶ exposition  what a scraper reads
//!             │          ▼
//!             └─ policy ◀─ scrape                       the HPA, on numbers that are a little old
//!
//! simulation (all of it over time) ──▶ outcome, verdict ──▶ report, screen
//! ```
//!
//! Everything here is pure: time is an argument, chance comes from a seed, nothing reads or writes.

pub mod counters;
pub mod exposition;
pub mod fleet;
pub mod gpu;
pub mod histogram;
pub mod outcome;
pub mod parameters;
pub mod plot;
pub mod policy;
pub mod profile;
pub mod random;
pub mod replica;
pub mod report;
pub mod scrape;
pub mod screen;
pub mod simulation;
pub mod tally;
pub mod trace;
pub mod verdict;
