//! Somebody who writes down every change of a Deployment's replicas.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::super::Admin;
use super::super::workload::NAMESPACE;

/// Between two looks: an HPA decides once a second here.
const EVERY: Duration = Duration::from_millis(150);

pub(super) struct Witness {
    seen: Arc<Mutex<Vec<(Instant, u64)>>>,
    watch: JoinHandle<()>,
}

impl Witness {
    /// Watches what is asked of this Deployment from now on.
    pub(super) fn of(admin: &Admin, name: &str) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (admin, noted) = (admin.clone(), Arc::clone(&seen));
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": { "namespace": NAMESPACE, "name": name },
        });
        let watch = tokio::spawn(async move {
            loop {
                let replicas = admin.get(&deployment).await["spec"]["replicas"].as_u64().expect("a number");
                note(&noted, replicas);
                sleep(EVERY).await;
            }
        });
        Self { seen, watch }
    }

    /// The replicas that were asked for one after the other since then, those at that time first.
    pub(super) fn since(&self, then: Instant) -> Vec<u64> {
        let seen = self.seen.lock().expect("no panic");
        let first = seen.iter().rposition(|(at, _)| *at <= then).unwrap_or(0);
        seen[first..].iter().map(|(_, replicas)| *replicas).collect()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

fn note(seen: &Mutex<Vec<(Instant, u64)>>, replicas: u64) {
    let mut seen = seen.lock().expect("no panic");
    if seen.last().is_none_or(|(_, last)| *last != replicas) {
        seen.push((Instant::now(), replicas));
    }
}
