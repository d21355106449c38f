//! Below which a value is nothing.

use super::Activation;
use crate::core::time::{Human, Timestamp};

/// Whether the value counts, and since when it speaks against that.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// `None` after a start.
    active: Option<bool>,
    /// Since when an active value is below its reset level. Times at which it was not known are no
    /// break: they do not show that it was higher.
    below_since: Option<Timestamp>,
}

impl Activation {
    /// The value or 0, and whether time alone may change that.
    ///
    /// While an active value waits out its `hold`, it is served as the least active one: as what it is,
    /// it would often be 0 already.
    pub(super) fn apply(&self, state: &mut State, value: f64, now: Timestamp) -> (f64, bool) {
        if value >= self.reset_below {
            // Between the levels it stays what it was; after a start it is active, since 0 would let the
            // fleet shrink.
            let active = value >= self.threshold || state.active.unwrap_or(true);
            *state = State { active: Some(active), below_since: None };
            return (if active { value } else { 0.0 }, false);
        }
        // What is below after a start is not: a restart shall not wake what sleeps.
        if state.active == Some(true) {
            let since = *state.below_since.get_or_insert(now);
            if now.since(since) < self.hold {
                return (self.reset_below, true);
            }
        }
        *state = State { active: Some(false), below_since: None };
        (0.0, false)
    }

    pub(super) fn why(&self, state: &State, now: Timestamp) -> String {
        let Self { threshold, reset_below, hold } = self;
        match (state.active, state.below_since) {
            (Some(true), Some(since)) => {
                let left = hold.saturating_sub(now.since(since));
                format!("active although below {reset_below}, for another {}", Human(left))
            }
            (Some(true), None) => format!("active until below {reset_below}"),
            _ => format!("inactive until at {threshold}"),
        }
    }
}
