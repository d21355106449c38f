//! A floor by the clock.

use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::super::ControlPlane;
use super::Stage;
use super::stage::{external, fleet};
use crate::support::seconds;

const FLOOR: &str = "office_hours";
const QUEUE: &str = "inference_requests_waiting";

/// A floor of three replicas between these hours from now.
fn configuration(start: i64, end: i64) -> String {
    let daily = |offset: i64| (Timestamp::now() + offset.hours()).strftime("%M %H * * *").to_string();
    format!(
        "metrics:\n- {{ name: {QUEUE}, preset: {QUEUE}, refresh: 1s, hold: 3s }}\n- name: {FLOOR}\n  \
         schedule: {{ timezone: UTC, start: '{}', end: '{}', replicas: 3 }}\n",
        daily(start),
        daily(end)
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_schedule_as_a_floor() {
    let stage = Stage::set(ControlPlane::start().await, 10).await;
    let _replica = stage.serve(&configuration(-3, 3)).await;
    let metrics = json!([external(FLOOR, &json!({}), "1"), external(QUEUE, &fleet(), "10")]);
    let hpa = stage.autoscaler((1, 10), metrics).await;
    hpa.until_replicas(&stage.fleet, 3, 40).await;
    hpa.assert_holds(&stage.fleet, seconds(5)).await;
    stage.tell("queue 0, a window of 3 replicas is open", FLOOR, "", &hpa).await;

    stage.queue(60.0);
    hpa.until_replicas(&stage.fleet, 6, 40).await;
    stage.tell("queue 60 at 10 each: a floor, no ceiling", FLOOR, "", &hpa).await;
    stage.queue(0.0);
    hpa.until_replicas(&stage.fleet, 3, 40).await;
    stage.tell("queue 0", FLOOR, "", &hpa).await;

    stage.configure(stage.prometheus.url(), &configuration(3, 6));
    hpa.until_replicas(&stage.fleet, 1, 40).await;
    stage.tell("queue 0, no window is open", FLOOR, "", &hpa).await;
}
