//! A slot: one signal of one source, its latest snapshot, and who still wants it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use moka::sync::Cache;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::refresh;
use crate::core::freshness::{Coverage, Snapshot};
use crate::core::signal::Signal;
use crate::core::time::Timestamp;
use crate::source::Source;

/// Up to so many namespaces a dear signal is narrowed; beyond, the whole cluster is asked for.
const NARROWED_NAMESPACES: u64 = 64;

/// One signal of one source.
pub struct Slot {
    pub(super) signal: Arc<Signal>,
    pub(super) source: Arc<dyn Source>,
    /// A fixed refresh interval instead of the adaptive one.
    pub(super) fixed_interval: Option<Duration>,
    /// The longest hold of the metrics that use it, in milliseconds: a longer silence is an outage.
    outage_bound: AtomicU64,
    snapshot: ArcSwap<Snapshot>,
    asked: AtomicI64,
    /// Who asked lately, for a signal that is narrowed.
    wanted: Option<Cache<Arc<str>, ()>>,
    refreshing: AtomicBool,
    /// Wakes those who wait for a snapshot.
    changed: Notify,
    /// Wakes the refresher before its time.
    pub(super) hurry: Notify,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({} from {})", self.signal, self.source.name())
    }
}

impl Slot {
    pub(super) fn new(
        signal: Arc<Signal>,
        source: Arc<dyn Source>,
        fixed_interval: Option<Duration>,
        idle: Duration,
    ) -> Self {
        let wanted = signal
            .is_dear()
            .then(|| Cache::builder().max_capacity(2 * NARROWED_NAMESPACES).time_to_idle(idle).build());
        Self {
            signal,
            source,
            fixed_interval,
            outage_bound: AtomicU64::new(0),
            snapshot: ArcSwap::default(),
            asked: AtomicI64::new(i64::MIN),
            wanted,
            refreshing: AtomicBool::new(false),
            changed: Notify::new(),
            hurry: Notify::new(),
        }
    }

    /// What it reads.
    pub fn signal(&self) -> &Signal {
        &self.signal
    }

    /// The name of the source it reads from.
    pub fn source_name(&self) -> &str {
        self.source.name()
    }

    /// The latest snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The version of the latest snapshot.
    pub(super) fn version(&self) -> u64 {
        self.snapshot.load().version
    }

    /// Whether someone keeps it fresh.
    pub fn is_refreshing(&self) -> bool {
        self.refreshing.load(Ordering::Acquire)
    }

    pub(super) fn holds_for(&self, hold: Duration) {
        self.outage_bound.fetch_max(hold.as_millis() as u64, Ordering::Relaxed);
    }

    pub(super) fn outage_bound(&self) -> Duration {
        Duration::from_millis(self.outage_bound.load(Ordering::Relaxed))
    }

    /// Notes that someone asked.
    pub(super) fn touch(&self, namespace: &str, now: Timestamp) {
        self.asked.store(now.as_millis(), Ordering::Relaxed);
        if let Some(wanted) = &self.wanted
            && wanted.get(namespace).is_none()
        {
            wanted.insert(Arc::from(namespace), ());
        }
    }

    /// True if nobody keeps the slot fresh; the caller then has to start it.
    pub(super) fn claim(&self) -> bool {
        !self.refreshing.load(Ordering::Acquire) && !self.refreshing.swap(true, Ordering::AcqRel)
    }

    pub(super) fn asked_within(&self, idle: Duration, now: Timestamp) -> bool {
        now.since(Timestamp::from_millis(self.asked.load(Ordering::Relaxed))) < idle
    }

    /// What to ask for: everything, or for a dear signal the namespaces that are wanted.
    pub(super) fn coverage(&self) -> Coverage {
        let Some(wanted) = &self.wanted else { return Coverage::Cluster };
        wanted.run_pending_tasks();
        if wanted.entry_count() > NARROWED_NAMESPACES {
            return Coverage::Cluster;
        }
        let names: HashSet<Arc<str>> = wanted.iter().map(|(name, ())| Arc::clone(&*name)).collect();
        Coverage::Namespaces(Arc::new(names))
    }

    pub(super) fn publish(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
        self.changed.notify_waiters();
    }

    /// Forgets everything: nobody has asked for a while.
    pub(super) fn retire(&self) {
        let version = self.version() + 1;
        self.publish(Snapshot { version, ..Snapshot::default() });
        self.refreshing.store(false, Ordering::Release);
    }

    /// A snapshot that can tell about `namespace`. Returns at once unless none has been read yet;
    /// then it waits for the first attempt, at most until `deadline`.
    pub(super) async fn ready(&self, namespace: &str, deadline: Instant) -> Arc<Snapshot> {
        let mut snapshot = self.snapshot();
        let mut hurried = None;
        while !tells_about(&snapshot, namespace, hurried) {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            // It may have changed before we listened.
            snapshot = self.snapshot();
            if tells_about(&snapshot, namespace, hurried) {
                break;
            }
            if hurried.is_none() && snapshot.set.is_some() {
                hurried = Some(snapshot.version);
                self.hurry.notify_one();
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return self.snapshot();
            }
            snapshot = self.snapshot();
        }
        snapshot
    }

    /// Where the bounds of refreshing are kept, for those who start it.
    pub(super) fn start(self: &Arc<Self>, context: refresh::Context) {
        tokio::spawn(refresh::run(Arc::clone(self), context));
    }
}

/// Whether waiting longer could tell more: a failure is an answer, and so is a set that includes
/// the namespace. `hurried` is the version that was not enough.
fn tells_about(snapshot: &Snapshot, namespace: &str, hurried: Option<u64>) -> bool {
    let includes = snapshot.set.is_some() && snapshot.coverage.includes(namespace);
    let failed = snapshot.failure.is_some() && hurried.is_none_or(|version| snapshot.version > version);
    includes || failed
}
