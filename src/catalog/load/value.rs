//! From the written form of a value to series, terms and weights.

use std::sync::Arc;

use super::super::file::{DistributionFile, StatisticName, TermFile, ValueFile};
use super::super::series::parse_series;
use super::super::{Statistic, Value};
use crate::core::metric::Weighted;
use crate::core::signal::{Factor, Fold, Join, Kind, SeriesRef, Term};

/// Own units of terms, or of a distribution, where they are not the preset's.
pub(super) type Units = Vec<Option<Arc<str>>>;

pub(super) fn value(file: &ValueFile) -> Result<(Value, Units), String> {
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
        ValueFile::Distribution(DistributionFile { histogram, statistic, times, by_target, unit }) => {
            units.push(unit.as_deref().map(Arc::from));
            let statistic = match statistic {
                StatisticName::P95 => Statistic::P95,
                StatisticName::Mean => Statistic::Mean,
            };
            let (series, join) = (alternatives(histogram)?, join(*by_target));
            Value::Distribution { series, join, statistic, times: *times }
        }
    };
    Ok((value, units))
}

fn term(file: &TermFile) -> Result<Term, String> {
    let (kind, names) = match (&file.gauge[..], &file.counter[..], &file.slope[..]) {
        (gauge, [], []) if !gauge.is_empty() => (Kind::Gauge, gauge),
        ([], counter, []) if !counter.is_empty() => (Kind::Counter, counter),
        ([], [], slope) if !slope.is_empty() => (Kind::Slope, slope),
        _ => return Err("a term has either `gauge`, `counter` or `slope`".to_owned()),
    };
    let (fold, without) = match (&file.without[..], &file.max_without[..]) {
        (labels, []) => (Fold::Sum, labels),
        ([], labels) => (Fold::Max, labels),
        _ => return Err("a term has either `without` or `max_without`".to_owned()),
    };
    let factor = match &file.factor {
        Some(factor) if factor.on.is_empty() => return Err("`factor` names no label `on`".to_owned()),
        Some(factor) => Some(Factor { series: parse_series(&factor.gauge)?, on: factor.on.clone() }),
        None => None,
    };
    let join = join(file.by_target);
    Ok(Term { kind, series: alternatives(names)?, join, without: without.to_vec(), fold, factor })
}

fn join(by_target: bool) -> Join {
    if by_target { Join::Target } else { Join::Series }
}

fn alternatives(names: &[String]) -> Result<Vec<SeriesRef>, String> {
    if names.is_empty() {
        return Err("no series".to_owned());
    }
    names.iter().map(|name| parse_series(name)).collect()
}
