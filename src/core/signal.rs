//! Signals: what a source is asked for, whichever source it is.
//!
//! A signal says which series to read and how to turn each into a number. It says nothing of how
//! the numbers are selected, folded or scaled: that is the metric's part, so that many metrics
//! share one signal and its one query.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::schedule::Schedule;

/// A comparison of one label, as PromQL has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LabelMatcher {
    /// The label's name.
    pub name: String,
    /// How it is compared.
    pub op: MatchOp,
    /// The value, or the anchored regular expression.
    pub value: String,
}

/// How a [`LabelMatcher`] compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`; an absent label equals the empty value.
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends.
    Matches,
    /// `!~`, anchored at both ends.
    MatchesNot,
}

/// One exported series by name, narrowed by label matchers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeriesRef {
    /// The name as the exporter writes it, without `_bucket`, `_sum` or `_count` for histograms.
    pub name: String,
    /// Matchers that belong to the meaning of the series, such as `server=""`.
    pub matchers: Vec<LabelMatcher>,
}

/// How one series becomes a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The latest value as it is.
    Gauge,
    /// The per-second rate over the window, counter resets handled.
    Counter,
    /// The per-second slope of a gauge over the window; below zero while it falls.
    Slope,
    /// The per-second rate of every cumulative bucket over the window.
    Buckets,
    /// The per-second rates of a histogram's sum and count over the window.
    Mean,
}

/// One number per element: alternatives of a series across versions, joined series by series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Term {
    /// How the series becomes a number.
    pub kind: Kind,
    /// Alternatives, preferred first: an element that exports several counts once.
    pub series: Vec<SeriesRef>,
    /// Where an alternative gives way to one before it.
    pub join: Join,
    /// Labels folded away before alternatives are joined: only some of them carry it, or the same
    /// number is exported once for each of its values.
    pub without: Vec<String>,
    /// How series become one that differ in nothing but the labels of `without`.
    pub fold: Fold,
    /// What every number is multiplied by: a price that another exporter tells.
    pub factor: Option<Factor>,
}

/// Where a less preferred alternative of a series gives way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Join {
    /// Where a preferred one has a series with the same labels.
    #[default]
    Series,
    /// Wherever a preferred one has any series from the same scrape target: the labels [`TARGET`]
    /// are equal. For alternatives whose other labels differ.
    Target,
}

/// The labels that tell scrape targets apart.
pub const TARGET: [&str; 4] = ["instance", "job", "namespace", "pod"];

/// How several series become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fold {
    /// They are parts: added up.
    #[default]
    Sum,
    /// They repeat one number: the largest.
    Max,
}

/// Another gauge by which a number is multiplied; a number without a partner is left out, as in a
/// join of PromQL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Factor {
    /// The gauge; of several series with equal labels `on` the largest counts.
    pub series: SeriesRef,
    /// Labels in which the two agree.
    pub on: Vec<String>,
}

impl Term {
    /// Alternatives of one series, with nothing folded away.
    pub fn new(kind: Kind, series: Vec<SeriesRef>) -> Self {
        Self { kind, series, join: Join::Series, without: Vec::new(), fold: Fold::Sum, factor: None }
    }
}

/// What carries one number: decides what an aggregate counts and how duplicates are joined.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Element {
    /// A pod: its series are added up (data-parallel ranks, finish reasons).
    Pod,
    /// Each series by itself, where adding up would make no sense (ratios per rank).
    Series,
    /// A device, known by these labels; seen through several pods or exporters it counts once.
    Device(Vec<String>),
}

/// Labels that every engine gets beside its own, so that selectors need not know engines.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct NeutralLabels {
    /// The engine's name, published as `engine`; its own `engine` label moves to `engine_index`.
    pub engine: Option<Arc<str>>,
    /// Labels that may hold the model's name, published as `model`, first present first.
    pub model: Vec<String>,
}

/// What a source is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Series known by name and kind: readable through PromQL and by direct scraping alike.
    Series(SeriesSignal),
    /// A PromQL expression of the user's own.
    Query(QuerySignal),
    /// Which of these series exist anywhere: one series for each that does, its name in the label
    /// [`PRESENT`].
    Presence(Arc<[Arc<str>]>),
    /// What the clock says.
    Schedule(Arc<Schedule>),
    /// Keys of a Redis server.
    Redis(RedisSignal),
}

/// The label in which the answer to [`Signal::Presence`] names a series.
pub const PRESENT: &str = "series";

/// A signal over named series.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SeriesSignal {
    /// One column of numbers each. A histogram stands alone.
    pub terms: Vec<Term>,
    /// The window of rates and slopes; `None` when every term is a gauge.
    pub window: Option<Duration>,
    /// What carries a number.
    pub element: Element,
    /// Engine-neutral labels to add.
    pub labels: NeutralLabels,
    /// Gauge values from here on are the exporter's way to say that it has none.
    pub blank_from: Option<u64>,
}

