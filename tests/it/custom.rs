//! `custom.metrics.k8s.io` as the HPA controller and people ask for it: metrics of pods and of objects.

use http::Method;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::support::objects::{deployment, hpa, object, pod, statefulset};
use crate::support::{
    Caller, Client, Cluster, Exposition, Prometheus, Reply, Site, WAITING, of_pod, replace_file, seconds,
    until,
};

const API: &str = "/apis/custom.metrics.k8s.io";

/// Deployment `vllm` with two pods, StatefulSet `triton` with one, and a pod in another namespace. Two
/// ranks run in `vllm-1-0`.
async fn site() -> Site {
    let cluster = Cluster::start().await;
    cluster.put(deployment("ai", "vllm", 2));
    cluster.put(statefulset("ai", "triton", 1));
    cluster.put([pod("other", "c", &[("app", "vllm")])]);
    let series = |namespace: &str, pod: &str, rank: &str, value: f64| {
        let mut labels = of_pod(namespace, pod);
        labels["rank"] = rank.into();
        (labels, value)
    };
    let all = [
        series("ai", "vllm-1-0", "0", 1.0),
        series("ai", "vllm-1-0", "1", 2.0),
        series("ai", "vllm-1-1", "0", 4.5),
        series("ai", "triton-0", "0", 8.0),
        series("other", "c", "0", 16.0),
    ];
    Site::of(cluster, &all, &[]).await
}

fn path(version: &str, rest: &str, query: &[(&str, &str)]) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    let text = text.extend_pairs(query).finish();
    format!("{API}/{version}/{rest}{}{text}", if text.is_empty() { "" } else { "?" })
}

/// Names and quantities, in the order of the names.
fn values(reply: &Reply) -> Result<Vec<(String, String)>, String> {
    reply.assert_prompt();
    if reply.status != 200 {
        return Err(reply.problem().to_string());
    }
    let list = reply.json();
    assert_eq!(list["kind"], "MetricValueList", "{list}");
    let text = |value: &Json| value.as_str().expect("text").to_owned();
    let items = list["items"].as_array().expect("items").iter();
    let mut values: Vec<(String, String)> =
        items.map(|item| (text(&item["describedObject"]["name"]), text(&item["value"]))).collect();
    values.sort();
    Ok(values)
}

/// The same for comparison: `a=1 b=2`.
async fn brief(client: &Client, path: &str) -> String {
    match values(&client.get(path).await) {
        Ok(values) => {
            values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        }
        Err(problem) => problem,
    }
}

