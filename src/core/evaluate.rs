//! The one function that turns what is known into a reading or a refusal.
//!
//! ```text
//! choose (whose series) ──▶ judge (how old) ──▶ fold (one number) ──▶ reading │ refusal
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use super::fold::{self, Folded, MissingTerm, Partial};
use super::freshness::Snapshot;
use super::metric::{Aggregate, Input, Metric, Missing};
use super::quantity::{Quantity, QuantityError};
use super::reading::{Derivation, ElementStep, Reading};
use super::refusal::Refusal;
use super::selector::Selector;
use super::time::Timestamp;
use super::workload::Inventory;

mod age;
mod choose;
mod compose;
mod selection;
mod silence;

use age::Selected;
use choose::Chosen;
pub use compose::{Facts, Known, compose, compose_each};
pub use selection::Selections;

/// Whom a request asks about.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The request's namespace; empty for all of them.
    pub namespace: &'a str,
    /// The series wanted, by their own labels and by those of their pods.
    pub selector: &'a Selector,
    /// Whose series.
    pub whom: Whom<'a>,
    /// The pods of the cluster, where they are known. Series of others are left out.
    pub pods: Option<&'a dyn Inventory>,
}

/// Whose series are asked for.
#[derive(Debug, Clone, Copy)]
pub enum Whom<'a> {
    /// Everyone's.
    All,
    /// Those of pods whose own labels match.
    Pods(&'a Selector),
    /// Those of one object.
    Object {
        /// The label that names such objects: `pod`, `deployment`, `service`.
        key: &'a str,
        /// The object's name.
        name: &'a str,
    },
}

/// Evaluates `metric` over `known`: its inputs with the snapshots of their signals, engines that are
/// not there left out. `source_name` is for messages. Every step is written to `steps` if given.
///
/// # Errors
/// A [`Refusal`] whenever the true value is not known.
pub fn evaluate(
    metric: &Metric,
    known: &[(&Input, &Snapshot)],
    question: Question<'_>,
    source_name: &str,
    now: Timestamp,
    steps: Option<&mut Derivation>,
) -> Result<Reading, Refusal> {
    let mut run = Run { metric, question, source_name, now, steps };
    run.evaluate(known)
}

/// The same for each pod or object by itself: `key` is the label that names them. Those without a value
/// of their own come with the reason.
///
/// # Errors
/// A [`Refusal`] where nothing is known of any of them.
pub fn evaluate_each(
    metric: &Metric,
    known: &[(&Input, &Snapshot)],
    question: Question<'_>,
    key: &str,
    source_name: &str,
    now: Timestamp,
) -> Result<Each, Refusal> {
    let mut run = Run { metric, question, source_name, now, steps: None };
    run.evaluate_each(known, key)
}

/// Readings, or the reasons why there is none, by the names of pods or objects.
pub type Each = Vec<(String, Result<Reading, Refusal>)>;

/// How soon something may change that nothing tells of.
const SOON: Duration = Duration::from_secs(1);

struct Run<'a> {
    metric: &'a Metric,
    question: Question<'a>,
    source_name: &'a str,
    now: Timestamp,
    steps: Option<&'a mut Derivation>,
}

