//! A cluster that is told events one by one, and an API server that answers as the test says.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use futures_util::stream;
use http::{Request, Response};
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::cluster::Cluster;
use crate::cluster::follow::Sink;
use crate::cluster::hpas::Autoscalers;
use crate::cluster::inventory::{OwnerSink, PodSink};
use crate::cluster::owners::OWNERS;
use crate::core::workload::{Inventory as _, Knowledge};

/// A cluster that is told events one by one.
pub(super) struct Told {
    pub(super) cluster: Arc<Cluster>,
}

impl Told {
    /// Of which all owners were listed, so that changes take effect at once.
    pub(super) fn new() -> Self {
        let told = Self { cluster: Arc::new(Cluster::new(Arc::new(Autoscalers::default()))) };
        told.cluster.know(&Knowledge::Complete);
        told
    }

    pub(super) fn pods(&self) -> PodSink {
        PodSink(Arc::clone(&self.cluster))
    }

    pub(super) fn owners(&self, kind: &str) -> OwnerSink {
        let kind = OWNERS.iter().find(|known| known.name == kind).expect("a kind that is watched").name;
        OwnerSink { cluster: Arc::clone(&self.cluster), kind }
    }

    /// Tells of an object, of a kind in lower case.
    pub(super) fn apply(&self, kind: &str, object: &Value) {
        if kind == "pod" {
            self.pods().apply(decoded(object));
        } else {
            self.owners(kind).apply(decoded(object));
        }
    }

    pub(super) fn remove(&self, kind: &str, name: &str) {
        if kind == "pod" {
            self.pods().remove("ai", name);
        } else {
            self.owners(kind).remove("ai", name);
        }
    }

    /// A pod's owners, the nearest first: `replicaset/vllm-1 deployment/vllm`.
    pub(super) fn chain(&self, pod: &str) -> String {
        let pod = self.cluster.pod("ai", pod).expect("the pod is known");
        pod.owners.iter().map(|one| format!("{}/{}", one.kind, one.name)).collect::<Vec<_>>().join(" ")
    }

    pub(super) fn version(&self) -> u64 {
        self.cluster.version(Some("ai"))
    }
}

pub(super) fn decoded<T: serde::de::DeserializeOwned>(object: &Value) -> T {
    serde_json::from_str(&object.to_string()).expect("the object is well-formed")
}

/// An object of the namespace `ai`, with its controller as `Kind/name` or none.
pub(super) fn object(name: &str, controller: &str) -> Value {
    let owners = match controller.split_once('/') {
        Some((kind, name)) => json!([
            {"kind": "Node", "name": "some-node", "apiVersion": "v1", "uid": "u"},
            {"kind": kind, "name": name, "apiVersion": "apps/v1", "uid": "u", "controller": true},
        ]),
        None => json!([]),
    };
    json!({"metadata": {"name": name, "namespace": "ai", "resourceVersion": "7", "ownerReferences": owners, "managedFields": [{"f": {}}]}})
}

/// A running pod with an address.
pub(super) fn pod(name: &str, controller: &str, ip: &str) -> Value {
    let mut pod = object(name, controller);
    pod["metadata"]["labels"] = json!({"app": "vllm"});
    pod["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    pod["spec"] = json!({"containers": [{"name": "engine", "ports": [{"containerPort": 8000}]}]});
    pod["status"] = json!({"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "192.168.0.1"});
    pod
}

pub(super) const PODS: &str = "/api/v1/pods";
pub(super) const REPLICA_SETS: &str = "/apis/apps/v1/replicasets";
pub(super) const LEADER_WORKER_SETS: &str = "/apis/leaderworkerset.x-k8s.io/v1/leaderworkersets";

/// An API server in memory. Lists are empty and watches quiet until the test says otherwise.
#[derive(Clone, Default)]
pub(super) struct Api(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    items: HashMap<&'static str, Vec<Value>>,
    /// What is answered in place of lists, and of watches.
    refused: HashMap<&'static str, u16>,
    silent: bool,
    watches: HashMap<String, mpsc::UnboundedSender<String>>,
    asked: Vec<String>,
}

impl Api {
    pub(super) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<kube::client::Body>| {
            let api = api.clone();
            async move {
                if api.state().silent {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(api.answer(&request))
            }
        });
        Client::new(service, "default")
    }

    /// What a list holds from now on.
    pub(super) fn set(&self, path: &'static str, items: Vec<Value>) {
        self.state().items.insert(path, items);
    }

    /// From now on this code is answered, or none if it is 0.
    pub(super) fn refuse(&self, path: &'static str, code: u16) {
        self.state().refused.insert(path, code);
    }

    /// Ends a watch.
    pub(super) fn end(&self, path: &str) {
        self.state().watches.remove(path);
    }

    /// Stops, with all connections open, or goes on.
    pub(super) fn stop(&self, silent: bool) {
        self.state().silent = silent;
    }

    /// Sends an event on the watch of `path`.
    pub(super) fn tell(&self, path: &str, what: &str, object: &Value) {
        self.tell_line(path, &format!("{{\"type\":\"{what}\",\"object\":{object}}}"));
    }

    pub(super) fn tell_line(&self, path: &str, line: &str) {
        let state = self.state();
        state.watches[path].send(format!("{line}\n")).expect("somebody watches");
    }

    /// How many requests began so.
    pub(super) fn asked(&self, start: &str) -> usize {
        self.state().asked.iter().filter(|asked| asked.starts_with(start)).count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with it")
    }

    fn answer(&self, request: &Request<kube::client::Body>) -> Response<Body> {
        let (path, query) = (request.uri().path().to_owned(), request.uri().query().unwrap_or_default());
        let mut state = self.state();
        state.asked.push(format!("{path}?{query}"));
        if let Some(code) = state.refused.get(path.as_str()).filter(|code| **code != 0) {
            let status = json!({"kind": "Status", "status": "Failure", "code": code, "reason": "Refused", "message": "refused"});
            return Response::builder().status(*code).body(Body::from(status.to_string())).expect("a code");
        }
        if query.contains("watch=true") {
            let (sender, receiver) = mpsc::unbounded_channel();
            state.watches.insert(path, sender);
            let lines = stream::unfold(receiver, |mut receiver| async move {
                let line = receiver.recv().await?;
                Some((Ok::<_, Infallible>(Bytes::from(line)), receiver))
            });
            return Response::new(Body::from_stream(lines));
        }
        // One object to a page.
        let empty = Vec::new();
        let items = state.items.get(path.as_str()).unwrap_or(&empty);
        let token = query.split('&').find_map(|part| part.strip_prefix("continue="));
        let from: usize = token.map_or(0, |token| token.parse().expect("a token of ours"));
        let more = if from + 1 < items.len() { (from + 1).to_string() } else { String::new() };
        let page = json!({"kind": "List", "metadata": {"resourceVersion": "10", "continue": more}, "items": items.get(from).map(|one| vec![one])});
        Response::new(Body::from(page.to_string()))
    }
}
