//! Pods and what they belong to, addresses, versions.

use serde_json::json;

use super::fixture::{Told, object, pod};
use crate::cluster::follow::Sink as _;
use crate::core::workload::{Inventory as _, Knowledge};

/// All orders of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let shorter = orders(count - 1);
    let insert = |order: &Vec<usize>, place: usize| {
        let mut order = order.clone();
        order.insert(place, count - 1);
        order
    };
    shorter.iter().flat_map(|order| (0..count).map(move |place| insert(order, place))).collect()
}

#[test]
fn a_chain_is_right_in_any_order_of_events() {
    let events = [
        ("pod", pod("vllm-1-a", "ReplicaSet/vllm-1", "10.0.0.1")),
        ("replicaset", object("vllm-1", "Deployment/vllm")),
        ("deployment", object("vllm", "InferenceService/llm")),
    ];
    for order in orders(events.len()) {
        let told = Told::new();
        for index in &order {
            told.apply(events[*index].0, &events[*index].1);
        }
        assert_eq!(
            told.chain("vllm-1-a"),
            "replicaset/vllm-1 deployment/vllm inferenceservice/llm",
            "{order:?}"
        );
    }
}

#[test]
fn a_leader_worker_sets_chain_leads_through_its_leader() {
    let events = [
        ("statefulset", object("llm", "LeaderWorkerSet/llm")),
        ("pod", pod("llm-0", "StatefulSet/llm", "10.0.0.1")),
        ("statefulset", object("llm-0", "Pod/llm-0")),
        ("pod", pod("llm-0-1", "StatefulSet/llm-0", "10.0.0.2")),
    ];
    for order in orders(events.len()) {
        let told = Told::new();
        for index in &order {
            told.apply(events[*index].0, &events[*index].1);
        }
        assert_eq!(told.chain("llm-0"), "statefulset/llm leaderworkerset/llm");
        let chain = "statefulset/llm-0 pod/llm-0 statefulset/llm leaderworkerset/llm";
        assert_eq!(told.chain("llm-0-1"), chain, "{order:?}");
        let worker = told.cluster.pod("ai", "llm-0-1").unwrap();
        assert_eq!(worker.label("workload"), Some("llm"));
        told.remove("pod", "llm-0");
        assert_eq!(told.chain("llm-0-1"), "statefulset/llm-0 pod/llm-0", "its leader is gone");
    }
}

#[test]
fn what_goes_round_in_a_circle_ends() {
    let told = Told::new();
    told.apply("replicaset", &object("a", "Deployment/b"));
    told.apply("deployment", &object("b", "ReplicaSet/a"));
    told.apply("pod", &pod("p", "ReplicaSet/a", "10.0.0.1"));
    assert_eq!(told.chain("p").split(' ').count(), 8);
}

#[test]
fn an_owner_that_is_adopted_or_gone_changes_its_pods() {
    let told = Told::new();
    told.apply("pod", &pod("p", "ReplicaSet/a", "10.0.0.1"));
    let before = told.version();
    told.apply("replicaset", &object("a", "Deployment/one"));
    assert_eq!(told.chain("p"), "replicaset/a deployment/one");
    assert_ne!(told.version(), before);
    told.apply("replicaset", &object("a", "Deployment/two"));
    assert_eq!(told.chain("p"), "replicaset/a deployment/two");
    let before = told.version();
    told.apply("replicaset", &object("a", "Deployment/two"));
    told.apply("replicaset", &object("other", "Deployment/two"));
    assert_eq!(told.version(), before, "that changes no pod");
    told.remove("replicaset", "a");
    assert_eq!(told.chain("p"), "replicaset/a");
}

#[test]
fn a_list_of_owners_tells_which_are_gone() {
    let told = Told::new();
    let sets = told.owners("replicaset");
    told.apply("pod", &pod("p", "ReplicaSet/a", "10.0.0.1"));
    told.apply("replicaset", &object("a", "Deployment/d"));
    told.apply("replicaset", &object("b", "Deployment/d"));
    assert_eq!(sets.count(), 2);
    sets.begin();
    told.apply("replicaset", &object("b", "Deployment/d"));
    sets.end();
    assert_eq!((sets.count(), told.chain("p").as_str()), (1, "replicaset/a"));
}

#[test]
fn a_pod_is_not_seen_because_its_chain_has_changed() {
    let told = Told::new();
    let pods = told.pods();
    told.apply("pod", &pod("worker", "Pod/leader", "10.0.0.1"));
    pods.begin();
    told.apply("pod", &pod("leader", "StatefulSet/llm", "10.0.0.2"));
    assert_eq!(told.chain("worker"), "pod/leader statefulset/llm");
    pods.end();
    assert_eq!(pods.count(), 1, "the list did not tell of the worker");
}

