//! To zero and back: what is next to nothing wakes nobody, an outage changes nothing, work does: R48.

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::super::ControlPlane;
use super::Stage;
use super::stage::external;
use crate::support::{seconds, until};

const METRIC: &str = "gateway_queue";
const SERIES: &str = "gateway_requests_queued";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_scale_to_zero() {
    let mut stage = Stage::set(ControlPlane::with_gates("HPAScaleToZero=true").await, 10).await;
    stage.apart(SERIES, 0.0);
    let replica = stage
        .serve(&format!(
            "metrics:\n- {{ name: {METRIC}, promql: 'sum by (namespace) ({SERIES})', type: extensive, \
             refresh: 1s, hold: 3s }}\n"
        ))
        .await;
    let hpa = stage.autoscaler((0, 10), json!([external(METRIC, &json!({}), "10")])).await;
    hpa.until_replicas(&stage.fleet, 0, 40).await;
    stage.tell("queue 0", METRIC, "", &hpa).await;

    // What decays never quite reaches 0. Kubernetes would round it up to a thousandth, and a pod.
    let began = Instant::now();
    stage.apart(SERIES, 0.0001);
    sleep(seconds(5)).await;
    stage.tell("queue 0.0001", METRIC, "", &hpa).await;
    assert_eq!(stage.served(METRIC, "").await, Ok(0.0));

    // Whether there is work is not known: it stays as it is, and what the alerts look at says so.
    stage.prometheus.kill();
    until("it is refused", seconds(40), async || match stage.served(METRIC, "").await {
        Ok(value) => Err(value.to_string()),
        Err(_) => Ok(()),
    })
    .await;
    let refused = replica.own_metric("inferometer_refusals_total", &[]).await;
    sleep(seconds(10)).await;
    stage.tell("no Prometheus", METRIC, "", &hpa).await;
    assert!(replica.own_metric("inferometer_refusals_total", &[]).await > refused);
    assert_eq!(hpa.active().await.0, "False", "{}", hpa.summary().await);
    assert_eq!(stage.witness.since(began).await, [0]);

    stage.prometheus.restart_empty().await;
    stage.until_served(METRIC, "", 0.0, 60).await;
    assert_eq!(stage.witness.since(began).await, [0]);
    let woken = Instant::now();
    stage.apart(SERIES, 5.0);
    hpa.until_replicas(&stage.fleet, 1, 40).await;
    println!("woken {:?} after the first work", woken.elapsed());
    stage.apart(SERIES, 0.0);
    hpa.until_replicas(&stage.fleet, 0, 40).await;
    assert_eq!(stage.witness.since(began).await, [0, 1, 0]);
}
