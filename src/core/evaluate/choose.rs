//! Whose series are asked for: by namespace, by selector, and by the pods that the cluster has.

use std::sync::Arc;

use super::selection::{Basis, Selection, Selections};
use super::{Question, Run, Whom};
use crate::core::freshness::{Coverage, Snapshot};
use crate::core::metric::{Input, Scope};
use crate::core::reading::{InputStep, TransitionStep};
use crate::core::refusal::Refusal;
use crate::core::selector::Requirement;
use crate::core::series::{Acquaintance, Labels, Series, SeriesSet, is_of_scrape};
use crate::core::signal::Signal;
use crate::core::workload::{Knowledge, Pod};

/// The series of one input that are asked for, at least one.
pub(super) struct Chosen<'a> {
    pub(super) input: &'a Input,
    pub(super) snapshot: &'a Snapshot,
    pub(super) series: Vec<&'a Series>,
}

/// The pod that a series is about.
enum Whose {
    /// One that the cluster has and that counts.
    Pod(Arc<Pod>),
    /// It names none, or pods are not looked at.
    Nobody,
    /// One that is gone or ending, or was never in this cluster.
    Gone,
    /// One that is not known while what is known may be behind.
    Unknown,
}

/// How many series were looked at.
#[derive(Clone, Copy, Default)]
struct Counts {
    candidates: usize,
    gone: usize,
    chosen: usize,
}

/// Which candidates were chosen, and how many are of pods that are gone.
struct Picked {
    indexes: Vec<u32>,
    gone: usize,
}

