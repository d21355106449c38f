//! Demand: when a signal was last asked for, and for a dear one by which namespaces.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::core::freshness::Coverage;
use crate::core::time::Timestamp;

/// Asked for in the name of no namespace: the whole cluster is wanted.
pub(super) const EVERYWHERE: &str = "";

/// Up to so many namespaces a dear signal is narrowed; beyond, the whole cluster is asked for.
const NARROWED: usize = 64;

/// So many namespaces are told apart; beyond, the whole cluster is asked for anyway.
const KNOWN: usize = 1024;

/// Demand is noted to the second: writing seldom leaves the cache line to those who only read it.
const GRAIN: Duration = Duration::from_secs(1);

/// When something was last asked for.
///
/// Sequentially consistent, as `Slot::refreshing` is: of a request that notes its demand and then
/// finds the slot claimed, and a refresher that gives the claim up and then looks for demand, one
/// must see the other.
pub(super) struct Asked(AtomicI64);

impl Asked {
    pub(super) fn never() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    pub(super) fn touch(&self, now: Timestamp) {
        if !self.within(GRAIN, now) {
            self.0.store(now.as_millis(), Ordering::SeqCst);
        }
    }

    pub(super) fn forget(&self) {
        self.0.store(i64::MIN, Ordering::SeqCst);
    }

    pub(super) fn within(&self, idle: Duration, now: Timestamp) -> bool {
        now.since(Timestamp::from_millis(self.0.load(Ordering::SeqCst))) < idle
    }
}

/// The namespaces that ask for a dear signal.
#[derive(Default)]
pub(super) struct Namespaces(ArcSwap<Known>);

type Known = HashMap<Arc<str>, Arc<Asked>>;

impl Namespaces {
    /// Notes that `namespace` asked.
    pub(super) fn touch(&self, namespace: &str, now: Timestamp) {
        let known = self.0.load();
        if let Some(asked) = known.get(namespace) {
            asked.touch(now);
        } else if known.len() < KNOWN {
            let asked = Arc::new(Asked::never());
            asked.touch(now);
            self.0.rcu(|known| {
                let mut known = Known::clone(known);
                known.insert(namespace.into(), Arc::clone(&asked));
                known
            });
        }
    }

    /// What to ask the source for. Namespaces that have not asked for `idle` are forgotten.
    pub(super) fn coverage(&self, idle: Duration, now: Timestamp) -> Coverage {
        let known = self.0.load();
        let wanted = known.iter().filter(|(_, asked)| asked.within(idle, now));
        let names: HashSet<_> = wanted.map(|(name, _)| Arc::clone(name)).collect();
        if names.len() < known.len() {
            self.0.rcu(|known| {
                let mut known = Known::clone(known);
                known.retain(|_, asked| asked.within(idle, now));
                known
            });
        }
        if names.len() > NARROWED || names.contains(EVERYWHERE) {
            return Coverage::Cluster;
        }
        Coverage::Namespaces(Arc::new(names))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.load().len()
    }
}
