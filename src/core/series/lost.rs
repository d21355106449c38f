//! Series that a source lost while their pod is still there and ready.
//!
//! An engine too busy to answer its scrape is gone from a Prometheus at once, with all that waits in it:
//! the sum over its workload falls when load is highest. A pod that is ready still works, so its last
//! numbers stay, with their true time, until they are too old to be served; then the metric is refused.

use std::collections::HashSet;
use std::time::Duration;

use super::builder::{is_confined, ordered};
use super::{Column, Labels, SeriesSet, Silent};
use crate::core::signal::Signal;

/// After so long a pod is taken not to tell such series any more, as when its model was unloaded.
const LOST_FOR: Duration = Duration::from_mins(5);

impl SeriesSet {
    /// Keeps the series that `previous` has of pods of which there are none any more, though the pod `is_ready`
    /// (by namespace and name). To be done to a fresh set, before anything is learned from the one before it.
    ///
    /// Only what engines tell of themselves: devices change hands while pods live on.
    #[must_use]
    pub fn keeping_lost(
        self,
        previous: &Self,
        signal: &Signal,
        is_ready: impl Fn(&str, &str) -> bool,
    ) -> Self {
        let Some(newest) = self.series.iter().map(|series| series.at).max().filter(|_| is_confined(signal))
        else {
            // Of a set that has nothing at all the source is to be asked, not the pods.
            return self;
        };
        let told: HashSet<_> = self.series.iter().filter_map(|series| pod_of(&series.labels)).collect();
        let is_lost = |labels: &Labels| {
            pod_of(labels).is_some_and(|pod| !told.contains(&pod) && is_ready(pod.0, pod.1))
        };
        let lost: Vec<_> = previous
            .series
            .iter()
            .filter(|old| newest.since(old.at) < LOST_FOR && is_lost(&old.labels))
            .cloned()
            .collect();
        drop(told);
        if lost.is_empty() {
            return self;
        }
        let mut all = self.columns.clone();
        all.extend(previous.columns.iter().filter(|column| !self.columns.contains(column)));
        let (columns, _) = ordered(&all);
        let widened = |cells: &[Option<f64>], from: &[Column]| -> Vec<Option<f64>> {
            let cell = |column| from.iter().position(|own| own == column).and_then(|index| cells[index]);
            columns.iter().map(cell).collect()
        };
        let mut silent = self.silent;
        silent.extend(lost.iter().map(|one| Silent {
            labels: one.labels.clone(),
            engine: None,
            speaks_for_others: false,
            cause: "its pod is ready and its series are gone from the source".into(),
            known: true,
        }));
        let fresh =
            self.series.iter().map(|one| (one.labels.clone(), one.at, widened(&one.cells, &self.columns)));
        let kept = lost.into_iter().map(|one| {
            let cells = widened(&one.cells, &previous.columns);
            (one.labels, one.at, cells)
        });
        let rows = fresh.chain(kept).collect();
        Self::arranged(columns, rows, signal.element(), self.clock_offset).with_silent(silent)
    }
}

/// Namespace and name of the pod that a series is about.
fn pod_of(labels: &Labels) -> Option<(&str, &str)> {
    labels.get("namespace").zip(labels.get("pod"))
}
