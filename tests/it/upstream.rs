//! Sources that answer, and wrongly: what they said reaches the HPA's condition, and nothing else changes.

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::support::front::{Answer, Front};
use crate::support::{CANARY, Exposition, Prometheus, SOURCE, Server, seconds, until, value_path};

const HTML: &str = "<!DOCTYPE html><html><body><form action=\"/login\">Sign in</form></body></html>";

/// A pod's cache use, the one number of these tests.
fn good() -> Answer {
    let labels = json!({ "namespace": "ai", "pod": "vllm-0", "engine": "0", "model_name": "m" });
    Answer::Series(vec![(labels, 0.5)])
}

fn fixed(code: u16, body: &str) -> Answer {
    Answer::Fixed(code, Vec::new(), body.to_owned())
}

/// Every way to answer wrongly, with a word of what is said about it.
fn faults() -> Vec<(&'static str, Answer, &'static str)> {
    let error = |kind: &str, message: &str| {
        json!({ "status": "error", "errorType": kind, "error": message }).to_string()
    };
    let success = |data: serde_json::Value| json!({ "status": "success", "data": data }).to_string();
    let partial = json!({
        "status": "success", "warnings": ["store 10.0.0.9 is down"],
        "data": { "resultType": "vector", "result": [] },
    });
    vec![
        ("a failure", fixed(500, "oh no"), "HTTP 500"),
        ("a gateway's page", fixed(502, HTML), "HTTP 502"),
        ("overload", Answer::Fixed(429, vec![("retry-after", "3600")], "slow down".to_owned()), "HTTP 429"),
        (
            "no service yet",
            Answer::Fixed(503, vec![("retry-after", "30")], error("unavailable", "starting")),
            "starting",
        ),
        (
            "a bad query",
            fixed(400, &error("bad_data", "parse error: unexpected end")),
            "bad_data: parse error: unexpected end",
        ),
        (
            "too many samples",
            fixed(422, &error("execution", "query processing would load too many samples")),
            "too many samples",
        ),
        ("a login page", fixed(200, HTML), "not the query API's JSON"),
        ("nothing", fixed(200, ""), "not the query API's JSON"),
        (
            "half an answer",
            Answer::Fixed(
                200,
                Vec::new(),
                "{\"status\":\"success\",\"data\":{\"resultType\":\"vec".to_owned(),
            ),
            "not the query API's JSON",
        ),
        (
            "a connection that breaks",
            Answer::BrokenOff("{\"status\":\"success\",\"data\":{\"resultType\":\"vector\","),
            "answer broke off",
        ),
        ("no data", fixed(200, "{\"status\":\"success\"}"), "no data"),
        ("a matrix", fixed(200, &success(json!({ "resultType": "matrix", "result": [] }))), "matrix"),
        (
            "a scalar",
            fixed(200, &success(json!({ "resultType": "scalar", "result": [1, "2"] }))),
            "unusable answer",
        ),
        (
            "words for numbers",
            fixed(
                200,
                &success(
                    json!({ "resultType": "vector", "result": [{ "metric": { "_part": "0" }, "value": [1, "many"] }] }),
                ),
            ),
            "unusable answer",
        ),
        ("a partial answer", fixed(200, &partial.to_string()), "partial answer: store 10.0.0.9 is down"),
        (
            "a redirect",
            Answer::Fixed(302, vec![("location", "http://127.0.0.1:9/api/v1/query")], String::new()),
            "redirects are not followed",
        ),
        (
            "a permanent redirect",
            Answer::Fixed(308, vec![("location", "/prometheus/api/v1/query")], String::new()),
            "redirects are not followed",
        ),
        (
            "no credentials",
            Answer::Fixed(401, vec![("www-authenticate", "Basic")], CANARY.to_owned()),
            "check the credentials",
        ),
        ("the wrong credentials", fixed(403, CANARY), "check the credentials"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_answers_are_named() {
    // Each fault meets a signal of its own, that nothing is known of yet.
    let metrics = [
        "gpu_engine_active_ratio",
        "gpu_sm_active_ratio",
        "gpu_tensor_active_ratio",
        "gpu_power_watts",
        "gpu_memory_bandwidth_utilization",
        "gpu_memory_copy_utilization",
        "gpu_memory_used_bytes",
        "gpu_memory_used_ratio",
        "gpu_temperature_celsius",
        "gpu_pcie_bytes_per_second",
        "gpu_xid_errors",
        "inference_requests_waiting",
        "inference_requests_running",
        "inference_requests_in_system",
        "gpu_power_ratio",
        "gpu_clock_throttle_events",
        "inference_requests_waiting_for_capacity",
        "gpu_utilization",
        "inference_engines_awake",
    ];
    let faults = faults();
    assert_eq!(faults.len(), metrics.len(), "a signal for each fault");
    let front = Front::start(None, good()).await;
    let server = Server::of(&front.url()).await;
    // Which engines are there is looked up before anything goes wrong.
    for metric in ["inference_kv_cache_utilization_max", "gpu_count"] {
        let _ = server.client.value("ai", metric, "").await;
    }
    for ((what, answer, word), metric) in faults.into_iter().zip(metrics) {
        front.set(answer);
        let problem = server.client.problem("ai", metric, "").await;
        assert_eq!((problem.code, problem.reason.as_str()), (503, "ServiceUnavailable"), "{what}: {problem}");
        let head = format!("{metric}: source {SOURCE} has not answered for ");
        assert!(problem.message.starts_with(&head), "{what}: {problem}");
        assert!(problem.message.contains(word), "{what}: {word} is not in: {problem}");
        assert!(
            !problem.message.contains(CANARY) && !problem.message.contains("<html>"),
            "{what}: {problem}"
        );
    }
    let log = server.log().join("\n");
    assert!(!log.contains(CANARY), "a body is in the log");
    assert!(server.own_metric("inferometer_source_refreshes_total", &["refused"]).await >= 8.0);
    assert!(server.own_metric("inferometer_source_refreshes_total", &["unusable"]).await >= 6.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_number_is_held_to_its_bound() {
    let metric = "cache";
    let front = Front::start(None, good()).await;
    let server = Server::configured(&format!(
        "apiVersion: inferometer.dev/v1alpha1
kind: Configuration
sources:
- name: {SOURCE}
  prometheus: {{ url: \"{}\" }}
metrics:
- {{ name: {metric}, preset: inference_kv_cache_utilization, refresh: 1s, hold: 7s }}
",
        front.url()
    ))
    .await;
    let path = value_path("ai", metric, "") + "?explain=true";
    let limit = until("the source's pace is known", seconds(10), async || {
        let explained = server.client.get(&path).await.json();
        let input = &explained["derivation"]["inputs"][0];
        let known = input["sampleIntervalSeconds"].is_f64();
        if known { Ok(input["limitSeconds"].as_f64().expect("a number")) } else { Err(explained.to_string()) }
    })
    .await;
    // The hold is counted from when the source should have renewed the sample.
    assert!((7.3..10.0).contains(&limit), "{limit}");

    let mut faults = faults().into_iter().cycle();
    let began = Instant::now();
    let mut last = server.client.value("ai", metric, "").await.expect("a value");
    let refusal = loop {
        let (_, answer, _) = faults.next().expect("they go round");
        front.set(answer);
        let fault_until = Instant::now() + seconds(1) / 2;
        let mut refusal = None;
        while Instant::now() < fault_until && refusal.is_none() {
            match server.client.value("ai", metric, "").await {
                Ok(value) => {
                    assert_eq!(value.text, "500m", "a wrong answer changed the number");
                    assert!(value.timestamp >= last.timestamp, "time went back");
                    last = value;
                }
                Err(problem) => refusal = Some(problem),
            }
            sleep(seconds(1) / 20).await;
        }
        if let Some(refusal) = refusal {
            break refusal;
        }
        assert!(began.elapsed() < seconds(20), "still held");
    };
    let held = began.elapsed().as_secs_f64();
    assert!((limit - 2.5..limit + 1.5).contains(&held), "held for {held} s, limit {limit} s");
    assert_eq!(refusal.code, 503, "{refusal}");
    let words = format!("{metric}: last sample of vllm:kv_cache_usage_perc or vllm:gpu_cache_usage_perc is ");
    assert!(refusal.message.starts_with(&words), "{refusal}");
    assert!(refusal.message.contains(&format!("source {SOURCE}: ")), "the last fault is named: {refusal}");
    assert!(server.own_metric("inferometer_held_readings_total", &[]).await > 5.0);
    assert!(server.own_metric("inferometer_refusals_total", &["unanswered"]).await >= 1.0);
    assert_eq!(server.client.get_as("/readyz", "*/*").await.status, 200);

    front.set(good());
    let value = until("it recovers", seconds(16), async || server.client.value("ai", metric, "").await).await;
    assert!(value.timestamp > last.timestamp);
}

/// A query that cannot be evaluated is that metric's trouble alone.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_bad_query_harms_no_other() {
    let pages = Exposition::start().await;
    let page =
        "vllm:num_requests_waiting{model_name=\"m\"} 3\nvllm:num_requests_running{model_name=\"m\"} 4\n";
    let prometheus = Prometheus::start(&[pages.pod("ai", "a", page), pages.pod("ai", "b", page)]).await;
    let server = Server::configured(&format!(
        "apiVersion: inferometer.dev/v1alpha1
kind: Configuration
sources:
- name: main
  prometheus: {{ url: \"{}\" }}
metrics:
- name: matches_many
  type: extensive
  promql: vllm:num_requests_waiting * on (namespace) group_left vllm:num_requests_running
- name: doubled
  type: extensive
  promql: 2 * vllm:num_requests_waiting
",
        prometheus.url()
    ))
    .await;
    for _ in 0..20 {
        let problem = server.client.problem("ai", "matches_many", "").await;
        assert!(problem.message.contains("query refused: execution: found duplicate series"), "{problem}");
        assert_eq!(server.client.quantity("ai", "doubled", "").await, "12");
        assert_eq!(server.client.quantity("ai", "doubled", "pod=a").await, "6");
        assert_eq!(server.client.quantity("ai", "inference_requests_in_system", "").await, "14");
        sleep(seconds(1) / 10).await;
    }
    // A query that fails is not asked in a storm.
    let before = prometheus.queries_received().await;
    sleep(seconds(4)).await;
    let queries = prometheus.queries_received().await - before;
    assert!(queries <= 14.0, "{queries} queries in 4 s");
}
