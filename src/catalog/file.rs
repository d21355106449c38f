//! The form of a catalog file: one engine or exporter, its presets as data.

use serde::Deserialize;

use crate::core::metric::{Aggregate, Direction, Semantics};

/// One file of `catalog/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EngineFile {
    /// Short name, published as the label `engine`.
    pub engine: String,
    /// The product's own name.
    pub title: String,
    /// Where the facts come from.
    pub source: String,
    /// Series of which one exists wherever the engine does.
    pub detect: Vec<String>,
    /// How the names of its series begin, where that tells them from everybody else's.
    #[serde(default)]
    pub prefix: Vec<String>,
    /// Series of these prefixes that no preset reads: all of them, or those whose names come near to
    /// one that a preset reads.
    #[serde(default)]
    pub others: Vec<String>,
    /// Whether there are no series of these prefixes but those that are read and the others.
    #[serde(default)]
    pub complete: bool,
    /// Labels that may hold the model's name.
    #[serde(default)]
    pub model: Vec<String>,
    /// For exporters that tell of others: the labels that identify what a number is about (a device,
    /// a node, a deployment). Seen several times, it counts once.
    #[serde(default)]
    pub element: Vec<String>,
    /// Gauge values from here on mean "no value".
    pub blank_from: Option<u64>,
    pub presets: Vec<PresetFile>,
}

/// One preset: how this engine provides a metric, and, in one file for each metric, what it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetFile {
    pub name: String,
    /// The metric in one sentence. This and the fields up to `note` are said once for all engines.
    pub help: Option<String>,
    pub unit: Option<String>,
    pub semantics: Option<SemanticsName>,
    pub direction: Option<DirectionName>,
    pub range: Option<(f64, f64)>,
    pub aggregate: Option<AggregateName>,
    pub scope: Option<ScopeName>,
    pub target: Option<TargetFile>,
    /// What people should know before they scale on it.
    pub note: Option<String>,
    pub value: ValueFile,
    /// Of rates and slopes. Seconds; two minutes unless stated, at least four scrapes of the usual 30 s.
    pub window: Option<u64>,
    /// In place of the file's.
    pub element: Option<Vec<String>>,
    /// What is special with this engine.
    pub caveat: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetFile {
    pub value: f64,
    pub why: String,
}

/// How the number is made.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum ValueFile {
    Term(TermFile),
    Sum(Vec<TermFile>),
    Ratio { numerator: Vec<TermFile>, denominator: Vec<TermFile> },
    Distribution(DistributionFile),
}

/// One term: alternatives of one series, best first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TermFile {
    #[serde(default)]
    pub gauge: Vec<String>,
    #[serde(default)]
    pub counter: Vec<String>,
    /// Gauges of which the change per second is wanted.
    #[serde(default)]
    pub slope: Vec<String>,
    #[serde(default = "one")]
    pub times: f64,
    #[serde(default)]
    pub optional: bool,
    #[serde(default)]
    pub nonzero: bool,
    /// Labels over which the series adds up before alternatives are joined.
    #[serde(default)]
    pub without: Vec<String>,
    /// Labels by which the series repeats one number.
    #[serde(default)]
    pub max_without: Vec<String>,
    /// Alternatives give way by scrape target, since their labels differ.
    #[serde(default)]
    pub by_target: bool,
    /// Another series to multiply by.
    pub factor: Option<FactorFile>,
    /// The unit of the series itself, where it is not the preset's.
    pub unit: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FactorFile {
    pub gauge: String,
    /// Labels in which the two agree.
    pub on: Vec<String>,
}

/// A histogram: alternatives of one series, best first, without `_bucket`, `_sum` or `_count`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DistributionFile {
    pub histogram: Vec<String>,
    pub statistic: StatisticName,
    /// From the unit of the observations to the preset's.
    #[serde(default = "one")]
    pub times: f64,
    #[serde(default)]
    pub by_target: bool,
    /// The unit of the observations, where it is not the preset's.
    pub unit: Option<String>,
}

fn one() -> f64 {
    1.0
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AggregateName {
    Sum,
    Avg,
    Max,
    Min,
    Count,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StatisticName {
    P95,
    Mean,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SemanticsName {
    Extensive,
    Intensive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum DirectionName {
    Rises,
    Falls,
    Neither,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ScopeName {
    Namespace,
    Cluster,
}

impl From<AggregateName> for Aggregate {
    fn from(name: AggregateName) -> Self {
        match name {
            AggregateName::Sum => Self::Sum,
            AggregateName::Avg => Self::Avg,
            AggregateName::Max => Self::Max,
            AggregateName::Min => Self::Min,
            AggregateName::Count => Self::Count,
        }
    }
}

impl From<SemanticsName> for Semantics {
    fn from(name: SemanticsName) -> Self {
        match name {
            SemanticsName::Extensive => Self::Extensive,
            SemanticsName::Intensive => Self::Intensive,
        }
    }
}

impl From<DirectionName> for Direction {
    fn from(name: DirectionName) -> Self {
        match name {
            DirectionName::Rises => Self::Rises,
            DirectionName::Falls => Self::Falls,
            DirectionName::Neither => Self::Neither,
        }
    }
}
