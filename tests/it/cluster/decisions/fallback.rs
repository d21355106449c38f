//! A source dies, comes back, or cannot decide.

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::super::ControlPlane;
use super::Stage;
use super::stage::external;
use crate::support::front::{Answer, Front};
use crate::support::seconds;

const METRIC: &str = "gateway_queue";
const SERIES: &str = "gateway_requests_queued";

/// Requests that wait in a gateway: known without any pod.
fn configuration(after: &str, replicas: u32) -> String {
    format!(
        "metrics:\n- {{ name: {METRIC}, promql: 'sum by (namespace) ({SERIES})', type: extensive, \
         refresh: 1s, hold: 2s, fallback: {{ after: {after}, until: 30s, replicas: {replicas} }} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_fallback() {
    let mut stage = Stage::set(ControlPlane::with_gates("HPAScaleToZero=true").await, 10).await;
    stage.apart(SERIES, 8.0);
    let _replica = stage.serve(&configuration("3s", 4)).await;
    let hpa = stage.autoscaler((0, 10), json!([external(METRIC, &json!({}), "10")])).await;
    for (queue, usual) in [(8.0, 1), (0.0, 0)] {
        stage.apart(SERIES, queue);
        hpa.until_reads("/external/current/averageValue", &queue.to_string(), 40).await;
        hpa.until_replicas(&stage.fleet, usual, 40).await;
        stage.tell(format!("queue {queue}"), METRIC, "", &hpa).await;

        // Until it was seen how often the number is renewed, it may be a minute old.
        sleep(seconds(5)).await;
        let began = Instant::now();
        stage.prometheus.kill();
        hpa.until_replicas(&stage.fleet, 4, 60).await;
        stage.tell("Prometheus is dead; fallback: 4 replicas after 3 s", METRIC, "", &hpa).await;
        hpa.assert_holds(&stage.fleet, seconds(6)).await;

        stage.prometheus.restart_empty().await;
        let well = Instant::now();
        hpa.until_replicas(&stage.fleet, usual, 90).await;
        stage.tell("Prometheus is back, for 30 s", METRIC, "", &hpa).await;
        assert!(
            well.elapsed() > seconds(25),
            "a fallback ends {:?} after its source is well",
            well.elapsed()
        );
        assert_eq!(stage.witness.since(began).await, [usual as u64, 4, usual as u64]);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_fallback_of_a_wavering_source() {
    let stage = Stage::set(ControlPlane::start().await, 10).await;
    stage.apart(SERIES, 20.0);
    let front = Front::start(Some(stage.prometheus.url()), Answer::Pass).await;
    let file = stage.configure(&front.url(), &configuration("1s", 5));
    let replica = stage.inferometer.replica(&["--config", &file]).await;
    stage.inferometer.register(&replica).await;
    let hpa = stage.autoscaler((1, 10), json!([external(METRIC, &json!({}), "10")])).await;
    hpa.until_replicas(&stage.fleet, 2, 40).await;
    stage.tell("queue 20", METRIC, "", &hpa).await;

    // Every second refresh fails: there is always a value that is young enough.
    let began = Instant::now();
    front.set(Answer::Turns(vec![failure(), Answer::Pass]));
    sleep(seconds(16)).await;
    stage.tell("every second refresh failed for 16 s", METRIC, "", &hpa).await;
    assert_eq!(stage.witness.since(began).await, [2]);

    // Down for longer than a value is good for, and then up for as long: one change, and none back.
    let began = Instant::now();
    waver(&front, seconds(7), 3).await;
    stage.tell("down for 7 s and up for 7 s, 3 times", METRIC, "", &hpa).await;
    assert_eq!(stage.witness.since(began).await, [2, 5]);

    hpa.until_replicas(&stage.fleet, 2, 60).await;
    stage.tell("well for 30 s", METRIC, "", &hpa).await;
    assert_eq!(stage.witness.since(began).await, [2, 5, 2]);
}

fn failure() -> Answer {
    Answer::Fixed(500, Vec::new(), String::new())
}

/// The source fails and is well again, so many times.
async fn waver(front: &Front, length: std::time::Duration, times: u32) {
    for _ in 0..times {
        front.set(failure());
        sleep(length).await;
        front.set(Answer::Pass);
        sleep(length).await;
    }
}
