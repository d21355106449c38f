//! Somebody who writes down every change of a Deployment's replicas.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::super::Admin;
use super::super::workload::NAMESPACE;

/// Between two looks: an HPA decides once a second here.
const EVERY: Duration = Duration::from_millis(150);

pub(super) struct Witness {
    notes: Arc<Notes>,
    watch: JoinHandle<()>,
}

struct Notes {
    admin: Admin,
    deployment: Json,
    /// What was asked for, and when that was first seen.
    seen: Mutex<Vec<(Instant, u64)>>,
}

impl Witness {
    /// Watches what is asked of this Deployment from now on.
    pub(super) fn of(admin: &Admin, name: &str) -> Self {
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "namespace": NAMESPACE, "name": name },
        });
        let notes = Arc::new(Notes { admin: admin.clone(), deployment, seen: Mutex::default() });
        let watched = Arc::clone(&notes);
        let watch = tokio::spawn(async move {
            loop {
                watched.look().await;
                sleep(EVERY).await;
            }
        });
        Self { notes, watch }
    }

    /// The replicas that were asked for one after the other since then and until now, those at that time
    /// first.
    pub(super) async fn since(&self, then: Instant) -> Vec<u64> {
        self.notes.look().await;
        let seen = self.notes.seen.lock().await;
        let first = seen.iter().rposition(|(at, _)| *at <= then).unwrap_or(0);
        seen[first..].iter().map(|(_, replicas)| *replicas).collect()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Notes {
    /// One look at a time, or an old one could be noted after a new one.
    async fn look(&self) {
        let mut seen = self.seen.lock().await;
        let replicas = self.admin.get(&self.deployment).await["spec"]["replicas"].as_u64().expect("a number");
        if seen.last().is_none_or(|(_, last)| *last != replicas) {
            seen.push((Instant::now(), replicas));
        }
    }
}
