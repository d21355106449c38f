//! Composites: first their parts, each as if it had been asked for alone, then the expressions.

use std::collections::{BTreeMap, BTreeSet};

use super::{Each, Question, Run, evaluate, evaluate_each, quantity};
use crate::core::composite::{Composite, Fact, Part, WhenMissing};
use crate::core::expression::{Expression, Missing};
use crate::core::freshness::Snapshot;
use crate::core::metric::{Input, Metric, Scope};
use crate::core::reading::{Derivation, ExpressionStep, PartStep, Reading};
use crate::core::refusal::Refusal;
use crate::core::signal::Element;
use crate::core::time::Timestamp;

mod each;

/// What is known of a metric: the snapshots of its inputs, or what is known of its parts.
pub struct Known<'a> {
    /// The metric.
    pub metric: &'a Metric,
    /// Its source, for messages.
    pub source_name: &'a str,
    /// Its inputs, engines that are not there left out.
    pub inputs: Vec<(&'a Input, &'a Snapshot)>,
    /// One for each part of a composite.
    pub parts: Vec<Known<'a>>,
}

/// What is known of the workload that is asked about, for [`Fact`]s.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Facts {
    /// In the order of [`Fact::ALL`]; `None` for what is not known.
    pub values: [Option<f64>; Fact::ALL.len()],
}

/// Evaluates a metric, composite or not.
///
/// # Errors
/// A [`Refusal`] whenever the true value is not known.
pub fn compose(
    known: &Known<'_>,
    question: Question<'_>,
    facts: &Facts,
    now: Timestamp,
    steps: Option<&mut Derivation>,
) -> Result<Reading, Refusal> {
    match &known.metric.composite {
        None => evaluate(known.metric, &known.inputs, question, known.source_name, now, steps),
        Some(composite) => Composed { known, composite, question, facts, now, steps }.value(),
    }
}

/// The same for each pod or object by itself: `key` is the label that names them.
///
/// # Errors
/// A [`Refusal`] where nothing is known of any of them.
pub fn compose_each(
    known: &Known<'_>,
    question: Question<'_>,
    facts: &Facts,
    key: &str,
    now: Timestamp,
) -> Result<Each, Refusal> {
    match &known.metric.composite {
        None => evaluate_each(known.metric, &known.inputs, question, key, known.source_name, now),
        Some(composite) => Composed { known, composite, question, facts, now, steps: None }.by(key),
    }
}

/// A composite while it is evaluated.
struct Composed<'a, 'q> {
    known: &'q Known<'a>,
    composite: &'q Composite,
    question: Question<'q>,
    facts: &'q Facts,
    now: Timestamp,
    steps: Option<&'q mut Derivation>,
}

/// What the numbers behind a composite have in common.
struct Ages {
    at: Timestamp,
    sampled_at: Timestamp,
    expires: Timestamp,
    held: bool,
    elements: usize,
    /// How many pods there are numbers of.
    pods: usize,
}

impl Ages {
    fn of_nothing() -> Self {
        let never = Timestamp::MAX;
        Self { at: never, sampled_at: never, expires: never, held: false, elements: 0, pods: 0 }
    }

    fn include(&mut self, at: Timestamp, sampled_at: Timestamp, expires: Timestamp, held: bool) {
        if sampled_at < self.sampled_at {
            (self.at, self.sampled_at) = (at, sampled_at);
        }
        self.expires = self.expires.min(expires);
        self.held |= held;
    }

    fn include_reading(&mut self, reading: &Reading) {
        self.include(reading.at, reading.sampled_at, reading.expires, reading.held);
        self.elements = self.elements.max(reading.elements);
    }

    fn reading(&self, metric: &Metric, value: f64, now: Timestamp) -> Result<Reading, Refusal> {
        // What is made of the clock and of pods alone is as old as the question.
        let (at, sampled_at) =
            if self.sampled_at == Timestamp::MAX { (now, now) } else { (self.at, self.sampled_at) };
        Ok(Reading {
            value,
            quantity: quantity(metric, value)?,
            at,
            sampled_at,
            window: metric.window(),
            held: self.held,
            expires: self.expires,
            elements: self.elements,
        })
    }
}

