//! Objects as JSON, as large as real ones.
//!
//! Pods come five to a workload. Of ten workloads one is a StatefulSet, one a LeaderWorkerSet whose leader owns the
//! StatefulSet of its workers, and the others are Deployments with ReplicaSets of former revisions.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::world::Pod;

/// Pods of one workload.
const SIZE: u32 = 5;

/// A kind of object that is listed and watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod,
    ReplicaSet,
    StatefulSet,
    Deployment,
    Job,
    LeaderWorkerSet,
    Autoscaler,
}

/// What a workload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Workload {
    Stateful,
    Leading,
    Deployed,
}

fn workload(number: u32) -> Workload {
    match number % 10 {
        0 => Workload::Stateful,
        1 => Workload::Leading,
        _ => Workload::Deployed,
    }
}

impl Kind {
    pub(crate) fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/api/v1/pods" => Self::Pod,
            "/apis/apps/v1/replicasets" => Self::ReplicaSet,
            "/apis/apps/v1/statefulsets" => Self::StatefulSet,
            "/apis/apps/v1/deployments" => Self::Deployment,
            "/apis/batch/v1/jobs" => Self::Job,
            "/apis/leaderworkerset.x-k8s.io/v1/leaderworkersets" => Self::LeaderWorkerSet,
            "/apis/autoscaling/v2/horizontalpodautoscalers" => Self::Autoscaler,
            _ => return None,
        })
    }

    /// Roughly the bytes of one.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::Pod => 8 << 10,
            _ => 3 << 10,
        }
    }

    pub(crate) fn count(self, workloads: u32, pods: usize, autoscalers: u32, revisions: u32) -> usize {
        let tens = workloads as usize / 10;
        match self {
            Self::Pod => pods,
            Self::Autoscaler => autoscalers as usize,
            Self::Job => 0,
            Self::Deployment => tens * 8,
            Self::ReplicaSet => tens * 8 * (1 + revisions as usize),
            // Of a LeaderWorkerSet there are two: the leader's and the workers'.
            Self::StatefulSet => tens * 3,
            Self::LeaderWorkerSet => tens,
        }
    }

    /// Appends the metadata of the object of this number.
    pub(crate) fn render(self, number: u32, namespaces: u32, revisions: u32, to: &mut Vec<u8>) {
        let (number, name, controller) = match self {
            Self::ReplicaSet => {
                let (deployed, revision) = (number / (1 + revisions), number % (1 + revisions));
                let workload = deployed / 8 * 10 + 2 + deployed % 8;
                (workload, replica_set(workload, revision), Some(("Deployment", base(workload))))
            }
            Self::Deployment => {
                let workload = number / 8 * 10 + 2 + number % 8;
                (workload, base(workload), None)
            }
            Self::StatefulSet => {
                let ten = number / 3 * 10;
                match number % 3 {
                    0 => (ten, base(ten), None),
                    1 => (ten + 1, base(ten + 1), Some(("LeaderWorkerSet", base(ten + 1)))),
                    _ => {
                        let leader = format!("{}-0", base(ten + 1));
                        (ten + 1, leader.clone(), Some(("Pod", leader)))
                    }
                }
            }
            _ => (number * 10 + 1, base(number * 10 + 1), None),
        };
        let labels = json!({"app": base(number)});
        let metadata = metadata((&name, &name), number % namespaces.max(1), 1, controller.as_ref(), &labels);
        let kind = r#"{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata""#;
        to.extend_from_slice(format!("{kind},\"metadata\":{metadata}}}").as_bytes());
    }

    pub(crate) fn bookmark(self, version: u64, to: &mut Vec<u8>) {
        let metadata = json!({"resourceVersion": version.to_string(), "creationTimestamp": null});
        let object = json!({"apiVersion": "v1", "kind": format!("{self:?}"), "metadata": metadata});
        // `type` comes first, as servers send it.
        let text = format!("{{\"type\":\"BOOKMARK\",\"object\":{object}}}\n");
        to.extend_from_slice(text.as_bytes());
    }
}

fn base(workload: u32) -> String {
    format!("llama-3-70b-instruct-{workload}")
}

