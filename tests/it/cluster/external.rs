//! The HPA controller scales on `external.metrics.k8s.io`.

use http::Method;
use serde_json::json;

use super::workload::NAMESPACE;
use super::{Autoscaler, ControlPlane, Installation, Load, Workload, installation};
use crate::support::{Client, Exposition, Prometheus, replace_file, seconds, until, value_path};

const METRIC: &str = "inference_requests_in_system";
const SELECTOR: &str = "deployment=vllm";

/// The catalog's own metric, let go of sooner than by default: a minute is long for a test.
fn configuration(url: &str) -> String {
    format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n\
         sources: [{{ name: main, prometheus: {{ url: \"{url}\" }} }}]\n\
         metrics: [{{ name: {METRIC}, preset: {METRIC}, refresh: 1s, hold: 3s }}]\n"
    )
}

/// A queue of so many requests in all.
fn queue(waiting: f64) -> Load {
    Load { waiting, wait: 0.0 }
}

/// With its numbers, which grow with time, left out.
fn without_numbers(message: &str) -> String {
    message.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// Why the metric is refused, as the API server passes it on.
async fn refusal(user: &Client) -> Result<String, String> {
    let reply = user.send(Method::GET, &value_path(NAMESPACE, METRIC, SELECTOR), &[]).await;
    if reply.status == 200 { Err(reply.text()) } else { Ok(reply.problem().message) }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_external() {
    let plane = ControlPlane::start().await;
    let inferometer = Installation::prepare(&plane).await;
    inferometer.admin.apply(&installation::namespace(NAMESPACE)).await;
    let pages = Exposition::start().await;
    let (vllm, mut targets) = Workload::vllm(&inferometer.admin, &pages, queue(8.0)).await;
    // An engine whose pod is none of this cluster: it does not count.
    let stray = crate::support::fixture("vllm-0.33.0.txt");
    targets.push(pages.pod(NAMESPACE, "vllm-6d5f7c9b84-gone0", stray));
    let mut prometheus = Prometheus::start(&targets).await;
    let config = plane.file("config.yaml");
    replace_file(&config, configuration(prometheus.url()));
    let replica = inferometer.replica(&["--config", config.to_str().expect("UTF-8")]).await;
    inferometer.register(&replica).await;

    let metrics = json!([{
        "type": "External",
        "external": {
            "metric": { "name": METRIC, "selector": { "matchLabels": { "deployment": "vllm" } } },
            "target": { "type": "AverageValue", "averageValue": "10" },
        },
    }]);
    let hpa = Autoscaler::of(&inferometer.admin, &vllm, metrics).await;
    hpa.until_reads("/external/current/averageValue", "8", 40).await;
    assert_eq!(vllm.pods(), 1);

    vllm.set(queue(35.0));
    hpa.until_replicas(&vllm, 4, 30).await;

    // Nobody knows how long the queue is: nothing is changed, whatever it would come to.
    prometheus.kill();
    vllm.set(queue(0.0));
    let operator = plane.user("operator");
    let rights = json!({ "kind": "User", "name": "operator", "apiGroup": "rbac.authorization.k8s.io" });
    for object in super::admin::grant(&rights, NAMESPACE, "external.metrics.k8s.io", METRIC, "list") {
        inferometer.admin.apply(&object).await;
    }
    until("the HPA says why it holds, word for word", seconds(40), async || {
        let ours = refusal(&operator).await?;
        let (status, reason, message) = hpa.active().await;
        let same = without_numbers(&message).ends_with(&without_numbers(&ours));
        if (status.as_str(), reason.as_str(), same) == ("False", "FailedGetExternalMetric", true) {
            println!("{message}");
            Ok(())
        } else {
            Err(format!("{status} {reason} {message:?}, ours is {ours:?}"))
        }
    })
    .await;
    hpa.assert_holds(&vllm, seconds(8)).await;
    assert_eq!(vllm.pods(), 4);

    // Back, and as busy as before: nothing to change either.
    vllm.set(queue(35.0));
    prometheus.restart_empty().await;
    hpa.until_reads("/external/current/averageValue", "8750m", 40).await;
    hpa.assert_holds(&vllm, seconds(3)).await;

    vllm.set(queue(2.0));
    hpa.until_replicas(&vllm, 1, 40).await;
}
