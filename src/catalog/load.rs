//! Reads catalog files and refuses what does not fit together.

use std::sync::Arc;
use std::time::Duration;

use super::file::{AggregateName, EngineFile, PresetFile, StatisticName, TermFile, ValueFile};
use super::series::parse_series;
use super::{Catalog, Engine, Preset, RawSeries, RawTerm, Statistic, Value};
use crate::core::metric::{Aggregate, Semantics, Target, Weighted};
use crate::core::signal::{Element, Kind, NeutralLabels, SeriesRef, Term};

/// The window of rates unless a preset says otherwise: at least four scrapes of the usual 30 s.
const WINDOW: Duration = Duration::from_mins(2);

/// What is wrong with a catalog file.
#[derive(Debug, thiserror::Error)]
#[error("catalog/{file}: {message}")]
pub struct CatalogError {
    file: String,
    message: String,
}

impl Catalog {
    /// A catalog from files given by name and text.
    ///
    /// # Errors
    /// The first file that does not read, or does not agree with those before it.
    pub fn from_files(files: &[(&str, &str)]) -> Result<Self, CatalogError> {
        let mut catalog = Self::default();
        for (file, text) in files {
            catalog.add(text).map_err(|message| CatalogError { file: (*file).to_owned(), message })?;
        }
        Ok(catalog)
    }

    fn add(&mut self, text: &str) -> Result<(), String> {
        let file: EngineFile = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
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
                // A device exporter watches engines and is none itself.
                engine: file.device.is_empty().then(|| name.clone()),
                model: file.model,
            },
            name,
            title: file.title,
            source: file.source,
            detect: file.detect.into_iter().map(Arc::from).collect(),
            device: file.device,
            blank_from: file.blank_from,
        });
        for preset in file.presets {
            let name = preset.name.clone();
            let preset = self.preset(index, preset).map_err(|message| format!("{name}: {message}"))?;
            self.add_raw(&preset);
            let providers = self.presets.entry(preset.name.clone()).or_default();
            if providers.iter().any(|other| other.engine == index) {
                return Err(format!("{name}: stated twice, so it would be counted twice"));
            }
            if let Some(other) = providers.first() {
                agrees(&preset, other).map_err(|message| format!("{name}: {message}"))?;
            }
            providers.push(preset);
        }
        Ok(())
    }

    fn preset(&self, engine: usize, file: PresetFile) -> Result<Preset, String> {
        let (value, units) = value(&file.value)?;
        let device = &self.engines[engine].device;
        let is_sum = matches!(value, Value::Linear { .. });
        let element = match (device.is_empty(), file.semantics, is_sum) {
            (false, ..) => Element::Device(device.clone()),
            (true, Semantics::Intensive, true) => Element::Series,
            _ => Element::Pod,
        };
        let aggregate = match (file.aggregate, file.semantics, is_sum) {
            (Some(AggregateName::Sum), ..) | (None, Semantics::Extensive, true) => Aggregate::Sum,
            (Some(AggregateName::Avg), ..) | (None, Semantics::Intensive, true) => Aggregate::Avg,
            (Some(AggregateName::Max), ..) => Aggregate::Max,
            (Some(AggregateName::Min), ..) => Aggregate::Min,
            (Some(AggregateName::Count), ..) => Aggregate::Count,
            (None, _, false) => Aggregate::Pooled,
        };
        let rates = match &value {
            Value::Linear { terms, .. } | Value::Ratio { terms, .. } => {
                terms.iter().any(|term| term.kind == Kind::Counter)
            }
            Value::Distribution { .. } => true,
        };
        if file.range.is_some_and(|(low, high)| low >= high) {
            return Err("range: the first bound must be below the second".to_owned());
        }
        if file.unit == "ratio" && file.range != Some((0.0, 1.0)) {
            return Err("a ratio states its range [0, 1]".to_owned());
        }
        Ok(Preset {
            name: file.name.into(),
            engine,
            help: file.help.into(),
            unit: file.unit.into(),
            semantics: file.semantics,
            direction: file.direction,
            range: file.range,
            aggregate,
            window: rates.then(|| file.window.map_or(WINDOW, Duration::from_secs)),
            target: file.target.map(|target| Target { value: target.value, why: Some(target.why) }),
            note: file.note,
            value,
            element,
            units,
        })
    }

    fn add_raw(&mut self, preset: &Preset) {
        let mut put = |name: &str, term: RawTerm, unit: Option<Arc<str>>, is_code: bool| {
            let raw = RawSeries { engine: preset.engine, term, unit, is_code, preset: preset.name.clone() };
            // The first preset that reads a series is the plainest, by the order of the file.
            self.raw.entry(name.to_owned()).or_insert(raw);
        };
        match &preset.value {
            Value::Linear { terms, .. } | Value::Ratio { terms, .. } => {
                let is_code = |index: usize| {
                    let Value::Linear { sum, .. } = &preset.value else { return false };
                    sum.iter().any(|one| one.term == index && one.nonzero)
                };
                for (index, (term, unit)) in terms.iter().zip(&preset.units).enumerate() {
                    for series in &term.series {
                        let alone = Term { series: vec![series.clone()], ..term.clone() };
                        put(&series.name, RawTerm::Plain(alone), unit.clone(), is_code(index));
                    }
                }
            }
            Value::Distribution { series, .. } => {
                for series in series {
                    put(&series.name, RawTerm::Distribution(series.clone()), None, false);
                }
            }
        }
    }
}

