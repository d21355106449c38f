//! The Kubernetes surface; knows nothing of Prometheus.
//!
//! [`router`] sends a request to its handler: `external` for metrics, documents for the rest. What
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
mod remember;
mod request;
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
    settling: AtomicBool,
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
            settling: AtomicBool::new(false),
        }
    }

    /// From now on the server is not ready: it is about to end, and balancers should look elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Not ready until [`Api::settled`]: what answers are made from is being gathered.
    pub fn settle_first(&self) {
        self.settling.store(true, Ordering::Relaxed);
    }

    /// There is enough to answer from.
    pub fn settled(&self) {
        self.settling.store(false, Ordering::Relaxed);
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
