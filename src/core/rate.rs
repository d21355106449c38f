//! Rates from samples, as PromQL's `rate` has them.

use std::time::Duration;

use super::time::Timestamp;

/// The value of a series at a point in time. To that of a counter, what it lost in resets has been added
/// back, so that it never falls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When it was sampled.
    pub at: Timestamp,
    /// What it was, or had counted, by then.
    pub value: f64,
}

/// A sample this much later than the one before it was expected is missing: PromQL's own bound.
const LATE: f64 = 1.1;

/// The increase per second over the `window` that ends at `now`; `None` with fewer than two samples
/// in it.
///
/// `points` come oldest first. Those after `now` and all but the last before the window do not count.
/// PromQL knows no sample from before the window and prolongs the line through the first and last
/// inside it; with such a sample the value at the window's start is read off the line between the two
/// samples around it, which comes to the same for a steady counter, and is nearer for any other.
///
/// Without one, the line is prolonged to the window's start, or to where it meets zero: a counter that
/// was there before has its full rate from its second sample on, and one that has just begun what it
/// counted. PromQL adds half a gap only, and so takes a window's time to believe in either.
/// Values that are not finite give a result that is not.
pub fn rate(points: impl IntoIterator<Item = Point>, window: Duration, now: Timestamp) -> Option<f64> {
    let start = now.shifted(-i64::try_from(window.as_millis()).unwrap_or(i64::MAX));
    let mut before = None;
    let mut first = None;
    let mut last: Option<Point> = None;
    let mut gap = 0.0;
    let mut count = 0_u32;
    for point in points.into_iter().take_while(|point| point.at <= now) {
        if point.at < start {
            before = Some(point);
            continue;
        }
        gap = last.map_or(0.0, |last| seconds(last.at, point.at));
        first.get_or_insert(point);
        last = Some(point);
        count += 1;
    }
    let (first, last) = first.zip(last).filter(|_| count > 1)?;
    let covered = seconds(first.at, last.at);
    let until_now = seconds(last.at, now);
    if let Some(before) = before {
        let share = seconds(before.at, start) / seconds(before.at, first.at);
        let at_start = before.value + (first.value - before.value) * share;
        let covered = seconds(start, last.at);
        let after = if until_now < gap * LATE { until_now } else { gap / 2.0 };
        return Some((last.value - at_start) * (covered + after) / covered / window.as_secs_f64());
    }
    let increase = last.value - first.value;
    let gap = covered / f64::from(count - 1);
    let after = if until_now < gap * LATE { until_now } else { gap / 2.0 };
    let mut ahead = seconds(start, first.at);
    // A counter cannot have been below zero.
    if increase > 0.0 && first.value >= 0.0 {
        ahead = ahead.min(covered * first.value / increase);
    }
    Some(increase * (covered + ahead + after) / covered / window.as_secs_f64())
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.since(from).as_secs_f64()
}

#[cfg(test)]
mod tests;
