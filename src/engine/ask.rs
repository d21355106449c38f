//! Asking: from a name, a namespace and a selector to a reading.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Engine;
use super::generation::{Binding, Unbound};
use super::refresh;
use super::slot::Slot;
use crate::catalog::promql::PRESENT;
use crate::core::evaluate::{Question, evaluate};
use crate::core::freshness::Snapshot;
use crate::core::metric::Missing;
use crate::core::reading::{Derivation, Reading};
use crate::core::refusal::Refusal;
use crate::core::selector::Selector;
use crate::core::time::Timestamp;

/// A question.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The metric's name as the HPA writes it.
    pub metric: &'a str,
    /// The request's namespace.
    pub namespace: &'a str,
    /// The series wanted.
    pub selector: &'a Selector,
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

/// What an answer was made from: it stays right until any of it changes.
#[derive(Debug)]
pub struct Stamp {
    namespace: Box<str>,
    generation: u64,
    slots: Box<[(Arc<Slot>, u64)]>,
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
        let generation = self.generation.load().number();
        let (binding, known) = self.gather(ask).await?;
        let pairs: Vec<_> = known.pairs(&binding);
        let question = Question { namespace: ask.namespace, selector: ask.selector };
        let now = self.clock.now();
        let reading = evaluate(&binding.metric, &pairs, question, &binding.source_name, now, None)?;
        let slots = known.stamps(&binding);
        let stamp = Stamp { namespace: ask.namespace.into(), generation, slots, expires: reading.expires };
        Ok(Answer { reading, stamp })
    }

    /// The same with every step, for people.
    ///
    /// # Errors
    /// Only when there is no such metric or no source for it; a refusal is part of the explanation.
    pub async fn explain(&self, ask: Ask<'_>) -> Result<Explained, AskError> {
        let (binding, known) = self.gather(ask).await?;
        let pairs = known.pairs(&binding);
        let question = Question { namespace: ask.namespace, selector: ask.selector };
        let now = self.clock.now();
        let mut derivation = Derivation::default();
        let outcome =
            evaluate(&binding.metric, &pairs, question, &binding.source_name, now, Some(&mut derivation));
        drop(pairs);
        Ok(Explained { binding, outcome, derivation, now })
    }

    /// Whether an answer with this stamp is still what would be answered now. Counts as a question.
    pub fn is_current(&self, stamp: &Stamp) -> bool {
        let now = self.clock.now();
        if now >= stamp.expires || self.generation.load().number() != stamp.generation {
            return false;
        }
        // A slot that was given up meanwhile has another version: the long way starts it again.
        let is_current = stamp.slots.iter().all(|(slot, version)| slot.version() == *version);
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
        let deadline = Instant::now() + ask.patience;
        let presence = match &binding.presence {
            Some(slot) => Some(self.warm(slot, &binding, ask.namespace, deadline).await),
            None => None,
        };
        let is_there = |detect: &str| {
            let set = presence.as_ref().and_then(|snapshot| snapshot.set.as_ref());
            set.is_none_or(|set| set.all().iter().any(|series| series.labels.get(PRESENT) == Some(detect)))
        };
        let mut snapshots = Vec::with_capacity(binding.slots.len());
        for (input, slot) in binding.metric.inputs.iter().zip(&binding.slots) {
            // Where absence counts as zero, only a read of the signal itself can say that the source
            // is well.
            let is_asked = binding.metric.absent == Missing::Zero;
            let wanted = is_asked || input.detect.as_deref().is_none_or(is_there);
            if wanted {
                // All are started before any is waited for.
                self.touch(slot, &binding, ask.namespace);
            }
            snapshots.push(wanted);
        }
        let mut known = Vec::with_capacity(snapshots.len());
        for (slot, wanted) in binding.slots.iter().zip(snapshots) {
            known.push(if wanted { Some(slot.ready(ask.namespace, deadline).await) } else { None });
        }
        Ok((binding, Known { snapshots: known, presence }))
    }

    async fn warm(
        &self,
        slot: &Arc<Slot>,
        binding: &Binding,
        namespace: &str,
        deadline: Instant,
    ) -> Arc<Snapshot> {
        self.touch(slot, binding, namespace);
        slot.ready(namespace, deadline).await
    }

    fn touch(&self, slot: &Arc<Slot>, binding: &Binding, namespace: &str) {
        slot.touch(namespace, self.clock.now());
        if slot.claim() {
            slot.start(refresh::Context {
                clock: self.clock,
                pace: self.pace,
                permits: Arc::clone(&binding.permits),
                telemetry: Arc::clone(&self.telemetry),
            });
        }
    }
}

/// What is known of a binding's inputs: `None` for an engine that is not there.
struct Known {
    snapshots: Vec<Option<Arc<Snapshot>>>,
    presence: Option<Arc<Snapshot>>,
}

impl Known {
    fn pairs<'a>(&'a self, binding: &'a Binding) -> Vec<(&'a crate::core::metric::Input, &'a Snapshot)> {
        let inputs = binding.metric.inputs.iter().zip(&self.snapshots);
        inputs.filter_map(|(input, snapshot)| Some((input, snapshot.as_deref()?))).collect()
    }

    fn stamps(&self, binding: &Binding) -> Box<[(Arc<Slot>, u64)]> {
        let inputs = binding.slots.iter().zip(&self.snapshots);
        let inputs = inputs.filter_map(|(slot, known)| Some((Arc::clone(slot), known.as_ref()?.version)));
        let presence = binding.presence.iter().zip(&self.presence);
        inputs.chain(presence.map(|(slot, known)| (Arc::clone(slot), known.version))).collect()
    }
}
