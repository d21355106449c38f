//! Requests through the router, in paused time.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;
use tower::ServiceExt as _;

use super::measure::Measured;
use super::{Api, router};
use crate::core::time::Timestamp;
use crate::engine::fake::{Deed, World, like, timed};
use crate::server::guard::{DEADLINE, Guard};

mod exposition;

const METRICS: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces";

/// The API over a [`World`].
struct Server {
    world: World,
    api: Arc<Api>,
}

impl Server {
    fn new() -> Self {
        let world = World::new();
        let api = Arc::new(Api::new(Arc::clone(&world.engine), Arc::clone(&world.telemetry)));
        Self { world, api }
    }

    async fn send(&self, request: Request<Body>) -> Response {
        let api = router::service(Arc::clone(&self.api));
        let service = Measured::new(Guard::new(api, DEADLINE), Arc::clone(&self.world.telemetry));
        service.oneshot(request).await.unwrap()
    }

    async fn request(&self, method: Method, path: &str, headers: &[(http::HeaderName, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let (parts, body) = self.send(request.body(Body::empty()).unwrap()).await.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let answer = Answer { code: parts.status, headers: parts.headers, body: body.to_vec() };
        assert!(!answer.headers.contains_key(RETRY_AFTER), "HPA workers would sleep");
        answer
    }

    async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, &[]).await
    }

    async fn metric(&self, name: &str) -> Answer {
        self.get(&format!("{METRICS}/ai/{name}")).await
    }

    /// Samples are from here on taken at this time, which is not known to end in a whole second.
    fn sampled_at(&self, millis_ago: i64) -> Timestamp {
        let at = self.world.engine.clock().now().shifted(-millis_ago);
        self.world.source.script().sampled = Some(at);
        at
    }
}

