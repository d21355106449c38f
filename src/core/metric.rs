//! Metrics: what an HPA names. One or more signals, a formula, an aggregate, bounds.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::composite::Composite;
use super::guard::Guards;
use super::signal::{Kind, SeriesSignal, Signal};

/// Whether a number grows with the number of replicas, which decides the HPA target that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Semantics {
    /// A sum over replicas (queue length, tokens/s): goes with `AverageValue`.
    Extensive,
    /// A mean, ratio or quantile: goes with `Value`.
    Intensive,
}

impl Semantics {
    /// The HPA's target type that fits.
    pub fn target_type(self) -> &'static str {
        match self {
            Self::Extensive => "AverageValue",
            Self::Intensive => "Value",
        }
    }

    /// How long a last value is held when its source falls silent.
    ///
    /// `AverageValue` on a sum is idempotent: repeating it asks for the same replicas. A ratio above
    /// its target multiplies the fleet at every repetition, so it is held for one sync period only.
    pub fn default_hold(self) -> Duration {
        match self {
            Self::Extensive => Duration::from_mins(1),
            Self::Intensive => Duration::from_secs(15),
        }
    }
}

impl fmt::Display for Semantics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Extensive => "extensive",
            Self::Intensive => "intensive",
        })
    }
}

/// What load does to the number. The HPA adds replicas when it is above its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Rises under load: may be scaled on as it is.
    Rises,
    /// Falls under load, or saturates: scaling on it as it is goes the wrong way.
    Falls,
    /// Says nothing of load (a temperature, a count of devices).
    Neither,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rises => "rises under load",
            Self::Falls => "falls under load",
            Self::Neither => "does not follow load",
        })
    }
}

/// How the selected elements become one number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aggregate {
    /// The formula on the elements' numbers added up: the sum of a plain number, the ratio of sums
    /// of a ratio, the quantile of merged buckets of a distribution.
    Pooled,
    /// The sum of the elements' values.
    Sum,
    /// Their mean.
    Avg,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// How many elements have a value.
    Count,
    /// A quantile (0..1) over them.
    Quantile(f64),
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pooled => f.write_str("pooled"),
            Self::Sum => f.write_str("sum"),
            Self::Avg => f.write_str("avg"),
            Self::Max => f.write_str("max"),
            Self::Min => f.write_str("min"),
            Self::Count => f.write_str("count"),
            Self::Quantile(q) => write!(f, "quantile({q})"),
        }
    }
}

/// One column of a signal in a formula.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighted {
    /// Index of the signal's term.
    pub term: usize,
    /// What it is multiplied by: a change of unit, or −1.
    pub weight: f64,
    /// Counts as 0 where it is missing; otherwise a missing number is an error.
    pub optional: bool,
    /// Read as 1 where it is not 0: for codes, which must never be added up.
    pub nonzero: bool,
}

/// What is computed from an element's numbers.
#[derive(Debug, Clone, PartialEq)]
pub enum Formula {
    /// A weighted sum of terms.
    Linear(Vec<Weighted>),
    /// One weighted sum divided by another.
    Ratio {
        /// Above the line.
        numerator: Vec<Weighted>,
        /// Below it.
        denominator: Vec<Weighted>,
    },
    /// A quantile of a distribution.
    Quantile {
        /// Which one (0..1).
        q: f64,
        /// What observations are multiplied by: a change of unit.
        times: f64,
    },
    /// The share (0..1) of a distribution's observations that are at most so much.
    Share {
        /// The most that counts, in the metric's unit: after `times`.
        upto: f64,
        /// What observations are multiplied by: a change of unit.
        times: f64,
    },
    /// The mean of a distribution.
    Mean {
        /// What observations are multiplied by: a change of unit.
        times: f64,
    },
}

impl fmt::Display for Formula {
    /// Terms are `$1`, `$2` and so on, in the signal's order.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_one = |number: f64| (number - 1.0).abs() < f64::EPSILON;
        let one = |term: &Weighted| {
            let name = format!("${}", term.term + 1);
            let name = if term.nonzero { format!("({name} != 0)") } else { name };
            if is_one(term.weight) { name } else { format!("{} * {name}", term.weight) }
        };
        let sum = |terms: &[Weighted]| terms.iter().map(one).collect::<Vec<_>>().join(" + ");
        let scale = |times: f64| if is_one(times) { String::new() } else { format!("{times} * ") };
        match self {
            Self::Linear(terms) => f.write_str(&sum(terms)),
            Self::Ratio { numerator, denominator } => {
                write!(f, "({}) / ({})", sum(numerator), sum(denominator))
            }
            Self::Quantile { q, times } => write!(f, "{}quantile {q} of the merged buckets", scale(*times)),
            Self::Share { upto, times } => {
                write!(f, "share of the merged buckets up to {upto}")?;
                if is_one(*times) { Ok(()) } else { write!(f, ", bounds * {times}") }
            }
            Self::Mean { times } => write!(f, "{}sum / count", scale(*times)),
        }
    }
}

