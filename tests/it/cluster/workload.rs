//! A Deployment whose controllers and kubelet the test plays, with pods that show true metrics pages.
//!
//! Its pods are numbered; as many of the first ones are there as the Deployment asks for. Prometheus
//! scrapes them all from the beginning: one that is not there shows an empty page.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::Admin;
use crate::support::{Exposition, Target, fixture};

/// Between two looks of the Deployment's controller.
const EVERY: Duration = Duration::from_millis(300);

/// Requests that Triton finishes in a second, in each pod.
const FINISHED: f64 = 10.0;

/// What a pod's page is made of: requests in its queue, and microseconds that a request waited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub(super) waiting: f64,
    pub(super) wait: f64,
}

pub(super) struct Workload {
    pub(super) name: &'static str,
    stage: Arc<Stage>,
    controller: JoinHandle<()>,
}

struct Stage {
    /// How many pods there are.
    pods: AtomicUsize,
    /// How many of them serve.
    ready: AtomicUsize,
    /// Whether those that are not ready stay so.
    slow: AtomicBool,
    /// The most there may be.
    most: usize,
    /// Whether each bears its part, and not the first one all.
    shares: bool,
    /// Of all of them together.
    load: Mutex<Load>,
}

impl Stage {
    /// What this pod has to bear, if it is there.
    fn share(&self, number: usize) -> Option<Load> {
        let (pods, load) = (self.ready.load(Relaxed), *self.load.lock().expect("no panic"));
        let part = |of: f64| match (self.shares, number) {
            (true, _) => of / pods as f64,
            (false, 0) => of,
            (false, _) => 0.0,
        };
        (number < pods).then(|| Load { waiting: part(load.waiting), wait: part(load.wait) })
    }
}

/// The namespace of all workloads.
pub(super) const NAMESPACE: &str = "ai";

/// The most pods that a workload can have.
pub(super) const MOST: usize = 4;

impl Workload {
    /// A Deployment of vLLM with one pod, and what Prometheus scrapes of it.
    pub(super) async fn vllm(admin: &Admin, pages: &Exposition, load: Load) -> (Self, Vec<Target>) {
        Self::start(admin, pages, ("vllm", MOST, true), load, vllm_page).await
    }

    /// A Deployment of Triton with one pod, and what Prometheus scrapes of it.
    pub(super) async fn triton(admin: &Admin, pages: &Exposition, load: Load) -> (Self, Vec<Target>) {
        Self::start(admin, pages, ("triton", MOST, true), load, triton_page).await
    }

    /// A Deployment of vLLM that may have this many pods, with no more on its pages than queues. All
    /// requests are with its first pod: what is passed on from pod to pod is seen twice or not at all
    /// between two scrapes, and a fleet that must stay as it is would not.
    pub(super) async fn small_vllm(
        admin: &Admin,
        pages: &Exposition,
        most: usize,
        load: Load,
    ) -> (Self, Vec<Target>) {
        Self::start(admin, pages, ("vllm", most, false), load, small_vllm_page).await
    }

    async fn start<P: FnMut(&Load) -> String + Send + 'static>(
        admin: &Admin,
        pages: &Exposition,
        (name, most, shares): (&'static str, usize, bool),
        load: Load,
        page: fn() -> P,
    ) -> (Self, Vec<Target>) {
        let stage = Arc::new(Stage {
            pods: AtomicUsize::new(0),
            ready: AtomicUsize::new(0),
            slow: AtomicBool::new(false),
            most,
            shares,
            load: Mutex::new(load),
        });
        let targets = (0..most).map(|number| {
            let pod = pod_name(name, number);
            let mut target = pages.pod(NAMESPACE, &pod, "");
            // As the Prometheus Operator labels what it finds through a Service.
            target.labels.insert("service".to_owned(), name.to_owned());
            let (stage, page) = (Arc::clone(&stage), Mutex::new(page()));
            pages.render(&format!("/{NAMESPACE}/{pod}"), move || match stage.share(number) {
                Some(load) => page.lock().expect("no panic")(&load),
                None => String::new(),
            });
            target
        });
        let targets = targets.collect();
        let controller = Controller::new(admin.clone(), name, Arc::clone(&stage)).await;
        (Self { name, stage, controller: tokio::spawn(controller.run()) }, targets)
    }

    /// Changes what all pods together have to bear.
    pub(super) fn set(&self, load: Load) {
        *self.stage.load.lock().expect("no panic") = load;
    }

    /// Whether pods that come from now on load until this is taken back. Those that load already are ready
    /// then.
    pub(super) fn load_slowly(&self, slow: bool) {
        self.stage.slow.store(slow, Relaxed);
    }

    pub(super) fn pods(&self) -> usize {
        self.stage.pods.load(Relaxed)
    }
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.controller.abort();
    }
}

/// Plays the controllers of Deployments and ReplicaSets, the scheduler and the kubelet.
struct Controller {
    admin: Admin,
    name: &'static str,
    deployment: Json,
    replica_set: Json,
    stage: Arc<Stage>,
}

