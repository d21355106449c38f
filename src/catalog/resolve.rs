//! From a name, as an HPA writes it, to a metric.
//!
//! `inference_time_to_first_token_seconds_p99_max` is a base name, a statistic for distributions,
//! and an aggregate over pods. A series' own name (`vllm:num_requests_waiting`) is a metric too.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::fmt;
use std::sync::Arc;

use super::{Catalog, Preset, RawSeries, RawTerm, Value};
use crate::core::guard::Guards;
use crate::core::metric::{Aggregate, Direction, Formula, Input, Metric, Missing, Semantics, Weighted};
use crate::core::signal::{Join, Kind, SeriesSignal, Signal, Term};

/// What of a distribution is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The median.
    P50,
    /// The 0.9 quantile.
    P90,
    /// The 0.95 quantile; what a bare name means unless the preset says otherwise.
    P95,
    /// The 0.99 quantile.
    P99,
    /// The mean.
    Mean,
}

/// Every statistic with its suffix.
pub const STATISTICS: [(&str, Statistic); 5] = [
    ("_p50", Statistic::P50),
    ("_p90", Statistic::P90),
    ("_p95", Statistic::P95),
    ("_p99", Statistic::P99),
    ("_mean", Statistic::Mean),
];

/// Every aggregate that a suffix can ask for.
pub const AGGREGATES: [(&str, Aggregate); 4] =
    [("_sum", Aggregate::Sum), ("_avg", Aggregate::Avg), ("_max", Aggregate::Max), ("_min", Aggregate::Min)];

impl Statistic {
    fn formula(self, times: f64) -> (Kind, Formula) {
        let quantile = |q| (Kind::Buckets, Formula::Quantile { q, times });
        match self {
            Self::P50 => quantile(0.5),
            Self::P90 => quantile(0.9),
            Self::P95 => quantile(0.95),
            Self::P99 => quantile(0.99),
            Self::Mean => (Kind::Mean, Formula::Mean { times }),
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (suffix, _) = STATISTICS.iter().find(|(_, one)| one == self).unwrap_or(&STATISTICS[2]);
        f.write_str(&suffix[1..])
    }
}

/// What a suffix asks for.
#[derive(Debug, Clone, Copy, Default)]
struct Wish {
    statistic: Option<Statistic>,
    aggregate: Option<Aggregate>,
}

impl Catalog {
    /// The metric of this name; `None` if there is none.
    pub fn resolve(&self, name: &str) -> Option<Metric> {
        if let Some(metric) = self.base(name, name, Wish::default()) {
            return Some(metric);
        }
        let (rest, aggregate) = strip(name, &AGGREGATES);
        if aggregate.is_some()
            && let Some(metric) = self.base(name, rest, Wish { aggregate, statistic: None })
        {
            return Some(metric);
        }
        let (base, statistic) = strip(rest, &STATISTICS);
        if statistic.is_none() {
            return self.composite(name);
        }
        self.base(name, base, Wish { statistic, aggregate })
    }

    /// The share of a distribution's observations that are at most `upto`, in its unit: a ratio that falls
    /// under load, from the same buckets as its quantiles. `name` is that of a distribution, with the suffix
    /// of an aggregate or none; `None` for any other. The metric is named as it is.
    pub fn share(&self, name: &str, upto: f64) -> Option<Metric> {
        // Any statistic that reads buckets.
        let wish = |aggregate| Wish { statistic: Some(Statistic::P95), aggregate };
        let metric = self.base(name, name, wish(None)).or_else(|| {
            let (base, aggregate) = strip(name, &AGGREGATES);
            self.base(name, base, wish(Some(aggregate?)))
        })?;
        let of = |input: Input| match input.formula {
            Formula::Quantile { times, .. } => {
                Some(Input { formula: Formula::Share { upto, times }, ..input })
            }
            _ => None,
        };
        let inputs: Option<Vec<Input>> = metric.inputs.into_iter().map(of).collect();
        Some(Metric {
            help: format!("The share up to {upto} {} of: {}", metric.unit, metric.help).into(),
            unit: "ratio".into(),
            semantics: Semantics::Intensive,
            direction: Direction::Falls,
            range: Some((0.0, 1.0)),
            inputs: inputs?,
            hold: Semantics::Intensive.default_hold(),
            target: None,
            ..metric
        })
    }

    fn base(&self, name: &str, base: &str, wish: Wish) -> Option<Metric> {
        match self.presets.get(base) {
            Some(presets) => self.preset_metric(name, presets, wish),
            None => self.raw_metric(name, base, self.raw.get(base)?, wish),
        }
    }

    fn preset_metric(&self, name: &str, presets: &[Preset], wish: Wish) -> Option<Metric> {
        let first = presets.first()?;
        let inputs: Option<Vec<Input>> = presets.iter().map(|preset| self.input(preset, wish)).collect();
        let facts = &first.facts;
        let (aggregate, semantics) = shape(first, wish)?;
        let plain = wish.aggregate.is_none();
        let is_signed = presets.iter().any(|preset| is_signed(&preset.value));
        Some(Metric {
            name: name.into(),
            help: facts.help.clone(),
            unit: facts.unit.clone(),
            semantics,
            direction: facts.direction,
            range: facts.range.filter(|_| semantics == facts.semantics),
            aggregate,
            inputs: inputs?,
            composite: None,
            source: None,
            scope: facts.scope,
            hold: semantics.default_hold(),
            refresh: None,
            absent: Missing::Error,
            idle: Missing::Error,
            negative: if is_signed { Missing::Zero } else { Missing::Error },
            target: facts.target.clone().filter(|_| plain),
            guards: Guards::default(),
        })
    }

