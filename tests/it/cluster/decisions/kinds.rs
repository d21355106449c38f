//! A budget holds metrics of every kind, also while some of the pods are loading.

use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::super::ControlPlane;
use super::super::workload::NAMESPACE;
use super::Stage;
use super::stage::fleet;
use crate::support::{Server, seconds, until};

const METRIC: &str = "inference_requests_waiting";
const SELECTOR: &str = "deployment=vllm";
const BILL: &str = "gpu_bill_usd_per_hour";

/// A number of each pod, and one that is compared as it is.
fn metrics() -> [Json; 2] {
    let of_pods = json!({ "type": "Pods", "pods": {
        "metric": { "name": METRIC }, "target": { "type": "AverageValue", "averageValue": "5" },
    } });
    let value = json!({ "type": "External", "external": {
        "metric": { "name": METRIC, "selector": { "matchLabels": fleet() } },
        "target": { "type": "Value", "value": "5" },
    } });
    [of_pods, value]
}

async fn until_open(replica: &Server, open: bool) {
    until(&format!("open is {open}"), seconds(20), async || {
        let is = replica.own_metric("inferometer_budget_open", &["budget=\"fleet\""]).await;
        if (is > 0.5) == open { Ok(()) } else { Err(is) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_budget_of_pods_and_values() {
    let stage = Stage::set(ControlPlane::start().await, 20).await;
    stage.apart(BILL, 500.0);
    let replica = stage
        .serve(&format!(
            "metrics: [{{ name: {METRIC}, preset: {METRIC}, refresh: 1s, hold: 3s }}]\n\
             budgets:\n- name: fleet\n  spend: {{ promql: 'sum({BILL})' }}\n  limit: 800\n  minimumOpen: 1s\n  \
             guards: [{{ namespace: {NAMESPACE} }}]\n"
        ))
        .await;
    for metric in metrics() {
        println!("{metric}");
        stage.fleet.load_slowly(true);
        stage.queue(5.0);
        let hpa = stage.autoscaler((1, 20), json!([metric])).await;
        hpa.until_replicas(&stage.fleet, 1, 40).await;
        stage.queue(25.0);
        hpa.until_replicas(&stage.fleet, 5, 40).await;
        hpa.assert_holds(&stage.fleet, seconds(3)).await;
        stage.tell("queue 25, spend 500, 4 of 5 pods are loading", METRIC, SELECTOR, &hpa).await;

        let began = Instant::now();
        stage.apart(BILL, 900.0);
        until_open(&replica, true).await;
        stage.queue(200.0);
        hpa.assert_holds(&stage.fleet, seconds(8)).await;
        stage.tell("queue 200, spend 900, 4 of 5 pods are loading", METRIC, SELECTOR, &hpa).await;
        stage.fleet.load_slowly(false);
        hpa.assert_holds(&stage.fleet, seconds(8)).await;
        stage.tell("queue 200, spend 900, all are ready", METRIC, SELECTOR, &hpa).await;
        assert_eq!(stage.witness.since(began).await, [5]);

        stage.queue(0.0);
        hpa.until_replicas(&stage.fleet, 1, 30).await;
        stage.tell("queue 0, spend 900", METRIC, SELECTOR, &hpa).await;
        stage.apart(BILL, 500.0);
        until_open(&replica, false).await;
        hpa.delete().await;
    }
}