impl Controller {
    /// Makes the Deployment, its ReplicaSet and the first pod.
    async fn new(admin: Admin, name: &'static str, stage: Arc<Stage>) -> Self {
        let spec = json!({
            "replicas": 1,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "engine", "image": "engine.example/engine:1" }] },
            },
        });
        let metadata = |name: &str| json!({ "namespace": NAMESPACE, "name": name });
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name), "spec": spec,
        });
        let deployment = admin.create(&deployment).await;
        let mut replica_set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata(&format!("{name}-{HASH}")),
            "spec": spec,
        });
        replica_set["metadata"]["ownerReferences"] = owners(&deployment);
        let replica_set = admin.create(&replica_set).await;
        let controller = Self { admin, name, deployment, replica_set, stage };
        controller.reconcile().await;
        controller
    }

    async fn run(self) {
        loop {
            self.reconcile().await;
            sleep(EVERY).await;
        }
    }

    /// As many pods as the Deployment asks for.
    async fn reconcile(&self) {
        let deployment = self.admin.get(&self.deployment).await;
        let wanted = deployment["spec"]["replicas"].as_u64().expect("a number") as usize;
        assert!(wanted <= self.stage.most, "{wanted} replicas of {}", self.name);
        let mut pods = self.stage.pods.load(Relaxed);
        let (mut ready, slow) = (self.stage.ready.load(Relaxed), self.stage.slow.load(Relaxed));
        if pods == wanted && (ready == pods || slow) {
            return;
        }
        while pods < wanted {
            self.admin.create(&self.pod(pods)).await;
            self.reach(pods, false).await;
            pods += 1;
            self.stage.pods.store(pods, Relaxed);
        }
        while pods > wanted {
            pods -= 1;
            ready = ready.min(pods);
            self.stage.ready.store(ready, Relaxed);
            self.stage.pods.store(pods, Relaxed);
            self.admin.delete(&self.pod(pods)).await;
        }
        while ready < pods && !slow {
            self.reach(ready, true).await;
            ready += 1;
            self.stage.ready.store(ready, Relaxed);
        }
        let mut status = self.deployment.clone();
        status
            .as_object_mut()
            .expect("an object")
            .retain(|field, _| ["apiVersion", "kind"].contains(&field.as_str()));
        status["metadata"] = json!({ "namespace": NAMESPACE, "name": self.name });
        status["status"] = json!({
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": pods, "readyReplicas": ready, "availableReplicas": ready, "updatedReplicas": pods,
        });
        self.admin.merge_status(&status).await;
    }

    /// A pod runs, and is ready or is not.
    async fn reach(&self, number: usize, ready: bool) {
        let mut pod = self.pod(number);
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let address = format!("10.1.0.{}", number + 1);
        let pod = pod.as_object_mut().expect("an object");
        pod.remove("spec");
        pod.insert(
            "status".to_owned(),
            json!({
                "phase": "Running", "startTime": now, "podIP": address, "podIPs": [{ "ip": address }],
                "conditions": [{
                    "type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": now,
                }],
            }),
        );
        self.admin.merge_status(&Json::Object(pod.clone())).await;
    }

    fn pod(&self, number: usize) -> Json {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "namespace": NAMESPACE,
                "name": pod_name(self.name, number),
                "labels": { "app": self.name, "pod-template-hash": HASH },
                "ownerReferences": owners(&self.replica_set),
            },
            "spec": {
                "nodeName": "gpu-node-1",
                "containers": [{ "name": "engine", "image": "engine.example/engine:1" }],
            },
        })
    }
}

const HASH: &str = "6d5f7c9b84";

fn pod_name(workload: &str, number: usize) -> String {
    let few = ["x2x4k", "tt8zd", "9vwlq", "kc5mn"];
    few.get(number).map_or_else(
        || format!("{workload}-{HASH}-n{number:04}"),
        |suffix| format!("{workload}-{HASH}-{suffix}"),
    )
}

fn owners(owner: &Json) -> Json {
    json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"],
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"], "controller": true,
    }])
}

/// A recorded page, nothing running, with this queue.
fn vllm_page() -> impl FnMut(&Load) -> String {
    let recorded = fixture("vllm-0.33.0.txt");
    move |load| {
        replaced(&recorded, |series, _| match series {
            "vllm:num_requests_running" => Some(0.0),
            "vllm:num_requests_waiting" => Some(load.waiting),
            _ => None,
        })
    }
}

/// What a queue is known by, and nothing else.
fn small_vllm_page() -> impl FnMut(&Load) -> String {
    |load| {
        format!(
            "vllm:num_requests_running{{model_name=\"m\"}} 0\nvllm:num_requests_waiting{{model_name=\"m\"}} {}\n\
             vllm:kv_cache_usage_perc{{model_name=\"m\"}} 0\n",
            load.waiting
        )
    }
}

/// The model that is asked.
const MODEL: &str = "model=\"rerank\"";

/// A recorded page of two models; a pod's requests are all of the first, and their counters go on.
fn triton_page() -> impl FnMut(&Load) -> String {
    let recorded = fixture("triton-core.txt");
    let (mut finished, mut waited, mut last) = (0.0, 0.0, Instant::now());
    move |load| {
        let now = Instant::now();
        let more = FINISHED * (now - last).as_secs_f64();
        (finished, waited, last) = (finished + more, waited + more * load.wait, now);
        replaced(&recorded, |series, labels| match series {
            "nv_inference_pending_request_count" if !labels.contains(MODEL) => Some(0.0),
            _ if !labels.contains(MODEL) => None,
            "nv_inference_request_success" => Some(finished),
            "nv_inference_queue_duration_us" => Some(waited),
            "nv_inference_pending_request_count" => Some(load.waiting),
            _ => None,
        })
    }
}

/// A page with other values for some of its series, by name and labels.
fn replaced(page: &str, value: impl Fn(&str, &str) -> Option<f64>) -> String {
    let line = |line: &str| {
        let (series, labels) = line.split_once('{')?;
        let (labels, _) = labels.rsplit_once('}')?;
        Some(format!("{series}{{{labels}}} {}\n", value(series, labels)?))
    };
    page.lines().map(|text| line(text).unwrap_or_else(|| format!("{text}\n"))).collect()
}
