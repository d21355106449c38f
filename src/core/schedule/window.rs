//! A window: from each start to the next end.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::cron::{Cron, Moment};
use super::dates::Dates;
use crate::core::time::{Human, Timestamp};

/// So many starts are compared with the ends before them: of a weekly pattern more than a year of them.
const STARTS: usize = 60;

/// A pattern whose next time changes nothing is followed so many times before it is left for later.
const TRIES: usize = 50;

/// A time that comes again and again, and the value wanted in it.
#[derive(Debug, Clone)]
pub struct Window {
    pub(super) start: Cron,
    pub(super) end: Cron,
    pub(super) value: f64,
    pub(super) ramp: Duration,
    pub(super) dates: Dates,
}

/// Why parts make no window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadWindow {
    /// It would end when it starts.
    #[error("start and end are the same times")]
    Same,
    /// It would open or close all the time.
    #[error("a pattern comes {0} times a day, more than {MOST_A_DAY}")]
    Often(usize),
    /// Its start never falls on a date on which it may open.
    #[error("its start falls on none of these dates")]
    Dates,
    /// It would begin to grow before it has ended.
    #[error("the ramp is longer than the shortest time between two windows, {}", Human(*.0))]
    Ramp(Duration),
}

/// A window opens and closes at most so often: a number of replicas that changes sooner helps nobody.
const MOST_A_DAY: usize = 96;

impl Window {
    /// A window of `value` from each time of `start` to the next of `end`. Before a start that falls on an
    /// admitted date the value grows for as long as `ramp`.
    ///
    /// # Errors
    /// What does not fit together.
    pub fn new(start: Cron, end: Cron, value: f64, ramp: Duration, dates: Dates) -> Result<Self, BadWindow> {
        if start.is_same(&end) {
            return Err(BadWindow::Same);
        }
        let most = start.times_a_day().max(end.times_a_day());
        if most > MOST_A_DAY {
            return Err(BadWindow::Often(most));
        }
        let admits = |date: Date| dates.admit(date);
        let within = |(first, last)| start.comes_within(first, last, admits);
        if !start.comes(admits) && !dates.dated().any(within) {
            return Err(BadWindow::Dates);
        }
        let window = Self { start, end, value, ramp, dates };
        match window.shortest_gap() {
            Some(gap) if ramp > gap => Err(BadWindow::Ramp(gap)),
            _ => Ok(window),
        }
    }

    /// The shortest time between an end and the next start, whatever the dates. Looked for on a clock that
    /// never jumps: one hour less on one day of the year is no mistake.
    fn shortest_gap(&self) -> Option<Duration> {
        if self.ramp.is_zero() {
            return None;
        }
        let bare = Self { dates: Dates::default(), ..self.clone() };
        let starts = std::iter::successors(Some(Timestamp::from_millis(0)), |at| {
            self.start.after(&TimeZone::UTC, *at, |_| true).map(|start| start.at)
        });
        let gap = |start: Timestamp| {
            let just_before = start.shifted(-1);
            let end = self.end.before(&TimeZone::UTC, just_before, |_| true)?;
            (!bare.is_open(&TimeZone::UTC, just_before)).then(|| start.since(end.at))
        };
        starts.skip(2).take(STARTS).filter_map(gap).min()
    }

    fn last_start(&self, zone: &TimeZone, now: Timestamp) -> Option<Moment> {
        self.start.before(zone, now, |date| self.dates.admit(date))
    }

    /// Whether its latest start is not before its latest end.
    pub(super) fn is_open(&self, zone: &TimeZone, now: Timestamp) -> bool {
        let Some(start) = self.last_start(zone, now) else { return false };
        self.end.before(zone, now, |_| true).is_none_or(|end| start >= end)
    }

    /// When it opens or closes after `now`, at the earliest: it does not before.
    pub(super) fn turn(&self, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
        let is_open = self.is_open(zone, now);
        let mut at = now;
        for _ in 0..TRIES {
            let next = if is_open {
                self.end.after(zone, at, |_| true)
            } else {
                self.start.after(zone, at, |date| self.dates.admit(date))
            };
            at = next?.at;
            if self.is_open(zone, at) != is_open {
                break;
            }
        }
        Some(at)
    }

    /// From when to when it grows, if it is about to or does at `now`.
    pub(super) fn ramp(&self, zone: &TimeZone, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        if self.ramp.is_zero() || self.is_open(zone, now) {
            return None;
        }
        let start = self.turn(zone, now).filter(|at| self.is_open(zone, *at))?;
        Some((start.shifted(-(self.ramp.as_millis() as i64)), start))
    }

    fn key(&self) -> (&Cron, &Cron, u64, Duration, &Dates) {
        (&self.start, &self.end, self.value.to_bits(), self.ramp, &self.dates)
    }
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Window {}

impl Hash for Window {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { start, end, value, ramp, dates } = self;
        write!(f, "{value} from `{start}` to `{end}`")?;
        if !ramp.is_zero() {
            write!(f, " growing for {} before", Human(*ramp))?;
        }
        write!(f, "{dates}")
    }
}
