//! The Kubernetes surface; knows nothing of Prometheus.
//!
//! What is remembered is answered at once (`recall`); [`router`] sends any other request to its handler:
//! `external` and `custom` for metrics, documents for the rest. What
//! those documents say is pure (from values to the bytes that Kubernetes clients expect) and was read
//! in the sources of those clients (Kubernetes 1.36); where the form of an answer is not free, a
//! comment names the client that needs it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;

mod custom;
pub mod discovery;
pub mod document;
mod documents;
pub mod explain;
mod external;
mod health;
pub mod measure;
pub mod negotiate;
pub mod openapi;
pub mod recall;
mod remember;
pub(crate) mod request;
mod respond;
pub mod router;
pub mod status;
#[cfg(test)]
mod tests;
pub mod types;

use crate::engine::Engine;
use crate::telemetry::Telemetry;
use discovery::Discovery;
use openapi::OpenApi;
use remember::Remembered;

/// What handlers share.
pub struct Api {
    engine: Arc<Engine>,
    telemetry: Arc<Telemetry>,
    remembered: Remembered,
    openapi: OpenApi,
    /// Discovery of this generation of definitions.
    discovery: ArcSwap<(u64, Discovery)>,
    draining: AtomicBool,
    /// Which of [`Gate`]'s are still closed.
    closed: [AtomicBool; Gate::ALL.len()],
}

/// What is waited for at the start, in a cluster, before we are ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The pods are known, or have not become so for long enough.
    Pods,
    /// The certificate served is one that the cluster trusts.
    Certificate,
    /// The cluster's trust anchors are known, so that callers can be told apart.
    Callers,
}

impl Gate {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pods, Self::Certificate, Self::Callers];

    fn name(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Certificate => "certificate",
            Self::Callers => "callers",
        }
    }
}

impl Api {
    /// The API over this engine.
    pub fn new(engine: Arc<Engine>, telemetry: Arc<Telemetry>) -> Self {
        let discovery = ArcSwap::from_pointee(describe(&engine));
        Self {
            engine,
            telemetry,
            remembered: Remembered::new(),
            openapi: OpenApi::new(),
            discovery,
            draining: AtomicBool::new(false),
            closed: Default::default(),
        }
    }

    /// From now on the server is not ready: it is about to end, and balancers should look elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Not ready until each gate was opened.
    pub fn close_gates(&self) {
        self.closed.iter().for_each(|closed| closed.store(true, Ordering::Relaxed));
    }

    /// One thing less to wait for. It is not waited for again.
    pub fn open(&self, gate: Gate) {
        self.closed[gate as usize].store(false, Ordering::Relaxed);
    }

    /// Discovery of the definitions in force.
    fn discovery(&self) -> Arc<(u64, Discovery)> {
        let known = self.discovery.load_full();
        if known.0 == self.engine.generation().number() {
            return known;
        }
        let fresh = Arc::new(describe(&self.engine));
        self.discovery.store(Arc::clone(&fresh));
        fresh
    }
}

fn describe(engine: &Engine) -> (u64, Discovery) {
    let generation = engine.generation();
    let names = generation.names().iter().map(AsRef::as_ref);
    (generation.number(), Discovery::new(names))
}
