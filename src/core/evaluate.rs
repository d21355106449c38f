//! The one function that turns what is known into a reading or a refusal.

use std::time::Duration;

use super::fold::{self, Folded, MissingTerm, Partial};
use super::freshness::{Age, Coverage, Snapshot};
use super::metric::{Aggregate, Input, Metric, Missing, Scope};
use super::quantity::{Quantity, QuantityError};
use super::reading::{Derivation, ElementStep, InputStep, Reading};
use super::refusal::Refusal;
use super::selector::Selector;
use super::series::Series;
use super::signal::Signal;
use super::time::{Human, Timestamp};

mod silence;

/// Whom a request asks about.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The request's namespace.
    pub namespace: &'a str,
    /// The series wanted.
    pub selector: &'a Selector,
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

struct Run<'a> {
    metric: &'a Metric,
    question: Question<'a>,
    source_name: &'a str,
    now: Timestamp,
    steps: Option<&'a mut Derivation>,
}

/// What one input gives: its elements, and how old they are.
struct Selected<'a> {
    input: &'a Input,
    snapshot: &'a Snapshot,
    elements: Vec<Folded<'a>>,
    /// The oldest sample, by the source's clock.
    at: Timestamp,
    /// The same by our clock.
    sampled_at: Timestamp,
    /// When the first of its samples ceases to be fresh, by our clock.
    stale: Timestamp,
    /// When the first of its samples may no longer be served, by our clock.
    expires: Timestamp,
}

impl<'a> Run<'a> {
    fn evaluate(&mut self, known: &[(&'a Input, &'a Snapshot)]) -> Result<Reading, Refusal> {
        if let Some(steps) = &mut self.steps {
            steps.aggregate = self.metric.aggregate.to_string();
        }
        let mut selected = Vec::with_capacity(known.len());
        let mut absences = Vec::new();
        for (input, snapshot) in known {
            match self.select(input, snapshot)? {
                Ok(found) => selected.push(found),
                Err(absence) => absences.push(absence),
            }
        }
        if selected.is_empty() {
            return self.nothing(known, &absences);
        }
        let value = self.fold(&selected)?;
        let quantity = self.quantity(value)?;
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

    /// The elements of one input, or in words why there are none.
    fn select(
        &mut self,
        input: &'a Input,
        snapshot: &'a Snapshot,
    ) -> Result<Result<Selected<'a>, String>, Refusal> {
        let Some(set) = &snapshot.set else {
            self.record(input, snapshot, 0, 0);
            return Err(self.unread(&input.signal, snapshot));
        };
        let Question { namespace, selector } = self.question;
        let candidates = match self.metric.scope {
            Scope::Namespace => set.in_namespace(namespace),
            Scope::Cluster => set.all(),
        };
        let mut chosen: Vec<&Series> =
            candidates.iter().filter(|series| selector.matches(|name| series.labels.get(name))).collect();
        self.record(input, snapshot, candidates.len(), chosen.len());
        let is_covered = match self.metric.scope {
            Scope::Namespace => snapshot.coverage.includes(namespace),
            Scope::Cluster => snapshot.coverage == Coverage::Cluster,
        };
        if !is_covered {
            return Err(self.unread(&input.signal, snapshot));
        }
        if let Some(silent) = set.silent().iter().find(|one| !one.known && self.concerns(one, input)) {
            return Err(Refusal::Silent {
                metric: self.metric.name.to_string(),
                signal: input.signal.to_string(),
                source_name: self.source_name.to_owned(),
                target: silent.name().to_owned(),
                cause: silent.cause.to_string(),
            });
        }
        // A set that was read before its window was covered does not become right by getting old.
        if let Some(until) = snapshot.usable_from {
            let read = snapshot.refreshed_at.unwrap_or_default();
            if until <= self.now {
                self.check_age(&input.signal, snapshot, read)?;
            }
            return Err(Refusal::Recovering {
                metric: self.metric.name.to_string(),
                signal: input.signal.to_string(),
                source_name: self.source_name.to_owned(),
                window: input.signal.window(),
                remaining: until.max(read.plus(snapshot.interval)).since(self.now),
            });
        }
        let Some(oldest) = chosen.iter().min_by_key(|series| series.at) else {
            self.check_age(&input.signal, snapshot, snapshot.refreshed_at.unwrap_or_default())?;
            return Ok(Err(self.absence(input, snapshot, candidates)));
        };
        let (at, sampled_at) = (oldest.at, set.sampled_at(oldest));
        let (mut stale, mut expires) = (Timestamp::MAX, Timestamp::MAX);
        for series in &chosen {
            let bounds = snapshot.bounds(series.cadence(), self.metric.hold);
            let sampled_at = set.sampled_at(series);
            if bounds.judge(self.now.since(sampled_at)) == Age::Expired {
                let cause = set.silent().iter().find(|silent| silent.is_source_of(series));
                let cause = cause.map(|silent| silent.cause.as_ref());
                return Err(self.stale(&input.signal, snapshot, sampled_at, bounds.limit, cause));
            }
            stale = stale.min(sampled_at.plus(bounds.fresh));
            expires = expires.min(sampled_at.plus(bounds.limit));
        }
        if let Some(series) = chosen.iter().find(|series| series.lapsed) {
            return Err(Refusal::Incomplete {
                metric: self.metric.name.to_string(),
                element: ElementStep::name_of(&series.labels, input.signal.element()),
                missing: format!("{} any more", input.signal),
            });
        }
        // What has just started has no rate yet, and nothing that it could take from the others'.
        chosen.retain(|series| series.has_number());
        if chosen.is_empty() {
            let reason = format!("{} has just appeared and has no value yet", input.signal);
            return Err(Refusal::NoSeries { metric: self.metric.name.to_string(), reason });
        }
        let elements = fold::elements(&chosen, input.signal.element());
        Ok(Ok(Selected { input, snapshot, elements, at, sampled_at, stale, expires }))
    }

