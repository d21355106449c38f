//! Paths of the custom metrics API, and the objects that they name.

use std::borrow::Cow;

use super::body::Version;
use crate::api::request;
use crate::api::status::Status;

/// Objects whose kind and API version are known, to describe them in an answer: plural, kind, API
/// version. Of others only what the request says is known.
const KNOWN: [(&str, &str, &str); 14] = [
    ("services", "Service", "v1"),
    ("nodes", "Node", "v1"),
    ("deployments.apps", "Deployment", "apps/v1"),
    ("statefulsets.apps", "StatefulSet", "apps/v1"),
    ("daemonsets.apps", "DaemonSet", "apps/v1"),
    ("replicasets.apps", "ReplicaSet", "apps/v1"),
    ("jobs.batch", "Job", "batch/v1"),
    ("ingresses.networking.k8s.io", "Ingress", "networking.k8s.io/v1"),
    ("leaderworkersets.leaderworkerset.x-k8s.io", "LeaderWorkerSet", "leaderworkerset.x-k8s.io/v1"),
    ("inferenceservices.serving.kserve.io", "InferenceService", "serving.kserve.io/v1beta1"),
    ("inferencepools.inference.networking.k8s.io", "InferencePool", "inference.networking.k8s.io/v1"),
    ("rayclusters.ray.io", "RayCluster", "ray.io/v1"),
    ("rayservices.ray.io", "RayService", "ray.io/v1"),
    ("rollouts.argoproj.io", "Rollout", "argoproj.io/v1alpha1"),
];

/// What a metric belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Object {
    /// A pod.
    Pod,
    /// A namespace as a whole.
    Namespace,
    /// Any other object, whose name stands in a label: that of the resource in the singular.
    Other {
        /// `resource` or `resource.group` as it was asked for.
        resource: String,
        /// The label.
        key: String,
    },
}

/// What a path asks for.
///
/// ```text
/// …/{version}/namespaces/{namespace}/{resource[.group]}/{name or *}/{metric}
/// …/{version}/namespaces/{namespace or *}/metrics/{metric}
/// …/{version}/{resource[.group]}/{name or *}/{metric}                        (root-scoped)
/// ```
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// The version of the API.
    pub(super) version: Version,
    /// Where the objects are; `None` for those that are in no namespace.
    pub(super) namespace: Option<Cow<'a, str>>,
    /// What they are.
    pub(super) object: Object,
    /// Which one; `None` for all of them.
    pub(super) name: Option<Cow<'a, str>>,
    /// The metric's name.
    pub(super) metric: Cow<'a, str>,
}

impl<'a> Wanted<'a> {
    /// Reads a path below `/apis/custom.metrics.k8s.io`.
    ///
    /// # Errors
    /// 404 for a version that there is not, 400 for what is no such path.
    pub(super) fn parse(path: &'a str) -> Result<Self, Status> {
        let mut segments = path.split('/').skip(3);
        let version = Version::parse(segments.next().unwrap_or_default());
        let version = version.ok_or_else(Status::not_found_path)?;
        let segments: Vec<&str> = segments.collect();
        let (namespace, object, name, metric) = match segments[..] {
            ["namespaces", namespace, "metrics", metric] => {
                let name = if namespace == "*" { None } else { Some(request::namespace(namespace)?) };
                (None, Object::Namespace, name, metric)
            }
            ["namespaces", namespace, resource, name, metric] => {
                let object = Object::parse(&request::segment(resource)?)?;
                (Some(request::namespace(namespace)?), object, self::name(name)?, metric)
            }
            [resource, name, metric] if resource != "namespaces" => {
                let object = Object::parse(&request::segment(resource)?)?;
                if object == Object::Pod {
                    return Err(Status::bad_request(
                        "pods are in a namespace: namespaces/{namespace}/pods/…",
                    ));
                }
                (None, object, self::name(name)?, metric)
            }
            _ => {
                return Err(Status::bad_request(
                    "no such path of custom metrics: namespaces/{namespace}/{resource}/{name or *}/{metric}, \
                     namespaces/{namespace}/metrics/{metric} or {resource}/{name or *}/{metric}",
                ));
            }
        };
        let metric = request::segment(metric)?;
        if metric.is_empty() {
            return Err(Status::bad_request("the metric's name is missing"));
        }
        Ok(Self { version, namespace, object, name, metric })
    }

    /// What to say when there is no such metric.
    pub(super) fn unknown(&self) -> Status {
        Status::not_found_metric_of(&self.metric, self.object.resource(), self.name.as_deref())
    }
}

/// A name, or `None` for `*`.
fn name(raw: &str) -> Result<Option<Cow<'_, str>>, Status> {
    let name = request::segment(raw)?;
    if name.is_empty() || name.contains('/') {
        return Err(Status::bad_request(format!("{name:?} is not the name of an object")));
    }
    Ok((name != "*").then_some(name))
}

impl Object {
    fn parse(resource: &str) -> Result<Self, Status> {
        let (plural, _) = resource.split_once('.').unwrap_or((resource, ""));
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if plural.is_empty() || !resource.chars().all(is_name) {
            return Err(Status::bad_request(format!("{resource:?} is not the name of a resource")));
        }
        Ok(match resource {
            "pods" => Self::Pod,
            _ => Self::Other { resource: resource.to_owned(), key: singular(plural) },
        })
    }

    /// The resource as it stands in a path.
    pub(super) fn resource(&self) -> &str {
        match self {
            Self::Pod => "pods",
            Self::Namespace => "namespaces",
            Self::Other { resource, .. } => resource,
        }
    }

    /// The label that names such objects.
    pub(super) fn key(&self) -> &str {
        match self {
            Self::Pod => "pod",
            Self::Namespace => "namespace",
            Self::Other { key, .. } => key,
        }
    }

    /// Kind and API version; empty where they are not known.
    pub(super) fn kind(&self) -> (&str, &str) {
        match self {
            Self::Pod => ("Pod", "v1"),
            Self::Namespace => ("Namespace", "v1"),
            Self::Other { resource, .. } => {
                // A group may be left out.
                let is_it = |known: &str| known == resource || known.split('.').next() == Some(resource);
                let known = KNOWN.iter().find(|(known, ..)| is_it(known));
                known.map_or(("", ""), |(_, kind, version)| (kind, version))
            }
        }
    }
}

/// The singular of a resource's name, which is a plural by convention.
fn singular(plural: &str) -> String {
    let stem = |suffix: &str| plural.strip_suffix(suffix);
    if let Some(stem) = stem("ies") {
        return format!("{stem}y");
    }
    for doubled in ["sses", "ches", "shes", "xes"] {
        if plural.ends_with(doubled) {
            return plural[..plural.len() - 2].to_owned();
        }
    }
    stem("s").unwrap_or(plural).to_owned()
}
