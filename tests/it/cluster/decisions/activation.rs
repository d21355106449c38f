//! Noise below a threshold wakes nobody.

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::super::ControlPlane;
use super::Stage;
use super::stage::external;
use crate::support::seconds;

const METRIC: &str = "gateway_queue";
const SERIES: &str = "gateway_requests_queued";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_activation() {
    let stage = Stage::set(ControlPlane::with_gates("HPAScaleToZero=true").await, 10).await;
    stage.apart(SERIES, 0.0);
    let _replica = stage
        .serve(&format!(
            "metrics:\n- {{ name: {METRIC}, promql: 'sum by (namespace) ({SERIES})', type: extensive, \
             refresh: 1s, hold: 3s, activation: 5 }}\n"
        ))
        .await;
    let hpa = stage.autoscaler((0, 10), json!([external(METRIC, &json!({}), "10")])).await;
    hpa.until_replicas(&stage.fleet, 0, 40).await;
    stage.tell("queue 0", METRIC, "", &hpa).await;

    let began = Instant::now();
    for noise in [1.0, 4.0, 0.0, 3.0, 2.0, 4.9] {
        stage.apart(SERIES, noise);
        sleep(seconds(3)).await;
        stage.tell(format!("queue {noise}, threshold 5"), METRIC, "", &hpa).await;
    }
    assert_eq!(stage.witness.since(began).await, [0]);

    stage.apart(SERIES, 30.0);
    hpa.until_replicas(&stage.fleet, 3, 40).await;
    stage.tell("queue 30", METRIC, "", &hpa).await;
    stage.apart(SERIES, 4.0);
    hpa.until_replicas(&stage.fleet, 0, 40).await;
    stage.tell("queue 4", METRIC, "", &hpa).await;
    assert_eq!(stage.witness.since(began).await, [0, 3, 0]);
}
