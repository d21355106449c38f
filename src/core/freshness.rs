//! How old a number may be, and when a source that was away may be believed again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::evaluate::Selections;
use super::series::SeriesSet;
use super::signal::Signal;
use super::time::Timestamp;

/// How often a source is taken to renew its samples until that has been seen: Prometheus's own
/// default scrape interval.
const ASSUMED_CADENCE: Duration = Duration::from_mins(1);

/// A target that renews more slowly than this is gone, whatever it did before: Prometheus's own
/// lookback.
const SLOWEST_CADENCE: Duration = Duration::from_mins(5);

/// How long after its start a source may take to look for its targets: Prometheus does so every five
/// seconds.
const FIRST_SCRAPE: Duration = Duration::from_secs(5);

/// Which namespaces a set was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Coverage {
    /// All of them.
    #[default]
    Cluster,
    /// Only these, because the signal is dear.
    Namespaces(Arc<HashSet<Arc<str>>>),
}

impl Coverage {
    /// Whether a set asked for with this coverage can tell about `namespace`.
    pub fn includes(&self, namespace: &str) -> bool {
        match self {
            Self::Cluster => true,
            Self::Namespaces(names) => names.contains(namespace),
        }
    }
}

/// What is known of one signal at a point in time: the latest set, and how the source is doing.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Counts changes; an answer made from one version is good until the next.
    pub version: u64,
    /// The latest set; `None` until the first answer.
    pub set: Option<Arc<SeriesSet>>,
    /// When that set was read, by our clock.
    pub refreshed_at: Option<Timestamp>,
    /// How often the signal is being read.
    pub interval: Duration,
    /// How often the source renews its samples, once that has been seen.
    pub cadence: Option<Duration>,
    /// Until then the numbers are not believed: the window is not covered by samples, or a source
    /// that lost its memory has not scraped everything again.
    pub usable_from: Option<Timestamp>,
    /// When the source answered again after an outage, while it may not have seen again what is there.
    pub back_at: Option<Timestamp>,
    /// Until then a source that lost its memory, or was away, may not have seen what is there.
    pub settled_from: Option<Timestamp>,
    /// How many series there were before that; more than there can be where nobody knows.
    pub expected: usize,
    /// What went wrong at the latest attempt, if it failed.
    pub failure: Option<Arc<str>>,
    /// Which namespaces the set speaks for.
    pub coverage: Coverage,
    /// What was asked, in the source's language.
    pub query: Arc<str>,
    /// What the source remarked on its answer.
    pub warnings: Arc<[String]>,
    /// What questions chose of its sets.
    pub selections: Arc<Selections>,
}

/// Where an age stands against its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// As new as the source and the refresh make it.
    Fresh,
    /// Older than it should be, and still served with its true time.
    Held,
    /// Too old to be served.
    Expired,
}

/// How old a sample may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Up to this age it is as new as the source and the refresh make it.
    pub fresh: Duration,
    /// Up to this age it is served: the hold bound, counted from the moment when the source should
    /// have renewed it.
    pub limit: Duration,
}

impl Bounds {
    /// Where `age` stands.
    pub fn judge(self, age: Duration) -> Age {
        if age > self.limit {
            Age::Expired
        } else if age > self.fresh {
            Age::Held
        } else {
            Age::Fresh
        }
    }
}

impl Snapshot {
    /// The bounds of a sample that its source renews every `cadence`, or as often as most if that is
    /// not known of it.
    pub fn bounds(&self, cadence: Option<Duration>, hold: Duration) -> Bounds {
        let renewal = cadence.or(self.cadence).unwrap_or(ASSUMED_CADENCE).min(SLOWEST_CADENCE);
        let fresh = renewal + 2 * self.interval;
        // Never below, or a signal read seldom would be refused between two reads that both succeed.
        Bounds { fresh, limit: fresh.max(renewal + hold) }
    }

    /// Whether the source is known to be well: the latest attempt succeeded, not long ago. Only then
    /// does an absence mean anything.
    pub fn is_well(&self, now: Timestamp) -> bool {
        let bound = (2 * self.interval).max(Duration::from_secs(15));
        let is_settled = self.settled_from.is_none_or(|at| at <= now);
        is_settled && self.failure.is_none() && self.refreshed_at.is_some_and(|at| now.since(at) <= bound)
    }

