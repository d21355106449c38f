//! Replicas that are paid for one by one: the limit is a ceiling, and is not overrun on the way to it.

use serde_json::json;
use tokio::time::Instant;

use super::super::ControlPlane;
use super::super::workload::NAMESPACE;
use super::Stage;
use super::stage::{external, fleet};
use crate::support::seconds;

const METRIC: &str = "inference_requests_waiting";
const SELECTOR: &str = "deployment=vllm";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_budget_as_a_ceiling() {
    let stage = Stage::set(ControlPlane::start().await, 20).await;
    stage.queue(5.0);
    let _replica = stage
        .serve(&format!(
            "metrics: [{{ name: {METRIC}, preset: {METRIC}, refresh: 1s, hold: 3s }}]\n\
             budgets:\n- name: fleet\n  spend: {{ pricePerReplica: 4 }}\n  limit: 40\n  minimumOpen: 1s\n  \
             guards: [{{ namespace: {NAMESPACE}, autoscaler: vllm }}]\n"
        ))
        .await;
    let hpa = stage.autoscaler((1, 20), json!([external(METRIC, &fleet(), "5")])).await;
    hpa.until_reads("/external/current/averageValue", "5", 40).await;
    stage.tell("queue 5; a replica costs 4 of 40", METRIC, SELECTOR, &hpa).await;

    let began = Instant::now();
    stage.queue(200.0);
    hpa.until_replicas(&stage.fleet, 10, 40).await;
    hpa.assert_holds(&stage.fleet, seconds(8)).await;
    stage.tell("queue 200, for which 40 replicas would be right", METRIC, SELECTOR, &hpa).await;
    stage.queue(30.0);
    hpa.until_replicas(&stage.fleet, 6, 40).await;
    stage.tell("queue 30", METRIC, SELECTOR, &hpa).await;
    stage.queue(200.0);
    hpa.until_replicas(&stage.fleet, 10, 40).await;
    stage.tell("queue 200 again", METRIC, SELECTOR, &hpa).await;
    let seen = stage.witness.since(began).await;
    println!("          replicas asked for one after the other: {seen:?}");
    assert!(seen.iter().all(|replicas| *replicas <= 10), "{seen:?}");
    stage.queue(0.0);
    hpa.until_replicas(&stage.fleet, 1, 40).await;
    stage.tell("queue 0", METRIC, SELECTOR, &hpa).await;
}
