//! Prometheus dies, falls silent, comes back: old numbers keep their true time, then are refused.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::support::proxy::{Mode, Proxy};
use crate::support::{Exposition, Problem, Prometheus, Server, Target, Value, seconds, until, value_path};

const WAITING: &str = "waiting_briefly";
const RATE: &str = "rate_briefly";
/// A rate that is held longer than the outages here last.
const STEADY: &str = "rate_steady";
const SIGNAL: &str = "vllm:num_requests_waiting";

fn configuration(url: &str) -> String {
    // Rates by the name of their one series: of several engines it would be asked first which are there.
    format!(
        "apiVersion: inferometer.dev/v1alpha1
kind: Configuration
sources:
- name: main
  prometheus: {{ url: \"{url}\" }}
metrics:
- {{ name: {WAITING}, preset: inference_requests_waiting, refresh: 1s, hold: 3s }}
- {{ name: {RATE}, preset: \"vllm:request_success_total\", window: 4s, refresh: 1s, hold: 2s }}
- {{ name: {STEADY}, preset: \"vllm:request_success_total\", window: 5s, refresh: 1s, hold: 60s }}
"
    )
}

/// One engine that finishes ten requests a second while seven wait.
fn engine(pages: &Exposition) -> Target {
    let target = pages.pod("ai", "vllm-0", "");
    let began = Instant::now();
    pages.render("/ai/vllm-0", move || {
        let finished = began.elapsed().as_secs_f64() * 10.0;
        format!(
            "{SIGNAL}{{model_name=\"m\"}} 7\nvllm:num_requests_running{{model_name=\"m\"}} 1\n\
             vllm:request_success_total{{model_name=\"m\",finished_reason=\"stop\"}} {finished}\n"
        )
    });
    target
}

/// What is answered from now on until the first refusal, and that refusal.
struct Silence {
    held: Vec<Value>,
    refused_after: Duration,
    refusal: Problem,
}

async fn until_refused(server: &Server, metric: &str, within: Duration) -> Silence {
    let began = Instant::now();
    let mut held = Vec::new();
    loop {
        match server.client.value("ai", metric, "").await {
            Ok(value) => held.push(value),
            Err(refusal) => return Silence { held, refused_after: began.elapsed(), refusal },
        }
        assert!(began.elapsed() < within, "{metric} is still served after {within:?}: {held:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The age up to which a metric is served, once the source's own pace is known.
async fn settled_limit(server: &Server, metric: &str) -> f64 {
    until("the source's pace is known", seconds(20), async || {
        let path = value_path("ai", metric, "") + "?explain=true";
        let explained = server.client.get(&path).await.json();
        let input = &explained["derivation"]["inputs"][0];
        match input["sampleIntervalSeconds"].as_f64() {
            Some(_) if explained["answer"].is_object() => {
                Ok(input["limitSeconds"].as_f64().expect("a number"))
            }
            _ => Err(explained.to_string()),
        }
    })
    .await
}

/// What a silence must look like, whatever its cause.
fn assert_honest(silence: &Silence, limit: f64, number: f64, words: &[&str]) {
    let Silence { held, refused_after, refusal } = silence;
    assert!(!held.is_empty(), "nothing was held: {refusal}");
    assert!(held.iter().all(|value| (value.number - number).abs() < 0.2 * number), "{held:?}");
    assert!(held.is_sorted_by_key(|value| value.timestamp), "time went back: {held:?}");
    // The last scrape before the silence is the newest that can be told of.
    let last = &held[held.len() - 1];
    let first_of_last = held.iter().position(|value| value.timestamp == last.timestamp).expect("it is there");
    assert!(
        held.len() - first_of_last > 5,
        "the last value was held for {} answers",
        held.len() - first_of_last
    );
    let seconds = refused_after.as_secs_f64();
    assert!((limit - 3.5..limit + 2.0).contains(&seconds), "refused after {seconds} s, limit {limit} s");
    assert_eq!((refusal.code, refusal.reason.as_str()), (503, "ServiceUnavailable"), "{refusal}");
    for word in words {
        assert!(refusal.message.contains(word), "{word} is not in: {refusal}");
    }
}

/// No value until its window is covered; tells how long that took and how often it said so.
async fn until_covered(server: &Server, metric: &str, within: Duration) -> (Duration, usize) {
    let began = Instant::now();
    let mut refusals = 0;
    loop {
        match server.client.value("ai", metric, "").await {
            Ok(value) => {
                assert!((value.number - 10.0).abs() < 1.5, "{metric} recovers at {}", value.text);
                return (began.elapsed(), refusals);
            }
            Err(problem) => {
                let words = "window of vllm:request_success_total is not covered yet";
                refusals += usize::from(problem.message.contains(words));
            }
        }
        assert!(began.elapsed() < within, "{metric} has not recovered");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_killed() {
    let pages = Exposition::start().await;
    let mut prometheus = Prometheus::start(&[engine(&pages)]).await;
    let server = Server::configured(&configuration(prometheus.url())).await;
    // A Prometheus that has just started has not filled a window.
    let young = server.client.problem("ai", RATE, "").await;
    assert!(young.message.contains("not covered yet since source main was"), "{young}");
    until_covered(&server, RATE, seconds(20)).await;
    let limits = [settled_limit(&server, WAITING).await, settled_limit(&server, RATE).await];

    prometheus.kill();
    let (waiting, rate) =
        tokio::join!(until_refused(&server, WAITING, seconds(15)), until_refused(&server, RATE, seconds(15)));
    assert_honest(&waiting, limits[0], 7.0, &[SIGNAL, "source main", "old (limit", "refused"]);
    assert_honest(&rate, limits[1], 10.0, &["vllm:request_success_total", "source main", "old (limit"]);

    let from_memory = server.share_answered_from_memory().await;
    assert!(from_memory > 0.9, "{from_memory}");

    // Refused as long as it is away, and never 0.
    let problem = server.client.problem("ai", WAITING, "").await;
    assert!(problem.message.contains("old (limit"), "{problem}");
    let ready = server.client.get_as("/readyz", "*/*").await;
    assert_eq!((ready.status.as_u16(), ready.text().as_str()), (200, "ok"), "we are ready without it");

    let restarted = Instant::now();
    prometheus.restart_empty().await;
    until("the gauge recovers", seconds(16), async || server.client.value("ai", WAITING, "").await).await;
    println!("the gauge recovered {:?} after the restart began", restarted.elapsed());
    let (_, refusals) = until_covered(&server, RATE, seconds(25)).await;
    assert!(refusals > 0, "the empty window was never refused");
    assert!(restarted.elapsed() > seconds(8), "a window of 4 s was believed after {:?}", restarted.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_restarted_at_once() {
    let pages = Exposition::start().await;
    let mut prometheus = Prometheus::start(&[engine(&pages)]).await;
    let server = Server::configured(&configuration(prometheus.url())).await;
    until_covered(&server, STEADY, seconds(20)).await;
    settled_limit(&server, STEADY).await;

    // Back before anything is too old: what gives it away is its start time.
    prometheus.kill();
    let path = value_path("ai", STEADY, "") + "?explain=true";
    until("its death is noticed", seconds(8), async || {
        let explained = server.client.get(&path).await.json();
        let failure = &explained["derivation"]["inputs"][0]["failure"];
        if failure.is_string() { Ok(()) } else { Err(explained.to_string()) }
    })
    .await;
    let restarted = Instant::now();
    prometheus.restart_empty().await;
    until("the restart is noticed", seconds(8), async || match server.client.value("ai", STEADY, "").await {
        Ok(value) => Err(value.text),
        Err(problem) if problem.message.contains("is not covered yet") => Ok(()),
        Err(problem) => Err(problem.to_string()),
    })
    .await;
    until_covered(&server, STEADY, seconds(20)).await;
    assert!(restarted.elapsed() > seconds(8), "a window of 5 s was believed after {:?}", restarted.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_black_holed() {
    let pages = Exposition::start().await;
    let prometheus = Prometheus::start(&[engine(&pages)]).await;
    let proxy = Proxy::to(prometheus.port()).await;
    let server = Server::configured(&configuration(&proxy.url())).await;
    until_covered(&server, RATE, seconds(20)).await;
    let limits = [settled_limit(&server, WAITING).await, settled_limit(&server, RATE).await];

    proxy.set(Mode::BlackHole);
    let (waiting, rate) =
        tokio::join!(until_refused(&server, WAITING, seconds(15)), until_refused(&server, RATE, seconds(15)));
    assert_honest(&waiting, limits[0], 7.0, &[SIGNAL, "source main", "old (limit", "no answer"]);
    assert_honest(
        &rate,
        limits[1],
        10.0,
        &["vllm:request_success_total", "source main", "old (limit", "no answer"],
    );
    let from_memory = server.share_answered_from_memory().await;
    assert!(from_memory > 0.9, "{from_memory}");
    // Asked for the first time while nothing answers: in time all the same.
    let cold = server.client.problem("ai", "inference_requests_in_system", "").await;
    assert_eq!(cold.code, 503, "{cold}");

    // A slow source is not a silent one: its numbers are served, as old as they are.
    proxy.set(Mode::Delay(Duration::from_millis(300)));
    let slow =
        until("the gauge recovers", seconds(17), async || server.client.value("ai", WAITING, "").await).await;
    assert_eq!(slow.text, "7");
    proxy.set(Mode::Pass);
    // The window is believed again when it has been covered since the return, not before.
    let (_, refusals) = until_covered(&server, RATE, seconds(30)).await;
    assert!(refusals > 0, "the window after the outage was never refused");

    proxy.set(Mode::Refuse);
    let refused = until_refused(&server, WAITING, seconds(25)).await;
    assert!(refused.refusal.message.contains("old (limit"), "{}", refused.refusal);
}
