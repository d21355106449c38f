//! The resources that are served, and the paths that name them.

/// A kind of object: where it is served and what it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Empty for the core group.
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) resource: &'static str,
    /// As `kind` in an object.
    pub(crate) singular: &'static str,
    pub(crate) namespaced: bool,
    /// Defined by a CustomResourceDefinition, so not there until it is installed.
    pub(crate) custom: bool,
}

const fn kind(
    group: &'static str,
    version: &'static str,
    resource: &'static str,
    singular: &'static str,
) -> Kind {
    Kind { group, version, resource, singular, namespaced: true, custom: false }
}

const fn root_scoped(kind: Kind) -> Kind {
    Kind { namespaced: false, ..kind }
}

const fn custom(kind: Kind) -> Kind {
    Kind { custom: true, ..kind }
}

pub(super) const KINDS: [Kind; 19] = [
    kind("", "v1", "pods", "Pod"),
    kind("", "v1", "services", "Service"),
    kind("", "v1", "secrets", "Secret"),
    kind("", "v1", "configmaps", "ConfigMap"),
    kind("", "v1", "events", "Event"),
    root_scoped(kind("", "v1", "namespaces", "Namespace")),
    root_scoped(kind("", "v1", "nodes", "Node")),
    kind("apps", "v1", "deployments", "Deployment"),
    kind("apps", "v1", "replicasets", "ReplicaSet"),
    kind("apps", "v1", "statefulsets", "StatefulSet"),
    kind("apps", "v1", "daemonsets", "DaemonSet"),
    kind("batch", "v1", "jobs", "Job"),
    kind("batch", "v1", "cronjobs", "CronJob"),
    kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
    kind("coordination.k8s.io", "v1", "leases", "Lease"),
    kind("events.k8s.io", "v1", "events", "Event"),
    root_scoped(kind("apiregistration.k8s.io", "v1", "apiservices", "APIService")),
    custom(kind("leaderworkerset.x-k8s.io", "v1", "leaderworkersets", "LeaderWorkerSet")),
    custom(kind("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService")),
];

impl Kind {
    /// `pods`, `deployments.apps`: what messages and switches call it.
    pub(crate) fn full_name(&self) -> String {
        if self.group.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}.{}", self.resource, self.group)
        }
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The kind of an object with these type fields.
    pub(crate) fn of(api_version: &str, kind: &str) -> Self {
        *KINDS
            .iter()
            .find(|known| known.api_version() == api_version && known.singular == kind)
            .unwrap_or_else(|| panic!("{api_version} {kind} is not served"))
    }
}

/// What a path under `/api` or `/apis` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: Kind,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
}

/// The group and the version in a path, and the segments that follow.
pub(super) fn split(path: &str) -> Option<(&str, &str, Vec<&str>)> {
    let mut segments = path.trim_matches('/').split('/');
    let group = match segments.next()? {
        "api" => "",
        "apis" => segments.next()?,
        _ => return None,
    };
    Some((group, segments.next()?, segments.collect()))
}

impl Target {
    pub(super) fn parse(path: &str) -> Option<Self> {
        let (group, version, rest) = split(path)?;
        let (namespace, rest) = match rest.as_slice() {
            // A namespace's own status is no resource in it.
            ["namespaces", namespace, resource, rest @ ..] if !matches!(*resource, "status" | "finalize") => {
                (Some((*namespace).to_owned()), [&[*resource], rest].concat())
            }
            rest => (None, rest.to_vec()),
        };
        let kind = *KINDS.iter().find(|kind| {
            kind.group == group && kind.version == version && rest.first() == Some(&kind.resource)
        })?;
        let part = |index: usize| rest.get(index).map(|part| (*part).to_owned());
        Some(Self { kind, namespace, name: part(1), subresource: part(2) })
    }
}
