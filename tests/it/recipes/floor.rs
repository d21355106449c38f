//! The floor of the queue recipe. What it makes of a queue depends on what the queue was before, so this is
//! played in time, on a Prometheus that scrapes.

use super::rows::{Row, print};
use super::stage::{PROMETHEUS, Served, autoscaler, configuration, until_or_last};
use crate::support::objects::deployment;
use crate::support::{Cluster, Exposition, Prometheus, WAITING};

const SLUG: &str = "queue-depth";

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_queue_counts_from_the_floor_on_and_for_a_while_below() {
    let cluster = Cluster::start().await;
    let autoscaler = autoscaler(SLUG);
    cluster.put(deployment("ai", "llama", 1));
    cluster.api.put(autoscaler.placed("ai", 1));
    let pages = Exposition::start().await;
    let page = |waiting: u32| {
        format!(
            "vllm:num_requests_running{{model_name=\"m\"}} 9\nvllm:num_requests_waiting{{model_name=\"m\"}} {waiting}\n"
        )
    };
    let prometheus = Prometheus::start(&[pages.pod("ai", "llama-1-0", page(0))]).await;
    let file = cluster.file("config.yaml");
    let yaml = configuration(SLUG).expect("a floor").replace(PROMETHEUS, prometheus.url());
    std::fs::write(&file, yaml).expect("a file can be written");
    let (_server, aggregator) = cluster.serve(&["--config", file.to_str().expect("a path in UTF-8")]).await;
    let client = aggregator.hpa_controller();

    let mut rows = Vec::new();
    for (case, waiting, served, desired) in [
        ("idle", 0, 0.0, 0),
        // Without the floor these are two replicas.
        ("noise", 7, 0.0, 0),
        ("burst", 23, 23.0, 5),
        // Once it counts, it does so between the levels as well.
        ("less", 7, 7.0, 2),
        // For two minutes this counts as the least that does.
        ("over", 0, 2.0, 1),
    ] {
        pages.set("/ai/llama-1-0", page(waiting));
        let mut row = None;
        let complaint = until_or_last(async || {
            // That the queue itself is known by now: the floor may make the same of another.
            let raw = client.value("ai", WAITING, "deployment=llama").await;
            let is_known = raw.is_ok_and(|value| value.text == waiting.to_string());
            let seen = autoscaler.observe(&client, "ai").await;
            let outcome = autoscaler.decide(1, &seen);
            row =
                Some(Row::plain(SLUG, case, &format!("num_requests_waiting {waiting}"), 1, &seen, &outcome));
            let as_expected = Served::Number(served).is(&seen[0]) && outcome.decision.desired == desired;
            (!(is_known && as_expected)).then(|| format!("{seen:?} {outcome:?}"))
        })
        .await;
        rows.extend(row);
        if complaint.is_some() {
            print(&rows);
        }
        assert_eq!(complaint, None, "{case}");
    }
    print(&rows);
}