/// One engine's way to provide a metric.
#[derive(Debug, Clone)]
pub struct Input {
    /// The engine (`vllm`, `dcgm`), or the source's name for a user's query.
    pub engine: Arc<str>,
    /// Series of which one exists where the engine does; asked for before an engine is queried.
    /// Empty for what is always asked for.
    pub detect: Arc<[Arc<str>]>,
    /// What to read.
    pub signal: Arc<Signal>,
    /// What to compute from it.
    pub formula: Formula,
}

/// Which series a request may be answered from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those of the request's namespace.
    Namespace,
    /// All of them: for what belongs to no namespace (cost, a gateway elsewhere).
    Cluster,
}

/// What an absence of knowledge of some kind means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// An error: the HPA holds still.
    Error,
    /// Zero, by explicit choice.
    Zero,
}

/// A suggested HPA target: a starting point, never applied by us.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// The value to compare with, in the metric's unit.
    pub value: f64,
    /// Why this one, or where it comes from.
    pub why: Option<String>,
}

/// What an HPA names.
#[derive(Debug, Clone)]
pub struct Metric {
    /// The name in the HPA.
    pub name: Arc<str>,
    /// One sentence.
    pub help: Arc<str>,
    /// The unit of its values (`requests`, `seconds`, `ratio`, `tokens/s`).
    pub unit: Arc<str>,
    /// Extensive or intensive.
    pub semantics: Semantics,
    /// What load does to it.
    pub direction: Direction,
    /// The values it can take, if bounded.
    pub range: Option<(f64, f64)>,
    /// How elements are folded.
    pub aggregate: Aggregate,
    /// Alternative providers; a request is answered from those whose series the selected pods have.
    /// Empty for a composite.
    pub inputs: Vec<Input>,
    /// How it is made of other metrics, if it is.
    pub composite: Option<Arc<Composite>>,
    /// The named source, or the default one.
    pub source: Option<Arc<str>>,
    /// Which series count.
    pub scope: Scope,
    /// How long the last value is served when its source falls silent.
    pub hold: Duration,
    /// A fixed refresh interval instead of the adaptive one.
    pub refresh: Option<Duration>,
    /// What no series means, while the source is well.
    pub absent: Missing,
    /// What a ratio or distribution without observations means.
    pub idle: Missing,
    /// What a negative result means.
    pub negative: Missing,
    /// A suggested target.
    pub target: Option<Target>,
    /// What may change its value after evaluation.
    pub guards: Guards,
}

impl Metric {
    /// Whether its value may be below zero: it has a slope or subtracts something.
    pub fn is_signed(&self) -> bool {
        let is_slope = |input: &Input| {
            matches!(input.signal.as_ref(), Signal::Series(series)
                if series.terms.iter().any(|term| term.kind == Kind::Slope))
        };
        let subtracts = |input: &Input| match &input.formula {
            Formula::Linear(terms) => terms.iter().any(|term| term.weight < 0.0),
            _ => false,
        };
        self.composite.is_some() || self.inputs.iter().any(|input| is_slope(input) || subtracts(input))
    }

    /// The same with another window of its rates.
    #[must_use]
    pub fn over(self, window: Duration) -> Self {
        self.each_read(&|mut metric| {
            for input in &mut metric.inputs {
                if let Signal::Series(series) = input.signal.as_ref()
                    && series.window.is_some()
                {
                    input.signal =
                        Arc::new(Signal::Series(SeriesSignal { window: Some(window), ..series.clone() }));
                }
            }
            metric
        })
    }

    /// The metric with this change to what reads something: itself, or of a composite all that it is made
    /// of.
    #[must_use]
    pub fn each_read(mut self, change: &dyn Fn(Self) -> Self) -> Self {
        let Some(composite) = &self.composite else { return change(self) };
        let mut composite = composite.as_ref().clone();
        for part in &mut composite.parts {
            part.metric = Arc::new(part.metric.as_ref().clone().each_read(change));
        }
        self.composite = Some(Arc::new(composite));
        self
    }

    /// The window of its rates, the longest if there are several.
    pub fn window(&self) -> Option<Duration> {
        let parts = self.composite.iter().flat_map(|composite| &composite.parts);
        let own = self.inputs.iter().filter_map(|input| input.signal.window());
        own.chain(parts.filter_map(|part| part.metric.window())).max()
    }
}
