//! A generation: the definitions in force, and what has been bound to them so far.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::Semaphore;

use super::refresh::Pace;
use super::slot::Slot;
use crate::catalog::Catalog;
use crate::core::budget::Budget;
use crate::core::metric::{Input, Metric, Scope};
use crate::core::signal::Signal;
use crate::source::Source;

/// Names that can be bound at once: each known name with each suffix, several times over.
const BINDINGS: u64 = 10_000;

/// So many signals of one source may wait for its targets at once.
const WAITING: usize = 256;

/// How often it is looked which engines are there.
const PRESENCE_EVERY: Duration = Duration::from_secs(15);

/// What a configuration defines.
#[derive(Clone, Default)]
pub struct Definitions {
    /// Sources; the first is the default.
    pub sources: Vec<Arc<dyn Source>>,
    /// Metrics beside those of the catalog; of equal name, these win.
    pub metrics: Vec<Metric>,
    /// Budgets, each of its own name.
    pub budgets: Vec<Arc<Budget>>,
}

impl Definitions {
    /// Whether `source` is one of the sources, as it was built and not by its name.
    fn reads(&self, source: &Arc<dyn Source>) -> bool {
        self.sources.iter().any(|one| Arc::ptr_eq(one, source))
    }
}

/// The definitions in force.
pub struct Generation {
    number: u64,
    definitions: Definitions,
    metrics: HashMap<Arc<str>, Arc<Metric>>,
    names: Vec<Arc<str>>,
    bindings: Cache<Box<str>, Arc<Binding>>,
    slots: Mutex<HashMap<SlotKey, Arc<Slot>>>,
    permits: HashMap<String, Arc<Semaphore>>,
    pace: Pace,
}

/// A slot is the same as long as source and signal are.
type SlotKey = (String, Arc<Signal>, Option<Duration>);

/// A name bound to its metric and to the slots of its inputs, or for a composite to what its parts are
/// bound to.
#[derive(Debug)]
pub struct Binding {
    /// The metric.
    pub metric: Arc<Metric>,
    /// The name of its source; of a composite those of its parts.
    pub source_name: String,
    /// One for each part of a composite.
    pub parts: Vec<Binding>,
    /// One slot for each of the metric's inputs.
    pub slots: Vec<Arc<Slot>>,
    /// Which engines are there; asked only where several could be.
    pub presence: Option<Arc<Slot>>,
    /// How many may be read at once; none for a composite, which reads nothing itself.
    pub(super) permits: Option<Arc<Semaphore>>,
    /// Whether anything that it reads is not confined to a question's namespace.
    pub(super) reads_everywhere: bool,
    /// Whether it depends on how many replicas there are, or on what an autoscaler wants.
    pub(super) needs_facts: bool,
}

impl Binding {
    /// What reads something itself: the metric, or the parts of its parts.
    pub(super) fn leaves(&self) -> Vec<&Self> {
        if self.metric.composite.is_none() {
            return vec![self];
        }
        self.parts.iter().flat_map(Self::leaves).collect()
    }
}

/// Why a name cannot be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unbound {
    /// There is no metric of this name.
    Unknown,
    /// There is a metric, and no source to read it from.
    NoSource,
}

impl Generation {
    pub(super) fn first(catalog: &Catalog, definitions: Definitions, pace: Pace) -> Self {
        Self::build(1, catalog, definitions, HashMap::new(), None, pace)
    }

    /// The generation after this one. Slots that are being refreshed from a source that stays are
    /// carried over, so a reload neither empties nor doubles anything.
    pub(super) fn next(&self, catalog: &Catalog, definitions: Definitions) -> Self {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = slots
            .iter()
            .filter(|(_, slot)| slot.is_refreshing() && definitions.reads(&slot.source))
            .map(|(key, slot)| (key.clone(), Arc::clone(slot)))
            .collect();
        drop(slots);
        Self::build(self.number + 1, catalog, definitions, kept, Some(self), self.pace)
    }

    /// Ends the refreshing from sources that `next` does not have.
    pub(super) fn give_way(&self, next: &Self) {
        self.slots()
            .iter()
            .filter(|slot| !next.definitions.reads(&slot.source))
            .for_each(|slot| slot.dismiss());
    }

