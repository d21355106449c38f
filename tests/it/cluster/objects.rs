//! The HPA controller scales on `custom.metrics.k8s.io`: numbers of pods, and of other objects.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::workload::NAMESPACE;
use super::{Autoscaler, ControlPlane, Installation, Load, Workload, installation, text};
use crate::manifests::render::{ROOT, objects};
use crate::support::{Exposition, Prometheus, replace_file};

/// The metrics that the shipped examples define, from this Prometheus, over windows that a test can wait for.
fn configuration(url: &str) -> String {
    let example = std::fs::read_to_string(Path::new(ROOT).join("manifests/examples/configuration.yaml"));
    let example = example.expect("the example is there");
    let preset = "  preset: triton_queue_compute_input_duration_us\n";
    assert!(example.contains(preset), "the example has the metric that this test is about");
    let example = example.replace(preset, &format!("{preset}  window: 10s\n"));
    let mut lines: Vec<String> = example.lines().map(str::to_owned).collect();
    let own = lines.iter_mut().find(|line| line.trim().starts_with("url:")).expect("its source has a URL");
    *own = format!("    url: {url}");
    lines.join("\n")
}

/// The metric of type Pods of the shipped example for Triton.
fn pods_metric() -> Json {
    let example = std::fs::read_to_string(Path::new(ROOT).join("manifests/examples/triton.yaml"));
    let example = objects(&example.expect("the example is there"));
    let hpa =
        example.iter().find(|object| text(object, "/kind") == "HorizontalPodAutoscaler").expect("an HPA");
    let metrics = hpa["spec"]["metrics"].as_array().expect("metrics");
    metrics.iter().find(|metric| metric["type"] == "Pods").expect("one of type Pods").clone()
}

/// The requests waiting that are told of this object.
fn object_metric(api_version: &str, kind: &str, name: &str, target: &Json) -> Json {
    json!([{
        "type": "Object",
        "object": {
            "describedObject": { "apiVersion": api_version, "kind": kind, "name": name },
            "metric": { "name": "inference_requests_waiting" },
            "target": target,
        },
    }])
}

/// Each request of one pod would wait so many microseconds.
fn waits(wait: f64) -> Load {
    Load { waiting: 0.0, wait }
}

/// So many requests wait in all.
fn queue(waiting: f64) -> Load {
    Load { waiting, wait: 10_000.0 }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_prometheus_hpa_pods_and_objects() {
    let plane = ControlPlane::start().await;
    let inferometer = Installation::prepare(&plane).await;
    let admin = &inferometer.admin;
    admin.apply(&installation::namespace(NAMESPACE)).await;
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "namespace": NAMESPACE, "name": "triton" },
        "spec": { "selector": { "app": "triton" }, "ports": [{ "port": 8000 }] },
    });
    admin.apply(&service).await;
    let pages = Exposition::start().await;
    let (triton, targets) = Workload::triton(admin, &pages, waits(20_000.0)).await;
    let prometheus = Prometheus::start(&targets).await;
    let config = plane.file("config.yaml");
    replace_file(&config, configuration(prometheus.url()));
    let replica = inferometer.replica(&["--config", config.to_str().expect("UTF-8")]).await;
    inferometer.register(&replica).await;

    // A number of each pod, as the shipped example has it.
    let hpa = Autoscaler::of(admin, &triton, json!([pods_metric()])).await;
    hpa.until_reads("/pods/current/averageValue", "20k", 60).await;
    triton.set(waits(400_000.0));
    hpa.until_replicas(&triton, 4, 60).await;
    triton.set(waits(5_000.0));
    hpa.until_replicas(&triton, 1, 60).await;

    // The Deployment as the object: its pods together.
    let target = json!({ "type": "AverageValue", "averageValue": "20" });
    let hpa = Autoscaler::of(admin, &triton, object_metric("apps/v1", "Deployment", "triton", &target)).await;
    triton.set(queue(60.0));
    hpa.until_replicas(&triton, 3, 60).await;
    hpa.until_reads("/object/describedObject/kind", "Deployment", 30).await;
    hpa.until_reads("/object/current/averageValue", "20", 30).await;

    // A Service by the label that Prometheus gives to what it finds through one.
    let target = json!({ "type": "Value", "value": "1k" });
    let hpa = Autoscaler::of(admin, &triton, object_metric("v1", "Service", "triton", &target)).await;
    hpa.until_replicas(&triton, 1, 60).await;
    hpa.until_reads("/object/describedObject/kind", "Service", 30).await;
    hpa.until_reads("/object/current/value", "60", 30).await;

    // The namespace, which has a path of its own.
    let target = json!({ "type": "AverageValue", "averageValue": "50" });
    let hpa = Autoscaler::of(admin, &triton, object_metric("v1", "Namespace", NAMESPACE, &target)).await;
    triton.set(queue(70.0));
    hpa.until_replicas(&triton, 2, 60).await;
    hpa.until_reads("/object/describedObject/kind", "Namespace", 30).await;
    hpa.until_reads("/object/current/averageValue", "35", 30).await;
}
