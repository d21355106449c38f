//! From selected series to one number: join series into elements, apply the formula, aggregate.

use super::histogram::{self, Bucket};
use super::metric::{Aggregate, Formula, Weighted};
use super::series::{Column, Series};
use super::signal::Element;
use super::time::Timestamp;

/// A pod, device or single series with its numbers added up (or, for a device, joined).
#[derive(Debug, Clone)]
pub struct Folded<'a> {
    /// The first series met, which names the element.
    pub first: &'a Series,
    /// When the oldest of its samples was taken, by the source's clock.
    pub at: Timestamp,
    /// One cell for each column of the set.
    pub cells: Vec<Option<f64>>,
}

/// A formula's result before the last step, so that the results of several engines can be joined
/// without ever averaging ratios or adding quantiles.
#[derive(Debug, Clone, PartialEq)]
pub enum Partial {
    /// A weighted sum.
    Sum(f64),
    /// What is above and below the line of a ratio or a mean.
    Ratio(f64, f64),
    /// What is wanted of a distribution, and its buckets in rising order of their bounds.
    Buckets(Wanted, Vec<Bucket>),
}

/// What is wanted of a distribution's buckets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wanted {
    /// The quantile (0..1).
    Quantile(f64),
    /// The share of observations that are at most this, in the unit of the bounds.
    Share(f64),
}

/// The number of this term is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingTerm(pub usize);

impl Partial {
    /// Adds the same formula's result on other elements.
    pub fn join(&mut self, other: Self) {
        match (self, other) {
            (Self::Sum(a), Self::Sum(b)) => *a += b,
            (Self::Ratio(n, d), Self::Ratio(m, e)) => {
                *n += m;
                *d += e;
            }
            (Self::Buckets(_, a), Self::Buckets(_, b)) => histogram::add(a, &b),
            // Formulas of one metric have one shape, which the catalog's loader checks.
            (this, other) => *this = other,
        }
    }

    /// The number, which may still be unfit to serve; `None` for a ratio or distribution of nothing.
    ///
    /// What is computed from a number that is not finite is NaN, also where arithmetic would hide it
    /// (a division by infinity, a quantile below a broken bucket).
    pub fn finish(self) -> Option<f64> {
        match self {
            Self::Sum(value) => Some(value),
            Self::Ratio(above, below) if !(above.is_finite() && below.is_finite()) => Some(f64::NAN),
            Self::Ratio(_, 0.0) => None,
            Self::Ratio(above, below) => Some(above / below),
            Self::Buckets(_, buckets) if buckets.iter().any(|bucket| !bucket.count.is_finite()) => {
                Some(f64::NAN)
            }
            Self::Buckets(wanted, mut buckets) => {
                let observed = buckets.iter().any(|bucket| bucket.count != 0.0);
                observed.then(|| match wanted {
                    Wanted::Quantile(q) => histogram::quantile(q, &mut buckets),
                    Wanted::Share(upto) => histogram::share(upto, &mut buckets),
                })
            }
        }
    }
}

/// Joins series that describe the same element. Series of one pod add up; a device seen several
/// times (time-slicing, two exporters) is the same device, so its largest number stands.
pub fn elements<'a>(selected: &[&'a Series], element: &Element) -> Vec<Folded<'a>> {
    let mut sorted: Vec<&Series> = selected.to_vec();
    sorted.sort_by_key(|series| series.element);
    let mut folded: Vec<Folded<'a>> = Vec::new();
    for series in sorted {
        match folded.last_mut().filter(|last| last.first.element == series.element) {
            None => folded.push(Folded { first: series, at: series.at, cells: series.cells.to_vec() }),
            Some(last) => {
                let join = if matches!(element, Element::Device(_)) { f64::max } else { |a, b| a + b };
                last.at = last.at.min(series.at);
                merge(&mut last.cells, &series.cells, join);
            }
        }
    }
    folded
}

fn merge(into: &mut [Option<f64>], cells: &[Option<f64>], join: impl Fn(f64, f64) -> f64) {
    for (into, cell) in into.iter_mut().zip(cells) {
        *into = match (*into, *cell) {
            // What is not finite must survive: `f64::max` would hide it.
            (Some(a), Some(b)) if !(a.is_finite() && b.is_finite()) => Some(f64::NAN),
            (Some(a), Some(b)) => Some(join(a, b)),
            (a, b) => a.or(b),
        };
    }
}

/// Applies `formula` to one row of cells.
pub fn apply(formula: &Formula, columns: &[Column], cells: &[Option<f64>]) -> Result<Partial, MissingTerm> {
    let cell = |wanted| {
        let index = columns.iter().position(|column| *column == wanted);
        index.and_then(|index| cells[index]).ok_or(MissingTerm(0))
    };
    Ok(match formula {
        Formula::Linear(terms) => Partial::Sum(linear(terms, columns, cells)?),
        Formula::Ratio { numerator, denominator } => {
            Partial::Ratio(linear(numerator, columns, cells)?, linear(denominator, columns, cells)?)
        }
        // Before anything is joined, so that engines that observe in other units can be.
        Formula::Mean { times } => Partial::Ratio(cell(Column::Sum)? * times, cell(Column::Count)?),
        Formula::Quantile { q, times } => {
            Partial::Buckets(Wanted::Quantile(*q), buckets(*times, columns, cells)?)
        }
        Formula::Share { upto, times } => {
            Partial::Buckets(Wanted::Share(*upto), buckets(*times, columns, cells)?)
        }
    })
}

/// The buckets that are known, their bounds multiplied by `times`.
fn buckets(times: f64, columns: &[Column], cells: &[Option<f64>]) -> Result<Vec<Bucket>, MissingTerm> {
    let known = columns.iter().zip(cells).filter_map(|(column, cell)| match (column, cell) {
        (Column::Bucket(upper), Some(count)) => Some(Bucket { upper: upper * times, count: *count }),
        _ => None,
    });
    let buckets: Vec<Bucket> = known.collect();
    if buckets.is_empty() { Err(MissingTerm(0)) } else { Ok(buckets) }
}

fn linear(terms: &[Weighted], columns: &[Column], cells: &[Option<f64>]) -> Result<f64, MissingTerm> {
    let mut total = 0.0;
    for Weighted { term, weight, optional, nonzero } in terms {
        let index = columns.iter().position(|column| *column == Column::Term(*term));
        match index.and_then(|index| cells[index]) {
            // NaN is no code, and neither 0 nor another.
            Some(value) if *nonzero && !value.is_nan() => total += weight * f64::from(u8::from(value != 0.0)),
            Some(value) => total += weight * value,
            None if *optional => {}
            None => return Err(MissingTerm(*term)),
        }
    }
    Ok(total)
}

/// Folds the elements' own values. `None` when there is none.
pub fn aggregate(aggregate: Aggregate, values: &mut [f64]) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    // What is not finite must survive: a maximum, a minimum or a count would hide it.
    if values.iter().any(|value| !value.is_finite()) {
        return Some(f64::NAN);
    }
    let sum = values.iter().sum::<f64>();
    Some(match aggregate {
        Aggregate::Pooled | Aggregate::Sum => sum,
        Aggregate::Avg => sum / values.len() as f64,
        Aggregate::Max => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        Aggregate::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
        Aggregate::Count => values.len() as f64,
        Aggregate::Quantile(q) => histogram::quantile_of(values, q),
    })
}

#[cfg(test)]
mod tests;
