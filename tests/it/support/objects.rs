//! Kubernetes objects, as short as tests can have them.

use serde_json::{Value as Json, json};

/// A pod that is running and ready, without an address.
pub(crate) fn pod(namespace: &str, name: &str, labels: &[(&str, &str)]) -> Json {
    let labels: Json = labels.iter().map(|(key, value)| ((*key).to_owned(), Json::from(*value))).collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "namespace": namespace, "name": name, "labels": labels },
        "spec": { "nodeName": "gpu-node-0", "containers": [{
            "name": "engine", "image": "vllm",
            "ports": [{ "name": "http", "containerPort": 8000, "protocol": "TCP" }],
        }] },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    })
}

/// With this address.
pub(crate) fn at(mut pod: Json, ip: &str) -> Json {
    pod["status"]["podIP"] = ip.into();
    pod["status"]["podIPs"] = json!([{ "ip": ip }]);
    pod
}

/// Something with a name; all that most objects need to be here.
pub(crate) fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Json {
    let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name } });
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

/// Controlled by this object of its namespace.
pub(crate) fn owned(mut object: Json, api_version: &str, kind: &str, name: &str) -> Json {
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": api_version, "kind": kind, "name": name, "uid": format!("uid-of-{name}"),
        "controller": true, "blockOwnerDeletion": true,
    }]);
    object
}

/// A Deployment, its one ReplicaSet, and pods of it: `NAME-1-0`, `NAME-1-1` ….
pub(crate) fn deployment(namespace: &str, name: &str, pods: usize) -> Vec<Json> {
    let set = format!("{name}-1");
    let mut all = vec![
        object("apps/v1", "Deployment", namespace, name),
        owned(object("apps/v1", "ReplicaSet", namespace, &set), "apps/v1", "Deployment", name),
    ];
    for index in 0..pods {
        let pod = pod(namespace, &format!("{set}-{index}"), &[("app", name)]);
        all.push(owned(pod, "apps/v1", "ReplicaSet", &set));
    }
    all
}

/// A StatefulSet and pods of it: `NAME-0`, `NAME-1` ….
pub(crate) fn statefulset(namespace: &str, name: &str, pods: usize) -> Vec<Json> {
    let mut all = vec![object("apps/v1", "StatefulSet", namespace, name)];
    for index in 0..pods {
        let pod = pod(namespace, &format!("{name}-{index}"), &[("app", name)]);
        all.push(owned(pod, "apps/v1", "StatefulSet", name));
    }
    all
}

/// An HPA of this Deployment with these `spec.metrics`.
pub(crate) fn hpa(namespace: &str, deployment: &str, metrics: &Json) -> Json {
    let mut hpa = object("autoscaling/v2", "HorizontalPodAutoscaler", namespace, deployment);
    hpa["spec"] = json!({
        "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": deployment },
        "minReplicas": 1, "maxReplicas": 10, "metrics": metrics,
    });
    hpa["status"] = json!({ "currentReplicas": 2, "desiredReplicas": 2 });
    hpa
}

/// A metric of type External with an average value as its target.
pub(crate) fn external(metric: &str, labels: &Json, average: &str) -> Json {
    json!({ "type": "External", "external": {
        "metric": { "name": metric, "selector": { "matchLabels": labels } },
        "target": { "type": "AverageValue", "averageValue": average },
    } })
}

/// The registration of one version of a metrics API with our Service.
pub(crate) fn api_service(version: &str, group: &str) -> Json {
    let mut object = object("apiregistration.k8s.io/v1", "APIService", "", &format!("{version}.{group}"));
    object["spec"] = json!({
        "group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100,
        "service": { "namespace": "inferometer", "name": "inferometer", "port": 443 },
    });
    object
}
