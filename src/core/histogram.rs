//! Quantiles and shares: over the buckets of a classic Prometheus histogram, and over plain values.
//!
//! Both follow PromQL (`histogram_quantile` and the `quantile` aggregation) to the last edge case,
//! so that a signal reads the same here as in the dashboard beside it. An answer may thus be NaN
//! or infinite: it is for the caller to refuse it.

/// Relative difference below which two neighbouring counts are taken as equal: sums of floating
/// point rates differ by that much without meaning it.
const NEGLIGIBLE: f64 = 1e-12;

/// One bucket of a classic (cumulative) histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The inclusive upper bound, label `le`, in the unit of the observations; may be `+Inf`.
    pub upper: f64,
    /// Observations at or below `upper`: a count, or a rate of them per second. Cumulative, so it
    /// includes every lower bucket.
    pub count: f64,
}

/// Reads the label `le` as a bucket's upper bound: `+Inf`, `1`, `1.0`, `1e-05`.
///
/// `None` for text that is no number, for NaN, and for a number too large for a float: such a
/// series is no bucket, and Prometheus passes over it likewise.
pub fn parse_le(text: &str) -> Option<f64> {
    let bound: f64 = text.parse().ok()?;
    // An overflowing literal parses as infinite and must not pass for the +Inf bucket.
    let overflowed = bound.is_infinite() && text.contains(|c: char| c.is_ascii_digit());
    (!bound.is_nan() && !overflowed).then_some(bound)
}

/// The `q`-quantile (0 ≤ `q` ≤ 1) of a classic histogram, in the unit of the bucket bounds.
///
/// Buckets may come in any order, and buckets of several histograms may be mixed: counts with the
/// same bound are added first. `buckets` is left sorted, merged and with counts that never fall.
/// Within a bucket, observations are taken to lie evenly between its bounds, the first bucket
/// starting at 0.
///
/// - NaN when `q` is NaN; there is no `+Inf` bucket; there are fewer than two distinct bounds;
///   there are no observations; or `q` is 0 and the first bucket is empty with a positive bound.
/// - `-Inf` when `q` < 0 and `+Inf` when `q` > 1.
/// - The highest finite bound when the quantile lies above it, for no more is known (and, as in
///   Prometheus, when the total count is NaN).
/// - The first bound when the quantile lies in the first bucket and that bound is not positive.
pub fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if let Some(answer) = outside_unit_interval(q) {
        return answer;
    }
    put_in_order(buckets);
    let [finite @ .., total] = buckets.as_slice() else {
        return f64::NAN;
    };
    let Some(highest) = finite.last() else {
        return f64::NAN;
    };
    if total.upper != f64::INFINITY || total.count == 0.0 {
        return f64::NAN;
    }
    let rank = q * total.count;
    let Some(index) = finite.iter().position(|bucket| bucket.count >= rank) else {
        return highest.upper;
    };
    let bucket = finite[index];
    let below = match index.checked_sub(1) {
        Some(previous) => finite[previous],
        None if bucket.upper <= 0.0 => return bucket.upper,
        None => Bucket { upper: 0.0, count: 0.0 },
    };
    below.upper + (bucket.upper - below.upper) * ((rank - below.count) / (bucket.count - below.count))
}

/// The share (0..1) of a classic histogram's observations that are at most `upto`, which is in the unit of
/// the bucket bounds.
///
/// Buckets may come as for [`quantile`], and are left as it leaves them. The share is exact where `upto` is a
/// bound. Within a bucket, observations are taken to lie evenly between its bounds, the first bucket
/// starting at 0. Above the highest finite bound no more is known, so that what lies above it counts as
/// above `upto` too: the share is never too high there.
///
/// NaN when `upto` is NaN; there is no `+Inf` bucket; there are fewer than two distinct bounds; or there
/// are no observations.
pub fn share(upto: f64, buckets: &mut Vec<Bucket>) -> f64 {
    put_in_order(buckets);
    match &buckets[..] {
        [_, .., total] if total.upper == f64::INFINITY && !upto.is_nan() => {
            count_at(buckets, upto) / total.count
        }
        _ => f64::NAN,
    }
}

