//! Of what an autoscaler asks a metric, and which targets go with that.

use std::fmt;

use crate::config::source::quoted;
use crate::config::{Diagnostics, Node};
use crate::core::metric::Semantics;

/// Kinds outside the core group, as they are written most often.
const GROUPED: [(&str, &str); 10] = [
    ("Deployment", "apps/v1"),
    ("StatefulSet", "apps/v1"),
    ("DaemonSet", "apps/v1"),
    ("ReplicaSet", "apps/v1"),
    ("Job", "batch/v1"),
    ("Ingress", "networking.k8s.io/v1"),
    ("Rollout", "argoproj.io/v1alpha1"),
    ("LeaderWorkerSet", "leaderworkerset.x-k8s.io/v1"),
    ("InferenceService", "serving.kserve.io/v1beta1"),
    ("InferencePool", "inference.networking.k8s.io/v1"),
];

/// The `type` of a metric that we may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// `External`: one number.
    External,
    /// `Pods`: a number of each pod, of which the HPA takes the mean.
    Pods,
    /// `Object`: the number of an object.
    Object,
    /// `Object` that is a pod.
    Pod,
}

impl Of {
    /// Reads a metric's `type`; `None` for those that others answer, such as Resource.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::External, Self::Pods, Self::Object].into_iter().find(|of| of.name() == text)
    }

    fn name(self) -> &'static str {
        match self {
            Self::External => "External",
            Self::Pods => "Pods",
            Self::Object | Self::Pod => "Object",
        }
    }

    /// The field that holds the rest.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Pods => "pods",
            Self::Object | Self::Pod => "object",
        }
    }

    /// The target type to advise.
    pub(super) fn target_type(self, semantics: Semantics) -> &'static str {
        if self == Self::Pods { "AverageValue" } else { semantics.target_type() }
    }

    /// Whether a target of this type makes sense.
    pub(super) fn suits(self, semantics: Semantics, target_type: &str) -> bool {
        // The number of one pod does not grow with the replicas, even if their sum does.
        let either = self == Self::Pod && semantics == Semantics::Extensive;
        either || target_type == self.target_type(semantics)
    }
}

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Checks a described object's kind and API version. Says whether it is a pod.
pub(super) fn described(diags: &mut Diagnostics, node: &Node) -> Of {
    let text = |name| node.field(name).and_then(Node::text);
    let kind = text("kind").unwrap_or_default();
    let version = text("apiVersion").unwrap_or_default();
    // The HPA looks a kind up in its group, which a version by itself does not name.
    if !version.contains('/')
        && let Some((_, whole)) = GROUPED.iter().find(|(grouped, _)| *grouped == kind)
        && let Some(kind_node) = node.field("kind")
    {
        let span = node.field("apiVersion").map_or(kind_node.span, |version| version.span);
        diags
            .error_at(&span, format!("the core group has no kind {}", quoted(kind)))
            .hint(format!("write `apiVersion: {whole}`"));
    }
    if kind == "Pod" && !version.contains('/') { Of::Pod } else { Of::Object }
}
