//! What our own metrics tell of the watches.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// Counts of the watches, by kind of object.
#[derive(Debug, Default)]
pub struct WatchMetrics {
    objects: Family<KindLabels, Gauge>,
    lists: Family<KindLabels, Counter>,
    errors: Family<KindLabels, Counter>,
    malformed: Family<KindLabels, Counter>,
    bad_selectors: Counter,
    complete: Gauge,
}

impl WatchMetrics {
    /// Adds them to a registry, under `cluster_…`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("cluster_objects", "Objects kept in memory by kind", self.objects.clone());
        registry.register(
            "cluster_lists",
            "Complete lists taken by kind, the first one included",
            self.lists.clone(),
        );
        registry.register("cluster_watch_errors", "Failed lists and watches by kind", self.errors.clone());
        registry.register(
            "cluster_malformed_objects",
            "Objects left out because they do not have their kind's form",
            self.malformed.clone(),
        );
        registry.register(
            "cluster_autoscaler_bad_selectors",
            "Metrics of autoscalers left out because their selector is none",
            self.bad_selectors.clone(),
        );
        registry.register(
            "cluster_complete",
            "Whether all pods and their owners are known as of a moment ago: 1 or 0",
            self.complete.clone(),
        );
    }

    pub(super) fn complete(&self, complete: bool) {
        self.complete.set(i64::from(complete));
    }

    pub(super) fn objects(&self, kind: &'static str, count: usize) {
        self.objects.get_or_create(&KindLabels { kind }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub(super) fn listed(&self, kind: &'static str) {
        self.lists.get_or_create(&KindLabels { kind }).inc();
    }

    pub(super) fn failed(&self, kind: &'static str) {
        self.errors.get_or_create(&KindLabels { kind }).inc();
    }

    pub(super) fn malformed(&self, kind: &'static str) {
        self.malformed.get_or_create(&KindLabels { kind }).inc();
    }

    pub(super) fn bad_selector(&self) {
        self.bad_selectors.inc();
    }

    #[cfg(test)]
    pub(super) fn count_malformed(&self, kind: &'static str) -> u64 {
        self.malformed.get_or_create(&KindLabels { kind }).get()
    }

    #[cfg(test)]
    pub(super) fn count_bad_selectors(&self) -> u64 {
        self.bad_selectors.get()
    }
}