impl Composed<'_, '_> {
    fn value(&mut self) -> Result<Reading, Refusal> {
        let metric = self.known.metric;
        let mut ages = Ages::of_nothing();
        let mut values = vec![None; self.composite.parts.len() + Fact::ALL.len() + 1];
        self.record_expressions(&values);
        if let Some(value) = &self.composite.value {
            for index in value.uses().iter().copied().filter(|index| *index < self.composite.parts.len()) {
                values[index] = self.part(index, &mut ages)?;
            }
        }
        let each = match &self.composite.each {
            Some(each) => Some(self.each(each, &mut ages)?),
            None => None,
        };
        let result = match &self.composite.value {
            Some(value) => {
                self.put_facts(value, &mut values, &ages)?;
                if let Some(last) = values.last_mut() {
                    *last = each;
                }
                value.evaluate(&values).map_err(|missing| self.lacks(missing))?
            }
            // One of the two is there, or it would be no composite.
            None => each.unwrap_or(f64::NAN),
        };
        self.record_expressions(&values);
        ages.reading(metric, result, self.now)
    }

    /// A part's number, as if it had been asked for alone; `None` where it may be missing and is.
    fn part(&mut self, index: usize, ages: &mut Ages) -> Result<Option<f64>, Refusal> {
        let part = &self.composite.parts[index];
        let mut derivation = self.steps.is_some().then(Derivation::default);
        let known = &self.known.parts[index];
        let outcome = compose(known, self.question, self.facts, self.now, derivation.as_mut());
        if let (Some(steps), Some(derivation)) = (&mut self.steps, derivation) {
            steps.parts.push(PartStep {
                name: part.name.to_string(),
                metric: part.metric.name.to_string(),
                value: outcome.as_ref().ok().map(|reading| reading.value),
                refusal: outcome.as_ref().err().map(ToString::to_string),
                missing: part.missing.to_string(),
                derivation,
            });
        }
        match outcome {
            Ok(reading) => {
                ages.include_reading(&reading);
                let mut inputs = part.metric.inputs.iter();
                let is_of_pods = inputs.all(|input| *input.signal.element() == Element::Pod);
                if is_of_pods && part.metric.composite.is_none() {
                    ages.pods = ages.pods.max(reading.elements);
                }
                Ok(Some(reading.value))
            }
            Err(refusal) => self.without(part, refusal, ages),
        }
    }

    /// What stands for a part that has no value.
    fn without(&self, part: &Part, refusal: Refusal, ages: &mut Ages) -> Result<Option<f64>, Refusal> {
        if part.missing == WhenMissing::Required || !refusal.is_absence() {
            return Err(Refusal::Part {
                metric: self.known.metric.name.to_string(),
                part: part.name.to_string(),
                cause: Box::new(refusal),
            });
        }
        // It may be there at the next look.
        ages.expires = ages.expires.min(self.now.plus(super::SOON));
        Ok(match part.missing {
            WhenMissing::Default(value) => Some(value),
            WhenMissing::Required | WhenMissing::Optional => None,
        })
    }

