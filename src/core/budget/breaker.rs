//! The breaker: what is remembered of a spend.

use std::fmt;
use std::time::Duration;

use super::{Budget, WhenLost, is_amount};
use crate::core::time::Timestamp;

/// Clocks may differ by so much. What was remembered as further ahead happened now.
const SKEW: Duration = Duration::from_mins(1);

/// What is remembered of a budget from one look to the next, and across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// Where it stands.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Since when the spend has not been known, if it is not.
    pub lost_since: Option<Timestamp>,
}

/// Where a breaker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing was ever known of the spend.
    Unknown,
    /// The spend is within its limit.
    Closed,
    /// The spend has reached its limit and not fallen far enough since.
    Open,
}

/// What a budget does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It lets pass what it can pay for.
    Closed,
    /// It lets nobody grow, since the limit is reached.
    Open,
    /// It lets nobody grow, since the spend has not been known yet.
    Unknown,
    /// It lets nobody grow, since the spend is lost.
    Lost,
    /// It lets everything pass although the spend is lost, as is asked for.
    Released,
}

impl Standing {
    /// Whether nobody may grow.
    pub fn holds(self) -> bool {
        matches!(self, Self::Open | Self::Unknown | Self::Lost)
    }

    /// Whether the spend is lost.
    pub fn is_lost(self) -> bool {
        matches!(self, Self::Lost | Self::Released)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Unknown => "unknown",
            Self::Lost => "lost",
            Self::Released => "released",
        })
    }
}

impl Breaker {
    /// One that has just begun and remembers nothing.
    pub fn unknown(now: Timestamp) -> Self {
        Self { state: State::Unknown, since: now, lost_since: Some(now) }
    }

    /// One that others remember, or that was before a restart.
    pub fn remembered(state: State, since: Timestamp) -> Self {
        Self { state, since, lost_since: None }
    }

    /// The breaker after one look at the spend, in the limit's unit. A spend that is no amount of money
    /// is as good as unknown.
    ///
    /// Between the reset level and the limit it stays as it is. Where nothing is remembered it is then
    /// open, which costs some replicas for a while; closed might cost the budget.
    #[must_use]
    pub fn step(&self, budget: &Budget, spend: Option<f64>, now: Timestamp) -> Self {
        let before = if self.since > now.plus(SKEW) { now } else { self.since };
        let Some(spend) = spend.filter(|spend| is_amount(*spend)) else {
            return Self { lost_since: self.lost_since.or(Some(now)), since: before, ..*self };
        };
        let was_open_long_enough = || now.since(before) >= budget.minimum_open;
        let state = match self.state {
            _ if spend >= budget.limit => State::Open,
            State::Open if spend < budget.reset_below && was_open_long_enough() => State::Closed,
            State::Unknown if spend < budget.reset_below => State::Closed,
            State::Unknown => State::Open,
            state => state,
        };
        let since = if state == self.state { before } else { now };
        Self { state, since, lost_since: None }
    }

    /// This one, where all replicas follow what is remembered: a change that is later than the remembered
    /// one stays, and one that is the same was theirs first. Of two at once the open one counts.
    #[must_use]
    pub fn agree(&self, remembered: &Self) -> Self {
        let is_later = |one: &Self, other: &Self| {
            (one.since, one.state == State::Open) > (other.since, other.state == State::Open)
        };
        let stays = match (self.state, remembered.state) {
            (_, State::Unknown) => true,
            (own, other) if own == other || own == State::Unknown => false,
            _ => is_later(self, remembered),
        };
        let leading = if stays { self } else { remembered };
        Self { lost_since: self.lost_since, ..*leading }
    }

    /// What the budget does now.
    pub fn standing(&self, budget: &Budget, now: Timestamp) -> Standing {
        let is_lost = self.lost_since.is_some_and(|since| now.since(since) >= budget.lost_after);
        match (self.state, budget.when_lost) {
            (_, WhenLost::Hold) if is_lost => Standing::Lost,
            (_, WhenLost::Release) if is_lost => Standing::Released,
            (State::Open, _) => Standing::Open,
            (State::Unknown, WhenLost::Hold) => Standing::Unknown,
            (State::Closed, _) | (State::Unknown, WhenLost::Release) => Standing::Closed,
        }
    }

    /// For how long it must still stay open, whatever is spent.
    pub fn stays_open_for(&self, budget: &Budget, now: Timestamp) -> Duration {
        match self.state {
            State::Open => budget.minimum_open.saturating_sub(now.since(self.since)),
            State::Closed | State::Unknown => Duration::ZERO,
        }
    }
}
