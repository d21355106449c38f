//! What the catalog knows of series by their own names, for advice on queries that people write.

use super::{Catalog, RawTerm, Value};
use crate::core::signal::Kind;

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
    /// Names of the same series in other versions, preferred first, its own included.
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
        let alternatives = match &preset.value {
            Value::Distribution { series, .. } => Some(series),
            Value::Linear { terms, .. } | Value::Ratio { terms, .. } => terms
                .iter()
                .map(|term| &term.series)
                .find(|series| series.iter().any(|series| series.name == name)),
        };
        Some(KnownSeries {
            kind,
            unit: raw.unit.as_deref().unwrap_or(&preset.unit),
            preset: &raw.preset,
            names: alternatives.into_iter().flatten().map(|series| series.name.as_str()).collect(),
        })
    }
}
