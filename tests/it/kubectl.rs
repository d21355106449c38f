//! What people type.

use std::process::Command;

use serde_json::{Value as Json, json};

use crate::support::client::CUSTOM;
use crate::support::command::{output, text};
use crate::support::front::{Answer, Front};
use crate::support::{EXTERNAL, Server};

const METRIC: &str = "inference_requests_waiting";

/// Runs kubectl against the server, with a home of its own for its caches.
async fn kubectl(server: &Server, args: &[&str]) -> (bool, String, String) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new("kubectl");
    command
        .args(["--server", server.client.base(), "--insecure-skip-tls-verify", "--token", "local"])
        .args(args)
        .env("HOME", home.path())
        .env("KUBECONFIG", home.path().join("none"));
    let output = tokio::task::spawn_blocking(move || output(&mut command)).await.expect("no panic");
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn get_raw_and_api_resources() {
    let labels = json!({ "namespace": "ai", "pod": "vllm-0", "model_name": "m" });
    let front = Front::start(None, Answer::Series(vec![(labels, 5.0)])).await;
    let server = Server::of(&front.url()).await;

    let path = format!("{EXTERNAL}/namespaces/ai/{METRIC}?labelSelector=model%3Dm");
    let (good, out, error) = kubectl(&server, &["get", "--raw", &path]).await;
    assert!(good, "{error}");
    let list: Json = serde_json::from_str(&out).expect("JSON");
    assert_eq!((&list["kind"], &list["items"][0]["value"]), (&json!("ExternalMetricValueList"), &json!("5")));

    let path = format!("{CUSTOM}/v1beta2/namespaces/ai/pods/*/{METRIC}?metricLabelSelector=model%3Dm");
    let (good, out, error) = kubectl(&server, &["get", "--raw", &path]).await;
    assert!(good, "{error}");
    let list: Json = serde_json::from_str(&out).expect("JSON");
    let item = &list["items"][0];
    assert_eq!((&item["describedObject"]["name"], &item["value"]), (&json!("vllm-0"), &json!("5")));

    // A refusal reaches the person who typed.
    let path = format!("{EXTERNAL}/namespaces/elsewhere/{METRIC}");
    let (good, _, error) = kubectl(&server, &["get", "--raw", &path]).await;
    assert!(!good && error.contains("not in namespace elsewhere"), "{error}");

    let (good, out, error) = kubectl(&server, &["api-resources", "--no-headers"]).await;
    assert!(good, "{error}");
    let line = out
        .lines()
        .find(|line| line.starts_with(METRIC))
        .unwrap_or_else(|| panic!("{METRIC} is not in\n{out}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words, [METRIC, "external.metrics.k8s.io/v1beta1", "true", "ExternalMetricValueList"]);

    // Metrics of objects are subresources, which it does not list.
    assert!(!out.contains("custom.metrics.k8s.io"), "{out}");

    let (good, out, error) = kubectl(&server, &["api-versions"]).await;
    assert!(good, "{error}");
    for version in
        ["external.metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta1", "custom.metrics.k8s.io/v1beta2"]
    {
        assert!(out.lines().any(|line| line == version), "{version} is not in\n{out}");
    }
    let (good, out, error) = kubectl(&server, &["get", "--raw", "/readyz?verbose"]).await;
    assert!(good && out.ends_with("readyz check passed\n"), "{out}{error}");
    let (good, out, error) = kubectl(&server, &["version", "-o", "json"]).await;
    assert!(good && out.contains(concat!("\"v", env!("CARGO_PKG_VERSION"), "\"")), "{out}{error}");
}
