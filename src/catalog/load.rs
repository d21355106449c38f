//! Reads catalog files and refuses what does not fit together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::composite;
use super::file::{AggregateName, EngineFile, PresetFile, ScopeName};
use super::series::parse_series;
use super::{Catalog, Engine, Facts, Preset, RawSeries, RawTerm, Value};
use crate::core::metric::{Aggregate, Scope, Semantics, Target};
use crate::core::signal::{Element, Join, Kind, NeutralLabels, SeriesRef, Term};

mod value;

/// The window of rates unless a preset says otherwise: at least four scrapes of the usual 30 s.
const WINDOW: Duration = Duration::from_mins(2);

/// What is wrong with a catalog file.
#[derive(Debug, thiserror::Error)]
#[error("catalog/{file}: {message}")]
pub struct CatalogError {
    file: String,
    message: String,
}

/// What metrics are, by name, each as one file says it.
type Stated = BTreeMap<String, Statement>;

struct Statement {
    facts: Facts,
    aggregate: Option<AggregateName>,
    /// The engine whose file says it.
    by: String,
}

impl Catalog {
    /// A catalog from files given by name and text.
    ///
    /// # Errors
    /// The first file that does not read, or does not agree with the others.
    pub fn from_files(files: &[(&str, &str)]) -> Result<Self, CatalogError> {
        let at = |file: &str, message| CatalogError { file: file.to_owned(), message };
        let mut read = Vec::with_capacity(files.len());
        let mut stated = Stated::new();
        let (composites, files): (Vec<_>, Vec<_>) =
            files.iter().copied().partition(|(name, _)| *name == composite::FILE);
        for (name, text) in files {
            let mut file: EngineFile =
                serde_saphyr::from_str(text).map_err(|error| at(name, error.to_string()))?;
            for preset in &mut file.presets {
                state(&mut stated, &file.engine, preset)
                    .map_err(|error| at(name, format!("{}: {error}", preset.name)))?;
            }
            read.push((name, file));
        }
        let mut catalog = Self::default();
        for (name, file) in read {
            catalog.add(file, &stated).map_err(|message| at(name, message))?;
        }
        for (name, text) in composites {
            catalog.compose(text).map_err(|message| at(name, message))?;
        }
        Ok(catalog)
    }

    fn add(&mut self, file: EngineFile, stated: &Stated) -> Result<(), String> {
        let index = self.engines.len();
        let name: Arc<str> = file.engine.into();
        if file.detect.is_empty() {
            return Err("`detect` names no series".to_owned());
        }
        for series in &file.detect {
            parse_series(series)?;
        }
        if self.engines.iter().any(|known| known.name == name) {
            return Err(format!("engine {name} has a file already, so its series would be counted twice"));
        }
        self.engines.push(Engine {
            labels: NeutralLabels {
                // An exporter watches engines and is none itself.
                engine: file.element.is_empty().then(|| name.clone()),
                model: file.model,
            },
            name,
            title: file.title,
            source: file.source,
            detect: file.detect.into_iter().map(Arc::from).collect(),
            prefix: file.prefix,
            others: file.others,
            complete: file.complete,
            element: file.element,
            blank_from: file.blank_from,
        });
        for preset in file.presets {
            let name = preset.name.clone();
            let preset =
                self.preset(index, preset, stated).map_err(|message| format!("{name}: {message}"))?;
            self.add_raw(&preset);
            let providers = self.presets.entry(preset.name.clone()).or_default();
            if providers.iter().any(|other| other.engine == index) {
                return Err(format!("{name}: stated twice, so it would be counted twice"));
            }
            if let Some(other) = providers.first() {
                agrees(&preset, other).map_err(|message| format!("{name}: {message}"))?;
            }
            // The engine that people know the metric from comes first.
            let is_stated_here = *stated[&name].by == *self.engines[index].name;
            providers.insert(if is_stated_here { 0 } else { providers.len() }, preset);
        }
        let engine = &self.engines[index];
        match engine.others.iter().find(|name| self.raw.contains_key(*name)) {
            Some(name) => Err(format!("`others` has {name}, which a preset reads")),
            None => Ok(()),
        }
    }