#[test]
fn pods_of_the_nodes_network_have_no_address_of_their_own() {
    let told = Told::new();
    let mut exporter = pod("dcgm", "DaemonSet/dcgm", "192.168.0.1");
    exporter["spec"]["hostNetwork"] = json!(true);
    told.apply("pod", &exporter);
    let found = told.cluster.pod("ai", "dcgm").unwrap();
    let node = "192.168.0.1".parse().unwrap();
    assert_eq!((found.ip, found.reached_by), (None, Some(node)));
    assert!(told.cluster.at(node).is_none());
    assert_eq!(found.label("daemonset"), Some("dcgm"));
}

#[test]
fn an_address_that_is_used_again_is_the_younger_pods() {
    let (ip, text) = ("10.0.0.1".parse().unwrap(), "10.0.0.1");
    let name = |told: &Told| told.cluster.at(ip).map(|pod| pod.name.to_string());
    let (old, mut young) = (pod("old", "", text), pod("young", "", text));
    young["metadata"]["creationTimestamp"] = json!("2026-01-02T00:00:00Z");
    young["metadata"]["namespace"] = json!("other");
    for both in [[&old, &young], [&young, &old]] {
        let told = Told::new();
        told.apply("pod", both[0]);
        let before = told.version();
        told.apply("pod", both[1]);
        assert_eq!(name(&told).as_deref(), Some("young"));
        assert_ne!(told.version(), before, "the namespace of the old one has lost it, or got its pod");
        // The old one ends: nothing changes for the young one.
        let mut ended = old.clone();
        ended["status"]["phase"] = json!("Succeeded");
        told.apply("pod", &ended);
        assert_eq!(name(&told).as_deref(), Some("young"));
        told.apply("pod", &old);
        let before = told.version();
        told.pods().remove("other", "young");
        assert_eq!(name(&told).as_deref(), Some("old"));
        assert_ne!(told.version(), before, "its address is its own again");
        told.remove("pod", "old");
        assert_eq!(name(&told), None);
    }
}

#[test]
fn both_addresses_of_a_pod_lead_to_it() {
    let told = Told::new();
    let mut both = pod("p", "", "fd00::1");
    both["status"]["podIPs"] = json!([{"ip": "fd00::1"}, {"ip": "10.0.0.1"}]);
    told.apply("pod", &both);
    for ip in ["fd00::1", "10.0.0.1"] {
        assert!(told.cluster.at(ip.parse().unwrap()).is_some(), "{ip}");
    }
    both["status"]["podIPs"] = json!([{"ip": "fd00::1"}]);
    told.apply("pod", &both);
    assert!(told.cluster.at("10.0.0.1".parse().unwrap()).is_none());
    told.remove("pod", "p");
    assert!(told.cluster.at("fd00::1".parse().unwrap()).is_none());
}

#[test]
fn a_version_changes_with_what_matters_only() {
    let told = Told::new();
    let mut seen = vec![told.version()];
    let mut one = pod("p", "ReplicaSet/a", "10.0.0.1");
    told.apply("pod", &one);
    seen.push(told.version());
    // What is not kept does not matter.
    one["metadata"]["resourceVersion"] = json!("8");
    one["status"]["conditions"] = json!([{"type": "Initialized", "status": "True"}]);
    one["metadata"]["annotations"] = json!({"example.com/note": "x"});
    told.apply("pod", &one);
    assert_eq!(told.version(), seen[1]);
    let everywhere = told.cluster.version(None);
    let mut other = pod("q", "", "10.0.0.2");
    other["metadata"]["namespace"] = json!("other");
    told.apply("pod", &other);
    assert_eq!(told.version(), seen[1], "another namespace is another matter");
    assert_ne!(told.cluster.version(None), everywhere);
    for (part, key, value) in [
        ("metadata", "labels", json!({"app": "sglang"})),
        ("metadata", "annotations", json!({"prometheus.io/port": "1"})),
        ("metadata", "deletionTimestamp", json!("2026-01-01T00:00:00Z")),
        ("status", "podIPs", json!([{"ip": "10.0.0.3"}])),
    ] {
        one[part][key] = value;
        told.apply("pod", &one);
        seen.push(told.version());
    }
    // A namespace that vanishes and comes back has a version of its own.
    told.remove("pod", "p");
    assert_eq!(told.version(), seen[0], "nothing is there, as in the beginning");
    told.apply("pod", &one);
    seen.push(told.version());
    told.cluster.know(&Knowledge::Behind);
    seen.push(told.version());
    told.cluster.know(&Knowledge::Behind);
    assert_eq!(Some(&told.version()), seen.last());
    told.cluster.know(&Knowledge::Complete);
    seen.push(told.version());
    let mut distinct = seen.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), seen.len(), "{seen:?}");
}
