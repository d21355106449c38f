//! Demand that knows which pods are still loading.

use serde_json::json;
use tokio::time::Instant;

use super::super::{Autoscaler, ControlPlane};
use super::Stage;
use super::stage::{external, fleet};
use crate::support::seconds;

const DEMAND: &str = "inference_demand_replicas";
const PLAIN: &str = "inference_saturation_replicas";
const SELECTOR: &str = "deployment=vllm";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_demand_of_loading_pods() {
    let stage = Stage::set(ControlPlane::start().await, 20).await;
    stage.queue(2.0);
    let _replica = stage.serve("").await;
    // Four at once, as by default, but more often: whoever counted the burst twice would be at 20 in 20 s.
    let growth = json!([{ "type": "Pods", "value": 4, "periodSeconds": 5 }]);
    let metrics = json!([external(DEMAND, &fleet(), "1")]);
    let hpa = Autoscaler::with(&stage.inferometer.admin, &stage.fleet, (1, 20), &growth, metrics).await;
    hpa.until_reads("/external/current/averageValue", "1", 40).await;
    stage.tell("queue 2", DEMAND, SELECTOR, &hpa).await;

    let began = Instant::now();
    stage.fleet.load_slowly(true);
    stage.queue(40.0);
    hpa.until_replicas(&stage.fleet, 5, 40).await;
    for queue in [40.0, 80.0] {
        stage.queue(queue);
        stage.until_served(PLAIN, SELECTOR, queue / 2.0, 20).await;
        hpa.assert_holds(&stage.fleet, seconds(12)).await;
        stage.tell(format!("queue {queue}, 4 of 5 pods are loading, for 12 s"), DEMAND, SELECTOR, &hpa).await;
        stage.tell("the same without knowing", PLAIN, SELECTOR, &hpa).await;
        stage.until_served(DEMAND, SELECTOR, 5.0, 1).await;
    }
    assert_eq!(stage.witness.since(began).await, [1, 5]);

    // They serve, and so does whatever comes after.
    stage.queue(24.0);
    stage.until_served(PLAIN, SELECTOR, 12.0, 20).await;
    stage.fleet.load_slowly(false);
    hpa.until_replicas(&stage.fleet, 12, 60).await;
    stage.tell("queue 24, all are ready", DEMAND, SELECTOR, &hpa).await;
    assert_eq!(stage.witness.since(began).await, [1, 5, 9, 12]);

    stage.queue(0.0);
    hpa.until_replicas(&stage.fleet, 1, 60).await;
    stage.tell("queue 0", DEMAND, SELECTOR, &hpa).await;
}
