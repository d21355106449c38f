//! Asking: from a name, a namespace and a selector to a reading.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Engine;
use super::demand::EVERYWHERE;
use super::generation::{Binding, Unbound};
use super::refresh;
use super::slot::Slot;
use crate::core::autoscaler::Autoscaler;
use crate::core::evaluate::{Question, Whom, evaluate, evaluate_each};
use crate::core::freshness::{Coverage, Snapshot};
use crate::core::metric::{Input, Scope};
use crate::core::reading::{Derivation, Reading};
use crate::core::refusal::Refusal;
use crate::core::selector::Selector;
use crate::core::series::{SeriesSet, Silent};
use crate::core::signal::PRESENT;
use crate::core::time::Timestamp;
use crate::core::workload::{Inventory, Knowledge};

/// How long a signal that an autoscaler will ask for may take to be read first.
const WARM_WITHIN: Duration = Duration::from_secs(10);

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The metric's name as the HPA writes it.
    pub metric: &'a str,
    /// The request's namespace; empty for all of them.
    pub namespace: &'a str,
    /// The series wanted.
    pub selector: &'a Selector,
    /// Whose series.
    pub whom: Whom<'a>,
    /// How long to wait for a signal that has never been read.
    pub patience: Duration,
}

/// A reading with what it was made from.
#[derive(Debug)]
pub struct Answer {
    /// The reading.
    pub reading: Reading,
    /// Tells how long the answer stays the same.
    pub stamp: Stamp,
}

/// Readings by the names of pods or objects.
#[derive(Debug)]
pub struct Answers {
    /// Sorted by name, at least one.
    pub readings: Vec<(String, Reading)>,
    /// Tells how long the answer stays the same.
    pub stamp: Stamp,
}

/// What an answer was made from: it stays right until any of it changes.
#[derive(Debug)]
pub struct Stamp {
    namespace: Box<str>,
    generation: u64,
    slots: Box<[(Arc<Slot>, u64)]>,
    /// The version of what was known of the cluster.
    inventory: u64,
    expires: Timestamp,
}

/// An answer or refusal with every step that led to it.
#[derive(Debug)]
pub struct Explained {
    /// The name's metric, source and slots.
    pub binding: Arc<Binding>,
    /// What an HPA would get.
    pub outcome: Result<Reading, Refusal>,
    /// How it came about.
    pub derivation: Derivation,
    /// The autoscalers that name the metric.
    pub autoscalers: Vec<Arc<Autoscaler>>,
    /// When, by our clock.
    pub now: Timestamp,
}