/// A signal over a PromQL expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct QuerySignal {
    /// The expression, known to parse and to yield an instant vector.
    pub promql: String,
    /// The longest range in it, if it has any.
    pub window: Option<Duration>,
    /// What carries a number.
    pub element: Element,
    /// Whether the age of the samples behind it matters; otherwise it is as old as its evaluation.
    pub timed: bool,
    /// Whether each number comes from samples of the namespace that it names: then one without such a sample is
    /// what a range window remembers of series that are gone.
    pub of_samples: bool,
}

/// A signal over keys of a Redis server: one series for each key, in the label `key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RedisSignal {
    /// What is read of each key.
    pub measure: RedisMeasure,
    /// Which keys.
    pub keys: RedisKeys,
}

/// What is read of a key of Redis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RedisMeasure {
    /// The length of a list.
    ListLength,
    /// The entries of a stream that a consumer group has yet to be given.
    StreamLag {
        /// The consumer group.
        group: String,
    },
    /// The entries of a stream that a consumer group was given and has not acknowledged.
    StreamPending {
        /// The consumer group.
        group: String,
    },
    /// The members of a sorted set.
    SortedSetCardinality,
}

/// Which keys of Redis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RedisKeys {
    /// These. A key that is not there holds nothing, which is a length of 0.
    Named(Vec<String>),
    /// Those that match a glob pattern.
    Matching(String),
}

impl Signal {
    /// The window that must be covered by samples before the numbers mean what they say.
    pub fn window(&self) -> Option<Duration> {
        match self {
            Self::Series(signal) => signal.window,
            Self::Query(signal) => signal.window,
            Self::Presence(_) | Self::Schedule(_) | Self::Redis(_) => None,
        }
    }

    /// What carries a number.
    pub fn element(&self) -> &Element {
        match self {
            Self::Series(signal) => &signal.element,
            Self::Query(signal) => &signal.element,
            Self::Presence(_) | Self::Schedule(_) | Self::Redis(_) => &Element::Series,
        }
    }

    /// The names of a term's series, for people.
    pub fn term_name(&self, term: usize) -> Option<String> {
        let Self::Series(signal) = self else { return None };
        let names = signal.terms.get(term)?.series.iter().map(|series| series.name.as_str());
        Some(names.collect::<Vec<_>>().join(" or "))
    }

    /// Engine-neutral labels to add; none but for named series.
    pub fn labels(&self) -> NeutralLabels {
        match self {
            Self::Series(signal) => signal.labels.clone(),
            _ => NeutralLabels::default(),
        }
    }

    /// Whether its numbers are multiplied by those of another exporter.
    pub fn has_factor(&self) -> bool {
        matches!(self, Self::Series(signal) if signal.terms.iter().any(|term| term.factor.is_some()))
    }

    /// Whether one element costs many series, so that it pays to ask for wanted namespaces only.
    pub fn is_dear(&self) -> bool {
        matches!(self, Self::Series(signal) if signal.terms.iter().any(|term| term.kind == Kind::Buckets))
    }
}

impl fmt::Display for Signal {
    /// The names a person would look for: `vllm:num_requests_running + vllm:num_requests_waiting`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Series(signal) => {
                for (index, term) in signal.terms.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" + ")?;
                    }
                    for (index, series) in term.series.iter().enumerate() {
                        if index > 0 {
                            f.write_str(" or ")?;
                        }
                        f.write_str(&series.name)?;
                        if term.kind == Kind::Mean {
                            f.write_str("{_sum,_count}")?;
                        }
                    }
                }
                Ok(())
            }
            Self::Query(signal) => write!(f, "`{}`", signal.promql),
            Self::Presence(names) => write!(f, "presence of {}", names.join(", ")),
            Self::Schedule(schedule) => write!(f, "schedule {schedule}"),
            Self::Redis(signal) => write!(f, "{signal}"),
        }
    }
}

impl fmt::Display for RedisSignal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.measure {
            RedisMeasure::ListLength => f.write_str("length of list ")?,
            RedisMeasure::StreamLag { group } => write!(f, "lag of group {group} in stream ")?,
            RedisMeasure::StreamPending { group } => {
                write!(f, "pending entries of group {group} in stream ")?;
            }
            RedisMeasure::SortedSetCardinality => f.write_str("members of sorted set ")?,
        }
        match &self.keys {
            RedisKeys::Named(keys) => f.write_str(&keys.join(", ")),
            RedisKeys::Matching(pattern) => f.write_str(pattern),
        }
    }
}