    fn build(
        number: u64,
        catalog: &Catalog,
        definitions: Definitions,
        slots: HashMap<SlotKey, Arc<Slot>>,
        before: Option<&Self>,
        pace: Pace,
    ) -> Self {
        let mut metrics: HashMap<Arc<str>, Arc<Metric>> = definitions
            .metrics
            .iter()
            .map(|metric| (Arc::clone(&metric.name), Arc::new(metric.clone())))
            .collect();
        let names: BTreeSet<Arc<str>> = catalog.names().chain(metrics.keys()).cloned().collect();
        // Their names have spaces, which those of others cannot have; nobody is told of them.
        let read = definitions.budgets.iter().filter_map(|budget| budget.reads());
        metrics.extend(read.map(|metric| (Arc::clone(&metric.name), Arc::clone(metric))));
        let permits = definitions
            .sources
            .iter()
            .map(|source| {
                // Not by name alone: queries that hang at a server must not keep its successor waiting.
                let before = before.filter(|before| before.definitions.reads(source));
                let permits = before.and_then(|before| before.permits.get(source.name()).cloned());
                // Targets that are read directly are waited for; a server has its answers worked out.
                let most = if source.renews_every().is_some() { WAITING } else { pace.concurrency };
                let new = || Arc::new(Semaphore::new(most));
                (source.name().to_owned(), permits.unwrap_or_else(new))
            })
            .collect();
        Self {
            number,
            definitions,
            metrics,
            names: names.into_iter().collect(),
            bindings: Cache::new(BINDINGS),
            slots: Mutex::new(slots),
            permits,
            pace,
        }
    }

    /// Counts reloads, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Base names of all metrics, sorted: what discovery lists.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// The sources in force.
    pub fn sources(&self) -> &[Arc<dyn Source>] {
        &self.definitions.sources
    }

    /// The budgets in force.
    pub fn budgets(&self) -> &[Arc<Budget>] {
        &self.definitions.budgets
    }

    /// Every slot there is, for our own metrics.
    pub fn slots(&self) -> Vec<Arc<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(super) fn bind(&self, catalog: &Catalog, name: &str) -> Result<Arc<Binding>, Unbound> {
        if let Some(known) = self.bindings.get(name) {
            return Ok(known);
        }
        let metric = self.metrics.get(name).cloned().or_else(|| catalog.resolve(name).map(Arc::new));
        let binding = Arc::new(self.bound(catalog, metric.ok_or(Unbound::Unknown)?)?);
        self.bindings.insert(name.into(), Arc::clone(&binding));
        Ok(binding)
    }

    fn bound(&self, catalog: &Catalog, metric: Arc<Metric>) -> Result<Binding, Unbound> {
        if let Some(composite) = &metric.composite {
            let parts = composite.parts.iter().map(|part| self.bound(catalog, Arc::clone(&part.metric)));
            let parts = parts.collect::<Result<Vec<_>, _>>()?;
            let mut sources: Vec<_> = parts.iter().map(|part| part.source_name.as_str()).collect();
            sources.sort_unstable();
            sources.dedup();
            let source_name = sources.join(", ");
            return Ok(Binding {
                reads_everywhere: parts.iter().any(|part| part.reads_everywhere),
                needs_facts: composite.needs_facts(),
                metric,
                source_name,
                parts,
                slots: Vec::new(),
                presence: None,
                permits: None,
            });
        }
        let can_read =
            |source: &Arc<dyn Source>| metric.inputs.iter().all(|input| source.can_read(&input.signal));
        let is_meant = |source: &&Arc<dyn Source>| match &metric.source {
            Some(wanted) => source.name() == wanted.as_ref(),
            None => can_read(source),
        };
        let source = self.sources().iter().find(is_meant);
        let source = source.ok_or(Unbound::NoSource)?;
        let slots: Vec<_> = metric
            .inputs
            .iter()
            .map(|input| {
                let slot = self.slot(source, &input.signal, metric.refresh);
                slot.holds_for(metric.hold);
                slot
            })
            .collect();
        Ok(Binding {
            presence: self.presence(source, &metric.inputs, catalog),
            source_name: source.name().to_owned(),
            permits: Some(Arc::clone(&self.permits[source.name()])),
            parts: Vec::new(),
            reads_everywhere: metric.scope == Scope::Cluster,
            needs_facts: false,
            metric,
            slots,
        })
    }

    /// One slot tells which of all engines are there, whatever the metric.
    fn presence(&self, source: &Arc<dyn Source>, inputs: &[Input], catalog: &Catalog) -> Option<Arc<Slot>> {
        if inputs.len() < 2 {
            return None;
        }
        let mut series: Vec<Arc<str>> =
            catalog.engines().iter().flat_map(|engine| engine.detect.iter().cloned()).collect();
        series.sort_unstable();
        series.dedup();
        let signal = Arc::new(Signal::Presence(series.into()));
        // Where looking costs nobody anything, a new engine shows as soon as its numbers do.
        let every = source.renews_every().map_or(PRESENCE_EVERY, |every| every.min(PRESENCE_EVERY));
        Some(self.slot(source, &signal, Some(every)))
    }

    fn slot(&self, source: &Arc<dyn Source>, signal: &Arc<Signal>, interval: Option<Duration>) -> Arc<Slot> {
        let key = (source.name().to_owned(), Arc::clone(signal), interval);
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Slot::new(Arc::clone(signal), Arc::clone(source), interval, self.pace.idle));
        Arc::clone(slots.entry(key).or_insert_with(new))
    }
}