    /// Whether the source was read at `read` lately enough to be believed about what it has not.
    fn check_age(&self, signal: &Signal, snapshot: &Snapshot, read: Timestamp) -> Result<(), Refusal> {
        let bounds = snapshot.bounds(None, self.metric.hold);
        match bounds.judge(self.now.since(read)) {
            Age::Expired => Err(self.stale(signal, snapshot, read, bounds.limit, None)),
            Age::Fresh | Age::Held => Ok(()),
        }
    }

    fn stale(
        &self,
        signal: &Signal,
        snapshot: &Snapshot,
        sampled: Timestamp,
        limit: Duration,
        cause: Option<&str>,
    ) -> Refusal {
        // A query that hangs has not failed yet.
        let silence =
            snapshot.refreshed_at.map(|at| self.now.since(at)).filter(|it| *it > snapshot.interval * 3 / 2);
        Refusal::Stale {
            metric: self.metric.name.to_string(),
            signal: signal.to_string(),
            source_name: self.source_name.to_owned(),
            age: self.now.since(sampled),
            limit,
            cause: cause
                .or(snapshot.failure.as_deref())
                .map(str::to_owned)
                .or_else(|| silence.map(|time| format!("no answer for {}", Human(time)))),
        }
    }

    fn unread(&self, signal: &Signal, snapshot: &Snapshot) -> Refusal {
        let (metric, signal) = (self.metric.name.to_string(), signal.to_string());
        let source_name = self.source_name.to_owned();
        match &snapshot.failure {
            Some(cause) => Refusal::SourceDown { metric, signal, source_name, cause: cause.to_string() },
            None => Refusal::Loading { metric, signal, source_name },
        }
    }