impl Run<'_> {
    /// The series of one input that are asked for, or in words why there are none. `each`: they will be
    /// told apart by this label.
    pub(super) fn choose<'a>(
        &mut self,
        input: &'a Input,
        snapshot: &'a Snapshot,
        each: Option<&str>,
    ) -> Result<Result<Chosen<'a>, String>, Refusal> {
        let Some(set) = &snapshot.set else {
            self.record(input, snapshot, Counts::default());
            return Err(self.unread(&input.signal, snapshot));
        };
        let is_everywhere = self.question.namespace.is_empty() || self.metric.scope == Scope::Cluster;
        let candidates = if is_everywhere { set.all() } else { set.in_namespace(self.question.namespace) };
        let place = (!is_everywhere).then_some(self.question.namespace);
        let (chosen, gone) = self.pick(input, (snapshot, set), candidates, place)?;
        let counts = Counts { candidates: candidates.len(), gone, chosen: chosen.len() };
        self.record(input, snapshot, counts);
        let is_covered = if is_everywhere {
            snapshot.coverage == Coverage::Cluster
        } else {
            snapshot.coverage.includes(self.question.namespace)
        };
        if !is_covered {
            return Err(self.unread(&input.signal, snapshot));
        }
        // A pod that does not answer takes nothing from the other pods' own numbers.
        if each != Some("pod")
            && let Some(silent) = set.silent().iter().find(|one| self.is_unheard(one, input))
        {
            return Err(self.silent(silent, input));
        }
        if let Some(reason) = self.passed_over(set, place) {
            return Err(Refusal::Unlisted { metric: self.metric.name.to_string(), reason });
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
        if chosen.is_empty() {
            self.check_age(&input.signal, snapshot, snapshot.refreshed_at.unwrap_or_default())?;
            return Ok(Err(self.absence(input, snapshot, candidates, gone)));
        }
        Ok(Ok(Chosen { input, snapshot, series: chosen }))
    }

    /// The candidates that are asked for, and how many others are of pods that are gone. `place`: the namespace
    /// whose pods matter; all of them if `None`.
    fn pick<'a>(
        &self,
        input: &Input,
        (snapshot, set): (&Snapshot, &'a SeriesSet),
        candidates: &'a [Series],
        place: Option<&str>,
    ) -> Result<(Vec<&'a Series>, usize), Refusal> {
        let pods = self.question.pods;
        let is_complete = pods.is_none_or(|pods| pods.knowledge() == Knowledge::Complete);
        let selections = Some(&snapshot.selections).filter(|_| is_complete && Selections::serve(candidates));
        let Some(selections) = selections else {
            let Picked { indexes, gone } = self.look(input, candidates)?;
            return Ok((indexes.into_iter().map(|index| &candidates[index as usize]).collect(), gone));
        };
        // Before anything is looked up there: a change in between makes what is chosen outdated.
        let basis = Basis { layout: set.layout().clone(), pods: pods.map_or(0, |pods| pods.version(place)) };
        let key = selections.key(&self.question, self.metric.scope);
        let selection = if let Some(known) = selections.recall(key, &basis) {
            known
        } else {
            let Picked { indexes, gone } = self.look(input, candidates)?;
            selections.note(key, Selection::new(basis, indexes, gone))
        };
        Ok((selection.of(candidates), selection.gone))
    }

    /// Looks at every candidate.
    fn look(&self, input: &Input, candidates: &[Series]) -> Result<Picked, Refusal> {
        let mut picked = Picked { indexes: Vec::new(), gone: 0 };
        for (index, series) in (0..).zip(candidates) {
            let pod = match self.whose(input, series) {
                Whose::Pod(pod) => Some(pod),
                Whose::Nobody => None,
                Whose::Gone => {
                    picked.gone += 1;
                    continue;
                }
                Whose::Unknown if self.question.selector.may_match(|key| series.labels.get(key)) => {
                    return Err(self.unlisted(series));
                }
                Whose::Unknown => continue,
            };
            // A schedule is nobody's: a selector only tells those apart who ask for it.
            let is_clocks =
                matches!(*input.signal, Signal::Schedule(_)) && matches!(self.question.whom, Whom::All);
            if is_clocks || self.is_asked_for(&series.labels, pod.as_deref()) {
                picked.indexes.push(index);
            }
        }
        Ok(picked)
    }

    fn whose(&self, input: &Input, series: &Series) -> Whose {
        let Some(pods) = self.question.pods else { return Whose::Nobody };
        // A query of the user's own for the whole cluster says itself what belongs to it.
        if self.metric.scope == Scope::Cluster && matches!(*input.signal, Signal::Query(_)) {
            return Whose::Nobody;
        }
        let (Some(namespace), Some(name)) = (series.labels.get("namespace"), series.labels.get("pod")) else {
            return Whose::Nobody;
        };
        match pods.pod(namespace, name) {
            Some(pod) if pod.counts => Whose::Pod(pod),
            Some(_) => Whose::Gone,
            // What was no pod of this cluster before changes went untold is none now.
            None if series.acquaintance == Acquaintance::Stranger => Whose::Gone,
            None if pods.knowledge() == Knowledge::Complete => Whose::Gone,
            None => Whose::Unknown,
        }
    }

    /// Why what is asked for cannot be told: it is asked for by how it was scraped, and was scraped otherwise too.
    /// Which of the two counts is chosen by their freshness, not by the question.
    fn passed_over(&self, set: &SeriesSet, place: Option<&str>) -> Option<String> {
        if set.passed_over().is_empty() {
            return None;
        }
        let Question { selector, whom, pods, .. } = self.question;
        let object = if let Whom::Object { key, .. } = whom { Some(key) } else { None };
        let mut keys = selector.requirements().iter().map(Requirement::key).chain(object);
        let by = keys.find(|key| is_of_scrape(key))?;
        let is_lost = |(out, kept): &&(Labels, Labels)| {
            let pod = pods.zip(out.get("namespace").zip(out.get("pod")));
            let pod = pod.and_then(|(pods, (namespace, name))| pods.pod(namespace, name));
            let (pod, counts) = (pod.as_deref(), pod.as_ref().map_or(pods.is_none(), |pod| pod.counts));
            let is_here = place.is_none_or(|place| out.get("namespace") == Some(place));
            counts && is_here && self.is_asked_for(out, pod) && !self.is_asked_for(kept, pod)
        };
        let (out, kept) = set.passed_over().iter().find(is_lost)?;
        let told = |labels: &Labels| labels.get(by).unwrap_or("none").to_owned();
        Some(format!(
            "pod {} is scraped more than once and counts once, by {by} {} and not {}: scrape it once, or do not ask by {by}",
            out.get("pod").unwrap_or_default(),
            told(kept),
            told(out)
        ))
    }

    fn is_asked_for(&self, labels: &Labels, pod: Option<&Pod>) -> bool {
        let own = |key: &str| labels.get(key);
        let label = |key: &str| own(key).or_else(|| pod.and_then(|pod| pod.label(key)));
        let Question { selector, whom, pods, .. } = self.question;
        let is_theirs = match whom {
            Whom::All => true,
            Whom::Object { key, name } => label(key) == Some(name),
            Whom::Pods(wanted) => match pod {
                Some(pod) => wanted.matches(|key| pod.labels.get(key)),
                // Where no pods are known, a series' own labels are all there is.
                None => pods.is_none() && own("pod").is_some() && wanted.matches(own),
            },
        };
        is_theirs && selector.matches(label)
    }

    /// The value of a label of `series` or of its pod.
    pub(super) fn label_of(&self, series: &Series, key: &str) -> Option<String> {
        if let Some(own) = series.labels.get(key) {
            return Some(own.to_owned());
        }
        let pods = self.question.pods?;
        let pod = pods.pod(series.labels.get("namespace")?, series.labels.get("pod")?)?;
        pod.label(key).map(str::to_owned)
    }

    fn unlisted(&self, series: &Series) -> Refusal {
        let pod = series.labels.get("pod").unwrap_or_default();
        let reason = format!(
            "whether pod {pod} belongs to it is not known, since the API server has not told of changes lately"
        );
        Refusal::Unlisted { metric: self.metric.name.to_string(), reason }
    }

    fn absence(&self, input: &Input, snapshot: &Snapshot, candidates: &[Series], gone: usize) -> String {
        let Question { namespace, selector, whom, .. } = self.question;
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
            let all = candidates.len();
            if gone == all {
                return format!(
                    "the {all} series of {signal}{place} are of pods that are gone, ending or not in this cluster"
                );
            }
            let mut asked = match whom {
                Whom::All => Vec::new(),
                Whom::Pods(wanted) if wanted.is_everything() => vec!["is of a pod".to_owned()],
                Whom::Pods(wanted) => vec![format!("is of a pod whose own labels have {wanted}")],
                Whom::Object { key, name } => vec![format!("is of {key} {name}")],
            };
            if asked.is_empty() || !selector.is_everything() {
                asked.push(format!("matches {selector}"));
            }
            let asked = asked.join(" and ");
            let labels = candidates.first().map(|series| {
                let own = series.labels.iter().map(|(name, value)| selector.shown(name, value));
                own.collect::<Vec<_>>().join(",")
            });
            format!(
                "none of the {all} series of {signal}{place} {asked}; one of them has {}",
                labels.unwrap_or_default()
            )
        }
    }

    fn record(&mut self, input: &Input, snapshot: &Snapshot, counts: Counts) {
        let (now, hold) = (self.now, self.metric.hold);
        if self.steps.is_none() {
            return;
        }
        let remarks = self.remarks(input, snapshot);
        let Some(steps) = &mut self.steps else { return };
        steps.inputs.push(InputStep {
            engine: input.engine.clone(),
            signal: input.signal.to_string(),
            query: snapshot.query.clone(),
            formula: input.formula.to_string(),
            series: snapshot.set.as_ref().map_or(0, |set| set.all().len()),
            in_namespace: counts.candidates,
            gone: counts.gone,
            selected: counts.chosen,
            read_seconds_ago: snapshot.refreshed_at.map(|at| now.since(at).as_secs_f64()),
            interval_seconds: snapshot.interval.as_secs_f64(),
            sample_interval_seconds: snapshot.cadence.map(|cadence| cadence.as_secs_f64()),
            limit_seconds: snapshot.bounds(None, hold).limit.as_secs_f64(),
            failure: snapshot.failure.clone(),
            warnings: remarks,
            next: TransitionStep::next(&input.signal, now),
        });
    }
}