    fn input(&self, preset: &Preset, wish: Wish) -> Option<Input> {
        let engine = &self.engines[preset.engine];
        let (terms, formula) = match &preset.value {
            Value::Linear { terms, sum } => (terms.clone(), Formula::Linear(sum.clone())),
            Value::Ratio { terms, numerator, denominator } => (
                terms.clone(),
                Formula::Ratio { numerator: numerator.clone(), denominator: denominator.clone() },
            ),
            Value::Distribution { series, join, statistic, times } => {
                let (kind, formula) = wish.statistic.unwrap_or(*statistic).formula(*times);
                (vec![Term { join: *join, ..Term::new(kind, series.clone()) }], formula)
            }
        };
        if wish.statistic.is_some() && !preset.is_distribution() {
            return None;
        }
        Some(Input {
            engine: engine.name.clone(),
            detect: Arc::clone(&engine.detect),
            signal: Arc::new(Signal::Series(SeriesSignal {
                terms,
                window: preset.window,
                element: preset.element.clone(),
                labels: engine.labels.clone(),
                blank_from: engine.blank_from,
            })),
            formula,
        })
    }

    /// A series by its own name, in its own unit: gauges as they are, counters as rates, histograms
    /// as the statistic asked for.
    fn raw_metric(&self, name: &str, base: &str, raw: &RawSeries, wish: Wish) -> Option<Metric> {
        if !raw.is_metric {
            return None;
        }
        let preset = self.presets.get(&raw.preset)?.iter().find(|preset| preset.engine == raw.engine)?;
        let value = match &raw.term {
            RawTerm::Plain(term) => Value::Linear {
                terms: vec![term.clone()],
                sum: vec![Weighted { term: 0, weight: 1.0, optional: false, nonzero: false }],
            },
            RawTerm::Distribution(series) => {
                let statistic = if let Value::Distribution { statistic, .. } = preset.value {
                    statistic
                } else {
                    Statistic::P95
                };
                let series = vec![series.clone()];
                Value::Distribution { series, join: Join::Series, statistic, times: 1.0 }
            }
        };
        let mut alone = Preset { value, ..preset.clone() };
        if !is_plain(&preset.value) {
            // One part of a composed preset: range and target are the whole's, not its own.
            alone.facts.range = None;
            alone.facts.target = None;
            if let Some(unit) = &raw.unit {
                alone.facts.unit = unit.clone();
            }
        }
        if matches!(preset.value, Value::Ratio { .. }) {
            alone.facts.semantics = Semantics::Extensive;
            alone.aggregate = Aggregate::Sum;
            alone.facts.direction = Direction::Neither;
        }
        alone.facts.help = format!("The series {base} as the engine exports it; see {}.", preset.name).into();
        self.preset_metric(name, &[alone], wish)
    }
}

fn strip<'a, T: Copy>(name: &'a str, suffixes: &[(&str, T)]) -> (&'a str, Option<T>) {
    suffixes
        .iter()
        .find_map(|(suffix, what)| Some((name.strip_suffix(suffix)?, Some(*what))))
        .unwrap_or((name, None))
}

/// The aggregate and whether the result is a sum over replicas; `None` for what makes no sense.
fn shape(preset: &Preset, wish: Wish) -> Option<(Aggregate, Semantics)> {
    let is_sum = matches!(preset.value, Value::Linear { .. });
    match wish.aggregate {
        None => Some((preset.aggregate, preset.facts.semantics)),
        // What is counted is not what is added up: the series of a count is not its unit.
        Some(_) if preset.aggregate == Aggregate::Count => None,
        // A sum of ratios or of quantiles means nothing.
        Some(Aggregate::Sum) if !is_sum => None,
        Some(Aggregate::Sum) => Some((Aggregate::Sum, Semantics::Extensive)),
        Some(aggregate) => Some((aggregate, Semantics::Intensive)),
    }
}

/// Whether it may fall below zero: a difference by the noise of two rates, a slope when what it is of
/// falls. By itself it is served as 0 then.
fn is_signed(value: &Value) -> bool {
    let Value::Linear { terms, sum } = value else { return false };
    sum.iter().any(|term| term.weight < 0.0) || terms.iter().any(|term| term.kind == Kind::Slope)
}

/// Whether the preset is its series and nothing else, so that unit and range are the series' own.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Linear { terms, sum } => {
            let is_one = |times: f64| (times - 1.0).abs() < f64::EPSILON;
            let has_factor = terms.iter().any(|term| term.factor.is_some());
            matches!(&sum[..], [one] if is_one(one.weight) && !one.nonzero && !has_factor)
        }
        Value::Ratio { .. } => false,
        Value::Distribution { times, .. } => (times - 1.0).abs() < f64::EPSILON,
    }
}

#[cfg(test)]
mod tests;
