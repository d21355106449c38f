//! From samples in any order to an indexed set: attribution, neutral labels, duplicates, order.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::arrange::Arriving;
use super::{Column, Label, Labels, SeriesSet};
use crate::core::signal::{Element, NeutralLabels, Signal};
use crate::core::time::Timestamp;

/// Where exporters that watch other pods put the watched pod: first by Prometheus's rename of a
/// clashing label (`honor_labels: false`), second by dcgm-exporter's old option.
const ATTRIBUTION: [(&str, [&str; 2]); 3] = [
    ("container", ["exported_container", "container_name"]),
    ("namespace", ["exported_namespace", "pod_namespace"]),
    ("pod", ["exported_pod", "pod_name"]),
];

/// Builds a [`SeriesSet`] from samples in any order.
#[derive(Debug, Default)]
pub struct Builder {
    columns: Vec<Column>,
    rows: HashMap<Labels, Row>,
    /// Whether each target is one by itself, known by its `instance`.
    direct: bool,
    /// Whether what is told stays with who tells it.
    confined: bool,
}

#[derive(Debug, Default)]
struct Row {
    /// Counts rows in the order in which they were first met.
    number: u32,
    at: Option<Timestamp>,
    cells: Vec<Option<f64>>,
}

impl Builder {
    /// One for `signal`, read from the targets themselves if `direct`.
    ///
    /// Only exporters of devices and of prices tell of pods other than their own. What an engine says of
    /// itself stays with its pod and namespace, whatever labels its page has: nobody feeds an autoscaler
    /// of another namespace.
    pub fn of(signal: &Signal, direct: bool) -> Self {
        Self { direct, confined: is_confined(signal), ..Self::default() }
    }

    /// How many series there are so far.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no series yet.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many columns there are so far.
    pub fn columns(&self) -> usize {
        self.columns.len()
    }

    /// How many numbers the finished set has room for: its series times its columns.
    pub fn cells(&self) -> usize {
        self.rows.len().saturating_mul(self.columns.len())
    }

    /// Takes one number of a series, and tells which row it went to; `None` if the series has that number
    /// already, which then stays.
    ///
    /// Only counts of buckets with one bound add up, as in PromQL: the label `le` spells one bound
    /// in several ways (`1` and `1.0`), and after an upgrade a window holds both spellings.
    pub fn number(&mut self, labels: Labels, column: Column, value: f64) -> Option<u32> {
        let index = index_of(&mut self.columns, column);
        let row = self.find(labels);
        let (number, cells) = (row.number, &mut row.cells);
        if cells.len() <= index {
            cells.resize(index + 1, None);
        }
        match (&mut cells[index], column) {
            (empty @ None, _) => *empty = Some(value),
            (Some(count), Column::Bucket(_)) => *count += value,
            (Some(_), _) => return None,
        }
        Some(number)
    }

    fn find(&mut self, labels: Labels) -> &mut Row {
        let number = self.rows.len() as u32;
        self.rows.entry(labels).or_insert_with(|| Row { number, ..Row::default() })
    }

    /// Takes a whole series: its numbers and the time of its sample, by the source's clock; `false`
    /// if there is a series with these labels already, which then stays.
    pub fn row(
        &mut self,
        labels: Labels,
        at: Timestamp,
        numbers: impl IntoIterator<Item = (Column, f64)>,
    ) -> bool {
        let number = self.rows.len() as u32;
        let Entry::Vacant(vacant) = self.rows.entry(labels) else { return false };
        let row = vacant.insert(Row { number, at: Some(at), cells: vec![None; self.columns.len()] });
        for (column, value) in numbers {
            let index = index_of(&mut self.columns, column);
            if row.cells.len() <= index {
                row.cells.resize(index + 1, None);
            }
            row.cells[index] = Some(value);
        }
        true
    }

    /// Takes the time of a series' sample, by the source's clock, and tells which row it went to; the oldest
    /// stays.
    pub fn time(&mut self, labels: Labels, at: Timestamp) -> u32 {
        let row = self.find(labels);
        row.at = Some(row.at.map_or(at, |known| known.min(at)));
        row.number
    }

    /// Gives every series without a time of its own the one that `time_of` finds by its labels, if it finds one.
    pub fn times_by(&mut self, time_of: impl Fn(&Labels) -> Option<Timestamp>) {
        for (labels, row) in &mut self.rows {
            row.at = row.at.or_else(|| time_of(labels));
        }
    }

    /// The labels of each row so far, by its number.
    pub fn rows(&self) -> impl Iterator<Item = (u32, &Labels)> {
        self.rows.iter().map(|(labels, row)| (row.number, labels))
    }

    /// The finished set. `clock_offset` is what to add, in milliseconds, to the source's clock to
    /// get ours.
    ///
    /// A series without a time is left out: it has left the source, and only the memory of a range
    /// window still holds it. One without a number stays: it is there, and its number is not known.
    pub fn finish(self, element: &Element, neutral: &NeutralLabels, clock_offset: i64) -> SeriesSet {
        self.finish_traced(element, neutral, clock_offset).0
    }

