//! Pods, what they belong to, and the autoscalers that ask about them: what of a cluster a selector or
//! an explanation may speak of.

use std::net::IpAddr;
use std::sync::Arc;

use super::autoscaler::Autoscaler;
use super::series::Labels;
use super::time::Timestamp;

/// The kinds whose replicas are the pods of one workload, as selectors write them. The outermost of a
/// pod's owners that is one of these is its `workload`.
const WORKLOADS: [&str; 8] = [
    "deployment",
    "statefulset",
    "daemonset",
    "replicaset",
    "job",
    "leaderworkerset",
    "rollout",
    "raycluster",
];

/// A controller of a pod, or a controller's controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The kind in lower case (`deployment`), as a selector names it.
    pub kind: Arc<str>,
    /// The object's name, in the pod's namespace.
    pub name: Arc<str>,
}

/// A port that a container declares.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Port {
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// Its number.
    pub number: u16,
}

/// A pod, trimmed to what a question may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its own labels.
    pub labels: Labels,
    /// Its annotations of `prometheus.io/`, under their whole names.
    pub annotations: Labels,
    /// Its controllers, the nearest first.
    pub owners: Arc<[Owner]>,
    /// Its address; `None` before it has one, and where it is its node's.
    pub ip: Option<IpAddr>,
    /// The address it is reached by, its node's included.
    pub reached_by: Option<IpAddr>,
    /// The node it runs on, once it has one.
    pub node: Option<Arc<str>>,
    /// The ports of its containers.
    pub ports: Arc<[Port]>,
    /// Whether it serves or may come to: neither ended nor about to end. The others do not count, as
    /// they do not for the HPA.
    pub counts: bool,
    /// Whether it is ready to serve, as the kubelet sees it.
    pub ready: bool,
    /// When it was created; long ago if that is not known.
    pub created: Timestamp,
}

impl Pod {
    /// The value of a selector's key: a label of the pod, the name of an owner by its kind, the name of
    /// its `workload`, or its `node`.
    pub fn label(&self, key: &str) -> Option<&str> {
        if let Some(value) = self.labels.get(key) {
            return Some(value);
        }
        let owner = match key {
            "node" => return self.node.as_deref(),
            "workload" => self.workload(),
            _ => self.owners.iter().find(|owner| *owner.kind == *key),
        };
        owner.map(|owner| owner.name.as_ref())
    }

    /// The outermost owner whose replicas the pod is one of.
    pub fn workload(&self) -> Option<&Owner> {
        self.owners.iter().rev().find(|owner| WORKLOADS.contains(&owner.kind.as_ref()))
    }
}

/// How far what is known of the cluster can be relied on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Knowledge {
    /// Every pod is known, as of a moment ago.
    Complete,
    /// Pods were listed once, and changes since may have been missed.
    Behind,
    /// Nothing is known yet.
    Nothing,
}

/// The pods and autoscalers of the cluster. Answers come from memory.
pub trait Inventory: Send + Sync {
    /// The pod of that name.
    fn pod(&self, namespace: &str, name: &str) -> Option<Arc<Pod>>;

    /// The pod that has this address for itself.
    fn at(&self, ip: IpAddr) -> Option<Arc<Pod>>;

    /// All pods of a namespace; of every namespace if `None`.
    fn pods(&self, namespace: Option<&str>) -> Vec<Arc<Pod>>;

    /// A number that is another whenever anything that a question about this namespace depends on has
    /// changed, what is known included; of the whole cluster if `None`.
    fn version(&self, namespace: Option<&str>) -> u64;

    /// Whether the pods above are all that there are.
    fn knowledge(&self) -> Knowledge;

    /// The autoscalers of a namespace that name this metric.
    fn autoscalers(&self, namespace: &str, metric: &str) -> Vec<Arc<Autoscaler>>;

    /// All autoscalers of the cluster; `None` while they are not known as of a moment ago.
    fn all_autoscalers(&self) -> Option<Vec<Arc<Autoscaler>>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(labels: &[(&str, &str)], owners: &[(&str, &str)]) -> Pod {
        Pod {
            namespace: "ai".into(),
            name: "p".into(),
            labels: Labels::new(labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()),
            annotations: Labels::default(),
            owners: owners.iter().map(|(k, n)| Owner { kind: (*k).into(), name: (*n).into() }).collect(),
            ip: None,
            reached_by: None,
            node: Some("n1".into()),
            ports: Arc::new([]),
            counts: true,
            ready: true,
            created: Timestamp::default(),
        }
    }

    #[test]
    fn a_key_is_a_label_an_owner_or_the_workload() {
        let one = pod(
            &[("app", "vllm"), ("job", "nightly")],
            &[("replicaset", "vllm-1"), ("deployment", "vllm"), ("inferenceservice", "llm")],
        );
        assert_eq!(one.label("app"), Some("vllm"));
        assert_eq!(one.label("deployment"), Some("vllm"));
        assert_eq!(one.label("inferenceservice"), Some("llm"));
        assert_eq!(one.label("workload"), Some("vllm"), "an InferenceService has no replicas of its own");
        assert_eq!(one.label("job"), Some("nightly"), "the pod's own label comes first");
        assert_eq!(one.label("node"), Some("n1"));
        assert_eq!(one.label("statefulset"), None);
    }

    #[test]
    fn of_nested_workloads_the_outermost_is_meant() {
        let one = pod(&[], &[("statefulset", "llm-0"), ("pod", "llm-0"), ("leaderworkerset", "llm")]);
        assert_eq!(one.label("workload"), Some("llm"));
        assert_eq!(pod(&[], &[]).label("workload"), None);
    }
}
