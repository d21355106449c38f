//! Metrics of pods and other objects. No cluster is known here, so a series' own labels are all there is.

use http::Method;
use serde_json::{Value as Json, json};

use super::{METRIC, assert_status};
use crate::support::client::{CUSTOM, HPA_ACCEPT};
use crate::support::front::{Answer, Front};
use crate::support::{Client, Exposition, Prometheus, Reply, Server, fixture};

/// A server whose source has three pods, two of them in `ai` and of one service.
async fn server() -> (Front, Server) {
    let pod = |namespace: &str, name: &str, node: &str, service: &str| {
        json!({
            "namespace": namespace, "pod": name, "node": node, "service": service, "engine": "0", "model_name": "m",
        })
    };
    let series = vec![
        (pod("ai", "a", "n1", "llama"), 3.0),
        (pod("ai", "b", "n2", "llama"), 4.5),
        (pod("other", "c", "n2", "llama"), 1.0),
    ];
    let front = Front::start(None, Answer::Series(series)).await;
    let server = Server::of(&front.url()).await;
    (front, server)
}

/// The body of an answer in the given version: described objects with their values, and the selector.
fn body(version: &str, reply: &Reply, items: &[(&str, &str)], selector: &str) -> String {
    let reply = reply.json();
    let item = |(index, (object, value)): (usize, &(&str, &str))| {
        let at = reply["items"][index]["timestamp"].as_str().expect("a timestamp");
        assert!(at.parse::<jiff::Timestamp>().is_ok() && at.len() == "2026-11-22T00:15:52Z".len(), "{at}");
        match version {
            "v1beta1" => format!(
                r#"{{"describedObject":{object},"metricName":"{METRIC}","timestamp":"{at}","value":"{value}","selector":{selector}}}"#
            ),
            _ => format!(
                r#"{{"describedObject":{object},"metric":{{"name":"{METRIC}","selector":{selector}}},"timestamp":"{at}","value":"{value}"}}"#
            ),
        }
    };
    let items: Vec<String> = items.iter().enumerate().map(item).collect();
    format!(
        "{{\"kind\":\"MetricValueList\",\"apiVersion\":\"custom.metrics.k8s.io/{version}\",\"metadata\":{{}},\"items\":[{}]}}\n",
        items.join(",")
    )
}

/// Names and values of an answer that must be one.
async fn values(client: &Client, path: &str) -> Vec<(String, String)> {
    let reply = client.get(&format!("{CUSTOM}/v1beta2/{path}")).await;
    reply.assert_prompt();
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    let list = reply.json();
    let items = list["items"].as_array().expect("items").iter();
    items.map(|item| (text(&item["describedObject"]["name"]), text(&item["value"]))).collect()
}

