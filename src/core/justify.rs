//! From replicas back to values: what an autoscaler must be told to want so many.

use std::sync::Arc;

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
    /// Pods of its target that are ready, if pods are known.
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
    /// The value that lets it want exactly `replicas`; `None` while that cannot be told, since it has not
    /// decided anything yet or its pods are not known.
    pub fn value_for(&self, replicas: u32) -> Option<f64> {
        let wanted = f64::from(replicas);
        match self.goal {
            Goal::AverageValue(target) => Some(wanted * target),
            Goal::Value(target) | Goal::Pods(target) => match (self.replicas?, self.ready) {
                (now, _) if now == replicas && now > 0 => Some(target),
                // At zero it has no pods to multiply with.
                (0, _) => Some(wanted * target),
                (_, Some(0) | None) => None,
                (_, Some(ready)) => Some(wanted * target / f64::from(ready)),
            },
        }
    }
}