fn replica_set(workload: u32, revision: u32) -> String {
    format!("{}-{:08x}", base(workload), workload.wrapping_mul(2_654_435_761) ^ revision)
}

/// An object's metadata; its UID is made from `made`.
fn metadata(
    (name, made): (&str, &str),
    namespace: u32,
    version: u64,
    controller: Option<&(&str, String)>,
    labels: &Value,
) -> String {
    let owners: Vec<Value> = controller
        .iter()
        .map(|(kind, name)| {
            json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid(name), "controller": true, "blockOwnerDeletion": true})
        })
        .collect();
    let text = json!({
        "name": name, "namespace": format!("team-{namespace}"), "uid": uid(made),
        "resourceVersion": version.to_string(), "generation": 1,
        "creationTimestamp": "2026-01-01T00:00:00Z", "labels": labels, "ownerReferences": owners,
        "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8000", "team.example.com/contact": "inference@example.com"},
    })
    .to_string();
    // A good part of the text is always the same, so it is not made anew.
    format!("{},\"managedFields\":{}}}", text.strip_suffix('}').unwrap_or_default(), *MANAGED)
}

fn uid(name: &str) -> String {
    let sum = name.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(1_099_511_628_211) ^ u64::from(byte));
    format!("{:08x}-0000-4000-8000-{:012x}", sum >> 32, sum & 0xffff_ffff_ffff)
}

/// What the server notes of who set which field; a good part of any object.
static MANAGED: LazyLock<String> = LazyLock::new(|| {
    let fields = |part: &str, count: u32| -> serde_json::Map<String, Value> {
        (0..count)
            .map(|number| (format!("f:{part}Setting{number}"), json!({".": {}, "f:value": {}})))
            .collect()
    };
    let entry = |manager: &str, part: &str, count: u32| json!({"manager": manager, "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": fields(part, count)}});
    json!([entry("kube-controller-manager", "container", 20), entry("kubelet", "status", 16)]).to_string()
});

/// A pod's text, in parts between which stands what differs.
static POD: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mark = "\u{0}";
    let env: Vec<Value> = (0..20)
        .map(|number| json!({"name": format!("ENGINE_SETTING_{number}"), "value": format!("value-of-setting-{number}")}))
        .collect();
    let mounts = json!([{"name": "weights", "mountPath": "/models"}, {"name": "shm", "mountPath": "/dev/shm"}, {"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}]);
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-01-01T00:01:00Z"});
    let spec = json!({
        "containers": [{
            "name": "engine", "image": "registry.example.com/inference/engine:v1.2.3",
            "args": ["--model=/models/llama", "--tensor-parallel-size=8", "--max-model-len=32768", "--gpu-memory-utilization=0.92"],
            "env": env, "volumeMounts": mounts,
            "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}, {"name": "metrics", "containerPort": 9400, "protocol": "TCP"}],
            "resources": {"limits": {"nvidia.com/gpu": "8", "memory": "400Gi"}, "requests": {"cpu": "32", "nvidia.com/gpu": "8", "memory": "400Gi"}},
            "startupProbe": {"httpGet": {"path": "/health", "port": "http"}, "failureThreshold": 120, "periodSeconds": 5},
            "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 5},
        }],
        "volumes": [{"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}, {"name": "shm", "emptyDir": {"medium": "Memory"}}, {"name": "token", "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}}],
        "nodeName": "gpu-node", "schedulerName": "default-scheduler", "serviceAccountName": "engine",
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}, {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
    });
    let conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(condition);
    let text = format!(
        "{{\"metadata\":{mark},\"spec\":{spec},\"status\":{{\"phase\":\"Running\",\"conditions\":{conditions},\"hostIP\":\"192.168.1.1\",\"hostIPs\":[{{\"ip\":\"192.168.1.1\"}}],\"podIP\":\"{mark}\",\"podIPs\":[{{\"ip\":\"{mark}\"}}],\"startTime\":\"2026-01-01T00:00:00Z\",\"containerStatuses\":[{{\"name\":\"engine\",\"ready\":true,\"restartCount\":{mark},\"image\":\"registry.example.com/inference/engine:v1.2.3\",\"imageID\":\"registry.example.com/inference/engine@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"state\":{{\"running\":{{\"startedAt\":\"2026-01-01T00:01:00Z\"}}}}}}],\"qosClass\":\"Burstable\"}}}}",
        conditions = json!(conditions),
    );
    text.split(mark).map(str::to_owned).collect()
});

