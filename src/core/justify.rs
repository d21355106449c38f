//! From replicas back to values: what an autoscaler must be told to want so many.
//!
//! An HPA leaves its target alone while the ratio of value and target is within its tolerance, and it is
//! told whole thousandths. So of the values that ask for so many replicas, one is chosen for which the
//! algorithm of [`super::hpa`] gives exactly that count.

use std::sync::Arc;

use super::quantity::Quantity;

/// The tolerance of an HPA that sets none: the default of kube-controller-manager.
const TOLERANCE: f64 = 0.1;

/// An autoscaler that asks a question, and what it makes of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Asker {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What it compares the value with.
    pub goal: Goal,
    /// How many replicas it has asked for last, which is what its target is set to; `None` before its
    /// first decision.
    pub replicas: Option<u32>,
    /// Pods of its target that are ready, if pods are known. Of a Pods metric, those that have a number.
    pub ready: Option<u32>,
}

/// What an autoscaler compares a value with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// External or Object, `Value`: replicas = ⌈value ÷ target × ready⌉.
    Value(f64),
    /// External or Object, `AverageValue`: replicas = ⌈value ÷ target⌉.
    AverageValue(f64),
    /// Pods, `AverageValue`: replicas = ⌈mean ÷ target × pods⌉.
    Pods(f64),
}

impl Asker {
    /// The value, in whole thousandths, that lets it want `replicas`.
    ///
    /// It wants exactly so many, except where its tolerance leaves no value that says so (11 while there
    /// are 10, or any count near that of the ready pods while others are not ready): then it is told the
    /// value of that count all the same and stays where it is.
    ///
    /// `None` while no value can be told: it has not decided anything yet, its pods are not known or none
    /// of them is ready, it has no pods to ask (a Pods metric at zero), or its target is so small that
    /// thousandths are too coarse.
    pub fn value_for(&self, replicas: u32) -> Option<f64> {
        let reckoning = self.reckoning(replicas)?;
        let natural = reckoning.highest(replicas)?;
        // Where that is within the tolerance, a lower value of the same count may be below it.
        let lower = reckoning.highest_below_tolerance();
        let exact =
            [Some(natural), lower].into_iter().flatten().find(|one| reckoning.wants(*one) == replicas);
        let chosen = exact.or_else(|| (reckoning.asks(natural) == replicas).then_some(natural))?;
        Some(Quantity::from_f64(chosen as f64 / 1000.0).ok()?.as_f64())
    }

    fn reckoning(&self, wanted: u32) -> Option<Reckoning> {
        let (Goal::Value(target) | Goal::AverageValue(target) | Goal::Pods(target)) = self.goal;
        let target = Quantity::from_f64(target).ok()?.milli();
        if target == 0 {
            return None;
        }
        let (times, kept) = match (self.goal, self.replicas, self.ready) {
            // From zero, the ratio itself is the count.
            (Goal::AverageValue(_), None | Some(0), _) | (Goal::Value(_), Some(0), _) => (1, None),
            (Goal::AverageValue(_), Some(now), _) => (1, Some((now, now))),
            (Goal::Pods(_), Some(0), _) | (_, None, _) => return None,
            (_, Some(now), Some(ready)) if ready > 0 => (ready, Some((now, 1))),
            // However many are ready, a ratio of 1 changes nothing, and none asks for none.
            (_, Some(now), _) if wanted == now || wanted == 0 => (1, Some((now, 1))),
            _ => return None,
        };
        Some(Reckoning { target, times, kept })
    }
}

/// An HPA's arithmetic for one value, in thousandths as whole numbers, as the controller has it.
#[derive(Debug, Clone, Copy)]
struct Reckoning {
    target: i64,
    /// What the ratio of value and target is multiplied by.
    times: u32,
    /// The replicas there are, and what the target is multiplied by where the tolerance is applied.
    kept: Option<(u32, u32)>,
}

impl Reckoning {
    /// The replicas that the HPA wants when it is told `value`.
    fn wants(&self, value: i64) -> u32 {
        match self.kept {
            Some((now, by)) if covers(value as f64 / (self.target as f64 * f64::from(by))) => now,
            _ => self.asks(value),
        }
    }

    /// The same without the tolerance.
    fn asks(&self, value: i64) -> u32 {
        (value as f64 / self.target as f64 * f64::from(self.times)).ceil() as u32
    }

    /// The target itself for what there is, else the highest value that asks for no more than `replicas`.
    fn highest(&self, replicas: u32) -> Option<i64> {
        if let Some((_, by)) = self.kept.filter(|(now, _)| *now == replicas) {
            return self.target.checked_mul(i64::from(by));
        }
        let value = self.target.checked_mul(i64::from(replicas))? / i64::from(self.times);
        // A quotient of floats may lie a hair above the whole number that it should be.
        Some(if self.asks(value) > replicas { value - 1 } else { value })
    }

    /// The highest value that is too low for the tolerance.
    fn highest_below_tolerance(&self) -> Option<i64> {
        let (_, by) = self.kept?;
        let whole = self.target as f64 * f64::from(by);
        let edge = (whole * (1.0 - TOLERANCE)) as i64;
        Some(if covers(edge as f64 / whole) { (edge - 1).max(0) } else { edge })
    }
}

fn covers(ratio: f64) -> bool {
    (1.0 - TOLERANCE..=1.0 + TOLERANCE).contains(&ratio)
}

#[cfg(test)]
mod tests;