struct Answer {
    code: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        assert_eq!(self.headers[CONTENT_TYPE], "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }

    #[track_caller]
    fn is_status(&self, code: u16, reason: &str, message: &str) {
        let wanted = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        assert_eq!((self.code.as_u16(), self.json()), (code, wanted));
    }
}

fn seconds(at: Timestamp) -> String {
    super::types::rfc3339_seconds(at.as_millis())
}

#[tokio::test(start_paused = true)]
async fn a_value_byte_by_byte() {
    let server = Server::new();
    let at = server.sampled_at(3_000);
    let answer = server.metric("queue?labelSelector=pod%3Da-0").await;
    assert_eq!(answer.code, 200);
    assert_eq!(answer.headers[CONTENT_TYPE], "application/json");
    assert_eq!(answer.headers[CACHE_CONTROL], "no-cache, private");
    let wanted = [
        r#"{"kind":"ExternalMetricValueList","apiVersion":"external.metrics.k8s.io/v1beta1","metadata":{},"#,
        r#""items":[{"metricName":"queue","metricLabels":{},"timestamp":""#,
        &seconds(at),
        "\",\"value\":\"7\"}]}\n",
    ];
    assert_eq!(answer.text(), wanted.concat());
    let rate = server.metric("rate").await.json();
    assert_eq!(rate["items"][0]["window"], 120);
    let answer = server.get(&format!("{METRICS}/ai/alpha%3Aqueue")).await;
    assert_eq!(answer.json()["items"][0]["metricName"], "alpha:queue");
}

#[tokio::test(start_paused = true)]
async fn the_same_body_until_the_source_is_read_again() {
    let server = Server::new();
    let first = server.metric("queue").await;
    server.world.source.script().value = 8.0;
    for _ in 0..10 {
        assert_eq!(server.metric("queue").await.body, first.body);
    }
    // It is remembered from the second time on.
    let text = exposition::encode(&server.world);
    assert!(text.contains("inferometer_remembered_readings_total 9\n"), "{text}");
    sleep(Duration::from_millis(2_001)).await;
    assert_eq!(server.metric("queue").await.json()["items"][0]["value"], "8");
    // Selectors, namespaces and metrics are answered each by itself.
    server.world.source.script().pods.push(("other".into(), "b-0".into()));
    sleep(Duration::from_millis(2_001)).await;
    assert_eq!(server.metric("queue?labelSelector=pod%3Db-0").await.code, 503);
    assert_eq!(server.get(&format!("{METRICS}/other/queue?labelSelector=pod%3Db-0")).await.code, 200);
    server.world.install(Vec::new());
    server.world.source.script().value = 9.0;
    assert_eq!(server.metric("queue").await.code, 200);
}

#[tokio::test(start_paused = true)]
async fn remembered_answers_alone_keep_a_signal_warm() {
    let server = Server::new();
    for _ in 0..500 {
        for _ in 0..3 {
            assert_eq!(server.metric("queue").await.code, 200);
        }
        sleep(Duration::from_millis(1_900)).await;
    }
    assert!(server.world.engine.generation().slots()[0].is_refreshing());
}

#[tokio::test(start_paused = true)]
async fn held_answers_are_told_and_end() {
    let server = Server::new();
    server.world.keep_asking("queue", 20).await;
    server.world.source.script().deed = Deed::Fail;
    sleep(Duration::from_secs(20)).await;
    let held = server.metric("queue").await;
    assert_eq!(held.code, 200);
    assert_eq!(server.metric("queue").await.body, held.body);
    let text = exposition::encode(&server.world);
    assert!(text.contains("inferometer_held_readings_total 2\n"), "{text}");
    sleep(Duration::from_mins(1)).await;
    let refused = server.metric("queue").await;
    assert_eq!(refused.code, 503);
    let message = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("queue: last sample of alpha:queue is 1m"), "{message}");
    assert!(message.ends_with("; source main: connection refused"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_get_a_status() {
    let server = Server::new();
    server.metric("nothing").await.is_status(
        404,
        "NotFound",
        "the server could not find the metric nothing for namespaces ai",
    );
    let selector = server.metric("queue?labelSelector=a%3E1").await;
    assert_eq!((selector.code.as_u16(), selector.json()["reason"].as_str()), (400, Some("BadRequest")));
    let namespace = server.get(&format!("{METRICS}/A%22b/queue")).await;
    namespace.is_status(400, "BadRequest", r#""A\"b" is not the name of a namespace"#);
    assert_eq!(server.metric("queue%FF").await.json()["code"], 400);
    server.metric("queue?watch=true").await.is_status(
        405,
        "MethodNotAllowed",
        "watch is not supported on resources of kind \"queue.external.metrics.k8s.io\"",
    );
    let post = server.request(Method::POST, &format!("{METRICS}/ai/queue"), &[]).await;
    assert_eq!((post.code.as_u16(), post.json()["reason"].as_str()), (405, Some("MethodNotAllowed")));
    let path = format!("{METRICS}/ai/queue");
    let table =
        server.request(Method::GET, &path, &[(ACCEPT, "application/json;as=Table;g=meta.k8s.io;v=v1")]).await;
    assert_eq!((table.code.as_u16(), table.json()["reason"].as_str()), (406, Some("NotAcceptable")));
    assert!(server.world.source.calls().is_empty(), "none of these asks a source");
    for path in
        ["/nothing", "/apis/%FF", "/apis/%FF/v1", "/apis/apps", "/openapi/v3/%FF", "/apis/apps/v1/x/y"]
    {
        let answer = server.get(path).await;
        assert_eq!((answer.code.as_u16(), answer.json()["kind"].as_str()), (404, Some("Status")), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_the_source_does_the_answer_comes_within_a_second() {
    for deed in [Deed::Answer, Deed::Fail, Deed::Hang, Deed::Panic] {
        for takes in [0, 700, 3_000] {
            let server = Server::new();
            server.world.source.script().deed = deed;
            server.world.source.script().takes = Duration::from_millis(takes);
            for metric in ["queue", "shared", "latency", "rate"] {
                let (answer, took) = timed(server.metric(metric)).await;
                assert!(took < Duration::from_secs(1), "{took:?}");
                assert!(answer.code == 200 || answer.code == 503, "{}", answer.code);
                answer.json();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_say_why() {
    let server = Server::new();
    server.world.source.script().takes = Duration::from_secs(2);
    server.metric("queue").await.is_status(
        503,
        "ServiceUnavailable",
        "queue: waiting for the first reading of alpha:queue from source main",
    );
    server.world.source.script().takes = Duration::ZERO;
    server.metric("g1?labelSelector=pod%3Dx").await.is_status(
        503,
        "ServiceUnavailable",
        "g1: no series: none of the 1 series of alpha:g1 in namespace ai matches pod=x; \
         one of them has engine=alpha,namespace=ai,pod=a-0",
    );
}

#[tokio::test(start_paused = true)]
async fn an_explanation_tells_every_step() {
    let server = Server::new();
    server.sampled_at(0);
    let answer = server.metric("queue?explain=true&labelSelector=pod%3Da-0").await;
    assert_eq!(answer.code, 200);
    let told = answer.json();
    assert_eq!(told["kind"], "MetricExplanation");
    assert_eq!(told["selector"], "pod=a-0");
    assert_eq!(told["source"], "main");
    assert_eq!(told["answer"]["value"], "7");
    assert_eq!(told["derivation"]["inputs"][0]["engine"], "alpha");
    assert_eq!(told["derivation"]["elements"][0]["name"], "a-0");
    // It is never remembered in place of the value, nor the value in place of it.
    assert_eq!(
        server.metric("queue?labelSelector=pod%3Da-0").await.json()["kind"],
        "ExternalMetricValueList"
    );
    server.world.source.script().deed = Deed::Fail;
    let told = server.metric("g0?explain=true").await;
    assert_eq!(told.code, 200, "to be refused is an explanation too");
    assert_eq!(told.json()["refusal"]["reason"], "source_down");
    assert_eq!(server.metric("nothing?explain=true").await.code, 404);
}

#[tokio::test(start_paused = true)]
async fn people_may_have_yaml() {
    let server = Server::new();
    let at = server.sampled_at(0);
    let path = format!("{METRICS}/ai/queue");
    for _ in 0..2 {
        let answer = server.request(Method::GET, &path, &[(ACCEPT, "application/yaml")]).await;
        assert_eq!(
            (answer.code.as_u16(), &answer.headers[CONTENT_TYPE]),
            (200, &"application/yaml".parse().unwrap())
        );
        let read: Value = serde_saphyr::from_str(answer.text()).unwrap();
        let item = json!({"metricName": "queue", "metricLabels": {}, "timestamp": seconds(at), "value": "7"});
        assert_eq!(read["items"], json!([item]), "{}", answer.text());
        // What is remembered is JSON.
        assert_eq!(server.metric("queue").await.json()["items"][0], item);
    }
}

#[tokio::test(start_paused = true)]
async fn documents_carry_a_tag_that_changes_with_the_definitions() {
    let server = Server::new();
    let path = "/apis/external.metrics.k8s.io/v1beta1";
    let first = server.get(path).await;
    let tag = first.headers[ETAG].to_str().unwrap().to_owned();
    let again = server.request(Method::GET, path, &[(IF_NONE_MATCH, &tag)]).await;
    assert_eq!((again.code.as_u16(), again.body.len()), (304, 0));
    assert_eq!(again.headers[ETAG], tag.as_str());

    server.world.install(vec![like("queue", "mine")]);
    let changed = server.request(Method::GET, path, &[(IF_NONE_MATCH, &tag)]).await;
    assert_eq!(changed.code, 200);
    let named = |answer: &Answer| {
        let resources = answer.json()["resources"].as_array().unwrap().clone();
        resources.iter().any(|resource| resource["name"] == "mine")
    };
    assert!(!named(&first) && named(&changed));
    assert_eq!(server.metric("mine").await.code, 200);
    server.world.install(Vec::new());
    assert_eq!(server.metric("mine").await.code, 404);
    assert_eq!(server.get(path).await.headers[ETAG], tag.as_str());
}

#[tokio::test(start_paused = true)]
async fn health_is_ours_and_never_the_sources() {
    let server = Server::new();
    server.world.source.script().deed = Deed::Fail;
    assert_eq!(server.metric("queue").await.code, 503);
    for path in ["/healthz", "/livez", "/readyz"] {
        let answer = server.get(path).await;
        assert_eq!((answer.code.as_u16(), answer.text()), (200, "ok"));
    }
    let told = server.get("/readyz?verbose").await;
    assert_eq!(
        told.text(),
        "[+]ping ok\n[+]configuration ok\n[+]pods ok\n[+]certificate ok\n[+]callers ok\n[+]shutdown ok\nreadyz check passed\n"
    );
    server.api.drain();
    let told = server.get("/readyz").await;
    assert_eq!(told.code, 503);
    assert_eq!(
        told.text(),
        "[+]ping ok\n[+]configuration ok\n[+]pods ok\n[+]certificate ok\n[+]callers ok\n[-]shutdown failed\nreadyz check failed\n"
    );
    assert_eq!(server.get("/livez").await.code, 200);
    server.world.source.script().deed = Deed::Answer;
    assert_eq!(server.metric("g0").await.code, 200, "it still answers while it is being drained");
}
