//! Schedules: replicas by the clock.

use std::fmt;

/// Windows of time with the replicas wanted in each.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schedule {}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("of nothing")
    }
}
