//! Series that a source lost while their pod is still there and ready.
//!
//! An engine too busy to answer its scrape is gone from a Prometheus at once, with all that waits in it:
//! the sum over its workload falls when load is highest. A pod that is ready still works, so its last
//! numbers stay, with their true time, until they are too old to be served; then the metric is refused.
//!
//! A source that has nothing at all is believed: its series left for a reason of their own. Unless it has
//! lost its memory, as a Prometheus that starts with an empty disk. It finds its targets again one after
//! the other, and a sum over the first of them would be taken for a low one.

use std::collections::HashSet;
use std::time::Duration;

use super::arrange::Arriving;
use super::builder::{is_confined, ordered};
use super::{Column, Labels, Series, SeriesSet, Silent};
use crate::core::signal::Signal;
use crate::core::time::Timestamp;

/// After so long a pod is taken not to tell such series any more, as when its model was unloaded.
const LOST_FOR: Duration = Duration::from_mins(5);

impl SeriesSet {
    /// Keeps the series that `previous` has of pods of which there are none any more, though the pod `is_ready`
    /// (by namespace and name). To be done to a fresh set, before anything is learned from the one before it.
    ///
    /// Where there is nothing any more, only what was told before `memory_from`, since when the source remembers
    /// if it started without its memory. It was asked at `now`; both by our clock.
    ///
    /// Only what engines tell of themselves: devices change hands while pods live on.
    #[must_use]
    pub fn keeping_lost(
        self,
        previous: &Self,
        signal: &Signal,
        now: Timestamp,
        memory_from: Option<Timestamp>,
        is_ready: impl Fn(&str, &str) -> bool,
    ) -> Self {
        // Of the same series none is lost.
        if !is_confined(signal) || self.layout == previous.layout {
            return self;
        }
        let newest = self.series.iter().map(|series| series.at).max();
        // Without a sample nothing tells the source's clock.
        let clock_offset = if newest.is_some() { self.clock_offset } else { previous.clock_offset };
        let newest_or_now = newest.unwrap_or_else(|| now.shifted(-clock_offset));
        let is_forgotten = |old: &Series| memory_from.is_some_and(|from| previous.sampled_at(old) < from);
        let told: HashSet<_> = self.series.iter().filter_map(|series| pod_of(&series.labels)).collect();
        let is_lost = |old: &Series| {
            (newest.is_some() || is_forgotten(old))
                && pod_of(&old.labels).is_some_and(|pod| !told.contains(&pod) && is_ready(pod.0, pod.1))
        };
        let lost: Vec<_> = previous
            .series
            .iter()
            .filter(|old| newest_or_now.since(old.at) < LOST_FOR && is_lost(old))
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
        let (mut silent, passed_over) = (self.silent, self.passed_over);
        silent.extend(lost.iter().map(|one| Silent {
            labels: one.labels.clone(),
            engine: None,
            speaks_for_others: false,
            cause: "its pod is ready and its series are gone from the source".into(),
            known: true,
        }));
        let row = |one: &Series, columns: &[Column]| Arriving {
            labels: one.labels.clone(),
            at: one.at,
            cells: widened(&one.cells, columns),
            number: 0,
        };
        let fresh = self.series.iter().map(|one| row(one, &self.columns));
        let rows = fresh.chain(lost.iter().map(|one| row(one, &previous.columns))).collect();
        let (mut set, _) = Self::arranged(columns, rows, signal.element(), clock_offset);
        set.passed_over.extend(passed_over);
        set.with_silent(silent)
    }
}

/// Namespace and name of the pod that a series is about.
fn pod_of(labels: &Labels) -> Option<(&str, &str)> {
    labels.get("namespace").zip(labels.get("pod"))
}
