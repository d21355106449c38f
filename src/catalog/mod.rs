//! The catalog: built-in presets as data, and how a name becomes a metric.
//!
//! One file of `catalog/` describes one engine or exporter. Presets of the same name in several
//! files are one metric with several providers; one of the files says what the metric is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod composite;
mod file;
mod known;
mod load;
pub mod promql;
pub(crate) mod resolve;
mod series;

pub use known::{KnownKind, KnownSeries};
pub use load::CatalogError;
pub use resolve::{AGGREGATES, STATISTICS, Statistic};
pub use series::parse_series;

use crate::core::metric::{Aggregate, Direction, Scope, Semantics, Target, Weighted};
use crate::core::signal::{Element, Join, NeutralLabels, SeriesRef, Term};

/// The files of `catalog/`, by name.
pub const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/catalog.rs"));

/// All presets, by engine-neutral name and by the names of their series.
#[derive(Debug, Default)]
pub struct Catalog {
    engines: Vec<Engine>,
    presets: BTreeMap<Arc<str>, Vec<Preset>>,
    raw: BTreeMap<String, RawSeries>,
    composites: BTreeMap<Arc<str>, composite::BuiltIn>,
}

/// An engine or exporter.
#[derive(Debug, Clone)]
pub struct Engine {
    /// Short name, published as the label `engine`.
    pub name: Arc<str>,
    /// The product's own name.
    pub title: String,
    /// Where the facts come from.
    pub source: String,
    /// Series of which one exists wherever the engine does.
    pub detect: Arc<[Arc<str>]>,
    prefix: Vec<String>,
    others: Vec<String>,
    complete: bool,
    labels: NeutralLabels,
    element: Vec<String>,
    blank_from: Option<u64>,
}

/// What a metric is, whichever engine provides it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// One sentence.
    pub help: Arc<str>,
    /// The unit of its values.
    pub unit: Arc<str>,
    /// Extensive or intensive.
    pub semantics: Semantics,
    /// What load does to it.
    pub direction: Direction,
    /// The values it can take, if bounded.
    pub range: Option<(f64, f64)>,
    /// Which series count.
    pub scope: Scope,
    /// A starting point for the HPA's target.
    pub target: Option<Target>,
    /// What people should know before they scale on it.
    pub note: Option<String>,
}

/// One engine's way to provide one metric.
#[derive(Debug, Clone)]
pub struct Preset {
    /// The engine-neutral name.
    pub name: Arc<str>,
    /// Index into [`Catalog::engines`].
    engine: usize,
    /// What the metric is.
    pub facts: Facts,
    /// How elements are folded unless a suffix says otherwise.
    pub aggregate: Aggregate,
    /// The window of its rates, if it has any.
    pub window: Option<Duration>,
    /// What is special with this engine.
    pub caveat: Option<String>,
    value: Value,
    element: Element,
    /// The own units of the terms, where they are not the preset's.
    units: Vec<Option<Arc<str>>>,
}

/// What a preset reads and computes.
#[derive(Debug, Clone)]
enum Value {
    Linear { terms: Vec<Term>, sum: Vec<Weighted> },
    Ratio { terms: Vec<Term>, numerator: Vec<Weighted>, denominator: Vec<Weighted> },
    Distribution { series: Vec<SeriesRef>, join: Join, statistic: Statistic, times: f64 },
}

/// A series that may be asked for by its own name.
#[derive(Debug, Clone)]
struct RawSeries {
    engine: usize,
    term: RawTerm,
    /// Its own unit, where it is not the preset's.
    unit: Option<Arc<str>>,
    /// Whether it is a metric by itself. A code is no measure: whatever folds it gives nonsense. What
    /// presets tell apart by a label (`mode="decode"`) is several things at once.
    is_metric: bool,
    /// The preset that reads it.
    preset: Arc<str>,
}

#[derive(Debug, Clone)]
enum RawTerm {
    Plain(Term),
    Distribution(SeriesRef),
}

impl RawTerm {
    fn series(&self) -> &SeriesRef {
        match self {
            Self::Plain(term) => &term.series[0],
            Self::Distribution(series) => series,
        }
    }
}

impl Catalog {
    /// The catalog that is built in.
    ///
    /// # Errors
    /// Never in a release: a test loads it.
    pub fn built_in() -> Result<Self, CatalogError> {
        Self::from_files(FILES)
    }

    /// The engines, in the order of their files.
    pub fn engines(&self) -> &[Engine] {
        &self.engines
    }

    /// Base names, sorted: what discovery lists.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        let mut names: Vec<_> = self.presets.keys().chain(self.composites.keys()).collect();
        names.sort_unstable();
        names.into_iter()
    }

    /// What people should know before they scale on this metric.
    pub fn note(&self, name: &str) -> Option<&str> {
        let preset = || self.presets(name).first().and_then(|preset| preset.facts.note.as_deref());
        self.composites.get(name).and_then(|built| built.note.as_deref()).or_else(preset)
    }

    /// The providers of a base name, one for each engine that has it: first the one whose file says
    /// what the metric is.
    pub fn presets(&self, name: &str) -> &[Preset] {
        self.presets.get(name).map_or(&[], Vec::as_slice)
    }

    /// Names of series that answer as metrics by themselves, sorted.
    pub fn raw_names(&self) -> impl Iterator<Item = &str> {
        self.raw.iter().filter(|(_, raw)| raw.is_metric).map(|(name, _)| name.as_str())
    }

    /// The engine of a preset.
    pub fn engine_of(&self, preset: &Preset) -> &Engine {
        &self.engines[preset.engine]
    }
}

impl Engine {
    /// Series of its own that are known though no preset reads them.
    pub fn others(&self) -> &[String] {
        &self.others
    }

    /// Whether all series of its own are known.
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

impl Preset {
    /// The series it reads, each alternative by its name.
    pub fn series(&self) -> Vec<String> {
        match &self.value {
            Value::Linear { terms, .. } | Value::Ratio { terms, .. } => terms
                .iter()
                .flat_map(|term| term.series.iter().chain(term.factor.iter().map(|factor| &factor.series)))
                .map(|series| series.name.clone())
                .collect(),
            Value::Distribution { series, .. } => series.iter().map(|series| series.name.clone()).collect(),
        }
    }

    /// What its series are: `gauge`, `counter` or `histogram`.
    pub fn kind(&self) -> &'static str {
        use crate::core::signal::Kind;
        match &self.value {
            Value::Distribution { .. } => "histogram",
            Value::Linear { terms, .. } | Value::Ratio { terms, .. } => {
                if terms.iter().any(|term| term.kind == Kind::Counter) { "counter" } else { "gauge" }
            }
        }
    }

    /// Whether its statistic can be chosen by suffix.
    pub fn is_distribution(&self) -> bool {
        matches!(self.value, Value::Distribution { .. })
    }
}

#[cfg(test)]
mod tests;
