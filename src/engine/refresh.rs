//! The refresher: one task for each signal that someone asks for.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, info, warn};

use super::clock::Clock;
use super::slot::Slot;
use crate::core::freshness::{Coverage, Refreshed, Snapshot};
use crate::core::series::SeriesSet;
use crate::core::signal::Signal;
use crate::core::time::Timestamp;
use crate::core::workload::{Inventory, Knowledge, Pod};
use crate::source::{Answer, Source, SourceError};
use crate::telemetry::Telemetry;

/// How often sources are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The shortest interval.
    pub fastest: Duration,
    /// The longest.
    pub slowest: Duration,
    /// A query may take its interval divided by this.
    pub share: u32,
    /// A signal that nobody asked for so long is no longer read.
    pub idle: Duration,
    /// How many queries may run at a source at once.
    pub concurrency: usize,
}

impl Default for Pace {
    /// Between 2 s and 15 s, so that a query's duration stays below 1 % of its interval. Five
    /// minutes without a question end it: an HPA in a large cluster comes every two and a half.
    fn default() -> Self {
        Self {
            fastest: Duration::from_secs(2),
            slowest: Duration::from_secs(15),
            share: 100,
            idle: Duration::from_mins(5),
            concurrency: 8,
        }
    }
}

impl Pace {
    /// The interval that fits a query that took so long.
    pub fn interval(&self, took: Duration) -> Duration {
        (took * self.share).clamp(self.fastest, self.slowest)
    }

    /// The pace for `source`: one that reads ahead is asked at least once, and at most twice, in the time
    /// in which its numbers are new once. Its answer costs nobody else anything, however long it took.
    pub(super) fn of(self, source: &dyn Source) -> Self {
        source.renews_every().map_or(self, |every| {
            let (fastest, slowest) = ((every / 2).min(self.slowest), every.min(self.slowest));
            Self { fastest, slowest, ..self }
        })
    }

    /// The pause after the n-th failure in a row (from 1), before it is spread.
    pub fn backoff(&self, failures: u32) -> Duration {
        let first = Duration::from_millis(500);
        (first * 2_u32.saturating_pow(failures.saturating_sub(1).min(10))).min(self.slowest)
    }
}

/// What a refresher needs beside its slot.
#[derive(Clone)]
pub(super) struct Context {
    pub(super) clock: Clock,
    pub(super) pace: Pace,
    pub(super) permits: Arc<Semaphore>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) inventory: Option<Arc<dyn Inventory>>,
}

/// A refresh hurried by a request for another namespace comes no sooner than this after the last.
const HURRY_AFTER: Duration = Duration::from_millis(250);

/// Keeps a claimed slot fresh until nobody asks for it any more.
pub(super) async fn run(slot: Arc<Slot>, context: Context) {
    loop {
        keep_fresh(&slot, &context).await;
        slot.retire();
        // Whoever asked while it was being given up found it claimed and waits.
        if !(slot.is_wanted(context.clock.now()) && slot.claim()) {
            return;
        }
    }
}

async fn keep_fresh(slot: &Arc<Slot>, context: &Context) {
    let mut failures = 0;
    let mut is_first = true;
    while slot.is_wanted(context.clock.now()) {
        let began = Instant::now();
        let result = refresh(slot, context).await;
        let interval = slot.snapshot().interval;
        let pause = match result {
            Ok(()) => {
                if failures > 0 {
                    info!(source = slot.source_name(), signal = %slot.signal, failures, "source answers again");
                }
                failures = 0;
                // Signals that were first asked for at the same time must not be read at the same
                // time for ever.
                if is_first { spread(interval, 0.5) } else { interval.saturating_sub(began.elapsed()) }
            }
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    warn!(source = slot.source_name(), signal = %slot.signal, %error, "source does not answer");
                } else {
                    debug!(source = slot.source_name(), signal = %slot.signal, %error, failures, "source does not answer");
                }
                spread(context.pace.of(&*slot.source).backoff(failures), 0.5)
            }
        };
        is_first = false;
        let next = Instant::now() + pause;
        while timeout_at(next, slot.hurry.notified()).await.is_ok() {
            // Whoever asked during the refresh may have got what they wait for.
            if !slot.is_covered(context.clock.now()) {
                sleep_until(began + HURRY_AFTER).await;
                break;
            }
        }
    }
    debug!(source = slot.source_name(), signal = %slot.signal, "nobody asks any more");
}