/// Appends a pod.
pub(crate) fn pod(pod: &Pod, namespaces: u32, to: &mut Vec<u8>) {
    let (number, index) = (pod.place / SIZE, pod.place % SIZE);
    let base = base(number);
    let (name, controller) = match workload(number) {
        Workload::Stateful => (format!("{base}-{index}"), ("StatefulSet", base.clone())),
        Workload::Leading if index == 0 => (format!("{base}-0"), ("StatefulSet", base.clone())),
        Workload::Leading => (format!("{base}-0-{index}"), ("StatefulSet", format!("{base}-0"))),
        Workload::Deployed => {
            let set = replica_set(number, 0);
            (format!("{set}-{:05x}", pod.life * SIZE + index), ("ReplicaSet", set))
        }
    };
    let mut labels = json!({
        "app.kubernetes.io/name": base, "app.kubernetes.io/component": "inference", "app.kubernetes.io/part-of": "serving",
        "model": "llama-3-70b-instruct", "engine": "vllm", "gpu": "h100", "team": format!("team-{}", number % namespaces.max(1)),
    });
    match workload(number) {
        Workload::Deployed => labels["pod-template-hash"] = json!(controller.1.rsplit('-').next()),
        _ => labels["apps.kubernetes.io/pod-index"] = json!(index.to_string()),
    }
    let made = format!("{name}-{}", pod.life);
    let metadata =
        metadata((&name, &made), number % namespaces.max(1), pod.version, Some(&controller), &labels);
    let address = format!("10.{}.{}.{}", pod.place >> 16, pod.place >> 8 & 0xff, pod.place & 0xff);
    let mut between = [metadata, address.clone(), address, pod.changes.to_string()].into_iter();
    for part in POD.iter() {
        to.extend_from_slice(part.as_bytes());
        to.extend_from_slice(between.next().unwrap_or_default().as_bytes());
    }
}

/// Appends an autoscaler, of the Deployment of this number.
pub(crate) fn autoscaler(number: u32, namespaces: u32, to: &mut Vec<u8>) {
    let workload = number / 8 * 10 + 2 + number % 8;
    let base = base(workload);
    let metrics = ["inference_requests_in_system", "inference_time_to_first_token_seconds_p95"];
    let specs = metrics.map(|metric| {
        json!({"type": "External", "external": {"metric": {"name": metric, "selector": {"matchLabels": {"deployment": base}}}, "target": {"type": "AverageValue", "averageValue": "16"}}})
    });
    let object = json!({
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": base}, "minReplicas": 1, "maxReplicas": 20, "metrics": specs},
        "status": {"currentReplicas": 5, "desiredReplicas": 5, "currentMetrics": specs, "conditions": [{"type": "AbleToScale", "status": "True", "reason": "ReadyForNewScale", "message": "recommended size matches current size", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    });
    let metadata = metadata((&base, &base), workload % namespaces.max(1), 1, None, &json!({"app": base}));
    let rest = object.to_string();
    to.extend_from_slice(
        format!("{{\"metadata\":{metadata},{}", rest.strip_prefix('{').unwrap_or_default()).as_bytes(),
    );
}

/// What an aggregated server learns about the server in front of it.
pub(crate) fn authentication() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system", "resourceVersion": "1"},
        "data": {
            "client-ca-file": *AUTHORITY, "requestheader-client-ca-file": *AUTHORITY,
            "requestheader-allowed-names": "[\"front-proxy-client\"]", "requestheader-username-headers": "[\"X-Remote-User\"]",
            "requestheader-group-headers": "[\"X-Remote-Group\"]", "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
        },
    })
}

static AUTHORITY: LazyLock<String> = LazyLock::new(|| {
    rcgen::generate_simple_self_signed(["front-proxy-ca".to_owned()])
        .map(|made| made.cert.pem())
        .unwrap_or_default()
});
