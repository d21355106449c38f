//! Slopes from samples, as PromQL's `deriv` has them.

use std::time::Duration;

use super::rate::Point;
use super::time::Timestamp;

/// How fast a gauge changes, per second: the slope of the line that fits its samples best, by least
/// squares, over the `window` that ends at `now`. Below zero while it falls. `None` with fewer than two
/// samples in the window.
///
/// `points` come oldest first, no two at the same time. Those outside the window do not count.
///
/// A sample weighs as much as the time that it stands for, which reaches half way to its neighbours, and
/// beyond the first and the last as far as on their other side. So evenly spaced ones weigh the same, as
/// all do in PromQL; and where older ones have been thinned out, the recent do not outvote them.
/// Values that are not finite give a result that is not.
pub fn slope(points: impl IntoIterator<Item = Point>, window: Duration, now: Timestamp) -> Option<f64> {
    let is_inside = |point: &Point| point.at <= now && now.since(point.at) <= window;
    let inside: Vec<Point> = points.into_iter().filter(is_inside).collect();
    let [first, _, ..] = inside[..] else { return None };
    // Seen from the first one numbers are small, and a gauge that stands still is exactly 0.
    let times: Vec<f64> = inside.iter().map(|point| point.at.since(first.at).as_secs_f64()).collect();
    let values = || inside.iter().map(|point| point.value - first.value);
    let gap = |index: usize| times.get(index + 1).map(|next| next - times[index]);
    let weights: Vec<f64> = (0..times.len())
        .map(|index| {
            let (before, after) = (index.checked_sub(1).and_then(gap), gap(index));
            before.or(after).unwrap_or_default() + after.or(before).unwrap_or_default()
        })
        .collect();
    let weighed = |numbers: &mut dyn Iterator<Item = f64>| -> f64 {
        numbers.zip(&weights).map(|(number, weight)| number * weight).sum()
    };
    let total: f64 = weights.iter().sum();
    let middle = weighed(&mut times.iter().copied()) / total;
    let mean = weighed(&mut values()) / total;
    let rise = weighed(&mut times.iter().zip(values()).map(|(time, value)| (time - middle) * (value - mean)));
    let run = weighed(&mut times.iter().map(|time| (time - middle).powi(2)));
    Some(rise / run)
}

#[cfg(test)]
mod tests;