    fn absence(&self, input: &Input, snapshot: &Snapshot, candidates: &[Series]) -> String {
        let Question { namespace, selector } = self.question;
        let signal = &input.signal;
        let total = snapshot.set.as_ref().map_or(0, |set| set.all().len());
        if total == 0 {
            format!("source {} has none of {signal}", self.source_name)
        } else if candidates.is_empty() {
            format!("{signal} exists ({total} series), but not in namespace {namespace}")
        } else {
            let place = match self.metric.scope {
                Scope::Namespace => format!(" in namespace {namespace}"),
                Scope::Cluster => String::new(),
            };
            let labels = candidates.first().map(|series| {
                series
                    .labels
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect::<Vec<_>>()
                    .join(",")
            });
            format!(
                "none of the {} series of {signal}{place} matches {selector}; one of them has {}",
                candidates.len(),
                labels.unwrap_or_default()
            )
        }
    }

    fn nothing(&self, known: &[(&Input, &Snapshot)], absences: &[String]) -> Result<Reading, Refusal> {
        // Without any snapshot nothing is known of the source, not even that it is well.
        let well = !known.is_empty()
            && known.iter().all(|(input, snapshot)| {
                let mut silent = snapshot.set.iter().flat_map(|set| set.silent());
                snapshot.is_well(self.now) && !silent.any(|silent| self.concerns(silent, input))
            });
        if self.metric.absent == Missing::Zero && well {
            let read =
                known.iter().filter_map(|(_, snapshot)| snapshot.refreshed_at).min().unwrap_or(self.now);
            return Ok(Reading {
                value: 0.0,
                quantity: self.quantity(0.0)?,
                at: read,
                sampled_at: read,
                window: self.metric.window(),
                held: false,
                // Zero on absence holds only while the source is known to be well.
                expires: self.now.plus(Duration::from_secs(1)),
                elements: 0,
            });
        }
        let mut reason = absences.join("; ");
        if known.is_empty() {
            let engines: Vec<_> = self.metric.inputs.iter().map(|input| input.engine.to_string()).collect();
            reason = format!(
                "source {} has series of none of its engines ({})",
                self.source_name,
                engines.join(", ")
            );
        } else if self.metric.absent == Missing::Zero {
            reason.push_str("; absence counts as zero only while the source is well");
        }
        Err(Refusal::NoSeries { metric: self.metric.name.to_string(), reason })
    }

    fn fold(&mut self, selected: &[Selected<'a>]) -> Result<f64, Refusal> {
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
        let series = match input.signal.as_ref() {
            Signal::Series(signal) => signal.terms.get(missing.0).map(|term| {
                term.series.iter().map(|series| series.name.clone()).collect::<Vec<_>>().join(" or ")
            }),
            Signal::Query(_) | Signal::Presence(_) => None,
        };
        Refusal::Incomplete {
            metric: self.metric.name.to_string(),
            element: ElementStep::name_of(&element.first.labels, input.signal.element()),
            missing: series.unwrap_or_else(|| input.signal.to_string()),
        }
    }

    fn quantity(&self, value: f64) -> Result<Quantity, Refusal> {
        match Quantity::from_f64(value) {
            Err(QuantityError::Negative(_)) if self.metric.negative == Missing::Zero => {
                Quantity::from_f64(0.0)
            }
            other => other,
        }
        .map_err(|cause| Refusal::Unservable { metric: self.metric.name.to_string(), cause })
    }

    fn record(&mut self, input: &Input, snapshot: &Snapshot, in_namespace: usize, selected: usize) {
        let (now, hold) = (self.now, self.metric.hold);
        let Some(steps) = &mut self.steps else { return };
        steps.inputs.push(InputStep {
            engine: input.engine.clone(),
            signal: input.signal.to_string(),
            query: snapshot.query.clone(),
            formula: input.formula.to_string(),
            series: snapshot.set.as_ref().map_or(0, |set| set.all().len()),
            in_namespace,
            selected,
            read_seconds_ago: snapshot.refreshed_at.map(|at| now.since(at).as_secs_f64()),
            interval_seconds: snapshot.interval.as_secs_f64(),
            sample_interval_seconds: snapshot.cadence.map(|cadence| cadence.as_secs_f64()),
            limit_seconds: snapshot.bounds(None, hold).limit.as_secs_f64(),
            failure: snapshot.failure.clone(),
            warnings: silence::remarks(snapshot),
        });
    }
}

#[cfg(test)]
mod tests;
