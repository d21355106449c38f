//! Composites: several metrics in one number.
//!
//! Expressions work on three levels. `each` joins the parts pod by pod (or GPU by GPU) and computes one
//! number for each; the metric's aggregate folds these; `value` computes on what was folded. So the mean
//! of maxima and the maximum of means are two things, as they should be.

use std::fmt;
use std::sync::Arc;

use super::expression::{Expression, Shape, Variable};
use super::metric::{Metric, Semantics};

/// How a metric is made of others.
#[derive(Debug, Clone)]
pub struct Composite {
    /// What the expressions name, in the order of their variables.
    pub parts: Vec<Part>,
    /// What is computed for each pod or device; of one that lacks a required part it is an error.
    pub each: Option<Expression>,
    /// What is computed on the folded numbers; `None` only where `each` says it all.
    pub value: Option<Expression>,
}

/// A metric within another.
#[derive(Debug, Clone)]
pub struct Part {
    /// What expressions call it.
    pub name: Arc<str>,
    /// What it is.
    pub metric: Arc<Metric>,
    /// What it means that it has no value, while its source is well.
    pub missing: WhenMissing,
}

/// What it means that a part has no value, while its source is well. What is not known because a source
/// fails is an error, whatever this says: a number must not fall because an exporter died.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WhenMissing {
    /// The composite has none either.
    Required,
    /// The expression deals with it, by `has` and `default`.
    Optional,
    /// It counts as this.
    Default(f64),
}

impl fmt::Display for WhenMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("required"),
            Self::Optional => f.write_str("optional"),
            Self::Default(value) => write!(f, "default {value}"),
        }
    }
}

/// What expressions may name beside the parts, after them in this order: facts of the workload that is
/// asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// Replicas wanted now: what its autoscaler has asked for, or else the pods that there are.
    Replicas,
    /// Pods that are ready.
    Ready,
    /// Pods that are new and not ready yet.
    Loading,
    /// What the autoscaler compares the value with; missing unless exactly one autoscaler asks.
    Target,
}

impl Fact {
    /// All of them, in the order of their variables.
    pub const ALL: [Self; 4] = [Self::Replicas, Self::Ready, Self::Loading, Self::Target];

    /// What expressions call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Replicas => "replicas",
            Self::Ready => "ready",
            Self::Loading => "loading",
            Self::Target => "target",
        }
    }

    fn variable(self) -> Variable {
        let shape = if self == Self::Target { Shape::Intensive } else { Shape::Extensive };
        Variable { name: self.name().into(), optional: self == Self::Target, shape, range: (0.0, f64::INFINITY) }
    }
}

impl Composite {
    /// Whether facts of the workload are part of it, or of a part of it.
    pub fn needs_facts(&self) -> bool {
        let facts = self.parts.len()..self.parts.len() + Fact::ALL.len();
        let names_one = |value: &Expression| value.uses().iter().any(|index| facts.contains(index));
        let parts = || self.parts.iter().filter_map(|part| part.metric.composite.as_ref());
        self.value.as_ref().is_some_and(names_one) || parts().any(|part| part.needs_facts())
    }
}

/// What `value` calls the folded result of `each`.
pub const EACH: &str = "each";

/// The variables of `value`: the parts, the facts, and `each` at last if there is one.
pub fn variables(parts: &[Part], each: Option<Semantics>) -> Vec<Variable> {
    let facts = Fact::ALL.into_iter().map(Fact::variable);
    let each = each.map(|semantics| Variable {
        name: EACH.into(),
        optional: false,
        shape: semantics.into(),
        range: (f64::NEG_INFINITY, f64::INFINITY),
    });
    parts.iter().map(Part::variable).chain(facts).chain(each).collect()
}

impl Part {
    /// The part as expressions see it.
    pub fn variable(&self) -> Variable {
        Variable {
            name: Arc::clone(&self.name),
            optional: self.missing == WhenMissing::Optional,
            shape: self.metric.semantics.into(),
            range: self.metric.range.unwrap_or((0.0, f64::INFINITY)),
        }
    }
}
