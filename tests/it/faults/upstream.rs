//! Sources fail: the network, the server, its certificate, its numbers.

use serde_json::Value as Json;

use crate::support::front::Answer;
use crate::support::{Problem, Server, Value, of_pod, seconds, until, value_path};

mod engines;
mod files;
mod floods;
mod network;
mod numbers;
mod redis;
mod replicas;
mod tls;

const HEAD: &str = "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n";

/// What most of these metrics read: of one engine, so that one query brings all.
const SIGNAL: &str = "vllm:num_requests_waiting";

/// Three pods with 1, 2 and 4 requests waiting: no part of their sum is the sum.
fn three() -> Answer {
    Answer::Series(vec![(of_pod("ai", "a"), 1.0), (of_pod("ai", "b"), 2.0), (of_pod("ai", "c"), 4.0)])
}

/// The sum.
const WHOLE: &str = "7";

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().concat()
}

/// Of each source, a metric of its own name that is read every second.
fn configuration(sources: &[(String, String)]) -> String {
    let source = |(name, of): &(String, String)| format!("- {{ name: {name}, prometheus: {{ {of} }} }}\n");
    let metric = |(name, _): &(String, String)| {
        format!("- {{ name: {name}, source: {name}, preset: \"{SIGNAL}\", refresh: 1s }}\n")
    };
    let (sources, metrics) = (lines(sources.iter().map(source)), lines(sources.iter().map(metric)));
    format!("{HEAD}sources:\n{sources}metrics:\n{metrics}")
}

/// What is answered, however long it takes a client that asks for much at once to see it.
async fn answer(server: &Server, metric: &str) -> Result<Value, Problem> {
    server.client.get(&value_path("ai", metric, "")).await.value(metric)
}

/// What is known of a metric's first signal.
async fn input(server: &Server, metric: &str) -> Json {
    let path = value_path("ai", metric, "") + "?explain=true";
    server.client.get(&path).await.json()["derivation"]["inputs"][0].take()
}

/// What went wrong when its source was last asked, as soon as anything has.
async fn failure(server: &Server, metric: &str) -> String {
    until(&format!("{metric} fails"), seconds(15), async || {
        let input = input(server, metric).await;
        input["failure"].as_str().map(str::to_owned).ok_or_else(|| input.to_string())
    })
    .await
}

/// Waits until each of these metrics is the whole sum, of a source that answers.
async fn all_are_whole(server: &Server, metrics: impl Iterator<Item = &str>) {
    for metric in metrics {
        until(&format!("{metric} is whole"), seconds(30), async || {
            let input = input(server, metric).await;
            match answer(server, metric).await {
                Ok(value) if value.text == WHOLE && input["failure"].is_null() => Ok(()),
                Ok(value) => Err(format!("{} {}", value.text, input["failure"])),
                Err(problem) => Err(problem.to_string()),
            }
        })
        .await;
    }
}

/// How many answers were given without waiting for a source that takes a second and more.
async fn prompt(server: &Server) -> f64 {
    server.own_metric("inferometer_api_request_seconds_bucket", &["le=\"0.5\""]).await
}
