//! Two replicas and what they remember together.

use std::time::Duration;

use tokio::time::sleep;

use super::*;
use crate::cluster::fixtures::Cluster;

const PATH: &str = "/api/v1/namespaces/monitoring/configmaps/inferometer-budgets";

fn start(cluster: &Cluster) -> Arc<Memory> {
    let memory = Arc::new(Memory::default());
    tokio::spawn(Arc::clone(&memory).keep(cluster.client(), "monitoring".to_owned()));
    memory
}

fn record(name: &str, state: State, millis: i64) -> Record {
    (name.to_owned(), Breaker::remembered(state, Timestamp::from_millis(millis)))
}

#[tokio::test(start_paused = true)]
async fn what_one_stores_all_remember_and_the_next_process_too() {
    let cluster = Cluster::default();
    let (one, other) = (start(&cluster), start(&cluster));
    assert_eq!(one.load(), None, "nothing is known before the server has answered");
    other.load();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(one.load(), Some(Vec::new()));
    one.store(vec![record("fleet", State::Open, 5)]);
    sleep(Duration::from_secs(1)).await;
    let wanted = Some(vec![record("fleet", State::Open, 5)]);
    assert_eq!((one.load(), other.load()), (wanted.clone(), wanted.clone()));
    let next = start(&cluster);
    next.load();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(next.load(), wanted);
    let kept = cluster.get(PATH).expect("it was created");
    assert_eq!(kept["data"]["budgets.json"], r#"{"fleet":{"open":true,"sinceMillis":5}}"#);
    assert_eq!(kept["metadata"]["labels"]["app.kubernetes.io/managed-by"], "inferometer");
}

#[tokio::test(start_paused = true)]
async fn who_comes_second_takes_what_is_there() {
    let cluster = Cluster::default();
    let (one, other) = (start(&cluster), start(&cluster));
    assert_eq!((one.load(), other.load()), (None, None));
    sleep(Duration::from_secs(1)).await;
    one.store(vec![record("fleet", State::Open, 5)]);
    other.store(vec![record("fleet", State::Open, 6), record("bill", State::Closed, 7)]);
    for _ in 0..3 {
        sleep(Duration::from_secs(1)).await;
        other.store(vec![record("bill", State::Closed, 7)]);
    }
    let agreed = one.load().unwrap();
    assert_eq!(Some(agreed.clone()), other.load());
    assert_eq!(agreed.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_watched_where_there_is_no_budget() {
    let cluster = Cluster::default();
    let memory = start(&cluster);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(cluster.requests(), Vec::<String>::new());
    memory.load();
    sleep(Duration::from_secs(1)).await;
    assert!(!cluster.requests().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_written_anew() {
    let cluster = Cluster::default();
    cluster.put(PATH, serde_json::json!({"metadata": {"name": CONFIG_MAP, "namespace": "monitoring"}, "data": {"budgets.json": "?", "other": "x"}}));
    let memory = start(&cluster);
    memory.load();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(memory.load(), Some(Vec::new()));
    memory.store(vec![record("fleet", State::Closed, 5)]);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(memory.load(), Some(vec![record("fleet", State::Closed, 5)]));
    assert_eq!(cluster.get(PATH).unwrap()["data"]["other"], "x");
}
