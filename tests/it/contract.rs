//! The wire contract, byte for byte where clients look that closely. No Prometheus is needed.

use http::{Method, Version};
use serde_json::{Value as Json, json};

use crate::support::client::HPA_ACCEPT;
use crate::support::front::{Answer, Front};
use crate::support::{Client, EXTERNAL, Reply, Server, value_path};

mod custom;

const METRIC: &str = "inference_requests_waiting";

/// A server whose source has two pods with 3 and 4.5 requests waiting; all else is unknown to it.
async fn server() -> (Front, Server) {
    let pod = |name: &str| json!({ "namespace": "ai", "pod": name, "engine": "0", "model_name": "m" });
    let front = Front::start(None, Answer::Series(vec![(pod("a"), 3.0), (pod("b"), 4.5)])).await;
    let server = Server::of(&front.url()).await;
    (front, server)
}

fn assert_status(reply: &Reply, code: u16, reason: &str, message: &str) {
    reply.assert_prompt();
    let expected = format!(
        "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"status\":\"Failure\",\"message\":{},\"reason\":\"{reason}\",\"code\":{code}}}\n",
        Json::from(message)
    );
    assert_eq!(reply.text(), expected);
    assert_eq!(reply.status.as_u16(), code);
    assert_eq!(reply.header("content-type"), "application/json");
    assert!(!reply.headers.contains_key("retry-after"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_as_the_hpa_asks_for_it() {
    let (_front, server) = server().await;
    let path = value_path("ai", METRIC, "");
    let reply = server.client.get(&path).await;
    assert_eq!((reply.status.as_u16(), reply.version), (200, Version::HTTP_2));
    assert_eq!(reply.header("content-type"), "application/json");
    let value = reply.value(METRIC).expect("a value");
    let expected = format!(
        "{{\"kind\":\"ExternalMetricValueList\",\"apiVersion\":\"external.metrics.k8s.io/v1beta1\",\"metadata\":{{}},\
         \"items\":[{{\"metricName\":\"{METRIC}\",\"metricLabels\":{{}},\"timestamp\":\"{}\",\"value\":\"7500m\"}}]}}\n",
        value.timestamp
    );
    assert_eq!(reply.text(), expected);
    assert_eq!(server.client.quantity("ai", METRIC, "pod=a").await, "3");

    // kubectl asks for a Table first and takes plain JSON.
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
    let reply = server.client.get_as(&path, table).await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/json"));
    assert_eq!(reply.value(METRIC).expect("a value").text, "7500m");

    let reply = server.client.get_as(&path, "application/yaml").await;
    assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/yaml"));
    for line in
        ["apiVersion: external.metrics.k8s.io/v1beta1", "kind: ExternalMetricValueList", "value: 7500m"]
    {
        assert!(reply.text().contains(line), "{line} is not in {}", reply.text());
    }

    let reply = server.client.send(Method::HEAD, &path, &[("accept", HPA_ACCEPT)]).await;
    assert_eq!((reply.status.as_u16(), reply.body.len()), (405, 0));

    let reply = Client::http1(server.client.base().to_owned()).get(&path).await;
    assert_eq!((reply.status.as_u16(), reply.version), (200, Version::HTTP_11));
    assert_eq!(reply.value(METRIC).expect("a value").text, "7500m");

    // What clients add and a metric has no use for.
    for extra in [
        "?limit=500",
        "?resourceVersion=0",
        "?watch=false",
        "?pretty=true",
        "?timeoutSeconds=5&limit=1",
        "?continue=abc",
    ] {
        let reply = server.client.get(&(value_path("ai", METRIC, "") + extra)).await;
        assert_eq!(reply.value(METRIC).expect("a value").text, "7500m", "{extra}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_word_for_word() {
    let (_front, server) = server().await;
    let get = async |path: &str| server.client.get(path).await;
    let value = |metric: &str| format!("{EXTERNAL}/namespaces/ai/{metric}");
    let no_such_path = "the server could not find the requested resource";

    let message = "the server could not find the metric nothing for namespaces ai";
    assert_status(&get(&value("nothing")).await, 404, "NotFound", message);
    for path in [
        "/nothing",
        "/apis/external.metrics.k8s.io/v1",
        "/apis/metrics.k8s.io",
        "/apis/external.metrics.k8s.io/v1beta1/nothing",
        "/apis/external.metrics.k8s.io/v1beta1/namespaces",
        "/apis/external.metrics.k8s.io/v1beta1/namespaces/ai",
        "/apis/external.metrics.k8s.io/v1beta1/namespaces/ai/a/b",
        "/openapi/v3/apis/apps/v1",
        "/api",
        "/metrics",
        "/healthz/nothing",
    ] {
        assert_status(&get(path).await, 404, "NotFound", no_such_path);
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        for path in [value(METRIC), "/apis".to_owned(), EXTERNAL.to_owned(), "/readyz".to_owned()] {
            let reply = server.client.send(method.clone(), &path, &[]).await;
            let message = "the server does not allow this method on the requested resource";
            assert_status(&reply, 405, "MethodNotAllowed", message);
        }
    }
    let watch = format!("watch is not supported on resources of kind \"{METRIC}.external.metrics.k8s.io\"");
    for query in ["?watch=true", "?watch=1", "?labelSelector=a%3Db&watch=true"] {
        assert_status(&get(&(value(METRIC) + query)).await, 405, "MethodNotAllowed", &watch);
    }
    let accept = "only the following media types are accepted: application/json, application/yaml";
    for unserved in [
        "application/vnd.kubernetes.protobuf",
        "text/html",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;q=0",
    ] {
        for path in [value(METRIC), "/apis".to_owned(), EXTERNAL.to_owned()] {
            assert_status(&server.client.get_as(&path, unserved).await, 406, "NotAcceptable", accept);
        }
    }
    for namespace in ["AI", "a_b", "ai%22", "-ai", "ai%20", "%C3%A9"] {
        let reply = get(&format!("{EXTERNAL}/namespaces/{namespace}/{METRIC}")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.problem().reason.as_str()),
            (400, "BadRequest"),
            "{namespace}"
        );
    }
    for selector in ["a%3E1", "a%3D%3D%3D", "in+(", "a%3Db%2C%2Cc", "%22", "a+in+(b"] {
        let reply = get(&(value(METRIC) + "?labelSelector=" + selector)).await;
        assert_eq!(
            (reply.status.as_u16(), reply.problem().reason.as_str()),
            (400, "BadRequest"),
            "{selector}"
        );
    }
    let reply = server.client.send(Method::GET, &value(METRIC), &[("upgrade", "SPDY/3.1")]).await;
    assert!(matches!(reply.status.as_u16(), 200 | 400), "HTTP/2 has no upgrade");
    let old = Client::http1(server.client.base().to_owned());
    let reply =
        old.send(Method::GET, &value(METRIC), &[("upgrade", "websocket"), ("connection", "upgrade")]).await;
    assert_eq!((reply.status.as_u16(), reply.problem().reason.as_str()), (400, "BadRequest"));
    let reply = get(&(value(METRIC) + "?labelSelector=" + &"a".repeat(20_000))).await;
    assert_eq!(reply.problem().code, 414);
    let reply =
        server.client.send(Method::GET, &value(METRIC), &[("x-remote-group", &"g".repeat(60_000))]).await;
    assert_eq!(reply.status, 200, "groups travel in headers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_not_there() {
    let port = crate::support::free_port();
    let down = Server::of(&format!("http://127.0.0.1:{port}")).await;
    let reply = down.client.get(&value_path("ai", METRIC, "")).await;
    let message = format!(
        "{METRIC}: source prometheus has not answered for vllm:num_requests_waiting: 127.0.0.1:{port}: Connection refused (os error 111)"
    );
    assert_status(&reply, 503, "ServiceUnavailable", &message);
    for path in ["/readyz", "/livez", "/healthz", "/apis", EXTERNAL, "/openapi/v2"] {
        assert_eq!(down.client.get_as(path, "*/*").await.status, 200, "{path} does not depend on the source");
    }

    let none = Server::start(&[]).await;
    let reply = none.client.get(&value_path("ai", METRIC, "")).await;
    let message = format!("{METRIC}: no source is configured; start with --prometheus-url or --config");
    assert_status(&reply, 503, "ServiceUnavailable", &message);
    assert_eq!(none.client.get(EXTERNAL).await.status, 200);
    assert_eq!(none.client.problem("ai", "nothing", "").await.code, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_redirects_and_nothing_is_slow() {
    let (_front, server) = server().await;
    let old = Client::http1(server.client.base().to_owned());
    let slashed = [
        "/apis/",
        "/apis/external.metrics.k8s.io/",
        "/apis/external.metrics.k8s.io/v1beta1/",
        "/version/",
        "/openapi/v2/",
        "/openapi/v3/",
        "/healthz/",
        "//apis",
        "/apis//external.metrics.k8s.io",
        "/./apis",
        "/apis/..",
        "/%61pis",
        "/favicon.ico",
        "/apis/external.metrics.k8s.io/v1beta1/namespaces/ai/inference_requests_waiting/",
        "/apis/custom.metrics.k8s.io/",
        "/apis/custom.metrics.k8s.io/v1beta1/",
    ];
    for client in [&server.client, &old] {
        for path in slashed {
            let reply = client.get_as(path, "*/*").await;
            reply.assert_prompt();
            assert!(matches!(reply.status.as_u16(), 200 | 404), "{path}: {}", reply.status);
            if reply.status == 404 {
                assert_eq!(reply.problem().reason, "NotFound", "{path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_told_in_kubernetes_words() {
    let (_front, server) = server().await;
    for client in [&server.client, &server.own] {
        for path in ["/healthz", "/livez", "/readyz"] {
            let reply = client.get_as(path, "*/*").await;
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "ok"), "{path}");
            assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
        }
        for (path, lines) in [
            ("/livez?verbose", "[+]ping ok\nlivez check passed\n"),
            ("/healthz?verbose=true", "[+]ping ok\nhealthz check passed\n"),
            (
                "/readyz?verbose",
                "[+]ping ok\n[+]configuration ok\n[+]pods ok\n[+]certificate ok\n[+]callers ok\n[+]shutdown ok\nreadyz check passed\n",
            ),
        ] {
            let reply = client.get_as(path, "*/*").await;
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, lines), "{path}");
        }
    }
}
