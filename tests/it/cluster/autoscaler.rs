//! An HPA of the real controller, and what it says.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep};

use super::workload::{MOST, NAMESPACE};
use super::{Admin, Workload, text};
use crate::support::{seconds, until};

pub(super) struct Autoscaler {
    admin: Admin,
    hpa: Json,
}

impl Autoscaler {
    /// Scales a workload by these metrics, and shrinks it without the usual patience.
    pub(super) async fn of(admin: &Admin, workload: &Workload, metrics: Json) -> Self {
        // What applies where an HPA says nothing.
        let growth = json!([
            { "type": "Pods", "value": 4, "periodSeconds": 15 },
            { "type": "Percent", "value": 100, "periodSeconds": 15 },
        ]);
        Self::with(admin, workload, (1, MOST as u32), &growth, metrics).await
    }

    /// The same within these bounds, growing by these policies.
    pub(super) async fn with(
        admin: &Admin,
        workload: &Workload,
        (min, max): (u32, u32),
        growth: &Json,
        metrics: Json,
    ) -> Self {
        let hpa = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": { "namespace": NAMESPACE, "name": workload.name },
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": workload.name },
                "minReplicas": min, "maxReplicas": max,
                "metrics": metrics,
                "behavior": {
                    "scaleDown": { "stabilizationWindowSeconds": 0 },
                    "scaleUp": { "policies": growth },
                },
            },
        });
        admin.apply(&hpa).await;
        Self { admin: admin.clone(), hpa }
    }

    /// Waits until it has decided for this many replicas and they are there.
    pub(super) async fn until_replicas(&self, workload: &Workload, wanted: usize, within: u64) {
        let began = Instant::now();
        until(&format!("{wanted} replicas of {}", workload.name), seconds(within), async || {
            let hpa = self.admin.get(&self.hpa).await;
            let desired = hpa.pointer("/status/desiredReplicas").and_then(Json::as_u64);
            if workload.pods() == wanted && desired == Some(wanted as u64) {
                Ok(())
            } else {
                Err(format!("{} pods, {}", workload.pods(), hpa["status"]))
            }
        })
        .await;
        println!("{} has {wanted} replicas after {:?}", workload.name, began.elapsed());
    }

    /// Waits until it reads its first metric, and its status has this part of it so.
    pub(super) async fn until_reads(&self, pointer: &str, wanted: &str, within: u64) {
        until(&format!("the HPA reads {wanted}"), seconds(within), async || {
            let (status, _, message) = self.active().await;
            let hpa = self.admin.get(&self.hpa).await;
            let first = &hpa["status"]["currentMetrics"][0];
            if status == "True" && text(first, pointer) == wanted {
                Ok(())
            } else {
                Err(format!("{first} {message}"))
            }
        })
        .await;
    }

    /// Nothing is scaled any more.
    pub(super) async fn delete(self) {
        self.admin.delete(&self.hpa).await;
        self.admin.wait_until_gone(&self.hpa, 10).await;
    }

    /// What it sees and what it makes of it, in a line.
    pub(super) async fn summary(&self) -> String {
        let hpa = self.admin.get(&self.hpa).await;
        let metrics = hpa.pointer("/status/currentMetrics").and_then(Json::as_array);
        let part = |metric: &Json| metric.pointer("/external/current").unwrap_or(metric).to_string();
        let current: Vec<String> = metrics.into_iter().flatten().map(part).collect();
        let (active, reason, _) = self.active().await;
        format!(
            "HPA: currentMetrics [{}] currentReplicas {} desiredReplicas {} ScalingActive {active} {reason}",
            current.join(", "),
            hpa["status"]["currentReplicas"],
            hpa["status"]["desiredReplicas"],
        )
    }

    /// Its condition `ScalingActive`: status, reason, message.
    pub(super) async fn active(&self) -> (String, String, String) {
        let hpa = self.admin.get(&self.hpa).await;
        let conditions = hpa.pointer("/status/conditions").and_then(Json::as_array);
        let active = conditions.into_iter().flatten().find(|condition| condition["type"] == "ScalingActive");
        let field = |name: &str| active.and_then(|one| one[name].as_str()).unwrap_or_default().to_owned();
        (field("status"), field("reason"), field("message"))
    }

    /// Sees that nothing is scaled for so long.
    pub(super) async fn assert_holds(&self, workload: &Workload, length: Duration) {
        let (pods, began) = (workload.pods(), Instant::now());
        while began.elapsed() < length {
            let deployment = json!({
                "apiVersion": "apps/v1", "kind": "Deployment",
                "metadata": { "namespace": NAMESPACE, "name": workload.name },
            });
            let wanted = self.admin.get(&deployment).await["spec"]["replicas"].as_u64();
            assert_eq!(wanted, Some(pods as u64), "{:?}", self.active().await);
            sleep(Duration::from_millis(500)).await;
        }
    }
}
