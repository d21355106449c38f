//! Gathering: what is known of everything that a metric needs, and the one wait for what nobody asked for
//! before.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::Engine;
use super::ask::{Ask, AskError};
use super::demand::EVERYWHERE;
use super::generation::{Binding, Unbound};
use super::refresh;
use super::slot::Slot;
use crate::core::evaluate::Known;
use crate::core::freshness::{Coverage, Snapshot};
use crate::core::metric::{Input, Scope};
use crate::core::refusal::Refusal;
use crate::core::series::{SeriesSet, Silent};
use crate::core::signal::PRESENT;
use crate::core::time::Timestamp;
use crate::core::workload::Knowledge;

/// A slot as it was read for an answer.
#[derive(Debug)]
pub(super) struct Read {
    slot: Arc<Slot>,
    version: u64,
    /// Whether in everybody's name, or in that of the question's namespace.
    everywhere: bool,
}

impl Read {
    /// Whether nothing has changed since. A slot that was given up meanwhile has another version: the long
    /// way starts it again.
    pub(super) fn is_current(&self) -> bool {
        self.slot.version() == self.version
    }

    /// The version of the slot's numbers.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Counts as a question for `namespace`.
    pub(super) fn touch(&self, namespace: &str, now: Timestamp) {
        self.slot.touch(if self.everywhere { EVERYWHERE } else { namespace }, now);
    }
}

/// What is known of everything that a binding reads.
pub(super) struct Gathered {
    /// One for each of [`Binding::leaves`].
    leaves: Vec<Leaf>,
}

/// What is known of a binding's inputs.
struct Leaf {
    /// One for each input; `None` for an engine that is not there while another is.
    snapshots: Vec<Option<Arc<Snapshot>>>,
    /// What they were read from.
    reads: Vec<Read>,
}

impl Gathered {
    /// The same in the form in which it is evaluated.
    pub(super) fn known<'a>(&'a self, binding: &'a Binding) -> Known<'a> {
        known(binding, &mut self.leaves.iter())
    }

    /// What it was read from.
    pub(super) fn reads(self) -> Box<[Read]> {
        self.leaves.into_iter().flat_map(|leaf| leaf.reads).collect()
    }
}

fn known<'a>(binding: &'a Binding, leaves: &mut std::slice::Iter<'a, Leaf>) -> Known<'a> {
    let (metric, source_name) = (&*binding.metric, binding.source_name.as_str());
    if metric.composite.is_some() {
        let parts = binding.parts.iter().map(|part| known(part, leaves)).collect();
        return Known { metric, source_name, inputs: Vec::new(), parts };
    }
    let snapshots = leaves.next().map_or(&[][..], |leaf| &leaf.snapshots);
    let inputs = metric.inputs.iter().zip(snapshots);
    let inputs = inputs.filter_map(|(input, snapshot)| Some((input, snapshot.as_deref()?))).collect();
    Known { metric, source_name, inputs, parts: Vec::new() }
}

impl Binding {
    /// Whether what it reads is not confined to the question's namespace.
    pub(super) fn is_everywhere(&self) -> bool {
        self.metric.scope == Scope::Cluster
    }

    /// In whose name the source is read.
    fn asker<'a>(&self, namespace: &'a str) -> &'a str {
        if self.is_everywhere() { EVERYWHERE } else { namespace }
    }
}

impl Engine {
    /// What is known of everything that the metric needs; waits for what was never read.
    pub(super) async fn gather(&self, ask: Ask<'_>) -> Result<(Arc<Binding>, Gathered), AskError> {
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
        let leaves = match binding.leaves()[..] {
            [only] => vec![self.leaf(only, ask.namespace, deadline).await],
            // Side by side, so that all are started before any is waited for.
            ref several => {
                join_all(several.iter().map(|leaf| self.leaf(leaf, ask.namespace, deadline))).await
            }
        };
        Ok((binding, Gathered { leaves }))
    }

    async fn leaf(&self, binding: &Binding, namespace: &str, deadline: Instant) -> Leaf {
        let asker = binding.asker(namespace);
        let mut leaf = Leaf { snapshots: Vec::with_capacity(binding.slots.len()), reads: Vec::new() };
        let presence = match &binding.presence {
            Some(slot) => {
                self.touch(slot, binding, asker);
                Some(leaf.read(slot, binding, slot.ready(asker, deadline).await))
            }
            None => None,
        };
        // What a source that lost its memory has yet to find again is kept where it was read.
        let is_kept = |slot: &Slot| slot.snapshot().set.as_ref().is_some_and(|set| !set.all().is_empty());
        let inputs = binding.metric.inputs.iter().zip(&binding.slots);
        let there: Vec<bool> =
            inputs.map(|(input, slot)| is_there(input, presence.as_deref()) || is_kept(slot)).collect();
        if let Some(presence) = presence.filter(|_| !there.contains(&true)) {
            let nothing = Arc::new(nothing_there(&presence));
            leaf.snapshots.resize(binding.slots.len(), Some(nothing));
            return leaf;
        }
        // All are started before any is waited for.
        let wanted = || binding.slots.iter().zip(&there);
        wanted().filter(|(_, there)| **there).for_each(|(slot, _)| self.touch(slot, binding, asker));
        for (slot, there) in wanted() {
            let snapshot =
                if *there { Some(leaf.read(slot, binding, slot.ready(asker, deadline).await)) } else { None };
            leaf.snapshots.push(snapshot);
        }
        leaf
    }

    fn touch(&self, slot: &Arc<Slot>, binding: &Binding, asker: &str) {
        slot.touch(asker, self.clock.now());
        // Only what reads something itself has slots, and then it has permits.
        let Some(permits) = binding.permits.as_ref().filter(|_| slot.claim()) else { return };
        let context = refresh::Context {
            clock: self.clock,
            pace: self.pace,
            permits: Arc::clone(permits),
            telemetry: Arc::clone(&self.telemetry),
            inventory: self.inventory.clone(),
        };
        tokio::spawn(refresh::run(Arc::clone(slot), context));
    }
}

impl Leaf {
    fn read(&mut self, slot: &Arc<Slot>, binding: &Binding, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        let everywhere = binding.is_everywhere();
        self.reads.push(Read { slot: Arc::clone(slot), version: snapshot.version, everywhere });
        snapshot
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
