//! Lists and watches, and how far what they told can be relied on.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::fixture::{Api, LEADER_WORKER_SETS, PODS, REPLICA_SETS, object, pod};
use crate::cluster::{Cluster, WatchMetrics, watch};
use crate::core::workload::{Inventory as _, Knowledge};

struct Running {
    api: Api,
    cluster: Arc<Cluster>,
    metrics: Arc<WatchMetrics>,
    _tasks: JoinSet<()>,
}

impl Running {
    fn start(api: Api) -> Self {
        let metrics = Arc::new(WatchMetrics::default());
        let (cluster, tasks) = watch::start(&api.client(), &metrics);
        Self { api, cluster, metrics, _tasks: tasks }
    }

    async fn ready(api: Api) -> Self {
        let running = Self::start(api);
        timeout(Duration::from_mins(1), running.cluster.ready()).await.expect("all was listed");
        // The watches begin after the lists.
        running.until("the watch of pods", |one| one.api.asked("/api/v1/pods?&watch=true") > 0).await;
        running
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..2_000 {
            if condition(self) {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        panic!("never came: {what}; asked: {:?}", self.api.asked("/"));
    }

    fn knows(&self, pod: &str) -> bool {
        self.cluster.pod("ai", pod).is_some()
    }
}

fn two_pods() -> Api {
    let api = Api::default();
    let pods = vec![pod("p", "ReplicaSet/a", "10.0.0.1"), pod("q", "ReplicaSet/a", "10.0.0.2")];
    api.set(PODS, pods);
    api.set(REPLICA_SETS, vec![object("a", "Deployment/vllm")]);
    api
}

#[tokio::test(start_paused = true)]
async fn pages_and_events_are_taken_in() {
    let one = Running::ready(two_pods()).await;
    assert_eq!(one.cluster.pods(None).len(), 2);
    assert_eq!(one.cluster.pod("ai", "p").unwrap().label("deployment"), Some("vllm"));
    assert_eq!(one.cluster.knowledge(), Knowledge::Complete);
    one.api.tell(PODS, "ADDED", &pod("r", "", "10.0.0.3"));
    one.api.tell(PODS, "DELETED", &pod("p", "ReplicaSet/a", "10.0.0.1"));
    one.until("both events", |one| one.knows("r") && !one.knows("p")).await;
    // A watch that ends goes on from the last version, without a list.
    let lists = one.api.asked("/api/v1/pods?&limit=500");
    one.api.end(PODS);
    one.until("the watch again", |one| one.api.asked("/api/v1/pods?&watch=true") > 1).await;
    assert_eq!(one.api.asked("/api/v1/pods?&limit=500"), lists);
    assert_eq!(one.cluster.knowledge(), Knowledge::Complete);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_pod_is_left_out_and_counted() {
    let api = two_pods();
    let mut wrong = pod("wrong", "", "10.0.0.9");
    wrong["metadata"]["labels"] = serde_json::json!(["no", "map"]);
    api.set(PODS, vec![pod("p", "", "10.0.0.1"), wrong.clone(), pod("q", "", "10.0.0.2")]);
    let one = Running::ready(api).await;
    assert!(one.knows("p") && one.knows("q") && !one.knows("wrong"));
    assert_eq!(one.metrics.count_malformed("pod"), 1);
    let lists = one.api.asked("/api/v1/pods?&limit=500");
    wrong["metadata"]["name"] = serde_json::json!("q");
    one.api.tell(PODS, "MODIFIED", &wrong);
    one.api.tell_line(PODS, "no event at all");
    one.api.tell(PODS, "ADDED", &pod("r", "", "10.0.0.3"));
    one.until("the event after them", |one| one.knows("r")).await;
    assert!(!one.knows("q"), "what it was is not known to be right any more");
    assert_eq!(one.metrics.count_malformed("pod"), 3);
    assert_eq!(one.api.asked("/api/v1/pods?&limit=500"), lists, "the watch has not ended");
}

#[tokio::test(start_paused = true)]
async fn a_list_anew_tells_which_pods_are_gone() {
    let one = Running::ready(two_pods()).await;
    one.api.set(PODS, vec![pod("q", "ReplicaSet/a", "10.0.0.2"), pod("r", "", "10.0.0.1")]);
    let gone = serde_json::json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired"});
    one.api.tell(PODS, "ERROR", &gone);
    one.until("the new list", |one| one.knows("r") && !one.knows("p")).await;
    assert!(one.knows("q"));
    assert_eq!(one.cluster.at("10.0.0.1".parse().unwrap()).unwrap().name.as_ref(), "r");
    assert_eq!(one.cluster.knowledge(), Knowledge::Complete);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_known_before_all_was_listed() {
    let api = two_pods();
    api.refuse(REPLICA_SETS, 500);
    let one = Running::start(api);
    one.until("the pods", |one| one.knows("q")).await;
    sleep(Duration::from_mins(1)).await;
    assert_eq!(one.cluster.knowledge(), Knowledge::Nothing);
    one.api.refuse(REPLICA_SETS, 0);
    timeout(Duration::from_secs(30), one.cluster.ready()).await.expect("the rest is listed");
    assert_eq!(one.cluster.knowledge(), Knowledge::Complete);
    assert_eq!(one.cluster.pod("ai", "p").unwrap().label("deployment"), Some("vllm"));
}

#[tokio::test(start_paused = true)]
async fn owners_that_are_not_there_or_forbidden_are_done_without() {
    let api = two_pods();
    api.refuse(LEADER_WORKER_SETS, 404);
    api.refuse(REPLICA_SETS, 403);
    let one = Running::ready(api).await;
    assert_eq!(one.cluster.knowledge(), Knowledge::Complete);
    assert_eq!(one.cluster.pod("ai", "p").unwrap().label("replicaset"), Some("a"));
    assert_eq!(one.cluster.pod("ai", "p").unwrap().label("deployment"), None);
    sleep(Duration::from_mins(1)).await;
    let asked = one.api.asked(REPLICA_SETS);
    assert!(asked <= 2, "asked {asked} times within a minute");
    // They may come to be there.
    one.api.refuse(REPLICA_SETS, 0);
    let has_come = |one: &Running| one.cluster.pod("ai", "p").unwrap().label("deployment") == Some("vllm");
    one.until("the owners", has_come).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_fails_for_long_leaves_us_behind() {
    let one = Running::ready(two_pods()).await;
    let version = one.cluster.version(Some("ai"));
    one.api.refuse(PODS, 503);
    one.api.end(PODS);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(one.cluster.knowledge(), Knowledge::Complete);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(one.cluster.knowledge(), Knowledge::Behind);
    assert_ne!(one.cluster.version(Some("ai")), version);
    assert!(one.knows("p"), "what was known is still told");
    one.api.set(PODS, vec![pod("q", "ReplicaSet/a", "10.0.0.2")]);
    one.api.refuse(PODS, 410);
    sleep(Duration::from_secs(15)).await;
    assert_eq!(one.cluster.knowledge(), Knowledge::Behind);
    one.api.refuse(PODS, 0);
    one.until("the new list", |one| one.cluster.knowledge() == Knowledge::Complete).await;
    assert!(one.knows("q") && !one.knows("p"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stands_still_is_noticed() {
    let one = Running::ready(two_pods()).await;
    one.api.stop(true);
    let tasks = one.api.asked("/");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(one.cluster.knowledge(), Knowledge::Behind);
    assert_eq!(one.api.asked("/"), tasks, "nothing was answered");
    one.api.stop(false);
    one.until("the watches again", |one| one.cluster.knowledge() == Knowledge::Complete).await;
    one.api.tell(PODS, "ADDED", &pod("r", "", "10.0.0.3"));
    one.until("the event", |one| one.knows("r")).await;
}
