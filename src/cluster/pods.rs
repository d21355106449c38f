//! Pods as the API server sends them.

use std::net::IpAddr;

use serde::Deserialize;

use super::object::{Body, Kind, Meta};

/// Whole pods: their metadata has neither address nor phase nor ports.
pub(super) static PODS: Kind = Kind { name: "pod", path: "/api/v1/pods", metadata_only: false, needed: true };

/// A pod, as far as it concerns us.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PodObject {
    pub(super) metadata: Meta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

impl Body for PodObject {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: Option<String>,
    host_network: bool,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    restart_policy: Option<String>,
    ports: Vec<ContainerPort>,
}

/// A port that a container declares.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ContainerPort {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(rename = "containerPort")]
    pub(super) number: u16,
    #[serde(default)]
    protocol: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Status {
    phase: Option<String>,
    conditions: Vec<Condition>,
    #[serde(rename = "hostIP")]
    host_ip: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<PodIp>,
}

#[derive(Debug, Clone, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

#[derive(Debug, Clone, Deserialize)]
struct PodIp {
    #[serde(default)]
    ip: String,
}

/// A pod's addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Addresses {
    /// The one to speak to: of version 4 if there is one.
    pub(super) first: Option<IpAddr>,
    /// That of the other version.
    pub(super) second: Option<IpAddr>,
    /// Whether they are the node's.
    pub(super) are_the_nodes: bool,
}

impl PodObject {
    /// Whether it serves or may come to.
    pub(super) fn counts(&self) -> bool {
        let has_ended = matches!(self.status.phase.as_deref(), Some("Succeeded" | "Failed"));
        !has_ended && self.metadata.deletion_timestamp.is_none()
    }

    /// Whether it is ready, as its kubelet sees it.
    pub(super) fn ready(&self) -> bool {
        self.status.conditions.iter().any(|one| one.kind == "Ready" && one.status == "True")
    }

    /// The node that it runs on, once it has one.
    pub(super) fn node(&self) -> Option<&str> {
        self.spec.node_name.as_deref()
    }

    /// Its addresses, none before it has any.
    pub(super) fn addresses(&self) -> Addresses {
        let Status { host_ip, pod_ip, pod_ips, .. } = &self.status;
        let told = pod_ips.iter().map(|one| one.ip.as_str()).chain(pod_ip.as_deref());
        let mut all: Vec<IpAddr> = told.filter_map(|text| text.parse().ok()).collect();
        all.sort_by_key(IpAddr::is_ipv6);
        all.dedup();
        let host: Option<IpAddr> = host_ip.as_deref().and_then(|text| text.parse().ok());
        let are_the_nodes = self.spec.host_network || host.is_some_and(|host| all.contains(&host));
        Addresses { first: all.first().copied(), second: all.get(1).copied(), are_the_nodes }
    }

    /// The ports over which it can be asked for a page: TCP, of its containers and of those that run beside
    /// them from the start.
    pub(super) fn ports(&self) -> impl Iterator<Item = &ContainerPort> {
        let beside =
            self.spec.init_containers.iter().filter(|one| one.restart_policy.as_deref() == Some("Always"));
        let containers = self.spec.containers.iter().chain(beside);
        let ports = containers.flat_map(|container| &container.ports);
        ports.filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(spec: &Value, status: &Value) -> PodObject {
        let text = json!({"metadata": {"name": "p"}, "spec": spec, "status": status}).to_string();
        serde_json::from_str(&text).expect("the pod is well-formed")
    }

    fn addresses(spec: &Value, status: &Value) -> (Option<String>, Option<String>, bool) {
        let Addresses { first, second, are_the_nodes } = pod(spec, status).addresses();
        (first.map(|ip| ip.to_string()), second.map(|ip| ip.to_string()), are_the_nodes)
    }

    #[test]
    fn addresses_of_version_4_come_first() {
        let none = json!({});
        assert_eq!(addresses(&none, &none), (None, None, false));
        let one = json!({"podIP": "10.0.0.1", "hostIP": "192.168.0.1", "podIPs": [{"ip": "10.0.0.1"}]});
        assert_eq!(addresses(&none, &one), (Some("10.0.0.1".into()), None, false));
        let both = json!({"podIP": "fd00::1", "podIPs": [{"ip": "fd00::1"}, {"ip": "10.0.0.1"}]});
        assert_eq!(addresses(&none, &both), (Some("10.0.0.1".into()), Some("fd00::1".into()), false));
    }

    #[test]
    fn an_address_may_be_the_nodes() {
        let same = json!({"podIP": "192.168.0.1", "hostIP": "192.168.0.1"});
        assert!(addresses(&json!({}), &same).2);
        assert!(addresses(&json!({"hostNetwork": true}), &json!({"podIP": "10.0.0.1"})).2);
    }

    #[test]
    fn ports_are_those_that_can_be_asked() {
        let spec = json!({
            "containers": [
                {"ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}, {"containerPort": 53, "protocol": "UDP"}]},
                {"name": "without"},
            ],
            "initContainers": [
                {"ports": [{"containerPort": 1}]},
                {"restartPolicy": "Always", "ports": [{"containerPort": 15090}]},
            ],
        });
        let pod = pod(&spec, &json!({}));
        let ports: Vec<_> = pod.ports().map(|port| (port.name.as_deref(), port.number)).collect();
        assert_eq!(ports, [(Some("http"), 8000), (None, 15090)]);
    }

    #[test]
    fn readiness_is_the_condition_of_that_name() {
        let ready = |conditions: Value| pod(&json!({}), &json!({ "conditions": conditions })).ready();
        assert!(ready(
            json!([{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}])
        ));
        assert!(!ready(
            json!([{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}])
        ));
        assert!(!ready(json!([])));
    }

    #[test]
    fn ended_and_ending_pods_do_not_count() {
        let phase = |phase: &str| pod(&json!({}), &json!({"phase": phase})).counts();
        assert_eq!(["Pending", "Running", "Unknown"].map(phase), [true; 3]);
        assert_eq!(["Succeeded", "Failed"].map(phase), [false; 2]);
        let ending = r#"{"metadata": {"name": "p", "deletionTimestamp": "2026-01-01T00:00:00Z"}}"#;
        assert!(!serde_json::from_str::<PodObject>(ending).unwrap().counts());
    }
}
