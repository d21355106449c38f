//! The breaker: what is remembered of a spend.

use std::fmt;
use std::time::Duration;

use super::{Budget, WhenLost, is_amount};
use crate::core::time::Timestamp;

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

    /// One that others remember, or that was before a restart. What they say of times to come, because
    /// a clock is wrong, counts as now.
    pub fn remembered(state: State, since: Timestamp, now: Timestamp) -> Self {
        Self { state, since: since.min(now), lost_since: None }
    }

    /// The breaker after one look at the spend, in the limit's unit. A spend that is no amount of money
    /// is as good as unknown.
    ///
    /// Between the reset level and the limit it stays as it is. Where nothing is remembered it is then
    /// open, which costs some replicas for a while; closed might cost the budget.
    #[must_use]
    pub fn step(&self, budget: &Budget, spend: Option<f64>, now: Timestamp) -> Self {
        let Some(spend) = spend.filter(|spend| is_amount(*spend)) else {
            return Self { lost_since: self.lost_since.or(Some(now)), ..*self };
        };
        let was_open_long_enough = || now.since(self.since) >= budget.minimum_open;
        let state = match self.state {
            _ if spend >= budget.limit => State::Open,
            State::Open if spend < budget.reset_below && was_open_long_enough() => State::Closed,
            State::Unknown if spend < budget.reset_below => State::Closed,
            State::Unknown => State::Open,
            state => state,
        };
        let since = if state == self.state { self.since } else { now };
        Self { state, since, lost_since: None }
    }

    /// The one of two that all replicas follow: the later change counts, and of two at once the open one.
    #[must_use]
    pub fn agree(&self, other: &Self) -> Self {
        let rank = |one: &Self| (one.state != State::Unknown, one.since, one.state == State::Open);
        let leads = if rank(other) > rank(self) { other } else { self };
        Self { lost_since: self.lost_since, ..*leads }
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
