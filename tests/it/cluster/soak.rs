//! Six hundred HPAs of a controller with its default settings, and some of them without a metric: R34.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio::time::sleep;

use super::installation::namespace;
use super::{Admin, ControlPlane, Installation, Options};
use crate::support::{Exposition, Prometheus, seconds, until};

const HPAS: usize = 600;

/// One in twenty has nothing to go by.
const FAILING: usize = HPAS / 20;

/// The controller asks for 20 external metrics a second, so for each of these every 30 s.
const PERIOD: f64 = 30.0;

const METRIC: &str = "queue_length";

/// How long it is watched, each time: several looks at each.
const WATCHED: Duration = Duration::from_mins(2);

fn name(number: usize) -> String {
    format!("vllm-{number:03}")
}

/// A queue for each, but for the first ones.
fn page(from: usize) -> String {
    let queue = |number| format!("{METRIC}{{namespace=\"ai\",model=\"{}\"}} 5\n", name(number));
    (from..HPAS).map(queue).collect()
}

async fn create(admin: &Admin, number: usize) {
    let name = name(number);
    let metadata = json!({ "namespace": "ai", "name": name });
    let labels = json!({ "app": name });
    admin
        .create(&json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": { "replicas": 1, "selector": { "matchLabels": labels }, "template": {
                "metadata": { "labels": labels },
                "spec": { "containers": [{ "name": "engine", "image": "engine.example/engine:1" }] },
            } },
        }))
        .await;
    admin
        .create(&json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata,
            "spec": {
                "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name },
                "minReplicas": 1, "maxReplicas": 3,
                "metrics": [crate::support::objects::external(METRIC, &json!({ "model": name }), "5")],
            },
        }))
        .await;
}

/// What the API server has written down: for each HPA's question, when it came, how long it took in
/// seconds, and its code.
type Asked = BTreeMap<String, Vec<(f64, f64, u64)>>;

fn audited(plane: &ControlPlane, since: Timestamp) -> Asked {
    let log = std::fs::read_to_string(plane.file("audit.log")).unwrap_or_default();
    let mut asked = Asked::new();
    for line in log.lines() {
        // The last line may be half written.
        let Ok(event) = serde_json::from_str::<Json>(line) else { continue };
        let at = |field: &str| event[field].as_str().and_then(|time| time.parse::<Timestamp>().ok());
        let (Some(came), Some(went)) = (at("requestReceivedTimestamp"), at("stageTimestamp")) else {
            continue;
        };
        let uri = event["requestURI"].as_str().unwrap_or_default();
        if came < since || !uri.contains(METRIC) {
            continue;
        }
        let took = went.duration_since(came).as_secs_f64();
        let code = event["responseStatus"]["code"].as_u64().unwrap_or(0);
        let seconds = came.duration_since(since).as_secs_f64();
        asked.entry(uri.to_owned()).or_default().push((seconds, took, code));
    }
    asked
}

/// The gaps between two looks at the same HPA: median and longest; requests a second; and the longest time
/// that an answer took.
#[derive(Debug)]
struct Pace {
    median: f64,
    longest: f64,
    rate: f64,
    slowest: f64,
    failed: usize,
}

async fn watched(plane: &ControlPlane) -> Pace {
    let since = Timestamp::now();
    sleep(WATCHED).await;
    let asked = audited(plane, since);
    assert!(asked.len() > HPAS * 9 / 10, "{} of {HPAS} were asked for", asked.len());
    let mut gaps: Vec<f64> = asked
        .values()
        .flat_map(|all| all.windows(2).map(|pair| pair[1].0 - pair[0].0).collect::<Vec<_>>())
        .collect();
    gaps.sort_by(f64::total_cmp);
    let all: Vec<_> = asked.values().flatten().collect();
    let failed = asked.values().filter(|all| all.iter().any(|(_, _, code)| *code != 200)).count();
    Pace {
        median: gaps[gaps.len() / 2],
        longest: gaps[gaps.len() - 1],
        rate: all.len() as f64 / WATCHED.as_secs_f64(),
        slowest: all.iter().map(|(_, took, _)| *took).fold(0.0, f64::max),
        failed,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS, and takes eight minutes: tests/run --soak"]
async fn soak_six_hundred_autoscalers() {
    let options = Options {
        audit: true,
        // What kube-controller-manager does unless it is told otherwise.
        controllers: &[
            "--horizontal-pod-autoscaler-sync-period=15s",
            "--horizontal-pod-autoscaler-downscale-stabilization=5m",
        ],
        ..Options::default()
    };
    let plane = ControlPlane::with(options).await;
    let inferometer = Installation::prepare(&plane).await;
    inferometer.admin.apply(&namespace("ai")).await;
    let pages = Exposition::start().await;
    pages.set("/queues", page(0));
    let target = pages.target("gateway", "/queues", &[]).honoring_labels();
    let prometheus = Prometheus::start(&[target]).await;
    let config = plane.file("config.yaml");
    let yaml = format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n\
         sources: [{{ name: main, prometheus: {{ url: \"{}\" }} }}]\n\
         metrics:\n- {{ name: {METRIC}, promql: 'sum by (namespace, model) ({METRIC})', type: extensive }}\n",
        prometheus.url()
    );
    std::fs::write(&config, yaml).expect("a file can be written");
    let replica = inferometer.replica(&["--config", config.to_str().expect("UTF-8")]).await;
    inferometer.register(&replica).await;
    stream::iter(0..HPAS)
        .for_each_concurrent(8, async |number| create(&inferometer.admin, number).await)
        .await;
    until("every HPA has been looked at", seconds(180), async || {
        let asked = audited(&plane, Timestamp::UNIX_EPOCH).len();
        if asked == HPAS { Ok(()) } else { Err(format!("{asked} of them")) }
    })
    .await;

    // Those that came first were looked at more often meanwhile: one round more.
    sleep(seconds(45)).await;
    let well = watched(&plane).await;
    println!("all well: {well:?}");
    assert_eq!(well.failed, 0);
    assert!(well.median <= 1.2 * PERIOD, "{well:?}");

    pages.set("/queues", page(FAILING));
    sleep(seconds(90)).await;
    let some_fail = watched(&plane).await;
    println!("one in twenty without a metric: {some_fail:?}");
    assert!(well.slowest.max(some_fail.slowest) < 2.0, "an answer that took long: {well:?} {some_fail:?}");
    assert_eq!(some_fail.failed, FAILING);
    assert!(some_fail.median <= 1.2 * PERIOD.max(well.median), "{some_fail:?}");
    assert!(some_fail.longest <= 1.5 * well.longest.max(1.2 * PERIOD), "{some_fail:?} after {well:?}");
    assert!(some_fail.rate >= 0.8 * well.rate, "{some_fail:?} after {well:?}");
}
