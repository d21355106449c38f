//! The engine: keeps what is asked for fresh in the background, and answers from memory.
//!
//! ```text
//!  ask ──▶ binding (name → metric, slots) ──▶ snapshots ──▶ core::evaluate ──▶ reading │ refusal
//!                                   │ touch        ▲
//!                                   ▼              │ publish
//!                               refresher ──▶ source
//! ```
//!
//! A slot holds one signal of one source. It is refreshed while someone asks for it and forgotten
//! afterwards. Slots are published by swapping a pointer: an answer from a warm slot takes no lock
//! and waits for nobody.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::catalog::Catalog;
use crate::core::budget::Ledger;
use crate::core::workload::Inventory;
use crate::telemetry::Telemetry;

mod ask;
pub mod budgets;
pub mod clock;
mod demand;
#[cfg(test)]
pub(crate) mod fake;
mod gather;
mod generation;
mod guarding;
pub mod observe;
mod refresh;
mod slot;
#[cfg(test)]
mod tests;

pub use ask::{Answer, Answers, Ask, AskError, Explained, Stamp};
pub use clock::Clock;
pub use generation::{Binding, Definitions, Generation};
pub use refresh::Pace;
pub use slot::Slot;

/// What answers questions about metrics.
pub struct Engine {
    clock: Clock,
    pace: Pace,
    catalog: Arc<Catalog>,
    generation: ArcSwap<Generation>,
    telemetry: Arc<Telemetry>,
    inventory: Option<Arc<dyn Inventory>>,
    memories: guarding::Memories,
    ledger: ArcSwap<Ledger>,
}

impl Engine {
    /// An engine that knows the catalog and what `definitions` add to it. Nothing is asked of any
    /// source until someone asks the engine.
    pub fn new(
        catalog: Arc<Catalog>,
        definitions: Definitions,
        pace: Pace,
        telemetry: Arc<Telemetry>,
    ) -> Self {
        let first = Generation::first(&catalog, definitions, pace);
        telemetry.generation(first.number());
        let clock = Clock::start();
        let ledger = Ledger::unknown(first.budgets().iter().cloned(), clock.now());
        Self {
            clock,
            pace,
            catalog,
            generation: ArcSwap::from_pointee(first),
            telemetry,
            inventory: None,
            memories: guarding::Memories::new(),
            ledger: ArcSwap::from_pointee(ledger),
        }
    }

    /// The same, for a cluster whose pods are known: series of others do not count, and selectors may
    /// speak of pods and workloads.
    #[must_use]
    pub fn within(self, inventory: Arc<dyn Inventory>) -> Self {
        Self { inventory: Some(inventory), ..self }
    }

    /// Replaces the definitions as a whole. Signals that stay the same stay warm; answers made from
    /// the old definitions are made anew.
    pub fn install(&self, definitions: Definitions) {
        let before = self.generation();
        let next = Arc::new(before.next(&self.catalog, definitions));
        self.telemetry.generation(next.number());
        // First the budgets: nobody may be answered by definitions whose budget is not in force.
        let now = self.clock.now();
        self.ledger.rcu(|ledger| ledger.revised(next.budgets(), now));
        self.generation.store(Arc::clone(&next));
        before.give_way(&next);
    }

    /// The definitions in force.
    pub fn generation(&self) -> Arc<Generation> {
        self.generation.load_full()
    }

    /// The guards that act, by metric, each once for every question that it acts on.
    pub fn acting(&self) -> Vec<(Arc<str>, String)> {
        self.memories.acting(self.clock.now())
    }

    /// The budgets as they stand.
    pub fn ledger(&self) -> Arc<Ledger> {
        self.ledger.load_full()
    }

    /// The clock by which ages are told.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}
