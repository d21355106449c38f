//! Starts the watches.
//!
//! ```text
//! API server ──▶ follow (list, watch) ──▶ sink ──▶ write ──▶ published ──▶ inventory
//!                     │                                                       ▲
//!                     └──▶ health ────────────── knowledge ───────────────────┘
//! ```

use std::sync::Arc;

use kube::Client;
use tokio::task::JoinSet;

use super::follow::{Follower, Sink};
use super::health::Health;
use super::hpas::{AUTOSCALERS, AutoscalerSink, Autoscalers};
use super::inventory::{Cluster, OwnerSink, PodSink};
use super::metrics::WatchMetrics;
use super::object::Kind;
use super::owners::OWNERS;
use super::pods::PODS;

/// Begins to watch pods, their owners and autoscalers. The watches end when the set of tasks is dropped.
pub fn start(client: &Client, metrics: &Arc<WatchMetrics>) -> (Arc<Cluster>, JoinSet<()>) {
    let autoscalers = Arc::new(Autoscalers::default());
    let cluster = Arc::new(Cluster::new(Arc::clone(&autoscalers)));
    let kinds = [&PODS, &AUTOSCALERS].into_iter().chain(&OWNERS);
    let health = Arc::new(Health::new(Arc::clone(&cluster), Arc::clone(metrics), kinds));
    let mut tasks = JoinSet::new();
    let run = Run { client, health: &health, metrics };
    for kind in &OWNERS {
        run.spawn(&mut tasks, kind, OwnerSink { cluster: Arc::clone(&cluster), kind: kind.name });
    }
    run.spawn(&mut tasks, &PODS, PodSink(Arc::clone(&cluster)));
    let sink = AutoscalerSink { autoscalers, metrics: Arc::clone(metrics) };
    run.spawn(&mut tasks, &AUTOSCALERS, sink);
    tasks.spawn(health.keep());
    (cluster, tasks)
}

struct Run<'a> {
    client: &'a Client,
    health: &'a Arc<Health>,
    metrics: &'a Arc<WatchMetrics>,
}

impl Run<'_> {
    fn spawn(&self, tasks: &mut JoinSet<()>, kind: &'static Kind, sink: impl Sink) {
        let follower = Follower {
            client: self.client.clone(),
            kind,
            sink: Arc::new(sink),
            health: Arc::clone(self.health),
            metrics: Arc::clone(self.metrics),
        };
        tasks.spawn(follower.run());
    }
}
