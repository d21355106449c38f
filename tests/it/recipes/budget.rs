//! The recipe of a budget: prices and engines in a real Prometheus, and an HPA that wants more.

use serde_json::json;

use super::rows::{Row, print};
use super::stage::{PROMETHEUS, autoscaler, configuration, until_or_last};
use super::usual::{ScaledObject, Usual};
use crate::support::objects::deployment;
use crate::support::{Cluster, Exposition, Prometheus, fixture};

const SLUG: &str = "cost-breaker";
/// Of the HPA, all the time.
const REPLICAS: u32 = 2;

/// The prices of a recorded page, of which all GPUs together cost so much.
fn prices(spend: f64) -> String {
    let page = fixture("opencost-2024-10.txt");
    let sum = |name: &str| -> f64 {
        let of = page.lines().filter(|line| line.starts_with(name));
        of.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let each = spend / sum("node_gpu_count{");
    let lines = page.lines().map(|line| match line.rsplit_once(' ') {
        Some((series, _)) if line.starts_with("node_total_hourly_cost{") => {
            format!("{series} {}\n", spend / 3.0)
        }
        // A node without GPUs has a price of GPUs all the same.
        Some((series, _)) if line.starts_with("node_gpu_hourly_cost{") => format!("{series} {each}\n"),
        _ => format!("{line}\n"),
    });
    lines.collect()
}

/// A batch of ten, and the others in the queue.
fn engine(in_system: u32) -> String {
    let (running, waiting) = (in_system.min(10), in_system.saturating_sub(10));
    format!(
        "vllm:num_requests_waiting{{model_name=\"m\"}} {waiting}\nvllm:num_requests_running{{model_name=\"m\"}} {running}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_budget_that_is_blown_holds_growth_and_nothing_else() {
    let cluster = Cluster::start().await;
    let autoscaler = autoscaler(SLUG);
    cluster.put(deployment("ai", "llama", REPLICAS as usize));
    let mut object = autoscaler.placed("ai", REPLICAS);
    object["status"]["conditions"] = json!([{ "type": "AbleToScale", "status": "True" }]);
    cluster.api.put(object);
    let pages = Exposition::start().await;
    let mut targets: Vec<_> =
        (0..REPLICAS).map(|pod| pages.pod("ai", &format!("llama-1-{pod}"), engine(0))).collect();
    pages.set("/prices", prices(700.0));
    targets.push(pages.target("opencost", "/prices", &[]));
    let prometheus = Prometheus::start(&targets).await;
    let file = cluster.file("config.yaml");
    let yaml = configuration(SLUG).expect("a budget").replace(PROMETHEUS, prometheus.url());
    std::fs::write(&file, yaml).expect("a file can be written");
    let (_server, aggregator) = cluster.serve(&["--config", file.to_str().expect("a path in UTF-8")]).await;
    let client = aggregator.hpa_controller();

    let mut rows = Vec::new();
    let theirs = ScaledObject::of(SLUG);
    for (case, spend, in_system, desired, then, usual) in [
        ("kept", 700.0, 40, 5, 5, 700),
        // Before, nothing was held: 80 requests want five replicas. Now two, which there are.
        ("blown", 900.0, 40, 2, 2, 12),
        // What is not needed may go, whatever is spent.
        ("blown and idle", 900.0, 0, 0, 2, 0),
        // What the usual recipe wants is what is spent. Ours stays open for the least time.
        ("kept and idle", 700.0, 0, 0, 2, 700),
        ("kept again", 700.0, 40, 2, 2, 700),
    ] {
        pages.set("/prices", prices(spend));
        for pod in 0..REPLICAS {
            pages.set(&format!("/ai/llama-1-{pod}"), engine(in_system));
        }
        let mut row = None;
        let complaint = until_or_last(async || {
            let seen = autoscaler.observe(&client, "ai").await;
            let outcome = autoscaler.decide(REPLICAS, &seen);
            let series = format!("GPUs {spend} USD/h, {} requests in system", in_system * REPLICAS);
            let found = theirs.ask(&prometheus, "ai", REPLICAS).await;
            row = Some(Row::plain(SLUG, case, &series, REPLICAS, &seen, &outcome).beside(found));
            let decided = (outcome.decision.desired, outcome.decision.replicas);
            let as_expected = decided == (desired, then) && found == Some(Usual::Wants(usual));
            (!as_expected).then(|| format!("{seen:?} {outcome:?}, {found:?}"))
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