/// Why there is no reading.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no metric of this name.
    #[error("no such metric")]
    Unknown,
    /// No source is configured to read it from.
    #[error("{0}: no source is configured; start with --prometheus-url or --config")]
    NoSource(String),
    /// The value is not known.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Engine {
    /// Answers from memory; waits only for a signal that nobody asked for before.
    ///
    /// # Errors
    /// [`AskError`], in a person's words.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Answer, AskError> {
        // Read before the binding is made: of a reload in between, the answer counts as outdated.
        let generation = self.generation.load().number();
        let (binding, known) = self.gather(ask).await?;
        let pairs = known.pairs(&binding);
        let inventory = self.inventory_version(ask.namespace, &binding);
        let now = self.clock.now();
        let reading = evaluate(&binding.metric, &pairs, self.question(ask), &binding.source_name, now, None)?;
        let namespace = asker(&binding, ask).into();
        let slots = known.versions.into_boxed_slice();
        let stamp = Stamp { namespace, generation, slots, inventory, expires: reading.expires };
        Ok(Answer { reading, stamp })
    }

    /// Answers for each pod or object by itself: those that `key` names.
    ///
    /// # Errors
    /// [`AskError`] where nothing is known of any of them.
    pub async fn ask_each(&self, ask: Ask<'_>, key: &str) -> Result<Answers, AskError> {
        let generation = self.generation.load().number();
        let (binding, known) = self.gather(ask).await?;
        let pairs = known.pairs(&binding);
        let inventory = self.inventory_version(ask.namespace, &binding);
        let now = self.clock.now();
        let question = self.question(ask);
        let each = evaluate_each(&binding.metric, &pairs, question, key, &binding.source_name, now)?;
        let mut readings = Vec::with_capacity(each.len());
        let mut refused = None;
        for (name, outcome) in each {
            match outcome {
                Ok(reading) => readings.push((name, reading)),
                // What has no number of its own is left out; the HPA counts it the cautious way.
                Err(refusal) => refused = Some(refusal),
            }
        }
        let Some(expires) = readings.iter().map(|(_, reading)| reading.expires).min() else {
            let nothing = || Refusal::NoSeries { metric: ask.metric.to_owned(), reason: String::new(), certain: false };
            return Err(refused.unwrap_or_else(nothing).into());
        };
        // A number that is missing now may be there before the others change.
        let expires = if refused.is_some() { now } else { expires };
        let namespace = asker(&binding, ask).into();
        let slots = known.versions.into_boxed_slice();
        let stamp = Stamp { namespace, generation, slots, inventory, expires };
        Ok(Answers { readings, stamp })
    }

    /// Reads what `metric` needs for `namespace` before anyone asks; returns without waiting for it.
    pub fn warm(self: &Arc<Self>, namespace: &str, metric: &str) {
        let engine = Arc::clone(self);
        let (namespace, metric) = (namespace.to_owned(), metric.to_owned());
        tokio::spawn(async move {
            let selector = Selector::everything();
            let ask = Ask {
                metric: &metric,
                namespace: &namespace,
                selector: &selector,
                whom: Whom::All,
                patience: WARM_WITHIN,
            };
            // Whoever asks for it is told what is wrong.
            let _ = engine.gather(ask).await;
        });
    }

    /// The autoscalers that name this metric.
    pub fn autoscalers(&self, namespace: &str, metric: &str) -> Vec<Arc<Autoscaler>> {
        self.inventory.as_ref().map(|known| known.autoscalers(namespace, metric)).unwrap_or_default()
    }

    fn question<'a>(&'a self, ask: Ask<'a>) -> Question<'a> {
        let Ask { namespace, selector, whom, .. } = ask;
        Question { namespace, selector, whom, pods: self.inventory.as_deref() }
    }

    fn inventory_version(&self, namespace: &str, binding: &Binding) -> u64 {
        let is_everywhere = namespace.is_empty() || binding.metric.scope == Scope::Cluster;
        let place = (!is_everywhere).then_some(namespace);
        self.inventory.as_ref().map_or(0, |known| known.version(place))
    }

    /// The same with every step, for people.
    ///
    /// # Errors
    /// Only when there is no such metric or no source for it; a refusal is part of the explanation.
    pub async fn explain(&self, ask: Ask<'_>) -> Result<Explained, AskError> {
        let (binding, known) = self.gather(ask).await?;
        let pairs = known.pairs(&binding);
        let question = self.question(ask);
        let now = self.clock.now();
        let mut derivation = Derivation::default();
        let outcome =
            evaluate(&binding.metric, &pairs, question, &binding.source_name, now, Some(&mut derivation));
        drop(pairs);
        let autoscalers = self.autoscalers(ask.namespace, ask.metric);
        Ok(Explained { binding, outcome, derivation, autoscalers, now })
    }

    /// Whether an answer with this stamp is still what would be answered now. Counts as a question.
    pub fn is_current(&self, stamp: &Stamp) -> bool {
        let now = self.clock.now();
        if now >= stamp.expires || self.generation.load().number() != stamp.generation {
            return false;
        }
        // A slot that was given up meanwhile has another version: the long way starts it again.
        let is_known = |known: &Arc<dyn Inventory>| {
            known.version((!stamp.namespace.is_empty()).then_some(&*stamp.namespace)) == stamp.inventory
        };
        let is_current = stamp.slots.iter().all(|(slot, version)| slot.version() == *version)
            && self.inventory.as_ref().is_none_or(is_known);
        if is_current {
            stamp.slots.iter().for_each(|(slot, _)| slot.touch(&stamp.namespace, now));
        }
        is_current
    }

    async fn gather(&self, ask: Ask<'_>) -> Result<(Arc<Binding>, Known), AskError> {
        let bound = self.generation.load().bind(&self.catalog, ask.metric);
        let binding = bound.map_err(|unbound| match unbound {
            Unbound::Unknown => AskError::Unknown,
            Unbound::NoSource => AskError::NoSource(ask.metric.to_owned()),
        })?;
        // Pods come first: what is read without them would have to be read again.
        if self.inventory.as_ref().is_some_and(|known| known.knowledge() == Knowledge::Nothing) {
            let reason = "the API server has not yet told which pods there are".to_owned();
            return Err(Refusal::Unlisted { metric: ask.metric.to_owned(), reason }.into());
        }
        let deadline = Instant::now() + ask.patience;
        let namespace = asker(&binding, ask);
        let mut known = Known { snapshots: Vec::with_capacity(binding.slots.len()), versions: Vec::new() };
        let presence = match &binding.presence {
            Some(slot) => {
                self.touch(slot, &binding, namespace);
                Some(known.read(slot, slot.ready(namespace, deadline).await))
            }
            None => None,
        };
        let there: Vec<bool> =
            binding.metric.inputs.iter().map(|input| is_there(input, presence.as_deref())).collect();
        if let Some(presence) = presence.filter(|_| !there.contains(&true)) {
            let nothing = Arc::new(nothing_there(&presence));
            known.snapshots.resize(binding.slots.len(), Some(nothing));
            return Ok((binding, known));
        }
        // All are started before any is waited for.
        let wanted = || binding.slots.iter().zip(&there);
        wanted().filter(|(_, there)| **there).for_each(|(slot, _)| self.touch(slot, &binding, namespace));
        for (slot, there) in wanted() {
            let snapshot =
                if *there { Some(known.read(slot, slot.ready(namespace, deadline).await)) } else { None };
            known.snapshots.push(snapshot);
        }
        Ok((binding, known))
    }

    fn touch(&self, slot: &Arc<Slot>, binding: &Binding, namespace: &str) {
        slot.touch(namespace, self.clock.now());
        if slot.claim() {
            let context = refresh::Context {
                clock: self.clock,
                pace: self.pace,
                permits: Arc::clone(&binding.permits),
                telemetry: Arc::clone(&self.telemetry),
                inventory: self.inventory.clone(),
            };
            tokio::spawn(refresh::run(Arc::clone(slot), context));
        }
    }
}