/// Providers of one name must be one metric to the HPA.
fn agrees(new: &Preset, old: &Preset) -> Result<(), String> {
    let shape = |preset: &Preset| std::mem::discriminant(&preset.value);
    let statistic = |preset: &Preset| match preset.value {
        Value::Distribution { statistic, .. } => Some(statistic),
        _ => None,
    };
    let facts = [
        ("unit", new.unit == old.unit),
        ("semantics", new.semantics == old.semantics),
        ("direction", new.direction == old.direction),
        ("range", new.range == old.range),
        ("aggregate", new.aggregate == old.aggregate),
        ("kind of value", shape(new) == shape(old)),
        ("statistic", statistic(new) == statistic(old)),
    ];
    match facts.iter().find(|(_, same)| !same) {
        Some((fact, _)) => Err(format!("its {fact} differs from that of another engine")),
        None => Ok(()),
    }
}

/// Own units of terms, where they are not the preset's.
type Units = Vec<Option<Arc<str>>>;

fn value(file: &ValueFile) -> Result<(Value, Units), String> {
    let mut terms = Vec::new();
    let mut units = Vec::new();
    let mut weigh = |files: &[TermFile]| -> Result<Vec<Weighted>, String> {
        files
            .iter()
            .map(|file| {
                let term = term(file)?;
                // A term used on both sides of a ratio is read once.
                let index = terms.iter().position(|known| *known == term).unwrap_or_else(|| {
                    terms.push(term);
                    units.push(file.unit.as_deref().map(Arc::from));
                    terms.len() - 1
                });
                let TermFile { times, optional, nonzero, .. } = *file;
                Ok(Weighted { term: index, weight: times, optional, nonzero })
            })
            .collect()
    };
    let value = match file {
        ValueFile::Term(term) => {
            let sum = weigh(std::slice::from_ref(term))?;
            Value::Linear { terms, sum }
        }
        ValueFile::Sum(files) => {
            let sum = weigh(files)?;
            Value::Linear { terms, sum }
        }
        ValueFile::Ratio { numerator, denominator } => {
            let (numerator, denominator) = (weigh(numerator)?, weigh(denominator)?);
            Value::Ratio { terms, numerator, denominator }
        }
        ValueFile::Distribution { histogram, statistic } => {
            let statistic = match statistic {
                StatisticName::P95 => Statistic::P95,
                StatisticName::Mean => Statistic::Mean,
            };
            Value::Distribution { series: alternatives(histogram)?, statistic }
        }
    };
    Ok((value, units))
}

fn term(file: &TermFile) -> Result<Term, String> {
    let (kind, names) = match (&file.gauge[..], &file.counter[..]) {
        (gauge, []) if !gauge.is_empty() => (Kind::Gauge, gauge),
        ([], counter) if !counter.is_empty() => (Kind::Counter, counter),
        _ => return Err("a term has either `gauge` or `counter`".to_owned()),
    };
    Ok(Term { without: file.without.clone(), ..Term::new(kind, alternatives(names)?) })
}

fn alternatives(names: &[String]) -> Result<Vec<SeriesRef>, String> {
    if names.is_empty() {
        return Err("no series".to_owned());
    }
    names.iter().map(|name| parse_series(name)).collect()
}
