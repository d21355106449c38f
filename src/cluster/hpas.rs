//! Which autoscalers there are and what they ask for.

mod wire;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::sync::Notify;

use super::follow::Sink;
use super::metrics::WatchMetrics;
use super::object::Kind;
use super::pool::Pool;
use crate::core::autoscaler::{Autoscaler, Want};

pub(super) use wire::AutoscalerObject;

/// Whole autoscalers: what they ask for is not in their metadata. No question depends on them.
pub(super) static AUTOSCALERS: Kind = Kind {
    name: "horizontalpodautoscaler",
    path: "/apis/autoscaling/v2/horizontalpodautoscalers",
    metadata_only: false,
    needed: false,
};

/// Those that name a metric, by the metric.
type ByMetric = HashMap<Arc<str>, Vec<Arc<Autoscaler>>>;

/// An autoscaler, and the number of the list in which it was last seen.
type Seen = (Arc<Autoscaler>, u32);

/// A metric in a namespace.
pub(super) type Asked = (Arc<str>, Arc<str>);

/// The autoscalers of the cluster.
#[derive(Default)]
pub(super) struct Autoscalers {
    /// By namespace and metric.
    by_metric: RwLock<HashMap<Arc<str>, ByMetric>>,
    known: Mutex<Known>,
    /// Whether these are all, as of a moment ago.
    is_complete: AtomicBool,
    /// Told when something is asked for that was not, or otherwise than before.
    news: Notify,
}

#[derive(Default)]
struct Known {
    texts: Pool<Arc<str>>,
    /// By namespace and name.
    objects: HashMap<(Arc<str>, Arc<str>), Seen>,
    list: u32,
    fresh: HashSet<Asked>,
}

impl Autoscalers {
    /// Those of a namespace that name this metric, in the order of their names.
    pub(super) fn that_name(&self, namespace: &str, metric: &str) -> Vec<Arc<Autoscaler>> {
        let by_metric = self.by_metric.read().unwrap_or_else(PoisonError::into_inner);
        by_metric.get(namespace).and_then(|metrics| metrics.get(metric)).cloned().unwrap_or_default()
    }

    /// All of the cluster; `None` while they are not known.
    pub(super) fn all(&self) -> Option<Vec<Arc<Autoscaler>>> {
        let is_complete = self.is_complete.load(Ordering::Acquire);
        is_complete.then(|| self.known().objects.values().map(|(one, _)| Arc::clone(one)).collect())
    }

    /// Notes whether these are all that there are.
    pub(super) fn complete(&self, is_complete: bool) {
        self.is_complete.store(is_complete, Ordering::Release);
    }

    /// All that is asked for, each once.
    pub(super) fn asked(&self) -> Vec<Asked> {
        let by_metric = self.by_metric.read().unwrap_or_else(PoisonError::into_inner);
        let of = |(namespace, metrics): (&Arc<str>, &ByMetric)| {
            metrics.keys().map(|metric| (Arc::clone(namespace), Arc::clone(metric))).collect::<Vec<_>>()
        };
        by_metric.iter().flat_map(of).collect()
    }

    /// What came to be asked for since this was asked last; waits until there is any.
    pub(super) async fn fresh(&self) -> HashSet<Asked> {
        loop {
            let news = self.news.notified();
            let fresh = self.fresh_now();
            if !fresh.is_empty() {
                return fresh;
            }
            news.await;
        }
    }

    /// The same without waiting.
    pub(super) fn fresh_now(&self) -> HashSet<Asked> {
        std::mem::take(&mut self.known().fresh)
    }

    /// Takes an autoscaler as it is told here. Returns how many of its metrics are newly left out.
    fn apply(&self, object: &AutoscalerObject) -> usize {
        let mut known = self.known();
        let (new, bad) = object.trimmed(&mut known.texts);
        let key = (Arc::clone(&new.namespace), Arc::clone(&new.name));
        let list = known.list;
        let old = known.objects.get_mut(&key).map(|(old, seen)| {
            *seen = list;
            Arc::clone(old)
        });
        if old.as_deref() == Some(&new) {
            return 0;
        }
        let asks_otherwise = old.as_ref().is_none_or(|old| old.wants != new.wants);
        let new = Arc::new(new);
        known.objects.insert(key, (Arc::clone(&new), list));
        self.index(old.as_deref(), Some(&new));
        if asks_otherwise {
            let asked = new.wants.iter().map(|want| (Arc::clone(&new.namespace), Arc::clone(&want.metric)));
            known.fresh.extend(asked);
            self.news.notify_one();
            return bad;
        }
        0
    }

    fn remove(&self, namespace: &str, name: &str) {
        let mut known = self.known();
        let key = (known.texts.text(namespace), known.texts.text(name));
        if let Some((old, _)) = known.objects.remove(&key) {
            self.index(Some(&old), None);
        }
    }

    fn end(&self) {
        let mut known = self.known();
        let list = known.list;
        for (_, (old, _)) in known.objects.extract_if(|_, (_, seen)| *seen != list) {
            self.index(Some(&old), None);
        }
    }

    fn index(&self, old: Option<&Autoscaler>, new: Option<&Arc<Autoscaler>>) {
        let mut by_metric = self.by_metric.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = old
            && let Some(metrics) = by_metric.get_mut(&old.namespace)
        {
            for Want { metric, .. } in &old.wants {
                let Some(those) = metrics.get_mut(metric) else { continue };
                those.retain(|one| one.name != old.name);
                if those.is_empty() {
                    metrics.remove(metric);
                }
            }
            if metrics.is_empty() {
                by_metric.remove(&old.namespace);
            }
        }
        let Some(new) = new.filter(|new| !new.wants.is_empty()) else { return };
        let metrics = by_metric.entry(Arc::clone(&new.namespace)).or_default();
        for Want { metric, .. } in &new.wants {
            let those = metrics.entry(Arc::clone(metric)).or_default();
            // It may name one metric twice, with two selectors.
            if let Err(place) = those.binary_search_by(|one| one.name.cmp(&new.name)) {
                those.insert(place, Arc::clone(new));
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what the watch of autoscalers tells.
pub(super) struct AutoscalerSink {
    pub(super) autoscalers: Arc<Autoscalers>,
    pub(super) metrics: Arc<WatchMetrics>,
}

impl Sink for AutoscalerSink {
    type Body = AutoscalerObject;

    fn begin(&self) {
        let mut known = self.autoscalers.known();
        known.list = known.list.wrapping_add(1);
    }

    fn apply(&self, object: AutoscalerObject) {
        for _ in 0..self.autoscalers.apply(&object) {
            self.metrics.bad_selector();
        }
    }

    fn remove(&self, namespace: &str, name: &str) {
        self.autoscalers.remove(namespace, name);
    }

    fn end(&self) {
        self.autoscalers.end();
    }

    fn count(&self) -> usize {
        self.autoscalers.known().objects.len()
    }
}
