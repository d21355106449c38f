//! From replicas that an HPA may have to values that justify no more.

use crate::core::justify::{Asker, Goal};
use crate::core::quantity::Quantity;
use crate::core::reading::Reading;

/// What one of those who ask may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cap<'a> {
    pub(super) asker: &'a Asker,
    pub(super) most: Most,
}

/// How many replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Most {
    /// Any number.
    Any,
    /// At most so many.
    Replicas(u32),
    /// At most as many as there are, which is not known.
    Unknown,
}

/// The largest value that may be served to all of them.
enum Bound {
    /// Any.
    None,
    /// This one.
    Value(f64),
    /// None above this, since whoever may have more cannot be told so beside the others.
    Split(f64),
}

/// The reading, or the largest that lets nobody want more than it may have. Of values of single pods the
/// mean is meant: see [`hold_each`].
///
/// # Errors
/// Why no value says to all of them what they may have.
pub(super) fn hold(reading: Reading, caps: &[Cap<'_>]) -> Result<Reading, String> {
    match bound(reading.value, caps, 1)? {
        Bound::Value(most) if reading.value > most => at(&reading, most),
        Bound::Split(least) if reading.value > least => Err(split(caps)),
        _ => Ok(reading),
    }
}

/// The readings of the pods of a workload, each lowered in proportion so that their mean lets nobody want
/// more than it may have: of uneven pods, cutting each by itself would justify fewer than there are.
///
/// # Errors
/// As for [`hold`].
pub(super) fn hold_each(
    readings: Vec<(String, Reading)>,
    caps: &[Cap<'_>],
) -> Result<Vec<(String, Reading)>, String> {
    let mean = mean(&readings);
    match bound(mean, caps, readings.len())? {
        Bound::Value(most) if mean > most => readings
            .into_iter()
            .map(|(name, reading)| {
                let lowered = reading.value * (most / mean);
                at(&reading, lowered).map(|reading| (name, reading))
            })
            .collect(),
        Bound::Split(least) if mean > least => Err(split(caps)),
        _ => Ok(readings),
    }
}

/// The mean that an HPA makes of them; 0 of none.
pub(super) fn mean(readings: &[(String, Reading)]) -> f64 {
    let sum: f64 = readings.iter().map(|(_, reading)| reading.value).sum();
    sum / readings.len().max(1) as f64
}

fn bound(value: f64, caps: &[Cap<'_>], pods: usize) -> Result<Bound, String> {
    let mut bounds = Vec::with_capacity(caps.len());
    for cap in caps {
        bounds.push(match cap.most {
            Most::Any => f64::INFINITY,
            // Nothing justifies nothing, whatever there is.
            _ if value <= 0.0 => f64::INFINITY,
            Most::Unknown => return Err(undecided(cap.asker)),
            Most::Replicas(most) => justifying(cap.asker, most, pods).ok_or_else(|| undecided(cap.asker))?,
        });
    }
    let least = bounds.iter().copied().fold(f64::INFINITY, f64::min);
    Ok(if least.is_infinite() {
        Bound::None
    } else if bounds.iter().all(|bound| (bound - least).abs() < 0.0005) {
        Bound::Value(least)
    } else {
        Bound::Split(least)
    })
}

/// The largest value that lets it want at most so many.
fn justifying(asker: &Asker, most: u32, pods: usize) -> Option<f64> {
    let now = asker.replicas?;
    if let Goal::Pods(target) = asker.goal {
        // More pods than replicas, as in a rolling update, would count as demand for that many.
        let each = f64::from(most) / pods.max(1) as f64;
        return Some(floor(target * if most > now { each } else { each.min(1.0) }));
    }
    // Where its pods are not known, more than there are cannot be told.
    let value = asker.value_for(most).or_else(|| asker.value_for(now.min(most)))?;
    Some(floor(value))
}

/// The next lower thousandth, which is what the HPA reads. Rounded up it would ask for one replica more.
fn floor(value: f64) -> f64 {
    let milli = value * 1000.0;
    // What a whole number of thousandths lacks by the arithmetic of floats is no thousandth.
    let error = milli.abs().max(1.0) * 4.0 * f64::EPSILON;
    (milli + error).floor() / 1000.0
}

fn at(reading: &Reading, value: f64) -> Result<Reading, String> {
    let value = floor(value);
    let quantity = Quantity::from_f64(value).map_err(|error| error.to_string())?;
    Ok(Reading { value, quantity, ..reading.clone() })
}

fn undecided(asker: &Asker) -> String {
    format!("how many replicas HPA {} has is not known yet, so no value is safe", asker.name)
}

fn split(caps: &[Cap<'_>]) -> String {
    let allowed = |cap: &Cap<'_>| match cap.most {
        Most::Any => format!("{} any number", cap.asker.name),
        Most::Replicas(most) => format!("{} at most {most}", cap.asker.name),
        Most::Unknown => format!("{} no more than it has", cap.asker.name),
    };
    let allowed: Vec<String> = caps.iter().map(allowed).collect();
    format!(
        "several HPAs ask the same, and one value cannot tell each how many replicas it may have ({}): \
         give each a selector of its own",
        allowed.join(", ")
    )
}