    /// The targets behind these numbers that have not told any yet, each with its pod, if that is known, and why what
    /// it would tell is not.
    fn unheard<'k>(&self, known: &'k Known<'_>, found: &mut Vec<(Option<&'k str>, Refusal)>) {
        let Known { metric, source_name, inputs, parts } = known;
        let run = Run { metric, question: self.question, source_name, now: self.now, steps: None };
        for (input, snapshot) in inputs {
            let silent = snapshot.set.iter().flat_map(|set| set.silent());
            let unheard = silent.filter(|one| run.is_unheard(one, input));
            found.extend(unheard.map(|one| (one.labels.get("pod"), run.silent(one, input))));
        }
        for part in parts {
            self.unheard(part, found);
        }
    }

    fn put_facts(&self, value: &Expression, values: &mut [Option<f64>], ages: &Ages) -> Result<(), Refusal> {
        let first = self.composite.parts.len();
        let facts = first..first + Fact::ALL.len();
        for index in value.uses().iter().copied().filter(|index| facts.contains(index)) {
            let fact = Fact::ALL[index - first];
            values[index] = self.facts.values[index - first].or_else(|| self.seen(fact, ages));
            if values[index].is_none() && fact != Fact::Target {
                let reason =
                    format!("how many pods belong to it is not known, and `{}` needs it", fact.name());
                return Err(Refusal::Unlisted { metric: self.known.metric.name.to_string(), reason });
            }
        }
        Ok(())
    }

    /// Without a cluster, the pods that there are numbers of are all that is known of pods.
    fn seen(&self, fact: Fact, ages: &Ages) -> Option<f64> {
        let is_blind = self.question.pods.is_none() && ages.pods > 0;
        match fact {
            Fact::Replicas | Fact::Ready if is_blind => Some(ages.pods as f64),
            Fact::Loading if is_blind => Some(0.0),
            _ => None,
        }
    }

    fn lacks(&self, Missing(index): Missing) -> Refusal {
        let parts = &self.composite.parts;
        let fact = || Fact::ALL.get(index - parts.len()).map_or("each", |fact| fact.name());
        Refusal::Incomplete {
            metric: self.known.metric.name.to_string(),
            element: "its expression".to_owned(),
            missing: parts.get(index).map_or_else(fact, |part| &part.name).to_owned(),
        }
    }

    fn record_expressions(&mut self, values: &[Option<f64>]) {
        let Some(steps) = &mut self.steps else { return };
        let composite = self.composite;
        let first = composite.parts.len();
        let facts = values.iter().skip(first).take(Fact::ALL.len()).zip(Fact::ALL);
        steps.expression = Some(ExpressionStep {
            each: composite.each.as_ref().map(|each| each.source().to_owned()),
            value: composite.value.as_ref().map(|value| value.source().to_owned()),
            facts: facts
                .filter_map(|(value, fact)| Some((fact.name().to_owned(), (*value)?)))
                .collect::<BTreeMap<_, _>>(),
        });
        steps.aggregate = self.known.metric.aggregate.to_string();
    }

    /// The number of each object that `key` names.
    fn by(&mut self, key: &str) -> Result<Each, Refusal> {
        if let Some(each) = &self.composite.each {
            if self.composite.value.is_some() {
                let metric = self.known.metric.name.to_string();
                let reason = format!("it has no number of each {key}, since it computes on what was folded");
                return Err(Refusal::NoSeries { metric, reason, certain: false });
            }
            return self.each_by(each, key);
        }
        let Some(value) = &self.composite.value else { return Ok(Vec::new()) };
        let metric = self.known.metric;
        let count = self.composite.parts.len();
        let mut whole = Ages::of_nothing();
        let mut common = vec![None; count + Fact::ALL.len() + 1];
        let mut tables: Vec<Option<BTreeMap<String, Result<Reading, Refusal>>>> = vec![None; count];
        for index in value.uses().iter().copied().filter(|index| *index < count) {
            let part = &self.composite.parts[index];
            let known = &self.known.parts[index];
            // What belongs to nobody counts for everybody.
            if known.metric.scope == Scope::Cluster {
                common[index] = self.part(index, &mut whole)?;
                continue;
            }
            match compose_each(known, self.question, self.facts, key, self.now) {
                Ok(each) => tables[index] = Some(each.into_iter().collect()),
                Err(refusal) => common[index] = self.without(part, refusal, &mut whole)?,
            }
        }
        self.put_facts(value, &mut common, &whole)?;
        let names: BTreeSet<String> =
            tables.iter().flatten().flat_map(|table| table.keys().cloned()).collect();
        if names.is_empty() {
            let reason = format!("none of its parts names a {key}");
            return Err(Refusal::NoSeries { metric: metric.name.to_string(), reason, certain: false });
        }
        let mut unheard = vec![Vec::new(); count];
        if key == "pod" {
            for index in value.uses().iter().copied().filter(|index| *index < count) {
                self.unheard(&self.known.parts[index], &mut unheard[index]);
            }
        }
        let one = |name: &String| -> Result<Reading, Refusal> {
            let mut ages = Ages { ..whole };
            let mut values = common.clone();
            for (index, table) in tables.iter().enumerate() {
                let has_own = table.as_ref().is_some_and(|table| table.contains_key(name));
                let mut unheard = unheard[index].iter().filter(|_| !has_own);
                // Nothing stands for what is there and not known.
                if let Some((_, refusal)) = unheard.find(|(pod, _)| pod.is_none_or(|pod| pod == name)) {
                    self.without(&self.composite.parts[index], refusal.clone(), &mut ages)?;
                }
                let Some(table) = table else { continue };
                let nothing = || Refusal::Incomplete {
                    metric: metric.name.to_string(),
                    element: name.clone(),
                    missing: self.composite.parts[index].name.to_string(),
                };
                values[index] = match table.get(name) {
                    Some(Ok(reading)) => {
                        ages.include_reading(reading);
                        Some(reading.value)
                    }
                    Some(Err(refusal)) => {
                        self.without(&self.composite.parts[index], refusal.clone(), &mut ages)?
                    }
                    None => match self.composite.parts[index].missing {
                        WhenMissing::Required => return Err(nothing()),
                        WhenMissing::Optional => None,
                        WhenMissing::Default(value) => Some(value),
                    },
                };
            }
            let value = value.evaluate(&values).map_err(|missing| self.lacks(missing))?;
            ages.reading(metric, value, self.now)
        };
        Ok(names.iter().map(|name| (name.clone(), one(name))).collect())
    }
}
