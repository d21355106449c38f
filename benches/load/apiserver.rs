//! The API server of the made-up cluster: lists and quiet watches of its pods, ReplicaSets and autoscalers, the trust
//! anchors of front proxies, and reviews that let everybody in.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};

use super::caller::HPA_CONTROLLER;
use super::world::{World, metric, name, pod_name, selector};

/// What it knows.
pub(crate) struct Cluster {
    pub(crate) world: World,
    /// Who issues the certificates of front proxies and clients, PEM.
    pub(crate) authority: String,
}

type Parameters = HashMap<String, String>;

/// A kind that is listed and watched.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Pod,
    ReplicaSet,
    Autoscaler,
    /// One of which there is none.
    None,
}

impl Kind {
    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/api/v1/pods" => Self::Pod,
            "/apis/apps/v1/replicasets" => Self::ReplicaSet,
            "/apis/autoscaling/v2/horizontalpodautoscalers" => Self::Autoscaler,
            "/apis/apps/v1/statefulsets" | "/apis/apps/v1/deployments" | "/apis/batch/v1/jobs" => Self::None,
            _ => return None,
        })
    }

    fn count(self, world: World) -> u32 {
        match self {
            Self::Pod => world.pods,
            Self::ReplicaSet => world.workloads(),
            Self::Autoscaler => world.hpas,
            Self::None => 0,
        }
    }

    fn object(self, world: World, number: u32) -> Value {
        let workload = world.workload(number);
        match self {
            Self::Pod => pod(world, workload, number),
            Self::Autoscaler => autoscaler(world, workload, number),
            _ => {
                let owner = ("Deployment", name(workload));
                let metadata = metadata(world, workload, &replica_set(workload), Some(owner), &json!({}));
                json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata})
            }
        }
    }
}

fn replica_set(workload: u32) -> String {
    format!("{}-7d4b9c6f58", name(workload))
}

fn metadata(world: World, workload: u32, name: &str, owner: Option<(&str, String)>, labels: &Value) -> Value {
    let owners: Vec<Value> = owner
        .map(|(kind, name)| json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": name, "controller": true}))
        .into_iter()
        .collect();
    json!({
        "name": name, "namespace": world.namespace(workload), "uid": name, "resourceVersion": "1",
        "creationTimestamp": "2026-01-01T00:00:00Z", "labels": labels, "ownerReferences": owners,
    })
}

fn pod(world: World, workload: u32, number: u32) -> Value {
    let labels = json!({"app": name(workload), "tier": "gold", "model": "llama-3-70b-instruct", "pod-template-hash": "7d4b9c6f58"});
    let owner = ("ReplicaSet", replica_set(workload));
    let address = format!("10.{}.{}.{}", number >> 16, number >> 8 & 0xff, number & 0xff);
    json!({
        "metadata": metadata(world, workload, &pod_name(workload, number), Some(owner), &labels),
        "spec": {"nodeName": format!("gpu-{}", number % 1000), "containers": [{"name": "vllm", "ports": [{"name": "http", "containerPort": 8000}]}]},
        "status": {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]},
    })
}

fn autoscaler(world: World, workload: u32, number: u32) -> Value {
    // A matchLabels would not have all kinds of selectors, and only the metric's name is read ahead.
    let labels = selector(number, workload).map_or_else(|| json!({}), |_| json!({"app": name(workload)}));
    let metric = json!({"type": "External", "external": {
        "metric": {"name": metric(world.signal(workload)), "selector": {"matchLabels": labels}},
        "target": {"type": "AverageValue", "averageValue": "16"},
    }});
    json!({
        "metadata": metadata(world, workload, &format!("hpa-{number}"), None, &json!({})),
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name(workload)}, "maxReplicas": 20, "metrics": [metric]},
        "status": {"currentReplicas": 1, "desiredReplicas": 1},
    })
}

/// Its answers.
pub(crate) fn router(cluster: Cluster) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(cluster))
}

async fn answer(
    State(cluster): State<Arc<Cluster>>,
    method: Method,
    uri: Uri,
    Query(parameters): Query<Parameters>,
    body: Bytes,
) -> Response {
    let is_watch = parameters.get("watch").is_some_and(|value| value == "true" || value == "1");
    if let Some(kind) = Kind::at(uri.path()).filter(|_| method == Method::GET) {
        return if is_watch { watch(kind, &parameters) } else { list(cluster.world, kind, &parameters) };
    }
    let last = uri.path().rsplit('/').next().unwrap_or_default();
    let mut sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    match (&method, last) {
        (&Method::GET, "configmaps") if is_watch => watch(Kind::None, &parameters),
        (&Method::GET, "configmaps") => {
            let is_trust = parameters
                .get("fieldSelector")
                .is_some_and(|field| field.ends_with("=extension-apiserver-authentication"));
            let items: Vec<Value> = is_trust.then(|| trust(&cluster.authority)).into_iter().collect();
            told(
                StatusCode::OK,
                &json!({"kind": "ConfigMapList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items}),
            )
        }
        (&Method::POST, "tokenreviews") => {
            sent["status"] = json!({"authenticated": true, "user": {"username": HPA_CONTROLLER}});
            told(StatusCode::CREATED, &sent)
        }
        (&Method::POST, "subjectaccessreviews") => {
            sent["status"] = json!({"allowed": true});
            told(StatusCode::CREATED, &sent)
        }
        (&Method::POST, _) => told(StatusCode::CREATED, &sent),
        (&Method::PUT | &Method::PATCH, _) => told(StatusCode::OK, &sent),
        _ => told(
            StatusCode::NOT_FOUND,
            &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": "not found", "code": 404}),
        ),
    }
}

fn list(world: World, kind: Kind, parameters: &Parameters) -> Response {
    let number = |name: &str| parameters.get(name).and_then(|text| text.parse().ok());
    let (limit, from) = (number("limit").unwrap_or(u32::MAX), number("continue").unwrap_or(0_u32));
    let count = kind.count(world);
    let end = count.min(from.saturating_add(limit));
    let more = if end < count { end.to_string() } else { String::new() };
    let items: Vec<Value> = (from..end).map(|number| kind.object(world, number)).collect();
    told(
        StatusCode::OK,
        &json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1", "continue": more}, "items": items}),
    )
}

/// Nothing happens, and a bookmark ends it.
fn watch(kind: Kind, parameters: &Parameters) -> Response {
    let seconds = parameters.get("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(300);
    let kind = match kind {
        Kind::Pod => "Pod",
        Kind::Autoscaler => "HorizontalPodAutoscaler",
        _ => "PartialObjectMetadata",
    };
    let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"resourceVersion": "1", "creationTimestamp": null}});
    // `type` comes first, as servers send it.
    let line = format!("{{\"type\":\"BOOKMARK\",\"object\":{object}}}\n");
    let lines = stream::once(async move {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        Ok::<_, Infallible>(line)
    });
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(lines)).into_response()
}

/// What an aggregated server learns about the server in front of it.
fn trust(authority: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system", "resourceVersion": "1"},
        "data": {
            "client-ca-file": authority, "requestheader-client-ca-file": authority,
            "requestheader-allowed-names": "[\"front-proxy-client\"]",
            "requestheader-username-headers": "[\"X-Remote-User\"]", "requestheader-group-headers": "[\"X-Remote-Group\"]",
            "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
        },
    })
}

fn told(code: StatusCode, value: &Value) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
