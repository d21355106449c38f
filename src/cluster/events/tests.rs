//! Events as the API server gets them.

use serde_json::json;
use tokio::time::sleep;

use super::*;
use crate::cluster::fixtures::Cluster;
use crate::core::time::Timestamp;
use crate::core::workload::Owner;

const HPA: &str = "/apis/autoscaling/v2/namespaces/ai/horizontalpodautoscalers/llama";
const NAME: &str = "llama.budgetexceeded-gpu-fleet-18bcfe56800";

fn autoscaler(name: &str) -> Autoscaler {
    Autoscaler {
        namespace: "ai".into(),
        name: name.into(),
        scales: Owner { kind: "deployment".into(), name: name.into() },
        min_replicas: 1,
        max_replicas: 9,
        current_replicas: None,
        desired_replicas: None,
        wants: Box::default(),
    }
}

fn notice() -> Notice {
    Notice {
        budget: "gpu-fleet".into(),
        reason: "BudgetExceeded",
        message: "budget gpu-fleet is open".to_owned(),
        warning: true,
        since: Timestamp::from_millis(1_700_000_000_000),
    }
}

fn cluster() -> Cluster {
    let cluster = Cluster::default();
    cluster.put(HPA, json!({"metadata": {"name": "llama", "namespace": "ai"}}));
    cluster
}

fn start(cluster: &Cluster, instance: &str) -> Arc<Events> {
    let (events, write) = Events::new(cluster.client(), instance.to_owned());
    tokio::spawn(write);
    events
}

fn path(name: &str) -> String {
    format!("/apis/events.k8s.io/v1/namespaces/ai/events/{name}")
}

#[tokio::test(start_paused = true)]
async fn of_one_change_two_replicas_write_one_event() {
    let cluster = cluster();
    let (one, other) = (start(&cluster, "pod-1"), start(&cluster, "pod-2"));
    one.tell(&autoscaler("llama"), &notice());
    sleep(Duration::from_secs(1)).await;
    other.tell(&autoscaler("llama"), &notice());
    one.tell(&autoscaler("gone"), &notice());
    sleep(Duration::from_secs(1)).await;
    let event = cluster.get(&path(NAME)).expect("an Event of this name");
    let uid = &cluster.get(HPA).expect("it is there")["metadata"]["uid"];
    assert!(uid.is_string() && event["regarding"]["uid"] == *uid, "kubectl finds it by this");
    assert_eq!(event["regarding"]["kind"], "HorizontalPodAutoscaler");
    assert_eq!((&event["reason"], &event["type"]), (&json!("BudgetExceeded"), &json!("Warning")));
    assert_eq!(event["reportingInstance"], "pod-1");
    assert_eq!(event["note"], "budget gpu-fleet is open");
    let created = cluster.requests().iter().filter(|request| request.starts_with("POST")).count();
    assert_eq!(created, 2, "the second was refused, and nothing was written for an HPA that is gone");
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_again_while_the_server_is_away_and_nobody_waits() {
    let cluster = cluster();
    cluster.set_away(true);
    let events = start(&cluster, "pod-1");
    events.tell(&autoscaler("llama"), &notice());
    sleep(Duration::from_millis(1_500)).await;
    cluster.set_away(false);
    sleep(Duration::from_secs(30)).await;
    assert!(cluster.get(&path(NAME)).is_some());
    // Far more than may wait.
    cluster.set_away(true);
    for _ in 0..WAITING * 2 {
        events.tell(&autoscaler("llama"), &notice());
    }
}

#[test]
fn a_name_is_one_that_kubernetes_takes() {
    let long = "x".repeat(250);
    let own = Notice { budget: "tokens:rate_5m".into(), ..notice() };
    let name = name(&long, &own);
    assert!(name.len() <= 253, "{name}");
    assert!(name.ends_with(".budgetexceeded-tokens-rate-5m-18bcfe56800"), "{name}");
}