/// Between `least` and the whole of `duration`.
fn spread(duration: Duration, least: f64) -> Duration {
    let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
    duration.mul_f64(least + (1.0 - least) * random)
}

async fn refresh(slot: &Arc<Slot>, context: &Context) -> Result<(), SourceError> {
    // The semaphore is never closed.
    let _permit = context.permits.acquire().await;
    let asked_at = context.clock.now();
    let began = Instant::now();
    // In a task of its own, so that a panic on strange input is a failure and not the end.
    let reading = read(Arc::clone(slot), context.pace, context.inventory.clone(), asked_at);
    let result = tokio::spawn(reading).await;
    let result = result.unwrap_or_else(|_| Err(SourceError::Unusable("it could not be decoded".to_owned())));
    let failure = result.as_ref().err().map(SourceError::kind);
    context.telemetry.refreshed(slot.source_name(), began.elapsed(), failure);
    match result {
        Ok(snapshot) => {
            slot.publish(snapshot);
            Ok(())
        }
        Err(error) => {
            slot.publish(slot.snapshot().failed(error.to_string().into()));
            Err(error)
        }
    }
}

/// The set with what the cluster knows of its pods.
fn placed(
    set: SeriesSet,
    slot: &Slot,
    coverage: &Coverage,
    known: &dyn Inventory,
    now: Timestamp,
    memory_from: Option<Timestamp>,
) -> SeriesSet {
    let set = set.joined_by_address(&slot.signal, |address| {
        known.at(address).map(|pod| (Arc::clone(&pod.namespace), Arc::clone(&pod.name)))
    });
    let before = slot.snapshot();
    let set = match &before.set {
        // What is read directly knows of its targets itself.
        Some(before) if slot.source.renews_every().is_none() => {
            set.keeping_lost(before, &slot.signal, now, memory_from, |namespace, name| {
                let is_ready = |pod: Arc<Pod>| pod.counts && pod.ready;
                coverage.includes(namespace) && known.pod(namespace, name).is_some_and(is_ready)
            })
        }
        _ => set,
    };
    if known.knowledge() == Knowledge::Complete {
        set.judging_pods(now, |namespace, name| known.pod(namespace, name).is_some())
    } else {
        set
    }
}

/// What is known after reading the source once more.
async fn read(
    slot: Arc<Slot>,
    pace: Pace,
    inventory: Option<Arc<dyn Inventory>>,
    asked_at: Timestamp,
) -> Result<Snapshot, SourceError> {
    let coverage = slot.coverage(asked_at);
    let began = Instant::now();
    let Answer { set, memory, warnings, cost } = slot.source.fetch(&slot.signal, &coverage, asked_at).await?;
    let set = match &inventory {
        Some(known) => placed(set, &slot, &coverage, &**known, asked_at, memory.map(|memory| memory.from)),
        None => set,
    };
    let took = cost.unwrap_or_else(|| began.elapsed());
    let before = slot.snapshot();
    for warning in warnings.iter().filter(|warning| !before.warnings.contains(warning)) {
        warn!(source = slot.source_name(), signal = %slot.signal, warning, "source remarks on its answer");
    }
    let query = if before.coverage == coverage && !before.query.is_empty() {
        Arc::clone(&before.query)
    } else {
        slot.source.describe(&slot.signal, &coverage)
    };
    let interval = match slot.fixed_interval {
        // Where no engine is there it is looked again soon: a source that lost its memory has none yet.
        Some(fixed) if matches!(*slot.signal, Signal::Presence(_)) && set.all().is_empty() => {
            fixed.min(pace.fastest)
        }
        Some(fixed) => fixed,
        None => pace.of(&*slot.source).interval(took),
    };
    let refreshed =
        Refreshed { at: asked_at, set, interval, coverage, memory, query, warnings: warnings.into() };
    Ok(before.refreshed(&slot.signal, refreshed, slot.outage_bound()))
}
