//! Composites: several metrics in one number.
//!
//! Expressions work on three levels. `each` joins the parts pod by pod (or GPU by GPU) and computes one
//! number for each; the metric's aggregate folds these; `value` computes on what was folded. So the mean
//! of maxima and the maximum of means are two things, as they should be.

use std::fmt;
use std::sync::Arc;

use super::expression::{Expression, Mistake, Shape, Variable};
use super::metric::{Aggregate, Metric, Semantics};
use super::signal::Element;

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
        Variable {
            name: self.name().into(),
            optional: self == Self::Target,
            shape,
            range: (0.0, f64::INFINITY),
        }
    }
}

/// Which of a composite's expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// That for each pod or device.
    Each,
    /// That on what was folded.
    Value,
}

impl Composite {
    /// A composite of `parts`, whose expressions are checked. What `each` makes of the pods or devices is
    /// folded by `aggregate`.
    ///
    /// # Errors
    /// Every mistake in either expression.
    pub fn new(
        parts: Vec<Part>,
        each: Option<&str>,
        value: Option<&str>,
        aggregate: Aggregate,
    ) -> Result<Self, Vec<(Level, Mistake)>> {
        let mut mistakes = Vec::new();
        let mut compile = |level, source: Option<&str>, variables: &[Variable]| {
            let compiled = Expression::compile(source?, variables);
            compiled.map_err(|found| mistakes.extend(found.into_iter().map(|one| (level, one)))).ok()
        };
        let of_parts: Vec<Variable> = parts.iter().map(Part::variable).collect();
        let each_compiled = compile(Level::Each, each, &of_parts);
        let folded = each.is_some().then(|| folded(aggregate));
        let value = compile(Level::Value, value, &variables(&parts, folded));
        if let Some(expression) = &each_compiled {
            mistakes.extend(unjoinable(&parts, expression).map(|mistake| (Level::Each, mistake)));
        }
        if mistakes.is_empty() { Ok(Self { parts, each: each_compiled, value }) } else { Err(mistakes) }
    }

    /// Whether the result grows with the replicas, where that follows from its parts.
    pub fn semantics(&self, aggregate: Aggregate) -> Option<Semantics> {
        match &self.value {
            None => Some(folded(aggregate)),
            Some(value) => match value.shape() {
                Shape::Extensive => Some(Semantics::Extensive),
                Shape::Intensive => Some(Semantics::Intensive),
                Shape::Constant | Shape::Mixed => None,
            },
        }
    }

    /// What may not be what was meant.
    pub fn warnings(&self) -> impl Iterator<Item = (Level, &Mistake)> {
        let levels = [(Level::Each, &self.each), (Level::Value, &self.value)];
        let there = levels.into_iter().filter_map(|(level, expression)| Some((level, expression.as_ref()?)));
        there.flat_map(|(level, expression)| expression.warnings().iter().map(move |found| (level, found)))
    }

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

/// What a fold of all pods or devices is.
fn folded(aggregate: Aggregate) -> Semantics {
    match aggregate {
        Aggregate::Sum | Aggregate::Count | Aggregate::Pooled => Semantics::Extensive,
        Aggregate::Avg | Aggregate::Max | Aggregate::Min | Aggregate::Quantile(_) => Semantics::Intensive,
    }
}

/// Why the parts that `each` names cannot be joined, if they cannot.
fn unjoinable(parts: &[Part], each: &Expression) -> Option<Mistake> {
    let mut used = each.uses().iter().map(|index| &parts[*index]);
    let first = used.next()?;
    let mistake = |message, hint: &str| Mistake::whole(each.source(), message, Some(hint.to_owned()));
    if let Some(whole) = [first].into_iter().chain(used.clone()).find(|part| part.elements().is_empty()) {
        let message = format!("`{}` has no number of each pod or device", whole.name);
        return Some(mistake(message, "use it in `value`"));
    }
    if let Some(other) = used.clone().find(|part| part.metric.scope != first.metric.scope) {
        let message = format!("of `{}` and `{}` only one is of the whole cluster", first.name, other.name);
        return Some(mistake(message, "give both the same `scope`, or use one of them in `value`"));
    }
    let other = used.find(|part| !part.elements().iter().any(|own| first.elements().contains(own)))?;
    let words = |part: &Part| match &part.elements()[0] {
        Element::Device(labels) => format!("of each {}", labels.join(" and ")),
        Element::Pod | Element::Series => "of each pod".to_owned(),
    };
    let message = format!(
        "the numbers of `{}` are {}, those of `{}` are {}: they cannot be joined",
        first.name,
        words(first),
        other.name,
        words(other)
    );
    Some(mistake(message, "fold one of them by itself and use it in `value`"))
}

impl Part {
    /// What carries its numbers: pods, or devices known by certain labels, each once. Empty for what is one
    /// number by nature.
    fn elements(&self) -> Vec<Element> {
        let mut found = Vec::new();
        for input in &self.metric.inputs {
            let element = match input.signal.element() {
                device @ Element::Device(_) => device.clone(),
                Element::Pod | Element::Series => Element::Pod,
            };
            if !found.contains(&element) {
                found.push(element);
            }
        }
        found
    }

    /// The part as expressions see it.
    pub fn variable(&self) -> Variable {
        Variable {
            name: Arc::clone(&self.name),
            optional: self.missing == WhenMissing::Optional,
            shape: self.metric.semantics.into(),
            range: self.range(),
        }
    }

    fn range(&self) -> (f64, f64) {
        let least = if self.metric.is_signed() { f64::NEG_INFINITY } else { 0.0 };
        let (low, high) = self.metric.range.unwrap_or((least, f64::INFINITY));
        match self.missing {
            WhenMissing::Default(value) => (low.min(value), high.max(value)),
            WhenMissing::Required | WhenMissing::Optional => (low, high),
        }
    }
}
