//! A slot: one signal of one source, its latest snapshot, and who still wants it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::demand::{Asked, Namespaces};
use crate::core::freshness::{Coverage, Snapshot};
use crate::core::signal::Signal;
use crate::core::time::Timestamp;
use crate::source::Source;

/// One signal of one source.
pub struct Slot {
    pub(super) signal: Arc<Signal>,
    pub(super) source: Arc<dyn Source>,
    /// A fixed refresh interval instead of the adaptive one.
    pub(super) fixed_interval: Option<Duration>,
    /// The longest hold of the metrics that use it, in milliseconds: a longer silence is an outage.
    outage_bound: AtomicU64,
    snapshot: ArcSwap<Snapshot>,
    /// Without demand for so long, it is given up.
    idle: Duration,
    asked: Asked,
    /// Who asked, for a signal that is narrowed.
    namespaces: Option<Namespaces>,
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
        let namespaces = signal.is_dear().then(Namespaces::default);
        Self {
            signal,
            source,
            fixed_interval,
            outage_bound: AtomicU64::new(0),
            snapshot: ArcSwap::default(),
            idle,
            asked: Asked::never(),
            namespaces,
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
        self.refreshing.load(Ordering::SeqCst)
    }

    pub(super) fn holds_for(&self, hold: Duration) {
        self.outage_bound.fetch_max(hold.as_millis() as u64, Ordering::Relaxed);
    }

    pub(super) fn outage_bound(&self) -> Duration {
        Duration::from_millis(self.outage_bound.load(Ordering::Relaxed))
    }

    /// Notes that `namespace` asked.
    pub(super) fn touch(&self, namespace: &str, now: Timestamp) {
        self.asked.touch(now);
        if let Some(namespaces) = &self.namespaces {
            namespaces.touch(namespace, now);
        }
    }

    /// True if nobody keeps the slot fresh; the caller then has to start it.
    pub(super) fn claim(&self) -> bool {
        !self.is_refreshing() && !self.refreshing.swap(true, Ordering::SeqCst)
    }

    /// Whether someone asked of late.
    pub(super) fn is_wanted(&self, now: Timestamp) -> bool {
        self.asked.within(self.idle, now)
    }

    /// Ends the refreshing: what is read here will not be asked for any more.
    pub(super) fn dismiss(&self) {
        self.asked.forget();
        self.hurry.notify_one();
    }

    /// What to ask for: everything, or for a dear signal the namespaces that are wanted.
    pub(super) fn coverage(&self, now: Timestamp) -> Coverage {
        self.namespaces.as_ref().map_or(Coverage::Cluster, |namespaces| namespaces.coverage(self.idle, now))
    }

    /// Whether the latest set tells about everyone who asked: reading again would serve nobody.
    pub(super) fn is_covered(&self, now: Timestamp) -> bool {
        let snapshot = self.snapshot();
        self.is_wanted(now)
            && match (&snapshot.coverage, self.coverage(now)) {
                (Coverage::Cluster, _) => true,
                (Coverage::Namespaces(_), Coverage::Cluster) => false,
                (Coverage::Namespaces(read), Coverage::Namespaces(wanted)) => wanted.is_subset(read),
            }
    }

    pub(super) fn publish(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
        self.changed.notify_waiters();
    }

    /// Forgets the numbers: nobody has asked for a while. What was lost to an outage stays lost.
    pub(super) fn retire(&self) {
        let before = self.snapshot();
        let (version, usable_from) = (before.version + 1, before.usable_from);
        self.publish(Snapshot { version, usable_from, ..Snapshot::default() });
        self.refreshing.store(false, Ordering::SeqCst);
    }

    /// A snapshot that can tell about `namespace`. Returns at once unless none has been read yet;
    /// then it waits for the first attempt, at most until `deadline`.
    pub(super) async fn ready(&self, namespace: &str, deadline: Instant) -> Arc<Snapshot> {
        let mut snapshot = self.snapshot();
        let mut has_hurried = false;
        while !tells_about(&snapshot, namespace) {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            // It may have changed before we listened.
            snapshot = self.snapshot();
            if tells_about(&snapshot, namespace) {
                break;
            }
            if !has_hurried && snapshot.set.is_some() {
                has_hurried = true;
                self.hurry.notify_one();
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return self.snapshot();
            }
            snapshot = self.snapshot();
        }
        snapshot
    }
}

/// Whether waiting could tell no more: a failure is an answer, and so is a set that includes the
/// namespace.
fn tells_about(snapshot: &Snapshot, namespace: &str) -> bool {
    snapshot.failure.is_some() || (snapshot.set.is_some() && snapshot.coverage.includes(namespace))
}