    /// The snapshot after a successful refresh.
    ///
    /// `outage_bound` is how long a silence of the source is an outage; a source that started without
    /// its memory says so in `memory`.
    #[must_use]
    pub fn refreshed(&self, signal: &Signal, new: Refreshed, outage_bound: Duration) -> Self {
        let bound = self.bounds(None, outage_bound).limit;
        let was_silent = self.refreshed_at.is_some_and(|last| new.at.since(last) > bound);
        // A silence without a failure is ours: nobody asked, and the source scraped on meanwhile.
        let was_out = (was_silent && self.failure.is_some()).then_some(new.at);
        let memory_from = new.memory.map(|memory| memory.from);
        let first_scrape = memory_from.map(|started| started.plus(FIRST_SCRAPE));
        let ahead = |until: &Timestamp| *until > new.at;
        let set = match &self.set {
            Some(previous) => new.set.learning_from(previous, was_silent),
            None => new.set,
        };
        let cadence = set.cadence();
        let told = new.memory.and_then(|memory| memory.scrapes_every);
        let renewal = self.cadence.or(told).or(cadence).unwrap_or(ASSUMED_CADENCE).min(SLOWEST_CADENCE);
        // After a long outage also a source that remembers shows only what it has scraped again: what it knows is
        // too old to be told.
        let back_at = was_out.or(self.back_at).filter(|back| ahead(&back.plus(FIRST_SCRAPE + renewal)));
        let seen_again = back_at.map(|back| back.plus(FIRST_SCRAPE));
        let settled_from = first_scrape.max(seen_again).map(|first| first.plus(renewal)).filter(ahead);
        let held = match (self.refreshed_at, &self.set) {
            // Who never read it cannot tell half of it from the whole.
            (None, _) => usize::MAX,
            // Only what was there before the restart can have been lost by it.
            (Some(last), Some(set))
                if was_out.is_some() || memory_from.is_some_and(|started| last < started) =>
            {
                set.all().len()
            }
            _ => 0,
        };
        let expected = if settled_from.is_some() { self.expected.max(held) } else { 0 };
        let usable_from = match signal.window() {
            // The whole window: over a part of it, PromQL's rate is too low by about the rest.
            Some(window) => [self.usable_from]
                .into_iter()
                .chain([was_out, first_scrape].map(|since| since.map(|since| since.plus(window))))
                .flatten()
                .max()
                .filter(ahead),
            // A sum over half of the fleet is a low value, and the HPA would act on it at once.
            None => settled_from.filter(|_| set.all().len() < expected),
        };
        Self {
            version: self.version + 1,
            cadence: cadence.or(self.cadence),
            set: Some(Arc::new(set)),
            refreshed_at: Some(new.at),
            interval: new.interval,
            usable_from,
            back_at,
            settled_from,
            expected,
            failure: None,
            coverage: new.coverage,
            query: new.query,
            warnings: new.warnings,
            selections: Arc::clone(&self.selections),
        }
    }

    /// The snapshot after a refresh that failed: the set stays, with its true times.
    #[must_use]
    pub fn failed(&self, cause: Arc<str>) -> Self {
        Self { version: self.version + 1, failure: Some(cause), ..self.clone() }
    }
}

/// What a source that started without its memory tells of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Since when it remembers samples, by our clock.
    pub from: Timestamp,
    /// The longest that it leaves a target alone between two scrapes, if it tells.
    pub scrapes_every: Option<Duration>,
}

impl Memory {
    /// That of a source which tells nothing more.
    pub fn since(from: Timestamp) -> Self {
        Self { from, scrapes_every: None }
    }
}

/// What a successful refresh brings.
#[derive(Debug)]
pub struct Refreshed {
    /// When it was asked for, by our clock.
    pub at: Timestamp,
    /// The numbers.
    pub set: SeriesSet,
    /// When the next one is due.
    pub interval: Duration,
    /// Which namespaces it speaks for.
    pub coverage: Coverage,
    /// What the source remembers, if it tells that it lost older samples.
    pub memory: Option<Memory>,
    /// What was asked, in the source's language.
    pub query: Arc<str>,
    /// What the source remarked on its answer.
    pub warnings: Arc<[String]>,
}

#[cfg(test)]
mod tests;
