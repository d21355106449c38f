//! How far the watches can be relied on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::hpas::AUTOSCALERS;
use super::inventory::Cluster;
use super::metrics::WatchMetrics;
use super::object::Kind;
use crate::core::workload::Knowledge;

/// A watch that has failed for longer may have missed something that matters.
const GRACE: Duration = Duration::from_secs(15);

/// How often it is looked whether the grace is over.
const PERIOD: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has never told all of its objects.
    Unlisted,
    /// It tells of changes.
    Alive,
    /// It has not since then.
    Failing(Instant),
    /// There are no such objects, or we must not know them.
    Without,
}

/// A watch, and whether questions depend on it.
#[derive(Debug, Clone, Copy)]
struct Watched {
    state: State,
    needed: bool,
}

/// What the watches are doing. No question depends on that of autoscalers, but budgets do.
pub(super) struct Health {
    cluster: Arc<Cluster>,
    metrics: Arc<WatchMetrics>,
    watches: Mutex<HashMap<&'static str, Watched>>,
}

impl Health {
    /// Of watches of these kinds, which have yet to begin.
    pub(super) fn new<'a>(
        cluster: Arc<Cluster>,
        metrics: Arc<WatchMetrics>,
        kinds: impl IntoIterator<Item = &'a Kind>,
    ) -> Self {
        let begin = |kind: &Kind| (kind.name, Watched { state: State::Unlisted, needed: kind.needed });
        let watches = kinds.into_iter().map(begin).collect();
        Self { cluster, metrics, watches: Mutex::new(watches) }
    }

    /// All objects were listed.
    pub(super) fn listed(&self, kind: &Kind) {
        self.set(kind, |_| State::Alive);
    }

    /// The server has answered a watch that goes on from where the last one ended.
    pub(super) fn heard(&self, kind: &Kind) {
        self.set(kind, |before| if before == State::Unlisted { before } else { State::Alive });
    }

    /// A list or watch has failed; it was well until `then`.
    pub(super) fn failed(&self, kind: &Kind, then: Instant) {
        self.set(kind, |before| if before == State::Alive { State::Failing(then) } else { before });
    }

    /// There are no objects of this kind to be known.
    pub(super) fn without(&self, kind: &Kind) {
        self.set(kind, |_| State::Without);
    }

    /// Whether all objects of this kind have been known.
    pub(super) fn was_listed(&self, kind: &Kind) -> bool {
        let watches = self.watches();
        let state = watches.get(kind.name).map(|watched| watched.state);
        matches!(state, Some(State::Alive | State::Failing(_)))
    }

    /// Looks again and again whether a watch has failed for too long.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut beat = tokio::time::interval(PERIOD);
        loop {
            beat.tick().await;
            self.judge(&self.watches());
        }
    }

    fn set(&self, kind: &Kind, next: impl Fn(State) -> State) {
        let mut watches = self.watches();
        let Some(of_kind) = watches.get_mut(kind.name) else { return };
        let new = next(of_kind.state);
        if new != of_kind.state {
            of_kind.state = new;
            self.judge(&watches);
        }
    }

    fn judge(&self, watches: &HashMap<&'static str, Watched>) {
        let mut knowledge = Knowledge::Complete;
        let is_current = |state: State| match state {
            State::Alive => true,
            State::Failing(since) => since.elapsed() <= GRACE,
            State::Unlisted | State::Without => false,
        };
        if let Some(watched) = watches.get(AUTOSCALERS.name) {
            self.cluster.autoscalers.complete(is_current(watched.state));
        }
        for watched in watches.values().filter(|watched| watched.needed) {
            match watched.state {
                State::Unlisted => {
                    knowledge = Knowledge::Nothing;
                    break;
                }
                State::Failing(since) if since.elapsed() > GRACE => knowledge = Knowledge::Behind,
                _ => {}
            }
        }
        self.cluster.know(&knowledge);
        self.metrics.complete(knowledge == Knowledge::Complete);
    }

    fn watches(&self) -> MutexGuard<'_, HashMap<&'static str, Watched>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