    /// The same, and for each series of the set the row that it was.
    pub fn finish_traced(
        self,
        element: &Element,
        neutral: &NeutralLabels,
        clock_offset: i64,
    ) -> (SeriesSet, Vec<u32>) {
        let (columns, order) = ordered(&self.columns);
        let arriving =
            |(labels, Row { number, at, cells })| Some(Arriving { labels, at: at?, cells, number });
        let mut rows: Vec<_> = self.rows.into_iter().filter_map(arriving).collect();
        // Sources tell of most series in an order near to that of the set, which then costs little.
        rows.sort_unstable_by_key(|row| row.number);
        if !self.confined {
            attribute(&mut rows, if self.direct { "instance" } else { "job" });
        }
        for Arriving { labels, cells, .. } in &mut rows {
            add_neutral(labels, neutral);
            *cells = order.iter().map(|&from| cells.get(from).copied().flatten()).collect();
        }
        SeriesSet::arranged(columns, rows, element, clock_offset)
    }
}

/// Where the numbers of `column` stand in a row.
fn index_of(columns: &mut Vec<Column>, column: Column) -> usize {
    columns.iter().position(|known| *known == column).unwrap_or_else(|| {
        columns.push(column);
        columns.len() - 1
    })
}

/// Columns in their final order (buckets rise), and for each the index it had.
pub(super) fn ordered(columns: &[Column]) -> (Vec<Column>, Vec<usize>) {
    let rank = |column: &Column| match column {
        Column::Term(index) => (0, *index as f64),
        Column::Bucket(upper) => (1, *upper),
        Column::Sum => (2, 0.0),
        Column::Count => (3, 0.0),
    };
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.sort_by(|&a, &b| {
        let (a, b) = (rank(&columns[a]), rank(&columns[b]));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    (order.iter().map(|&index| columns[index]).collect(), order)
}

/// Moves numbers from the exporter that tells them to the pod that they are about.
///
/// Where a job's series name watched pods in `exported_*` labels, its series without such a label
/// are devices that nobody uses: their `pod` is the exporter's own and is taken away, or an idle GPU
/// would count for the exporter's workload.
///
/// `exporter` is the label whose series are one exporter's, or those of several that are alike.
fn attribute(rows: &mut [Arriving], exporter: &str) {
    let (_, watched) = ATTRIBUTION[2];
    let is_attributed = |labels: &Labels| watched.iter().any(|name| labels.get(name).is_some());
    let jobs: HashSet<Option<String>> = rows
        .iter()
        .filter(|row| is_attributed(&row.labels))
        .map(|row| row.labels.get(exporter).map(str::to_owned))
        .collect();
    if jobs.is_empty() {
        return;
    }
    for Arriving { labels, .. } in rows {
        if is_attributed(labels) {
            let renamed =
                |name: &str| ATTRIBUTION.iter().find(|(_, from)| from.contains(&name)).map(|(to, _)| *to);
            let pairs: Vec<Label> = labels
                .0
                .iter()
                .filter(|(_, value)| !value.is_empty())
                .filter_map(|(name, value)| renamed(name).map(|to| (Arc::from(to), Arc::clone(value))))
                .collect();
            let kept = labels.0.iter().filter(|(name, _)| {
                renamed(name).is_none() && !ATTRIBUTION.iter().any(|(to, _)| *to == name.as_ref())
            });
            *labels = Labels::new(pairs.into_iter().chain(kept.cloned()).collect());
        } else if jobs.contains(&labels.get(exporter).map(str::to_owned)) {
            let kept =
                labels.0.iter().filter(|(name, _)| !ATTRIBUTION.iter().any(|(to, _)| *to == name.as_ref()));
            *labels = Labels::new(kept.cloned().collect());
        }
    }
}

fn add_neutral(labels: &mut Labels, neutral: &NeutralLabels) {
    let model = neutral.model.iter().find_map(|name| labels.shared(name)).cloned();
    if model.is_none() && neutral.engine.is_none() {
        return;
    }
    let mut pairs: Vec<Label> = Vec::with_capacity(labels.0.len() + 2);
    if let Some(engine) = &neutral.engine {
        pairs.push((Arc::from("engine"), Arc::clone(engine)));
    }
    for (name, value) in labels.0.iter() {
        let is_own_engine = neutral.engine.is_some() && name.as_ref() == "engine";
        let name = if is_own_engine { Arc::from("engine_index") } else { Arc::clone(name) };
        pairs.push((name, Arc::clone(value)));
    }
    pairs.extend(model.map(|model| (Arc::from("model"), model)));
    *labels = Labels::new(pairs);
}

/// Whether what is told stays with who tells it.
pub(super) fn is_confined(signal: &Signal) -> bool {
    match signal {
        Signal::Series(series) => !matches!(series.element, Element::Device(_)) && !signal.has_factor(),
        _ => false,
    }
}