    fn preset(&self, engine: usize, file: PresetFile, stated: &Stated) -> Result<Preset, String> {
        let Statement { facts, aggregate, .. } = stated.get(&file.name).ok_or("no file says what it is")?;
        let (value, units) = value::value(&file.value)?;
        let is_sum = matches!(value, Value::Linear { .. });
        let element = match file.element.unwrap_or_else(|| self.engines[engine].element.clone()) {
            labels if !labels.is_empty() => Element::Device(labels),
            _ if facts.semantics == Semantics::Intensive && is_sum => Element::Series,
            _ => Element::Pod,
        };
        let aggregate = match (aggregate, facts.semantics, is_sum) {
            (Some(AggregateName::Sum), ..) | (None, Semantics::Extensive, true) => Aggregate::Sum,
            (Some(AggregateName::Avg), ..) | (None, Semantics::Intensive, true) => Aggregate::Avg,
            (Some(AggregateName::Max), ..) => Aggregate::Max,
            (Some(AggregateName::Min), ..) => Aggregate::Min,
            (Some(AggregateName::Count), ..) => Aggregate::Count,
            (None, _, false) => Aggregate::Pooled,
        };
        let terms: &[Term] = match &value {
            Value::Linear { terms, .. } | Value::Ratio { terms, .. } => terms,
            Value::Distribution { .. } => &[],
        };
        if self.engines[engine].blank_from.is_some() && terms.iter().any(|term| term.kind == Kind::Slope) {
            return Err("a `slope` cannot tell what is no value, so `blank_from` rules it out".to_owned());
        }
        let rates =
            matches!(value, Value::Distribution { .. }) || terms.iter().any(|term| term.kind != Kind::Gauge);
        Ok(Preset {
            name: file.name.into(),
            engine,
            facts: facts.clone(),
            aggregate,
            window: rates.then(|| file.window.map_or(WINDOW, Duration::from_secs)),
            caveat: file.caveat,
            value,
            element,
            units,
        })
    }

    fn add_raw(&mut self, preset: &Preset) {
        let mut put = |series: &SeriesRef, term: RawTerm, unit: Option<Arc<str>>, is_code: bool| {
            let (engine, name) = (preset.engine, preset.name.clone());
            let raw = RawSeries { engine, term, unit, is_metric: !is_code, preset: name };
            // The first preset that reads a series is the plainest, by the order of the file.
            let known = self.raw.entry(series.name.clone()).or_insert(raw);
            known.is_metric &= known.term.series().matchers == series.matchers;
        };
        match &preset.value {
            Value::Linear { terms, .. } | Value::Ratio { terms, .. } => {
                let is_code = |index: usize| {
                    let Value::Linear { sum, .. } = &preset.value else { return false };
                    sum.iter().any(|one| one.term == index && one.nonzero)
                };
                // By its own name a gauge is what it is, not how it changes.
                let named = terms.iter().zip(&preset.units).enumerate();
                for (index, (term, unit)) in named.filter(|(_, (term, _))| term.kind != Kind::Slope) {
                    for series in &term.series {
                        let alone = Term {
                            series: vec![series.clone()],
                            join: Join::Series,
                            factor: None,
                            ..term.clone()
                        };
                        put(series, RawTerm::Plain(alone), unit.clone(), is_code(index));
                    }
                }
            }
            Value::Distribution { series, .. } => {
                for series in series {
                    put(series, RawTerm::Distribution(series.clone()), preset.units[0].clone(), false);
                }
            }
        }
    }
}

/// Takes what `preset` of this engine says of its metric, if it does.
fn state(stated: &mut Stated, engine: &str, preset: &mut PresetFile) -> Result<(), String> {
    let said = (preset.help.take(), preset.unit.take(), preset.semantics, preset.direction);
    let (help, unit, semantics, direction) = match said {
        (Some(help), Some(unit), Some(semantics), Some(direction)) => (help, unit, semantics, direction),
        (None, None, None, None) => {
            let PresetFile { range, aggregate, scope, target, note, .. } = preset;
            let alone = range.is_some() || aggregate.is_some() || scope.is_some();
            return if alone || target.is_some() || note.is_some() {
                Err("`range`, `aggregate`, `scope`, `target` and `note` stand beside `help`".to_owned())
            } else {
                Ok(())
            };
        }
        _ => return Err("`help`, `unit`, `semantics` and `direction` go together".to_owned()),
    };
    if preset.range.is_some_and(|(low, high)| low >= high) {
        return Err("range: the first bound must be below the second".to_owned());
    }
    if unit == "ratio" && preset.range != Some((0.0, 1.0)) {
        return Err("a ratio states its range [0, 1]".to_owned());
    }
    let facts = Facts {
        help: help.into(),
        unit: unit.into(),
        semantics: semantics.into(),
        direction: direction.into(),
        range: preset.range,
        scope: match preset.scope {
            Some(ScopeName::Cluster) => Scope::Cluster,
            Some(ScopeName::Namespace) | None => Scope::Namespace,
        },
        target: preset.target.take().map(|target| Target { value: target.value, why: Some(target.why) }),
        note: preset.note.take(),
    };
    let statement = Statement { facts, aggregate: preset.aggregate, by: engine.to_owned() };
    match stated.insert(preset.name.clone(), statement) {
        Some(_) => Err("another file says already what it is".to_owned()),
        None => Ok(()),
    }
}

/// Providers of one name must be one metric to the HPA.
fn agrees(new: &Preset, old: &Preset) -> Result<(), String> {
    let shape = |preset: &Preset| std::mem::discriminant(&preset.value);
    let statistic = |preset: &Preset| match preset.value {
        Value::Distribution { statistic, .. } => Some(statistic),
        _ => None,
    };
    let facts =
        [("kind of value", shape(new) == shape(old)), ("statistic", statistic(new) == statistic(old))];
    match facts.iter().find(|(_, same)| !same) {
        Some((fact, _)) => Err(format!("its {fact} differs from that of another engine")),
        None => Ok(()),
    }
}
