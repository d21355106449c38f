//! How fast a value may change.
//!
//! What it may change by depends on the time since it was last told and on nothing else: whoever asks in
//! between uses up a part of it, so that several askers move it no faster than one. What follows from
//! that is that it must not be told from memory for long, or the time in which it was would count as
//! time in which it rested.

use std::time::Duration;

use super::{Slew, Speed};
use crate::core::time::{Human, Timestamp};

/// After so long without a value, what was told before says nothing of now. Shorter gaps count as time:
/// a source that fails now and then must not let the value jump.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);

/// The value that was told last, and when.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State(Option<(f64, Timestamp)>);

impl State {
    pub(super) fn remember(&mut self, value: f64, now: Timestamp) {
        // Two askers may come out of order; the same span of time is not to be used twice.
        let at = self.0.map_or(now, |(_, at)| at.max(now));
        self.0 = Some((value, at));
    }

    /// The last value and how long ago it was told, unless that is too long.
    fn last(self, now: Timestamp) -> Option<(f64, Duration)> {
        let (value, at) = self.0?;
        Some((value, now.since(at))).filter(|(_, ago)| *ago <= FORGOTTEN_AFTER)
    }
}

impl Slew {
    /// The value as far as it may have come by now.
    pub(super) fn apply(&self, state: &State, value: f64, now: Timestamp) -> f64 {
        let Some((last, ago)) = state.last(now) else { return value };
        let highest = self.rise.map_or(f64::INFINITY, |speed| last + speed.over(ago));
        let lowest = self.fall.map_or(f64::NEG_INFINITY, |speed| last - speed.over(ago));
        value.min(highest).max(lowest)
    }

    pub(super) fn why(&self, state: &State, now: Timestamp) -> String {
        let Some((last, ago)) = state.last(now) else {
            return "the first value is taken as it is".to_owned();
        };
        let up = self.rise.map(|speed| format!("rises by at most {} per {}", speed.by, Human(speed.per)));
        let down = self.fall.map(|speed| format!("falls by at most {} per {}", speed.by, Human(speed.per)));
        let limits: Vec<String> = up.into_iter().chain(down).collect();
        format!("{}; it was {last} {} ago", limits.join(" and "), Human(ago))
    }
}

impl Speed {
    fn over(self, time: Duration) -> f64 {
        self.by * time.as_secs_f64() / self.per.as_secs_f64()
    }
}
