//! Load on Prometheus grows with signals, not with who asks.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep};

use crate::support::{Client, Exposition, Prometheus, Server, seconds, until};

const NAMESPACES: usize = 1_000;
const PODS: usize = 4;
const METRICS: [&str; 3] = ["waiting", "in_system", "cache"];
/// Fixed, so that the size of the page does not make the pace.
const REFRESH: u64 = 2;
const PERIOD: Duration = Duration::from_secs(6);

/// Waiting, running and cache use of a pod; no two namespaces alike.
fn pod(namespace: usize, pod: usize) -> [f64; 3] {
    [(namespace * 3 + pod) as f64, (namespace % 7 + 10 * pod) as f64, (namespace % 90 + pod) as f64 / 100.0]
}

fn page() -> String {
    let mut page = String::new();
    for namespace in 0..NAMESPACES {
        for index in 0..PODS {
            let values = pod(namespace, index);
            let names =
                ["vllm:num_requests_waiting", "vllm:num_requests_running", "vllm:kv_cache_usage_perc"];
            for (name, value) in names.iter().zip(values) {
                let labels = format!(
                    "namespace=\"ns-{namespace}\",pod=\"vllm-{index}\",engine=\"0\",model_name=\"m\""
                );
                writeln!(page, "{name}{{{labels}}} {value}").expect("memory");
            }
        }
    }
    page
}

fn expected(namespace: usize) -> [f64; 3] {
    let pods = || (0..PODS).map(|index| pod(namespace, index));
    let waiting: f64 = pods().map(|pod| pod[0]).sum();
    let running: f64 = pods().map(|pod| pod[1]).sum();
    let cache: f64 = pods().map(|pod| pod[2]).sum::<f64>() / PODS as f64;
    [waiting, waiting + running, cache]
}

/// Asks for every metric of these namespaces and checks each answer; tells how long each took.
async fn ask(client: &Client, namespaces: Range<usize>) -> Vec<Duration> {
    let questions =
        namespaces.flat_map(|namespace| (0..METRICS.len()).map(move |metric| (namespace, metric)));
    stream::iter(questions)
        .map(async |(namespace, metric)| {
            let began = Instant::now();
            let number = client.number(&format!("ns-{namespace}"), METRICS[metric], "").await;
            let right = expected(namespace)[metric];
            assert!(
                (number - right).abs() <= 0.001,
                "{} in ns-{namespace}: {number}, not {right}",
                METRICS[metric]
            );
            began.elapsed()
        })
        .buffer_unordered(8)
        .collect()
        .await
}

/// What a period of asking for these namespaces, by turns and each at least once, costs Prometheus.
struct Period {
    length: Duration,
    queries: f64,
    took: Vec<Duration>,
}

async fn period(
    prometheus: &Prometheus,
    client: &Client,
    namespaces: Range<usize>,
    least: Duration,
) -> Period {
    let turns: Vec<_> =
        namespaces.clone().step_by(25).map(|from| from..namespaces.end.min(from + 25)).collect();
    let before = prometheus.queries_received().await;
    let began = Instant::now();
    let mut took = Vec::new();
    for (number, turn) in turns.iter().cycle().enumerate() {
        if number >= turns.len() && began.elapsed() >= least {
            break;
        }
        took.extend(ask(client, turn.clone()).await);
        sleep(Duration::from_millis(20)).await;
    }
    took.sort_unstable();
    let (length, queries) = (began.elapsed(), prometheus.queries_received().await - before);
    println!("{} namespaces: {} questions in {length:?}, {queries} queries", namespaces.len(), took.len());
    Period { length, queries, took }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_load_does_not_grow() {
    let pages = Exposition::start().await;
    pages.set("/fleet", page());
    let target = pages.target("fleet", "/fleet", &[]).honoring_labels().every(3);
    let prometheus = Prometheus::start(&[target]).await;
    let server = Server::configured(&format!(
        "apiVersion: inferometer.dev/v1alpha1
kind: Configuration
sources:
- name: main
  prometheus: {{ url: \"{}\" }}
metrics:
- {{ name: waiting, preset: inference_requests_waiting, refresh: {REFRESH}s }}
- {{ name: in_system, preset: inference_requests_in_system, refresh: {REFRESH}s }}
- {{ name: cache, preset: inference_kv_cache_utilization, refresh: {REFRESH}s }}
",
        prometheus.url()
    ))
    .await;

    for metric in METRICS {
        // An unoptimized build may need more than a request's patience for 16,000 series.
        let warm = async || server.client.value("ns-0", metric, "").await;
        until("the first reading is there", seconds(20), warm).await;
    }
    let of_all = period(&prometheus, &server.client, 0..NAMESPACES, PERIOD).await;
    let of_one = period(&prometheus, &server.client, 17..18, of_all.length).await;
    // One refresh of each signal may fall on either side of a period's end.
    let signals = METRICS.len() as f64;
    assert!(of_all.queries <= of_one.queries + signals, "{} queries, not {}", of_all.queries, of_one.queries);
    // Beside them it is asked every 15 s which engines are there.
    let presence = of_all.length.as_secs_f64() / 15.0 + 1.0;
    let most = signals * (of_all.length.as_secs_f64() / REFRESH as f64 + 1.0) + presence;
    assert!(of_one.queries > 0.0 && of_all.queries <= most, "{} queries, not {most}", of_all.queries);

    let (typical, slowest) = (of_all.took[of_all.took.len() / 2], of_all.took[of_all.took.len() - 1]);
    println!("typically answered in {typical:?}, slowest {slowest:?}");

    // Nobody else's series come with a selector or a name that is not there.
    for (namespace, selector) in [("ns-1000", ""), ("ns-17", "pod=vllm-4"), ("ns", "")] {
        let problem = server.client.problem(namespace, METRICS[0], selector).await;
        assert_eq!(problem.code, 503, "{problem}");
    }
}
