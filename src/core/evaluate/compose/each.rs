//! The parts joined pod by pod, or device by device.

use std::collections::BTreeMap;

use super::{Ages, Composed};
use crate::core::composite::{Part, WhenMissing};
use crate::core::evaluate::age::Selected;
use crate::core::evaluate::{Each, Run};
use crate::core::expression::Expression;
use crate::core::fold::{self, Folded, Partial};
use crate::core::metric::{Aggregate, Metric};
use crate::core::quantity::QuantityError;
use crate::core::reading::{ElementStep, PartStep};
use crate::core::refusal::Refusal;
use crate::core::series::{Labels, Series};
use crate::core::signal::Element;

/// What tells elements apart, whichever part tells of them: namespace and pod, or what identifies a device.
type Key<'a> = Vec<&'a str>;

/// One pod or device with the numbers of the parts.
struct Row<'a> {
    /// A series that names it.
    of: &'a Series,
    values: Vec<Option<f64>>,
}

/// Numbers of one part for one element, before they are folded.
enum Gathered {
    Pooled(Partial),
    Values(Vec<f64>),
}

impl<'a> Composed<'a, '_> {
    /// The folded numbers of all elements.
    pub(super) fn each(&mut self, each: &Expression, ages: &mut Ages) -> Result<f64, Refusal> {
        let rows = self.rows(each, ages)?;
        let mut values = Vec::with_capacity(rows.len());
        for (name, value, _) in rows {
            values.push(value);
            if let Some(steps) = &mut self.steps {
                let age_seconds = self.now.since(ages.sampled_at).as_secs_f64();
                steps.elements.push(ElementStep { name, value: Some(value), age_seconds });
            }
        }
        ages.elements = ages.elements.max(values.len());
        let value =
            fold::aggregate(self.known.metric.aggregate, &mut values).ok_or_else(|| self.nothing())?;
        if value.is_finite() {
            return Ok(value);
        }
        Err(Refusal::Unservable {
            metric: self.known.metric.name.to_string(),
            cause: QuantityError::NotFinite,
        })
    }

    /// The folded numbers of the elements of each object that `key` names.
    pub(super) fn each_by(&mut self, each: &Expression, key: &str) -> Result<Each, Refusal> {
        let mut ages = Ages::of_nothing();
        let rows = self.rows(each, &mut ages)?;
        let mut grouped: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let metric = self.known.metric;
        let run = Run { metric, question: self.question, source_name: "", now: self.now, steps: None };
        for (_, value, of) in rows {
            if let Some(name) = run.label_of(of, key) {
                grouped.entry(name).or_default().push(value);
            }
        }
        if grouped.is_empty() {
            return Err(self.nothing());
        }
        let one = |(name, mut values): (String, Vec<f64>)| {
            let value = fold::aggregate(metric.aggregate, &mut values).unwrap_or(f64::NAN);
            (name, ages.reading(metric, value, self.now))
        };
        Ok(grouped.into_iter().map(one).collect())
    }

    fn nothing(&self) -> Refusal {
        let metric = self.known.metric.name.to_string();
        let reason = "none of its pods or devices has a value yet".to_owned();
        Refusal::NoSeries { metric, reason, certain: false }
    }

    /// Each element by name with what the expression makes of it.
    fn rows(
        &mut self,
        each: &Expression,
        ages: &mut Ages,
    ) -> Result<Vec<(String, f64, &'a Series)>, Refusal> {
        let mut rows: BTreeMap<Key<'a>, Row<'a>> = BTreeMap::new();
        for index in each.uses() {
            self.join(*index, &mut rows, ages)?;
        }
        let mut found = Vec::with_capacity(rows.len());
        for mut row in rows.into_values() {
            let name = ElementStep::name_of(&row.of.labels, self.element(each));
            if self.fill(each, &mut row, &name)? {
                // Of what is no number an expression could make one that looks like any other.
                let mut used = each.uses().iter().filter_map(|index| row.values[*index]);
                let is_sound = used.all(f64::is_finite);
                let value = if is_sound { each.evaluate(&row.values) } else { Ok(f64::NAN) };
                found.push((name, value.map_err(|missing| self.lacks(missing))?, row.of));
            }
        }
        Ok(found)
    }

    /// What carries the numbers of the parts: all of them the same, which is checked when it is loaded.
    fn element(&self, each: &Expression) -> &Element {
        let first = each.uses().first().and_then(|index| self.known.parts[*index].metric.inputs.first());
        match first.map(|input| input.signal.element()) {
            Some(device @ Element::Device(_)) => device,
            _ => &Element::Pod,
        }
    }

    /// Puts in what stands for missing numbers; false if the element has none to speak of yet.
    fn fill(&self, each: &Expression, row: &mut Row<'_>, name: &str) -> Result<bool, Refusal> {
        for index in each.uses() {
            if row.values[*index].is_some() {
                continue;
            }
            let part = &self.composite.parts[*index];
            match part.missing {
                WhenMissing::Default(value) => row.values[*index] = Some(value),
                WhenMissing::Optional => {}
                // What has just started has no rate yet.
                WhenMissing::Required if self.is_young(row.of, part) => return Ok(false),
                WhenMissing::Required => {
                    return Err(Refusal::Incomplete {
                        metric: self.known.metric.name.to_string(),
                        element: name.to_owned(),
                        missing: part.name.to_string(),
                    });
                }
            }
        }
        Ok(true)
    }

    /// Whether a pod is too young to have the rate of this part. Where pods are not known, none is.
    fn is_young(&self, of: &Series, part: &Part) -> bool {
        let Some(window) = part.metric.window() else { return false };
        let (Some(namespace), Some(name)) = (of.labels.get("namespace"), of.labels.get("pod")) else {
            return false;
        };
        let pod = self.question.pods.and_then(|known| known.pod(namespace, name));
        pod.is_some_and(|pod| self.now.since(pod.created) < window)
    }

    /// Adds one part's numbers to the rows.
    fn join(
        &mut self,
        index: usize,
        rows: &mut BTreeMap<Key<'a>, Row<'a>>,
        ages: &mut Ages,
    ) -> Result<(), Refusal> {
        let part = &self.composite.parts[index];
        let known = &self.known.parts[index];
        let mut derivation = self.steps.is_some().then(Default::default);
        let mut run = Run {
            metric: known.metric,
            question: self.question,
            source_name: known.source_name,
            now: self.now,
            steps: derivation.as_mut(),
        };
        let selected = match run.select(&known.inputs) {
            Ok(Ok(selected)) => Ok(selected),
            Ok(Err(absences)) => {
                Err(run.no_series(&known.inputs, absences.join("; "), run.is_well(&known.inputs)))
            }
            Err(refusal) => Err(refusal),
        };
        if let (Some(steps), Some(derivation)) = (&mut self.steps, derivation) {
            steps.parts.push(PartStep {
                name: part.name.to_string(),
                metric: part.metric.name.to_string(),
                value: None,
                refusal: selected.as_ref().err().map(ToString::to_string),
                missing: part.missing.to_string(),
                derivation,
            });
        }
        let selected = match selected {
            Ok(selected) => selected,
            Err(refusal) => return self.without(part, refusal, ages).map(|_| ()),
        };
        // Of all engines before any is folded: one pod may run two.
        let mut gathered = BTreeMap::new();
        for one in &selected {
            ages.include(one.at, one.sampled_at, one.expires, one.stale < self.now);
            self.gather(part, one, &mut gathered)?;
        }
        let count = self.composite.parts.len();
        for (key, (of, gathered)) in gathered {
            let value = match gathered {
                Gathered::Pooled(partial) => partial.finish(),
                Gathered::Values(mut values) => fold::aggregate(part.metric.aggregate, &mut values),
            };
            let row = rows.entry(key).or_insert_with(|| Row { of, values: vec![None; count] });
            row.values[index] = value;
        }
        Ok(())
    }

    /// Adds the numbers of one input of a part to those of each element.
    fn gather(
        &self,
        part: &Part,
        selected: &Selected<'a>,
        gathered: &mut BTreeMap<Key<'a>, (&'a Series, Gathered)>,
    ) -> Result<(), Refusal> {
        let columns = selected.snapshot.set.as_ref().map_or(&[][..], |set| set.columns());
        let element = selected.input.signal.element();
        for Folded { first, cells, .. } in &selected.elements {
            let first: &'a Series = first;
            let partial = fold::apply(&selected.input.formula, columns, cells).map_err(|missing| {
                let series = selected.input.signal.term_name(missing.0);
                Refusal::Incomplete {
                    metric: self.known.metric.name.to_string(),
                    element: ElementStep::name_of(&first.labels, element),
                    missing: series.unwrap_or_else(|| part.name.to_string()),
                }
            })?;
            gather(gathered, key(&first.labels, element), first, partial, &part.metric);
        }
        Ok(())
    }
}

fn gather<'a>(
    into: &mut BTreeMap<Key<'a>, (&'a Series, Gathered)>,
    key: Key<'a>,
    of: &'a Series,
    partial: Partial,
    metric: &Metric,
) {
    let (_, gathered) = into.entry(key).or_insert_with(|| (of, Gathered::Values(Vec::new())));
    match gathered {
        Gathered::Pooled(all) => all.join(partial),
        Gathered::Values(_) if metric.aggregate == Aggregate::Pooled => *gathered = Gathered::Pooled(partial),
        Gathered::Values(values) => values.extend(partial.finish()),
    }
}

/// What tells an element apart.
fn key<'a>(labels: &'a Labels, element: &Element) -> Key<'a> {
    let value = |name: &str| labels.get(name).unwrap_or_default();
    match element {
        Element::Device(names) => names.iter().map(|name| value(name)).collect(),
        Element::Pod | Element::Series => {
            // What is read by its address alone is known by that.
            let name = labels.get("pod").or_else(|| labels.get("instance")).unwrap_or_default();
            vec![value("namespace"), name]
        }
    }
}
