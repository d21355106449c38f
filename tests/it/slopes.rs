//! Slopes are those of PromQL, whether Prometheus is asked or the targets themselves.
//!
//! Pages give their samples' own times, a new one every two seconds, so that both backends have the very
//! same samples and must agree exactly.

use std::fmt::Write as _;

use inferometer::catalog::Catalog;
use tokio::time::Instant;

use crate::support::front::{Answer, Front};
use crate::support::{Exposition, Prometheus, Server, seconds, until, value_path};

const CHANGE: &str = "inference_requests_in_system_change_per_second";
const EVERY_MS: i64 = 2_000;
const EXACT: f64 = 1e-6;

/// A series by its name and labels, and its value after so many seconds.
type Moving = (String, fn(f64) -> f64);

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A page whose samples are `value` at the last even second; `value` takes seconds since `start`.
fn page(start: i64, series: Vec<Moving>) -> impl Fn() -> String + Send + Sync + 'static {
    move || {
        let at = now_ms() / EVERY_MS * EVERY_MS;
        let elapsed = (at - start) as f64 / 1000.0;
        let line = |(name, value): &Moving| format!("{name} {} {at}\n", value(elapsed));
        series.iter().map(line).collect()
    }
}

/// A series' name and how it moves.
type Named<'a> = (&'a str, fn(f64) -> f64);