async fn assert_values(client: &Client, path: &str, expected: &[(&str, &str)]) {
    let found = values(client, path).await;
    let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, expected, "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_byte_for_byte_in_both_versions() {
    let (_front, server) = server().await;
    let a = r#"{"kind":"Pod","namespace":"ai","name":"a","apiVersion":"v1"}"#;
    let b = r#"{"kind":"Pod","namespace":"ai","name":"b","apiVersion":"v1"}"#;
    let namespace = r#"{"kind":"Namespace","name":"ai","apiVersion":"v1"}"#;
    let service = r#"{"kind":"Service","namespace":"ai","name":"llama","apiVersion":"v1"}"#;
    let node = r#"{"kind":"Node","name":"n2","apiVersion":"v1"}"#;
    for version in ["v1beta1", "v1beta2"] {
        for (path, items) in [
            (format!("namespaces/ai/pods/*/{METRIC}"), &[(a, "3"), (b, "4500m")][..]),
            // As client-go writes the star.
            (format!("namespaces/ai/pods/%2A/{METRIC}"), &[(a, "3"), (b, "4500m")]),
            (format!("namespaces/ai/pods/b/{METRIC}"), &[(b, "4500m")]),
            (format!("namespaces/ai/metrics/{METRIC}"), &[(namespace, "7500m")]),
            (format!("namespaces/ai/services/llama/{METRIC}"), &[(service, "7500m")]),
            (format!("nodes/n2/{METRIC}"), &[(node, "5500m")]),
        ] {
            let path = format!("{CUSTOM}/{version}/{path}");
            let reply = server.client.get(&path).await;
            reply.assert_prompt();
            assert_eq!(
                (reply.status.as_u16(), reply.header("content-type")),
                (200, "application/json"),
                "{path}"
            );
            assert_eq!(reply.text(), body(version, &reply, items, "null"), "{path}");
            let yaml = server.client.get_as(&path, "application/yaml").await;
            assert!(yaml.text().contains("kind: MetricValueList"), "{}", yaml.text());
            let head = server.client.send(Method::HEAD, &path, &[("accept", HPA_ACCEPT)]).await;
            assert_eq!((head.status.as_u16(), head.body.len()), (405, 0), "{path}");
        }
        // The selector of the series comes back, that of the pods does not.
        let path = format!(
            "{CUSTOM}/{version}/namespaces/ai/pods/*/{METRIC}?labelSelector=model_name%3Dm&metricLabelSelector=engine%3Dvllm%2Cpod+in+%28a%2Cc%29"
        );
        let reply = server.client.get(&path).await;
        let selector = r#"{"matchExpressions":[{"key":"pod","operator":"In","values":["a","c"]}],"matchLabels":{"engine":"vllm"}}"#;
        assert_eq!(reply.text(), body(version, &reply, &[(a, "3")], selector));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_chosen_by_name_label_and_series() {
    let (_front, server) = server().await;
    let both = [("a", "3"), ("b", "4500m")];
    for (query, expected) in [
        ("", &both[..]),
        ("?labelSelector=model_name%3Dm", &both),
        ("?labelSelector=pod%3Da", &both[..1]),
        ("?labelSelector=pod+notin+%28a%29", &both[1..]),
        ("?metricLabelSelector=node%3Dn2", &both[1..]),
        ("?labelSelector=service%3Dllama&metricLabelSelector=node%21%3Dn2", &both[..1]),
        ("?watch=false&limit=500&resourceVersion=0", &both),
    ] {
        assert_values(&server.client, &format!("namespaces/ai/pods/*/{METRIC}{query}"), expected).await;
    }
    for (path, expected) in [
        ("namespaces/other/pods/*", &[("c", "1")][..]),
        ("namespaces/*/metrics", &[("ai", "7500m"), ("other", "1")]),
        ("namespaces/ai/services/*", &[("llama", "7500m")]),
        ("namespaces/other/services/llama", &[("llama", "1")]),
        ("nodes/*", &[("n1", "3"), ("n2", "5500m")]),
    ] {
        assert_values(&server.client, &format!("{path}/{METRIC}"), expected).await;
    }
    let explained =
        format!("{CUSTOM}/v1beta2/namespaces/ai/pods/*/{METRIC}?explain=true&labelSelector=pod%3Db");
    let explained = server.client.get(&explained).await.json();
    assert_eq!(
        (&explained["kind"], &explained["answer"]["value"]),
        (&json!("MetricExplanation"), &json!("4500m"))
    );
    assert!(explained.get("autoscalers").is_none(), "none are known: {explained}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_word_for_word() {
    let (_front, server) = server().await;
    let get = async |path: &str| server.client.get(&format!("{CUSTOM}/v1beta1/{path}")).await;
    let of = |object: &str| format!("the server could not find the metric nothing for {object}");
    for (path, object) in [
        ("namespaces/ai/pods/*/nothing", "pods"),
        ("namespaces/ai/pods/a/nothing", "pods a"),
        ("namespaces/ai/deployments.apps/a/nothing", "deployments.apps a"),
        ("namespaces/ai/metrics/nothing", "namespaces ai"),
        ("nodes/*/nothing", "nodes"),
    ] {
        assert_status(&get(path).await, 404, "NotFound", &of(object));
    }
    let reply = server.client.get(&format!("{CUSTOM}/v1/namespaces/ai/pods/*/{METRIC}")).await;
    assert_status(&reply, 404, "NotFound", "the server could not find the requested resource");

    for path in [
        "namespaces",
        "namespaces/ai",
        "namespaces/ai/metrics",
        "namespaces/ai/pods/*",
        "namespaces/AI/pods/*/m",
        "namespaces/*/pods/*/m",
        "namespaces/ai/pods/a/m/n",
        "namespaces/ai/pods//m",
        "namespaces/ai/pods/a%2Fb/m",
        "namespaces/ai/pods/*/m?labelSelector=a%3E1",
        "namespaces/ai/pods/*/m?metricLabelSelector=a%3E1",
        "namespaces/ai/services/*/m?labelSelector=app%3Dllama",
        "pods/*/m",
        "nodes/n1",
    ] {
        let reply = get(path).await;
        let problem = (reply.status.as_u16(), reply.problem().reason);
        assert_eq!(problem, (400, "BadRequest".to_owned()), "{path}: {}", reply.text());
    }

    let path = format!("namespaces/ai/pods/*/{METRIC}");
    let watch =
        format!("watch is not supported on resources of kind \"pods/{METRIC}.custom.metrics.k8s.io\"");
    assert_status(&get(&format!("{path}?watch=true")).await, 405, "MethodNotAllowed", &watch);
    let path = format!("{CUSTOM}/v1beta1/{path}");
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        let reply = server.client.send(method, &path, &[]).await;
        let message = "the server does not allow this method on the requested resource";
        assert_status(&reply, 405, "MethodNotAllowed", message);
    }
    let accept = "only the following media types are accepted: application/json, application/yaml";
    for unserved in ["application/vnd.kubernetes.protobuf", "text/html", "application/json;q=0"] {
        assert_status(&server.client.get_as(&path, unserved).await, 406, "NotAcceptable", accept);
    }

    let signal = "vllm:num_requests_waiting";
    for (path, message) in [
        (
            format!("namespaces/nobody/pods/*/{METRIC}"),
            format!("{METRIC}: no series: {signal} exists (3 series), but not in namespace nobody"),
        ),
        (
            format!("namespaces/ai/deployments.apps/llama/{METRIC}"),
            format!(
                "{METRIC}: no series: none of the 2 series of {signal} in namespace ai is of deployment llama"
            ),
        ),
        (
            format!("namespaces/ai/pods/c/{METRIC}"),
            format!("{METRIC}: no series: none of the 2 series of {signal} in namespace ai is of pod c"),
        ),
    ] {
        let problem = get(&path).await.problem();
        assert_eq!((problem.code, problem.reason.as_str()), (503, "ServiceUnavailable"), "{problem}");
        assert!(problem.message.starts_with(&message), "{problem}\nnot {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_each_pod_has_its_own_number() {
    let pages = Exposition::start().await;
    let targets = [
        pages.pod("ai", "dp", fixture("vllm-0.33.0-dp2-custom-buckets.txt")),
        pages.pod("ai", "one", fixture("vllm-0.33.0.txt")),
        pages.pod("other", "two", fixture("sglang-0.5.23.txt")),
    ];
    let prometheus = Prometheus::start(&targets).await;
    let server = Server::of(prometheus.url()).await;
    for (path, expected) in [
        // Ranks of one pod are one number, by the metric's own rule.
        (format!("namespaces/ai/pods/*/{METRIC}"), &[("dp", "8"), ("one", "7")][..]),
        ("namespaces/ai/pods/dp/inference_kv_cache_utilization_max".to_owned(), &[("dp", "830m")]),
        ("namespaces/ai/pods/*/vllm:num_requests_waiting".to_owned(), &[("dp", "8"), ("one", "7")]),
        // Engines side by side.
        (format!("namespaces/*/metrics/{METRIC}"), &[("ai", "15"), ("other", "7")]),
        (format!("namespaces/*/metrics/{METRIC}?metricLabelSelector=engine%3Dsglang"), &[("other", "7")]),
    ] {
        assert_values(&server.client, &path, expected).await;
    }
}