/// Waits until all of `expected` is answered.
async fn reads(client: &Client, path: &str, expected: &str) {
    until(path, seconds(30), async || {
        let found = brief(client, path).await;
        if found == expected { Ok(()) } else { Err(found) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_of_each_pod() {
    let site = site().await;
    let client = site.aggregator.hpa_controller();
    let all = format!("namespaces/ai/pods/*/{WAITING}");
    for version in ["v1beta1", "v1beta2"] {
        let ask = |query: &[(&str, &str)]| path(version, &all, query);
        reads(&client, &ask(&[]), "triton-0=8 vllm-1-0=3 vllm-1-1=4500m").await;
        for (labels, expected) in
            [("app=vllm", "vllm-1-0=3 vllm-1-1=4500m"), ("app in (triton,none),app!=vllm", "triton-0=8")]
        {
            assert_eq!(brief(&client, &ask(&[("labelSelector", labels)])).await, expected, "{labels}");
        }
        // As in Kubernetes, labelSelector sees the pods' own labels; metricLabelSelector sees their owners too.
        assert!(brief(&client, &ask(&[("labelSelector", "deployment=vllm")])).await.starts_with("503"));
        let owned = [("metricLabelSelector", "deployment=vllm")];
        assert_eq!(brief(&client, &ask(&owned)).await, "vllm-1-0=3 vllm-1-1=4500m");
        let one = [("labelSelector", "app=vllm"), ("metricLabelSelector", "rank=1")];
        assert_eq!(brief(&client, &ask(&one)).await, "vllm-1-0=2");
        let model = [("labelSelector", "app=vllm"), ("metricLabelSelector", "model_name=m")];
        assert_eq!(brief(&client, &ask(&model)).await, "vllm-1-0=3 vllm-1-1=4500m");
        let none = [("labelSelector", "app=vllm"), ("metricLabelSelector", "model_name=other")];
        assert!(brief(&client, &ask(&none)).await.starts_with("503"));
        let by_name = path(version, &format!("namespaces/ai/pods/vllm-1-1/{WAITING}"), &[]);
        assert_eq!(brief(&client, &by_name).await, "vllm-1-1=4500m");
    }
    // Who is going is not one of them.
    site.cluster.api.remove("v1", "Pod", "ai", "vllm-1-0");
    reads(&client, &path("v1beta2", &all, &[("labelSelector", "app=vllm")]), "vllm-1-1=4500m").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_as_each_version_writes_them() {
    let site = site().await;
    let client = site.aggregator.hpa_controller();
    let one = format!("namespaces/ai/pods/vllm-1-1/{WAITING}");
    reads(&client, &path("v1beta2", &one, &[]), "vllm-1-1=4500m").await;
    let body = async |version: &str, rest: &str, query: &[(&str, &str)]| {
        let reply = client.get(&path(version, rest, query)).await;
        assert_eq!((reply.status.as_u16(), reply.header("content-type")), (200, "application/json"));
        let mut list = reply.json();
        let timestamp = list["items"][0].as_object_mut().expect("an item").remove("timestamp");
        let timestamp = timestamp.as_ref().and_then(Json::as_str).expect("a timestamp").to_owned();
        assert!(timestamp.len() == 20 && timestamp.parse::<jiff::Timestamp>().is_ok(), "{timestamp}");
        list
    };
    let described = json!({ "kind": "Pod", "namespace": "ai", "name": "vllm-1-1", "apiVersion": "v1" });
    let item =
        json!({ "describedObject": described, "metricName": WAITING, "value": "4500m", "selector": null });
    let expected = |version: &str, item: &Json| {
        json!({
            "kind": "MetricValueList", "apiVersion": format!("custom.metrics.k8s.io/{version}"), "metadata": {},
            "items": [item],
        })
    };
    assert_eq!(body("v1beta1", &one, &[]).await, expected("v1beta1", &item));
    let metric = json!({ "name": WAITING, "selector": null });
    let item = json!({ "describedObject": described, "metric": metric, "value": "4500m" });
    assert_eq!(body("v1beta2", &one, &[]).await, expected("v1beta2", &item));

    let query = [("metricLabelSelector", "model_name=m")];
    let selector = json!({ "matchLabels": { "model_name": "m" } });
    assert_eq!(body("v1beta1", &one, &query).await["items"][0]["selector"], selector);
    assert_eq!(body("v1beta2", &one, &query).await["items"][0]["metric"]["selector"], selector);

    let list = body("v1beta2", &format!("namespaces/ai/deployments.apps/vllm/{WAITING}"), &[]).await;
    let described =
        json!({ "kind": "Deployment", "namespace": "ai", "name": "vllm", "apiVersion": "apps/v1" });
    assert_eq!(list["items"][0]["describedObject"], described);
    let list = body("v1beta2", &format!("namespaces/ai/metrics/{WAITING}"), &[]).await;
    let described = &list["items"][0]["describedObject"];
    assert_eq!((&described["kind"], &described["name"]), (&json!("Namespace"), &json!("ai")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_an_object() {
    let site = site().await;
    let client = site.aggregator.hpa_controller();
    let ask = |rest: &str| path("v1beta2", &format!("{rest}/{WAITING}"), &[]);
    reads(&client, &ask("namespaces/ai/deployments.apps/vllm"), "vllm=7500m").await;
    for (rest, expected) in [
        ("namespaces/ai/deployments.apps/*", "vllm=7500m"),
        ("namespaces/ai/replicasets.apps/vllm-1", "vllm-1=7500m"),
        ("namespaces/ai/statefulsets.apps/triton", "triton=8"),
        ("namespaces/ai/metrics", "ai=15500m"),
        ("namespaces/other/metrics", "other=16"),
    ] {
        assert_eq!(brief(&client, &ask(rest)).await, expected, "{rest}");
    }
    for missing in
        ["namespaces/ai/deployments.apps/none", "namespaces/ai/pods/none", "namespaces/none/metrics"]
    {
        let reply = client.get(&ask(missing)).await;
        reply.assert_prompt();
        assert!(matches!(reply.status.as_u16(), 404 | 503), "{missing}: {}", reply.text());
        assert!(reply.problem().message.contains(WAITING), "{missing}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals() {
    let site = site().await;
    let client = site.aggregator.on_behalf_of(&Caller::aggregator());
    let refused = async |path: &str, code: u16, reason: &str| {
        let reply = client.get(path).await;
        reply.assert_prompt();
        let problem = reply.problem();
        assert_eq!((problem.code, problem.reason.as_str()), (code, reason), "{path}: {problem}");
    };
    for version in ["v1beta1", "v1beta2"] {
        let pods = format!("namespaces/ai/pods/*/{WAITING}");
        refused(&path(version, "namespaces/ai/pods/*/nothing", &[]), 404, "NotFound").await;
        refused(&path(version, "namespaces/ai/metrics/nothing", &[]), 404, "NotFound").await;
        for query in ["labelSelector", "metricLabelSelector"] {
            for selector in ["a===b", "in (", "a>1"] {
                refused(&path(version, &pods, &[(query, selector)]), 400, "BadRequest").await;
            }
        }
        for malformed in [
            "a",
            "a/b",
            "a/b/c/d",
            "namespaces/ai",
            "namespaces/ai/pods",
            "namespaces/ai/pods/*",
            "namespaces/AI/pods/*/m",
        ] {
            let reply = client.get(&path(version, malformed, &[])).await;
            assert!(matches!(reply.problem().code, 400 | 404), "{malformed}: {}", reply.text());
        }
        refused(&path(version, &pods, &[("watch", "true")]), 405, "MethodNotAllowed").await;
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let reply = client.send(method.clone(), &path(version, &pods, &[]), &[]).await;
            assert_eq!(reply.problem().code, 405, "{method}");
        }
        let accept = "application/vnd.kubernetes.protobuf";
        assert_eq!(client.get_as(&path(version, &pods, &[]), accept).await.problem().code, 406);
    }
    refused(&path("v1", &format!("namespaces/ai/pods/*/{WAITING}"), &[]), 404, "NotFound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn discovery_lists_what_every_metric_can_be_asked_of() {
    let site = site().await;
    let client = site.aggregator.on_behalf_of(&Caller::aggregator());
    let get = async |path: &str| {
        let reply = client.get(path).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    };
    for version in ["v1beta1", "v1beta2"] {
        let list = get(&format!("{API}/{version}")).await;
        assert_eq!(
            (&list["kind"], &list["groupVersion"]),
            (&json!("APIResourceList"), &json!(format!("custom.metrics.k8s.io/{version}")))
        );
        let resources = list["resources"].as_array().expect("resources");
        for (name, namespaced) in
            [(format!("pods/{WAITING}"), true), (format!("namespaces/{WAITING}"), false)]
        {
            let resource = resources.iter().find(|resource| resource["name"] == *name);
            let resource = resource.unwrap_or_else(|| panic!("{name} is not in {list}"));
            assert_eq!(resource["namespaced"], namespaced, "{resource}");
            assert_eq!((&resource["kind"], &resource["verbs"]), (&json!("MetricValueList"), &json!(["get"])));
        }
    }
    let group = get(API).await;
    assert_eq!(group["kind"], "APIGroup");
    let versions: Vec<&str> = group["versions"]
        .as_array()
        .expect("versions")
        .iter()
        .filter_map(|one| one["version"].as_str())
        .collect();
    assert_eq!(
        (versions, &group["preferredVersion"]["version"]),
        (vec!["v1beta2", "v1beta1"], &json!("v1beta2"))
    );
    let groups = get("/apis").await;
    let names: Vec<&str> =
        groups["groups"].as_array().expect("groups").iter().filter_map(|one| one["name"].as_str()).collect();
    assert!(
        names.contains(&"custom.metrics.k8s.io") && names.contains(&"external.metrics.k8s.io"),
        "{names:?}"
    );
}

/// What people have configured elsewhere, and what names objects that are not pods.
const CONFIGURATION: &str = "apiVersion: inferometer.dev/v1alpha1
kind: Configuration
metrics:
- name: triton_queue_compute_input_duration_us
  promql: |
    sum by (namespace, pod) (rate(nv_inference_queue_duration_us[5s]))
    + sum by (namespace, pod) (rate(nv_inference_compute_input_duration_us[5s]))
  type: intensive
  direction: rises
  aggregate: avg
  refresh: 1s
- name: gateway_depth
  promql: sum by (namespace, service) (gateway_depth)
  type: extensive
  direction: rises
  aggregate: sum
- name: node_gpu_temperature_celsius
  promql: max by (node) (node_gpu_temperature_celsius)
  type: intensive
  direction: rises
  aggregate: max
  scope: cluster
";

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_numbers_of_pods_services_and_nodes() {
    let cluster = Cluster::start().await;
    cluster.put(statefulset("ai", "triton", 2));
    cluster.put([object("v1", "Service", "ai", "gateway"), object("v1", "Node", "", "gpu-node-0")]);
    let metric = "triton_queue_compute_input_duration_us";
    let wanted = json!([{ "type": "Pods", "pods": {
        "metric": { "name": metric }, "target": { "type": "AverageValue", "averageValue": "200000" },
    } }]);
    cluster.put([hpa("ai", "triton", &wanted)]);
    let pages = Exposition::start().await;
    let mut targets = Vec::new();
    for (name, rate) in [("triton-0", 300_000.0), ("triton-1", 100_000.0)] {
        targets.push(pages.pod("ai", name, ""));
        let began = Instant::now();
        pages.render(&format!("/ai/{name}"), move || {
            let age = began.elapsed().as_secs_f64();
            format!(
                "nv_inference_request_success{{model=\"m\"}} {}\n\
                 nv_inference_queue_duration_us{{model=\"m\"}} {}\n\
                 nv_inference_compute_input_duration_us{{model=\"m\"}} {}\n",
                age * 10.0,
                age * rate,
                age * 50_000.0,
            )
        });
    }
    pages.set("/others", "gateway_depth{service=\"gateway\",namespace=\"ai\"} 12\nnode_gpu_temperature_celsius{node=\"gpu-node-0\"} 71\n");
    targets.push(pages.target("others", "/others", &[]).honoring_labels());
    let prometheus = Prometheus::start(&targets).await;
    let config = cluster.file("config.yaml");
    replace_file(&config, CONFIGURATION);
    let config = config.to_str().expect("a path in UTF-8");
    let (_server, aggregator) =
        cluster.serve(&["--prometheus-url", prometheus.url(), "--config", config]).await;
    let client = aggregator.hpa_controller();

    // As the controller asks for the pods of the HPA's target.
    let pods = path("v1beta2", &format!("namespaces/ai/pods/*/{metric}"), &[("labelSelector", "app=triton")]);
    until("each pod has its rate", seconds(30), async || {
        let values = values(&client.get(&pods).await)?;
        let near = |index: usize, name: &str, rate: f64| {
            values.get(index).is_some_and(|(found, value)| {
                let number = value.strip_suffix('m').map_or_else(
                    || value.parse::<f64>(),
                    |milli| milli.parse::<f64>().map(|milli| milli / 1000.0),
                );
                found == name && (number.expect("a number") / rate - 1.0).abs() < 0.2
            })
        };
        if near(0, "triton-0", 350_000.0) && near(1, "triton-1", 150_000.0) {
            Ok(())
        } else {
            Err(format!("{values:?}"))
        }
    })
    .await;
    reads(&client, &path("v1beta2", "namespaces/ai/services/gateway/gateway_depth", &[]), "gateway=12").await;
    reads(&client, &path("v1beta1", "nodes/gpu-node-0/node_gpu_temperature_celsius", &[]), "gpu-node-0=71")
        .await;
}