/// In whose name the source is read.
fn asker<'a>(binding: &Binding, ask: Ask<'a>) -> &'a str {
    match binding.metric.scope {
        Scope::Namespace => ask.namespace,
        Scope::Cluster => EVERYWHERE,
    }
}

/// Whether the engine of `input` may have series, as far as is known.
fn is_there(input: &Input, presence: Option<&Snapshot>) -> bool {
    let Some(set) = presence.and_then(|known| known.set.as_ref()) else { return true };
    let names = |name| input.detect.iter().any(|detect| detect.as_ref() == name);
    // A target that has never answered may be of any engine.
    let may_be = |one: &Silent| !one.known && one.engine.as_ref().is_none_or(|own| *own == input.engine);
    input.detect.is_empty()
        || set.all().iter().any(|series| series.labels.get(PRESENT).is_some_and(names))
        || set.silent().iter().any(may_be)
}

/// What is known of every engine's series where none of the engines is there: that there are none,
/// for as long as the source can be believed.
fn nothing_there(presence: &Snapshot) -> Snapshot {
    let silent = presence.set.iter().flat_map(|set| set.silent()).cloned().collect();
    let set = Some(Arc::new(SeriesSet::default().with_silent(silent)));
    Snapshot { set, coverage: Coverage::Cluster, ..presence.clone() }
}

/// What is known of a binding's inputs.
struct Known {
    /// One for each input; `None` for an engine that is not there while another is.
    snapshots: Vec<Option<Arc<Snapshot>>>,
    /// What they were read from.
    versions: Vec<(Arc<Slot>, u64)>,
}

impl Known {
    fn read(&mut self, slot: &Arc<Slot>, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        self.versions.push((Arc::clone(slot), snapshot.version));
        snapshot
    }

    fn pairs<'a>(&'a self, binding: &'a Binding) -> Vec<(&'a Input, &'a Snapshot)> {
        let inputs = binding.metric.inputs.iter().zip(&self.snapshots);
        inputs.filter_map(|(input, snapshot)| Some((input, snapshot.as_deref()?))).collect()
    }
}
