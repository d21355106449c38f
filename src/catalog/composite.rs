//! Built-in composites: `catalog/composites.yaml`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::Catalog;
use super::file::{AggregateName, DirectionName, SemanticsName, TargetFile};
use crate::core::composite::{Composite, Level, Part, WhenMissing};
use crate::core::expression::Mistake;
use crate::core::guard::Guards;
use crate::core::metric::{Aggregate, Metric, Missing, Scope, Target};

/// The file that holds them.
pub(super) const FILE: &str = "composites.yaml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompositesFile {
    composites: Vec<CompositeFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CompositeFile {
    name: String,
    help: String,
    unit: String,
    /// Needed where it does not follow from the signals.
    #[serde(rename = "type")]
    semantics: Option<SemanticsName>,
    direction: DirectionName,
    range: Option<(f64, f64)>,
    signals: BTreeMap<String, SignalFile>,
    each: Option<String>,
    aggregate: Option<AggregateName>,
    value: Option<String>,
    target: Option<TargetFile>,
    note: Option<String>,
}

/// A preset, with a suffix if wanted, or a composite that stands before this one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignalFile {
    preset: String,
    /// The share of a distribution's observations up to here.
    upto: Option<f64>,
    /// Seconds, in place of the preset's.
    window: Option<u64>,
    #[serde(default)]
    optional: bool,
}

/// A composite of the catalog.
#[derive(Debug, Clone)]
pub(super) struct BuiltIn {
    pub(super) metric: Metric,
    pub(super) note: Option<String>,
}

impl Catalog {
    /// Adds the composites of a file, each after those that it is made of.
    pub(super) fn compose(&mut self, text: &str) -> Result<(), String> {
        let file: CompositesFile = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        for composite in file.composites {
            let name = composite.name.clone();
            let built = self.built_in_of(composite).map_err(|message| format!("{name}: {message}"))?;
            if self.resolve(&name).is_some() {
                return Err(format!("{name}: this name has a meaning already"));
            }
            self.composites.insert(name.into(), built);
        }
        Ok(())
    }

    fn built_in_of(&self, file: CompositeFile) -> Result<BuiltIn, String> {
        let parts = file.signals.into_iter().map(|(name, signal)| self.part(name, &signal));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        let aggregate = match (&file.each, file.aggregate) {
            (Some(_), Some(aggregate)) => aggregate.into(),
            (None, None) => Aggregate::Sum,
            _ => return Err("`each` and `aggregate` go together".to_owned()),
        };
        let composite = Composite::new(parts, file.each.as_deref(), file.value.as_deref(), aggregate);
        let composite = composite.map_err(|mistakes| words(&mistakes))?;
        if let Some((_, warning)) = composite.warnings().next() {
            return Err(warning.message.clone());
        }
        let semantics = file.semantics.map(Into::into).or(composite.semantics(aggregate));
        let semantics = semantics.ok_or("`type` is needed: it does not follow from the signals")?;
        let metric = Metric {
            name: file.name.into(),
            help: file.help.into(),
            unit: file.unit.into(),
            semantics,
            direction: file.direction.into(),
            range: file.range,
            aggregate,
            inputs: Vec::new(),
            composite: Some(Arc::new(composite)),
            source: None,
            scope: Scope::Namespace,
            hold: semantics.default_hold(),
            refresh: None,
            absent: Missing::Error,
            idle: Missing::Error,
            negative: Missing::Error,
            target: file.target.map(|target| Target { value: target.value, why: Some(target.why) }),
            guards: Guards::default(),
        };
        Ok(BuiltIn { metric, note: file.note })
    }

    fn part(&self, name: String, signal: &SignalFile) -> Result<Part, String> {
        let metric = match signal.upto {
            Some(upto) => self.share(&signal.preset, upto),
            None => self.resolve(&signal.preset),
        };
        let metric = metric.ok_or_else(|| format!("{name}: nothing is called {}", signal.preset))?;
        let metric = match signal.window {
            Some(window) => metric.over(Duration::from_secs(window)),
            None => metric,
        };
        let missing = if signal.optional { WhenMissing::Optional } else { WhenMissing::Required };
        Ok(Part { name: name.into(), metric: Arc::new(metric), missing })
    }

    /// The composite of this name. Of one that folds pods or devices, a suffix chooses another fold.
    pub(super) fn composite(&self, name: &str) -> Option<Metric> {
        if let Some(built) = self.composites.get(name) {
            return Some(built.metric.clone());
        }
        let suffixes = [("_avg", Aggregate::Avg), ("_max", Aggregate::Max), ("_min", Aggregate::Min)];
        suffixes.iter().find_map(|(suffix, aggregate)| {
            let metric = &self.composites.get(name.strip_suffix(suffix)?)?.metric;
            let folds =
                metric.composite.as_ref().is_some_and(|one| one.each.is_some() && one.value.is_none());
            let chosen =
                || Metric { name: name.into(), aggregate: *aggregate, target: None, ..metric.clone() };
            folds.then(chosen)
        })
    }
}

fn words(mistakes: &[(Level, Mistake)]) -> String {
    mistakes
        .iter()
        .map(|(level, mistake)| format!("{level:?}: {}", mistake.message))
        .collect::<Vec<_>>()
        .join("; ")
}
