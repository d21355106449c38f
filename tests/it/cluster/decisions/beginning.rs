//! An HPA that is new while nothing may be decided: its status has a count of 0 that nobody decided on.

use serde_json::json;
use tokio::time::Instant;

use super::super::ControlPlane;
use super::super::workload::NAMESPACE;
use super::Stage;
use super::stage::{external, fleet};
use crate::support::{seconds, until};

const METRIC: &str = "inference_requests_waiting";
const SELECTOR: &str = "deployment=vllm";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_new_under_an_open_budget() {
    let stage = Stage::set(ControlPlane::with_gates("HPAScaleToZero=true").await, 20).await;
    stage.apart("gpu_bill_usd_per_hour", 900.0);
    stage.queue(200.0);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "namespace": NAMESPACE, "name": "vllm" }, "spec": { "replicas": 5 },
    });
    stage.inferometer.admin.apply(&deployment).await;
    until(
        "five pods",
        seconds(20),
        async || {
            if stage.fleet.pods() == 5 { Ok(()) } else { Err(stage.fleet.pods()) }
        },
    )
    .await;
    let replica = stage
        .serve(&format!(
            "metrics: [{{ name: {METRIC}, preset: {METRIC}, refresh: 1s, hold: 3s }}]\n\
             budgets:\n- name: fleet\n  spend: {{ promql: 'sum(gpu_bill_usd_per_hour)' }}\n  limit: 800\n  \
             guards: [{{ namespace: {NAMESPACE} }}]\n"
        ))
        .await;
    until("it is open", seconds(20), async || {
        let open = replica.own_metric("inferometer_budget_open", &["budget=\"fleet\""]).await;
        if open > 0.5 { Ok(()) } else { Err("closed") }
    })
    .await;

    for min in [1, 0] {
        let began = Instant::now();
        let metrics = json!([external(METRIC, &fleet(), "5")]);
        let hpa = stage.autoscaler((min, 20), metrics).await;
        println!("minReplicas {min}");
        stage.tell("a new HPA of 5 replicas; queue 200, spend 900", METRIC, SELECTOR, &hpa).await;
        hpa.assert_holds(&stage.fleet, seconds(10)).await;
        stage.tell("10 s later", METRIC, SELECTOR, &hpa).await;
        assert_eq!(stage.witness.since(began).await, [5]);
        hpa.until_reads("/external/current/averageValue", "5", 10).await;
        hpa.delete().await;
    }

    let hpa = stage.autoscaler((1, 20), json!([external(METRIC, &fleet(), "5")])).await;
    stage.queue(10.0);
    hpa.until_replicas(&stage.fleet, 2, 30).await;
    stage.tell("queue 10, spend 900", METRIC, SELECTOR, &hpa).await;
}
