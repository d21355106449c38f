//! For tests: series sets, signals, metrics and snapshots in one line each.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::autoscaler::Autoscaler;
use super::freshness::Snapshot;
use super::guard::Guards;
use super::metric::{Aggregate, Direction, Formula, Input, Metric, Missing, Scope, Semantics, Weighted};
use super::series::{Builder, Column, Labels, SeriesSet};
use super::signal::{Element, Kind, NeutralLabels, SeriesRef, SeriesSignal, Signal, Term};
use super::time::Timestamp;
use super::workload::{Inventory, Knowledge, Owner, Pod};

/// This many seconds after an arbitrary start of the world.
pub(crate) fn at(seconds: f64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000.0 + seconds)
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Labels from `namespace=ml,pod=a`.
pub(crate) fn labels(text: &str) -> Labels {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    Labels::new(
        pairs
            .map(|pair| pair.split_once('=').expect("name=value"))
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
    )
}

/// What `labels` reads, printed.
pub(crate) fn text(labels: &Labels) -> String {
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

/// A GPU or a slice of one.
pub(crate) fn device() -> Element {
    Element::Device(vec!["UUID".to_owned(), "GPU_I_ID".to_owned()])
}

/// A series set, row by row.
#[derive(Default)]
pub(crate) struct Rows {
    builder: Builder,
    neutral: NeutralLabels,
    clock_offset: i64,
}

impl Rows {
    /// A series sampled at `seconds`, with one number for each term.
    pub(crate) fn row(self, of: &str, seconds: f64, terms: &[f64]) -> Self {
        let cells = terms.iter().enumerate().map(|(index, value)| (Column::Term(index), *value));
        self.cells(of, seconds, cells)
    }

    /// A histogram sampled at `seconds`, as bounds and cumulative counts.
    pub(crate) fn histogram(self, of: &str, seconds: f64, buckets: &[(f64, f64)]) -> Self {
        self.cells(of, seconds, buckets.iter().map(|(upper, count)| (Column::Bucket(*upper), *count)))
    }

    pub(crate) fn cells(
        mut self,
        of: &str,
        seconds: f64,
        cells: impl IntoIterator<Item = (Column, f64)>,
    ) -> Self {
        for (column, value) in cells {
            assert!(self.builder.number(labels(of), column, value).is_some(), "{of} has {column:?} already");
        }
        self.builder.time(labels(of), at(seconds));
        self
    }

    pub(crate) fn engine(mut self, name: Option<&str>, model: &[&str]) -> Self {
        let model = model.iter().map(|name| (*name).to_owned()).collect();
        self.neutral = NeutralLabels { engine: name.map(Arc::from), model };
        self
    }

    pub(crate) fn clock_offset(mut self, milliseconds: i64) -> Self {
        self.clock_offset = milliseconds;
        self
    }

    pub(crate) fn by(self, element: &Element) -> SeriesSet {
        self.builder.finish(element, &self.neutral, self.clock_offset)
    }

    pub(crate) fn by_pod(self) -> SeriesSet {
        self.by(&Element::Pod)
    }
}

pub(crate) fn series_signal(kind: Kind, names: &[&str], window: Option<u64>, element: Element) -> Signal {
    let series = |name: &&str| SeriesRef { name: (*name).to_owned(), matchers: Vec::new() };
    let term = |name| Term::new(kind, vec![series(name)]);
    Signal::Series(SeriesSignal {
        terms: names.iter().map(term).collect(),
        window: window.map(Duration::from_secs),
        element,
        labels: NeutralLabels::default(),
        blank_from: None,
    })
}

/// `requests_waiting`, a gauge of each pod.
pub(crate) fn waiting() -> Signal {
    series_signal(Kind::Gauge, &["requests_waiting"], None, Element::Pod)
}

/// `tokens_total`, a counter of each pod, over two minutes.
pub(crate) fn tokens() -> Signal {
    series_signal(Kind::Counter, &["tokens_total"], Some(120), Element::Pod)
}

/// A quantile in the unit of the observations.
pub(crate) fn quantile(q: f64) -> Formula {
    Formula::Quantile { q, times: 1.0 }
}

/// The mean in the unit of the observations.
pub(crate) const MEAN: Formula = Formula::Mean { times: 1.0 };

pub(crate) fn term(term: usize) -> Weighted {
    Weighted { term, weight: 1.0, optional: false, nonzero: false }
}

pub(crate) fn input(engine: &str, signal: Signal, formula: Formula) -> Input {
    Input { engine: engine.into(), detect: Arc::default(), signal: Arc::new(signal), formula }
}

/// An extensive metric `m` that is one input's first term, summed, and held for a minute.
pub(crate) fn metric(inputs: Vec<Input>) -> Metric {
    Metric {
        name: "m".into(),
        help: "A metric.".into(),
        unit: "requests".into(),
        semantics: Semantics::Extensive,
        direction: Direction::Rises,
        range: None,
        aggregate: Aggregate::Sum,
        inputs,
        composite: None,
        source: None,
        scope: Scope::Namespace,
        hold: seconds(60),
        refresh: None,
        absent: Missing::Error,
        idle: Missing::Error,
        negative: Missing::Error,
        target: None,
        guards: Guards::default(),
    }
}

/// What is known after a read of `set` at `seconds`, of a source that renews every 15 s and is read
/// every 2 s.
pub(crate) fn snapshot(set: SeriesSet, seconds: f64) -> Snapshot {
    Snapshot {
        version: 1,
        set: Some(Arc::new(set)),
        refreshed_at: Some(at(seconds)),
        interval: Duration::from_secs(2),
        cadence: Some(Duration::from_secs(15)),
        query: "the query".into(),
        ..Snapshot::default()
    }
}

/// A cluster of these pods.
pub(crate) struct Cluster {
    pub(crate) pods: Vec<Arc<Pod>>,
    pub(crate) knowledge: Knowledge,
}

impl Cluster {
    pub(crate) fn of(pods: impl IntoIterator<Item = Pod>) -> Self {
        Self { pods: pods.into_iter().map(Arc::new).collect(), knowledge: Knowledge::Complete }
    }
}

/// A pod that counts, in namespace `ml`, with these labels, and owners as `kind=name,…`, the nearest first.
pub(crate) fn pod(name: &str, of: &str, owners: &str) -> Pod {
    let owner = |pair: &str| {
        let (kind, name) = pair.split_once('=').expect("kind=name");
        Owner { kind: kind.into(), name: name.into() }
    };
    Pod {
        namespace: "ml".into(),
        name: name.into(),
        labels: labels(of),
        annotations: Labels::default(),
        owners: owners.split(',').filter(|pair| !pair.is_empty()).map(owner).collect(),
        ip: None,
        reached_by: None,
        node: None,
        ports: Arc::new([]),
        counts: true,
        ready: true,
        created: Timestamp::default(),
    }
}

impl Inventory for Cluster {
    fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>> {
        self.pods.iter().find(|pod| *pod.namespace == *namespace && *pod.name == *name).cloned()
    }

    fn at(&self, ip: IpAddr) -> Option<Arc<Pod>> {
        self.pods.iter().find(|pod| pod.ip == Some(ip)).cloned()
    }

    fn pods(&self, namespace: Option<&str>) -> Vec<Arc<Pod>> {
        let is_there = |pod: &&Arc<Pod>| namespace.is_none_or(|namespace| *pod.namespace == *namespace);
        self.pods.iter().filter(is_there).cloned().collect()
    }

    fn version(&self, _: Option<&str>) -> u64 {
        1
    }

    fn knowledge(&self) -> Knowledge {
        self.knowledge.clone()
    }

    fn autoscalers(&self, _: &str, _: &str) -> Vec<Arc<Autoscaler>> {
        Vec::new()
    }
}