impl Run<'_> {
    fn evaluate(&mut self, known: &[(&Input, &Snapshot)]) -> Result<Reading, Refusal> {
        if let Some(steps) = &mut self.steps {
            steps.aggregate = self.metric.aggregate.to_string();
        }
        match self.select(known)? {
            Ok(selected) => self.read(&selected),
            Err(absences) => self.nothing(known, &absences),
        }
    }

    /// What is asked for of each input, or in words why there is nothing in any.
    fn select<'a>(
        &mut self,
        known: &[(&'a Input, &'a Snapshot)],
    ) -> Result<Result<Vec<Selected<'a>>, Vec<String>>, Refusal> {
        let mut selected = Vec::with_capacity(known.len());
        let mut absences = Vec::new();
        for (input, snapshot) in known {
            let found = match self.choose(input, snapshot, None)? {
                Ok(chosen) => self.judge(chosen)?,
                Err(absence) => Err(absence),
            };
            match found {
                Ok(found) => selected.push(found),
                Err(absence) => absences.push(absence),
            }
        }
        Ok(if selected.is_empty() { Err(absences) } else { Ok(selected) })
    }

    fn evaluate_each<'a>(&mut self, known: &[(&'a Input, &'a Snapshot)], key: &str) -> Result<Each, Refusal> {
        let mut absences = Vec::new();
        let mut each: BTreeMap<String, Vec<Chosen<'a>>> = BTreeMap::new();
        for (input, snapshot) in known {
            let chosen = match self.choose(input, snapshot, Some(key))? {
                Ok(chosen) => chosen,
                Err(absence) => {
                    absences.push(absence);
                    continue;
                }
            };
            for series in chosen.series {
                let Some(name) = self.label_of(series, key) else { continue };
                let parts = each.entry(name).or_default();
                match parts.last_mut() {
                    Some(last) if std::ptr::eq(last.input, *input) => last.series.push(series),
                    _ => parts.push(Chosen { input, snapshot, series: vec![series] }),
                }
            }
        }
        if each.is_empty() {
            if absences.is_empty() {
                absences.push(format!("none of the series selected names a {key}"));
            }
            let reason = absences.join("; ");
            return Err(self.no_series(known, reason, self.is_well(known)));
        }
        Ok(each.into_iter().map(|(name, parts)| (name, self.part(parts))).collect())
    }

    fn part(&mut self, parts: Vec<Chosen<'_>>) -> Result<Reading, Refusal> {
        let mut selected = Vec::with_capacity(parts.len());
        let mut absences = Vec::new();
        for chosen in parts {
            match self.judge(chosen)? {
                Ok(found) => selected.push(found),
                Err(absence) => absences.push(absence),
            }
        }
        if selected.is_empty() {
            Err(self.no_series(&[], absences.join("; "), false))
        } else {
            self.read(&selected)
        }
    }

    /// The reading of what was selected, which is not nothing.
    fn read(&mut self, selected: &[Selected<'_>]) -> Result<Reading, Refusal> {
        let value = self.fold(selected)?;
        let quantity = quantity(self.metric, value)?;
        let expires = selected.iter().map(|one| one.expires).min().unwrap_or(self.now);
        let held = selected.iter().any(|one| one.stale < self.now);
        let elements = selected.iter().map(|one| one.elements.len()).sum();
        let (at, sampled_at) = selected
            .iter()
            .min_by_key(|one| one.sampled_at)
            .map_or((self.now, self.now), |one| (one.at, one.sampled_at));
        let window = self.metric.window();
        Ok(Reading { value, quantity, at, sampled_at, window, held, expires, elements })
    }

    fn nothing(&self, known: &[(&Input, &Snapshot)], absences: &[String]) -> Result<Reading, Refusal> {
        let well = self.is_well(known);
        if self.metric.absent == Missing::Zero && well {
            let read =
                known.iter().filter_map(|(_, snapshot)| snapshot.refreshed_at).min().unwrap_or(self.now);
            return Ok(Reading {
                value: 0.0,
                quantity: quantity(self.metric, 0.0)?,
                at: read,
                sampled_at: read,
                window: self.metric.window(),
                held: false,
                // Zero on absence holds only while the source is known to be well.
                expires: self.now.plus(SOON),
                elements: 0,
            });
        }
        let mut reason = absences.join("; ");
        if self.metric.absent == Missing::Zero && !known.is_empty() {
            reason.push_str("; absence counts as zero only while the source is well");
        }
        Err(self.no_series(known, reason, well))
    }

    /// Whether an absence means that there is nothing.
    fn is_well(&self, known: &[(&Input, &Snapshot)]) -> bool {
        // Without any snapshot nothing is known of the source, not even that it is well.
        !known.is_empty()
            && known.iter().all(|(input, snapshot)| {
                let mut silent = snapshot.set.iter().flat_map(|set| set.silent());
                snapshot.is_well(self.now) && !silent.any(|silent| self.concerns(silent, input))
            })
    }

    fn no_series(&self, known: &[(&Input, &Snapshot)], mut reason: String, certain: bool) -> Refusal {
        if known.is_empty() && reason.is_empty() {
            let engines: Vec<_> = self.metric.inputs.iter().map(|input| input.engine.to_string()).collect();
            reason = format!(
                "source {} has series of none of its engines ({})",
                self.source_name,
                engines.join(", ")
            );
        }
        Refusal::NoSeries { metric: self.metric.name.to_string(), reason, certain }
    }

    fn fold(&mut self, selected: &[Selected<'_>]) -> Result<f64, Refusal> {
        let mut values = Vec::new();
        let mut pooled: Option<Partial> = None;
        for Selected { input, snapshot, elements, .. } in selected {
            let columns = snapshot.set.as_ref().map_or(&[][..], |set| set.columns());
            for element in elements {
                let partial = fold::apply(&input.formula, columns, &element.cells)
                    .map_err(|missing| self.incomplete(input, element, missing))?;
                if self.metric.aggregate == Aggregate::Pooled {
                    match &mut pooled {
                        None => pooled = Some(partial.clone()),
                        Some(pooled) => pooled.join(partial.clone()),
                    }
                }
                let value = partial.finish();
                values.extend(value);
                if let Some(steps) = &mut self.steps {
                    let sampled = snapshot.set.as_ref().map_or(self.now, |set| set.by_our_clock(element.at));
                    steps.elements.push(ElementStep {
                        name: ElementStep::name_of(&element.first.labels, input.signal.element()),
                        value,
                        age_seconds: self.now.since(sampled).as_secs_f64(),
                    });
                }
            }
        }
        let value = match pooled {
            Some(pooled) => pooled.finish(),
            None => fold::aggregate(self.metric.aggregate, &mut values),
        };
        match value {
            Some(value) => Ok(value),
            None if self.metric.idle == Missing::Zero => Ok(0.0),
            None => {
                let signal = &selected[0].input.signal;
                Err(Refusal::Idle {
                    metric: self.metric.name.to_string(),
                    signal: signal.to_string(),
                    window: signal.window(),
                })
            }
        }
    }

    fn incomplete(&self, input: &Input, element: &Folded<'_>, missing: MissingTerm) -> Refusal {
        let series = input.signal.term_name(missing.0);
        Refusal::Incomplete {
            metric: self.metric.name.to_string(),
            element: ElementStep::name_of(&element.first.labels, input.signal.element()),
            missing: series.unwrap_or_else(|| input.signal.to_string()),
        }
    }
}

/// The value as the HPA gets it.
fn quantity(metric: &Metric, value: f64) -> Result<Quantity, Refusal> {
    match Quantity::from_f64(value) {
        Err(QuantityError::Negative(_)) if metric.negative == Missing::Zero => Quantity::from_f64(0.0),
        other => other,
    }
    .map_err(|cause| Refusal::Unservable { metric: metric.name.to_string(), cause })
}

#[cfg(test)]
mod tests;
