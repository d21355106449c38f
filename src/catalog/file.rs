//! The form of a catalog file: one engine or exporter, its presets as data.

use serde::Deserialize;

use crate::core::metric::{Direction, Semantics};

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
    /// Labels that may hold the model's name.
    #[serde(default)]
    pub model: Vec<String>,
    /// For devices: the labels that identify one.
    #[serde(default)]
    pub device: Vec<String>,
    /// Gauge values from here on mean "no value".
    pub blank_from: Option<u64>,
    pub presets: Vec<PresetFile>,
}

/// One preset.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PresetFile {
    pub name: String,
    pub help: String,
    pub unit: String,
    #[serde(with = "SemanticsName")]
    pub semantics: Semantics,
    #[serde(with = "DirectionName")]
    pub direction: Direction,
    pub range: Option<(f64, f64)>,
    pub aggregate: Option<AggregateName>,
    /// Seconds; two minutes unless stated, at least four scrapes of the usual 30 s.
    pub window: Option<u64>,
    pub value: ValueFile,
    pub target: Option<TargetFile>,
    /// What people should know before they scale on it.
    pub note: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetFile {
    pub value: f64,
    pub why: String,
}

/// How the number is made.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum ValueFile {
    Term(TermFile),
    Sum(Vec<TermFile>),
    Ratio { numerator: Vec<TermFile>, denominator: Vec<TermFile> },
    Distribution { histogram: Vec<String>, statistic: StatisticName },
}

/// One term: alternatives of one series, best first.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TermFile {
    #[serde(default)]
    pub gauge: Vec<String>,
    #[serde(default)]
    pub counter: Vec<String>,
    #[serde(default = "one")]
    pub times: f64,
    #[serde(default)]
    pub optional: bool,
    #[serde(default)]
    pub nonzero: bool,
    #[serde(default)]
    pub without: Vec<String>,
    /// The unit of the series itself, where it is not the preset's.
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

#[derive(Deserialize)]
#[serde(remote = "Semantics", rename_all = "lowercase")]
enum SemanticsName {
    Extensive,
    Intensive,
}

#[derive(Deserialize)]
#[serde(remote = "Direction", rename_all = "lowercase")]
enum DirectionName {
    Rises,
    Falls,
    Neither,
}
