//! Within which bounds a value stays.

use std::fmt;

use super::Clamp;

impl Clamp {
    /// The value within the bounds; the upper one wins should they cross.
    pub(super) fn apply(self, value: f64) -> f64 {
        let value = self.min.map_or(value, |min| value.max(min));
        self.max.map_or(value, |max| value.min(max))
    }
}

impl fmt::Display for Clamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (Some(min), Some(max)) => write!(f, "lies between {min} and {max}"),
            (Some(min), None) => write!(f, "is at least {min}"),
            (None, Some(max)) => write!(f, "is at most {max}"),
            (None, None) => f.write_str("has no bounds"),
        }
    }
}