fn named(series: &[Named<'_>]) -> Vec<Moving> {
    series.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

/// Up and down by turns.
fn saw(elapsed: f64) -> f64 {
    (elapsed * 3.0).rem_euclid(31.0).floor()
}

fn falling(elapsed: f64) -> f64 {
    100_000.0 - 70.0 * elapsed
}

fn rising(elapsed: f64) -> f64 {
    20.0 + 20.0 * elapsed
}

/// Namespace, pod and what its page has.
fn pods() -> [(&'static str, &'static str, Vec<Moving>); 5] {
    let vllm = ["vllm:num_requests_running{model_name=\"m\"}", "vllm:num_requests_waiting{model_name=\"m\"}"];
    [
        ("vllm", "falls", named(&[(vllm[0], saw), (vllm[1], falling)])),
        ("vllm", "rises", named(&[(vllm[0], rising), (vllm[1], saw)])),
        // Each rank tells the same number.
        (
            "sglang",
            "ranks",
            named(&[
                ("sglang:num_running_reqs{model_name=\"m\",tp_rank=\"0\"}", rising),
                ("sglang:num_running_reqs{model_name=\"m\",tp_rank=\"1\"}", rising),
                ("sglang:num_queue_reqs{model_name=\"m\",tp_rank=\"0\"}", saw),
                ("sglang:num_queue_reqs{model_name=\"m\",tp_rank=\"1\"}", saw),
            ]),
        ),
        // Both spellings, of which the first counts; and the other alone.
        (
            "ray",
            "both",
            named(&[
                ("ray_vllm_num_requests_running", saw),
                ("ray_vllm:num_requests_running", falling),
                ("ray_vllm_num_requests_waiting", rising),
            ]),
        ),
        (
            "ray",
            "old",
            named(&[("ray_vllm:num_requests_running", rising), ("ray_vllm:num_requests_waiting", saw)]),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_and_scraping_have_the_same_slopes() {
    let start = now_ms();
    let slope = |series: &str| format!("sum(deriv({series}[15s]))");
    let expected = [
        ("vllm", [slope("vllm:num_requests_running"), slope("vllm:num_requests_waiting")].join(" + ")),
        (
            "sglang",
            ["running", "queue"]
                .map(|one| slope(&format!("sglang:num_{one}_reqs{{tp_rank=\"0\"}}")))
                .join(" + "),
        ),
        (
            "ray",
            [
                slope("ray_vllm_num_requests_running"),
                slope("ray_vllm_num_requests_waiting"),
                slope("ray_vllm:num_requests_running{pod=\"old\"}"),
                slope("ray_vllm:num_requests_waiting"),
            ]
            .join(" + "),
        ),
    ];

    let pages = Exposition::start().await;
    let (mut targets, mut scraped) = (Vec::new(), String::new());
    for (namespace, pod, series) in pods() {
        let target = pages.pod(namespace, pod, "");
        let path = format!("/{namespace}/{pod}");
        pages.render(&path, page(start, series));
        writeln!(
            scraped,
            "    - {{ url: 'http://{}{path}', namespace: {namespace}, labels: {{ pod: {pod} }} }}",
            target.address
        )
        .expect("memory");
        targets.push(target);
    }
    let prometheus = Prometheus::start(&targets).await;
    // Through a front that does not tell when it started, so that nobody waits for its window.
    let front = Front::start(Some(prometheus.url()), Answer::Pass).await;
    let metric = |source: &str| {
        format!("- {{ name: {source}_change, preset: {CHANGE}, source: {source}, window: 15s }}\n")
    };
    let server = Server::configured(&format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n\
         - name: prometheus\n  prometheus: {{ url: '{}' }}\n\
         - name: scrape\n  scrape:\n    interval: 1s\n    targets:\n{scraped}metrics:\n{}{}",
        front.url(),
        metric("prometheus"),
        metric("scrape"),
    ))
    .await;

    let began = Instant::now();
    for round in 0..3 {
        for source in ["prometheus", "scrape"] {
            for (namespace, promql) in &expected {
                let name = format!("{source}_change");
                let found = until(&format!("{name} in {namespace}"), seconds(60), async || {
                    let reply =
                        server.client.get(&(value_path(namespace, &name, "") + "?explain=true")).await;
                    let now = now_ms() as f64 / 1000.0;
                    let explained = reply.json();
                    let ours = explained["answer"]["exact"].as_f64();
                    let ours = ours.ok_or_else(|| explained["refusal"].to_string())?;
                    let used = explained["derivation"]["inputs"].as_array().ok_or("no inputs")?;
                    let used = used.iter().find(|input| input["selected"].as_u64() > Some(0));
                    let ago = used.and_then(|input| input["readSecondsAgo"].as_f64()).ok_or("never read")?;
                    // A sample between makes it differ.
                    let theirs = prometheus.scalar_at(promql, now - ago).await?;
                    let close = (ours - theirs).abs() <= EXACT * theirs.abs();
                    // The fall outweighs the rise, once both are seen.
                    let whole = *namespace != "vllm" || ours < -1.0;
                    if close && whole {
                        Ok(ours)
                    } else {
                        Err(format!("{ours}, and Prometheus says {theirs}"))
                    }
                })
                .await;
                println!("{:.1?}: round {round}, {name} in {namespace} is {found}", began.elapsed());
                if *namespace == "vllm" {
                    // An HPA gets 0 for what falls.
                    assert_eq!(server.client.quantity(namespace, &name, "").await, "0");
                    // The pod that rises may be in the second sample of two, and the sum did without it.
                    let rises = async || {
                        let rising = server.client.value(namespace, &name, "pod=rises").await;
                        let rising = rising.map_err(|problem| problem.to_string())?;
                        if rising.number > 0.0 { Ok(()) } else { Err(rising.text) }
                    };
                    until(&format!("{name} of the pod that rises"), seconds(30), rises).await;
                }
            }
        }
    }
}

/// It has a sample before it has a slope, and what it takes from the sum until then is nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_has_just_appeared_has_no_slope_yet() {
    let start = now_ms();
    let steady: fn(f64) -> f64 = |elapsed| 3.0 * elapsed;
    let full: fn(f64) -> f64 = |_| 1_000_000.0;
    let of = |value| named(&[("vllm:num_requests_running", value), ("vllm:num_requests_waiting", |_| 4.0)]);
    let pages = Exposition::start().await;
    let targets = [pages.pod("ai", "old", ""), pages.pod("ai", "new", "up_soon 1\n")];
    pages.render("/ai/old", page(start, of(steady)));
    let prometheus = Prometheus::start(&targets).await;
    let front = Front::start(Some(prometheus.url()), Answer::Pass).await;
    let server = Server::of(&front.url()).await;
    let is_three = async |pods: u64| {
        let explained = server.client.get(&(value_path("ai", CHANGE, "") + "?explain=true")).await.json();
        let value = explained["answer"]["exact"].as_f64().ok_or_else(|| explained["refusal"].to_string())?;
        // A pod that began with what it has would raise it by thousands.
        assert!(value < 10.0, "{value}");
        let elements = explained["derivation"]["elements"].as_array().map_or(0, Vec::len) as u64;
        let close = (value - 3.0).abs() < 0.1 && elements == pods;
        if close { Ok(()) } else { Err(format!("{value} of {elements}")) }
    };
    until("the old pod alone", seconds(30), async || is_three(1).await).await;
    pages.render("/ai/new", page(start, of(full)));
    until("both", seconds(30), async || is_three(2).await).await;
}

#[test]
fn every_engine_that_tells_the_requests_in_its_system_tells_their_change() {
    let catalog = Catalog::built_in().expect("the catalog");
    let engines = |name: &str| {
        let presets = catalog.presets(name).iter();
        presets.map(|preset| catalog.engine_of(preset).name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(engines(CHANGE), engines("inference_requests_in_system"));
}