/// Adds the observations of another histogram; both are in rising order of their bounds.
///
/// Where their bounds differ (two releases side by side during a rollout), a count that one of them
/// does not tell is interpolated as [`quantile`] would. Adding up by bound alone, as PromQL's
/// `sum by (le)` does, would lose one histogram's observations between the other's bounds.
#[expect(clippy::float_cmp, reason = "bounds are labels: the same one is bit for bit the same")]
pub fn add(histogram: &mut Vec<Bucket>, other: &[Bucket]) {
    let same_bounds = histogram.len() == other.len()
        && histogram.iter().zip(other).all(|(one, other)| one.upper == other.upper);
    if same_bounds {
        histogram.iter_mut().zip(other).for_each(|(one, other)| one.count += other.count);
        return;
    }
    let mut bounds: Vec<f64> = histogram.iter().chain(other).map(|bucket| bucket.upper).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    let count = |upper| count_at(histogram, upper) + count_at(other, upper);
    *histogram = bounds.into_iter().map(|upper| Bucket { upper, count: count(upper) }).collect();
}

/// How many observations of a histogram lie at or below `bound`.
fn count_at(buckets: &[Bucket], bound: f64) -> f64 {
    let index = buckets.partition_point(|bucket| bucket.upper < bound);
    let below = index.checked_sub(1).map(|index| buckets[index]);
    match (below, buckets.get(index)) {
        (_, Some(bucket)) if bucket.upper <= bound => bucket.count,
        // Nothing is known of where above the last finite bound an observation lies.
        (Some(below), Some(above)) if above.upper.is_infinite() => below.count,
        (Some(below), Some(above)) => {
            let share = (bound - below.upper) / (above.upper - below.upper);
            below.count + (above.count - below.count) * share
        }
        (None, Some(first)) if bound > 0.0 && first.upper.is_finite() => first.count * (bound / first.upper),
        (Some(last), None) => last.count,
        (None, _) => 0.0,
    }
}

/// The `q`-quantile (0 ≤ `q` ≤ 1) of plain values, in their unit, interpolated linearly between
/// the two nearest ranks. Sorts `values`, NaN before everything else.
///
/// NaN when `values` is empty or `q` is NaN; `-Inf` when `q` < 0 and `+Inf` when `q` > 1. An
/// infinite value makes NaN of a rank at or beside it: PromQL multiplies it by a weight of zero.
pub fn quantile_of(values: &mut [f64], q: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else {
        return f64::NAN;
    };
    if let Some(answer) = outside_unit_interval(q) {
        return answer;
    }
    values.sort_unstable_by(|a, b| b.is_nan().cmp(&a.is_nan()).then_with(|| a.total_cmp(b)));
    let rank = q * last as f64;
    let lower = rank.floor();
    let weight = rank - lower;
    let index = lower as usize;
    values[index] * (1.0 - weight) + values[last.min(index + 1)] * weight
}

/// PromQL's answer when `q` is not in [0, 1].
fn outside_unit_interval(q: f64) -> Option<f64> {
    if q.is_nan() {
        Some(f64::NAN)
    } else if q < 0.0 {
        Some(f64::NEG_INFINITY)
    } else if q > 1.0 {
        Some(f64::INFINITY)
    } else {
        None
    }
}

/// Sorts buckets, merges those with one bound, and makes counts that never fall of theirs.
fn put_in_order(buckets: &mut Vec<Bucket>) {
    // The total order puts NaN bounds at the ends, where they cannot upset the sort.
    buckets.sort_by(|a, b| a.upper.total_cmp(&b.upper));
    merge_equal_bounds(buckets);
    make_cumulative(buckets);
}

/// Adds up the counts of neighbours with the same bound.
#[expect(
    clippy::float_cmp,
    reason = "bounds are labels: the same one is bit for bit the same, but for zero's sign"
)]
fn merge_equal_bounds(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, kept| {
        let same = next.upper == kept.upper;
        if same {
            kept.count += next.count;
        }
        same
    });
}

/// Lifts every count that is lower than one before it, and levels negligible rises.
///
/// Scrapes and rates of the buckets are not taken at one instant, so counts can fall where they
/// should not. The comparison is with the last count left as it was, not with the neighbour:
/// a slow drift of negligible steps still counts once it has become a real difference.
fn make_cumulative(buckets: &mut [Bucket]) {
    let Some((first, others)) = buckets.split_first_mut() else {
        return;
    };
    let mut reached = first.count;
    for bucket in others {
        if bucket.count < reached || nearly_equal(bucket.count, reached) {
            bucket.count = reached;
        } else {
            reached = bucket.count;
        }
    }
}

fn nearly_equal(a: f64, b: f64) -> bool {
    let difference = (a - b).abs();
    let size = a.abs() + b.abs();
    // Beside zero a relative difference says nothing.
    if a == 0.0 || b == 0.0 || size < f64::MIN_POSITIVE {
        return difference < NEGLIGIBLE * f64::MIN_POSITIVE;
    }
    difference / size.min(f64::MAX) < NEGLIGIBLE
}

#[cfg(test)]
mod tests;
