//! What the catalog knows of series by their own names, for advice on queries that people write.

use super::{Catalog, Engine, RawTerm, Value};
use crate::core::signal::{Join, Kind, SeriesRef};

/// What a series is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownKind {
    /// A number that goes up and down.
    Gauge,
    /// A number that only grows.
    Counter,
    /// Buckets, sum and count of a distribution.
    Histogram,
}

/// A series of an engine or exporter.
#[derive(Debug, Clone)]
pub struct KnownSeries<'a> {
    /// What it is.
    pub kind: KnownKind,
    /// Its own unit.
    pub unit: &'a str,
    /// The preset that reads it.
    pub preset: &'a str,
    /// Names of the same series in other versions, preferred first, its own included; empty if there
    /// are none.
    pub names: Vec<&'a str>,
}

impl Catalog {
    /// What is known of the series of this name; histograms go without `_bucket`, `_sum`, `_count`.
    pub fn known_series(&self, name: &str) -> Option<KnownSeries<'_>> {
        let raw = self.raw.get(name)?;
        let preset = self.presets(&raw.preset).iter().find(|preset| preset.engine == raw.engine)?;
        let kind = match &raw.term {
            RawTerm::Distribution(_) => KnownKind::Histogram,
            RawTerm::Plain(term) if term.kind == Kind::Counter => KnownKind::Counter,
            RawTerm::Plain(_) => KnownKind::Gauge,
        };
        let reads = |series: &[SeriesRef]| series.iter().any(|series| series.name == name);
        let alternatives = match &preset.value {
            Value::Distribution { series, join, .. } => Some((series, *join)),
            Value::Linear { terms, .. } | Value::Ratio { terms, .. } => {
                terms.iter().find(|term| reads(&term.series)).map(|term| (&term.series, term.join))
            }
        };
        // What differs in its labels is no other name of the same series.
        let renamed = alternatives.filter(|(_, join)| *join == Join::Series);
        Some(KnownSeries {
            kind,
            unit: raw.unit.as_deref().unwrap_or(&preset.facts.unit),
            preset: &raw.preset,
            names: renamed.into_iter().flat_map(|(series, _)| series).map(|one| one.name.as_str()).collect(),
        })
    }

    /// The engine whose series alone have names that begin as `name` does, and that beginning.
    pub fn owner(&self, name: &str) -> Option<(&Engine, &str)> {
        let all =
            self.engines.iter().flat_map(|engine| engine.prefix.iter().map(move |prefix| (engine, prefix)));
        all.filter(|(_, prefix)| name.starts_with(*prefix))
            .max_by_key(|(_, prefix)| prefix.len())
            .map(|(engine, prefix)| (engine, prefix.as_str()))
    }
}
