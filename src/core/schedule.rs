//! Schedules: replicas by the clock.
//!
//! A schedule is windows on the clock of one place. Where several are open the largest value wins; where
//! none is, there is a value for that. Before a window its value can grow step by step.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;
use std::time::Duration;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::time::Timestamp;

mod cron;
mod dates;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod window;

pub use self::cron::{BadCron, Cron};
pub use self::dates::{Dates, Days};
pub use self::window::{BadWindow, Window};

/// The rules of all zones as they were when this was built: the same on every machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// So many times are looked at for changes: not all of them bring one.
const LOOKS: usize = 64;

/// What has no next time is looked at again after a day.
const LATER: Duration = Duration::from_hours(24);

/// Windows of time with the value wanted in each.
#[derive(Debug, Clone)]
pub struct Schedule {
    zone: TimeZone,
    windows: Vec<Window>,
    otherwise: f64,
}

/// A change of a schedule's value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transition {
    /// When.
    pub at: Timestamp,
    /// The value from then on.
    pub value: f64,
}

/// The time zone of an IANA name, in upper or lower case.
pub fn zone(name: &str) -> Option<TimeZone> {
    ZONES.get(name).ok().filter(|zone| !zone.is_unknown())
}

/// The names of all time zones.
pub fn zone_names() -> impl Iterator<Item = String> {
    ZONES.available().map(|name| name.as_str().to_owned())
}

impl Schedule {
    /// Windows on the clocks of `zone`, and the value where none is open.
    pub fn new(zone: TimeZone, windows: Vec<Window>, otherwise: f64) -> Self {
        Self { zone, windows, otherwise }
    }

    /// The name of its time zone.
    pub fn zone_name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The value wanted at `now`.
    pub fn at(&self, now: Timestamp) -> f64 {
        let ramps = self.windows.iter().filter_map(|window| {
            let (begin, start) = window.ramp(&self.zone, now).filter(|(begin, _)| *begin <= now)?;
            let from = self.windows_at(begin);
            Some(from + steps(window.value - from, now.since(begin), start.since(begin)))
        });
        ramps.fold(self.windows_at(now), f64::max)
    }

    /// The next changes after `now`, at most `count`; fewer where few are near.
    pub fn next(&self, now: Timestamp, count: usize) -> Vec<Transition> {
        let mut transitions = Vec::new();
        let (mut at, mut value) = (now, self.at(now));
        for _ in 0..LOOKS {
            if transitions.len() == count {
                break;
            }
            let Some(turn) = self.turn(at) else { break };
            at = turn;
            let then = self.at(at);
            if then.total_cmp(&value).is_ne() {
                transitions.push(Transition { at, value: then });
                value = then;
            }
        }
        transitions
    }

    /// Up to when, excluded, the value at `now` is certain to stay; always after `now`.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        self.turn(now).unwrap_or_else(|| now.plus(LATER))
    }

    /// A time as the clocks there show it, in RFC 3339.
    pub fn local(&self, at: Timestamp) -> String {
        let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
    }

    /// The value without ramps.
    fn windows_at(&self, now: Timestamp) -> f64 {
        let open = self.windows.iter().filter(|window| window.is_open(&self.zone, now));
        open.map(|window| window.value).reduce(f64::max).unwrap_or(self.otherwise)
    }

    /// The earliest time after `now` at which the value may change.
    fn turn(&self, now: Timestamp) -> Option<Timestamp> {
        let turns = self.windows.iter().filter_map(|window| window.turn(&self.zone, now));
        let steps = self.windows.iter().filter_map(|window| {
            let (begin, start) = window.ramp(&self.zone, now)?;
            if now < begin {
                return Some(begin);
            }
            let growth = window.value - self.windows_at(begin);
            let ramp = start.since(begin);
            let passed = (steps(growth, now.since(begin), ramp) + 1.0) * ramp.as_millis() as f64 / growth;
            // By a rounding it could be the step that was just taken.
            let step = begin.shifted(passed.ceil() as i64).max(now.shifted(1));
            (growth > 0.0 && step < start).then_some(step)
        });
        turns.chain(steps).min()
    }

    fn key(&self) -> (&str, &[Window], u64) {
        (self.zone_name(), &self.windows, self.otherwise.to_bits())
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Schedule {}

impl Hash for Schedule {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Schedule {
    /// In words: 3 from `30 7 * * 1-5` to `0 20 * * 1-5`, otherwise 0, in Europe/Amsterdam.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for window in &self.windows {
            write!(f, "{window}, ")?;
        }
        write!(f, "otherwise {}, in {}", self.otherwise, self.zone_name())
    }
}

/// How far a value has come that grows by `growth` within `ramp`, one by one.
fn steps(growth: f64, passed: Duration, ramp: Duration) -> f64 {
    (growth * passed.as_millis() as f64 / ramp.as_millis() as f64).floor()
}

#[cfg(test)]
mod tests;
