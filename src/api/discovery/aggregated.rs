//! Aggregated discovery: every group, version and resource in one document.
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ListMeta, ObjectMeta};
use kube::core::discovery::v2::{
    APIGroupDiscovery, APIGroupDiscoveryList, APIResourceDiscovery, APISubresourceDiscovery,
    APIVersionDiscovery, GroupVersionKind,
};
use serde::Serialize;

use super::{Group, Object, verbs};
use crate::api::negotiate::DiscoveryVersion;

/// The list with its kind and version, which kube's own type leaves to whoever sends it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TypedList {
    kind: &'static str,
    api_version: &'static str,
    #[serde(flatten)]
    list: APIGroupDiscoveryList,
}

/// Builds the document. Both versions of it have the same fields.
pub(super) fn list(version: DiscoveryVersion, groups: &[Group], names: &[&str]) -> TypedList {
    TypedList {
        kind: "APIGroupDiscoveryList",
        api_version: match version {
            DiscoveryVersion::V2 => "apidiscovery.k8s.io/v2",
            DiscoveryVersion::V2Beta1 => "apidiscovery.k8s.io/v2beta1",
        },
        list: APIGroupDiscoveryList {
            metadata: Some(ListMeta::default()),
            items: groups.iter().map(|group| group_discovery(group, names)).collect(),
        },
    }
}

fn group_discovery(group: &Group, names: &[&str]) -> APIGroupDiscovery {
    let version = |version: &&str| APIVersionDiscovery {
        version: Some((*version).to_owned()),
        // Ours is never a copy of someone else's document, which is what "Stale" would own up to.
        freshness: Some("Current".into()),
        resources: resources(group, version, names),
    };
    APIGroupDiscovery {
        metadata: Some(ObjectMeta { name: Some(group.name.to_owned()), ..ObjectMeta::default() }),
        versions: group.versions.iter().map(version).collect(),
    }
}

fn resources(group: &Group, version: &str, names: &[&str]) -> Vec<APIResourceDiscovery> {
    let kind = GroupVersionKind {
        group: Some(group.name.to_owned()),
        version: Some(version.to_owned()),
        kind: Some(group.kind.to_owned()),
    };
    if group.objects.is_empty() {
        return names.iter().map(|name| resource(name, true, kind.clone(), verbs())).collect();
    }
    group.objects.iter().map(|object| object_resource(object, &kind, names)).collect()
}

/// An object's metrics, as subresources. The object itself is not ours to serve, so it has no verb and an empty
/// kind: left out, the kind would crash clients of Kubernetes 1.26 (kubernetes#118361).
fn object_resource(object: &Object, kind: &GroupVersionKind, names: &[&str]) -> APIResourceDiscovery {
    let nothing = GroupVersionKind {
        group: Some(String::new()),
        version: Some(String::new()),
        kind: Some(String::new()),
    };
    let subresource = |name: &&str| APISubresourceDiscovery {
        subresource: Some((*name).to_owned()),
        response_kind: Some(kind.clone()),
        verbs: verbs(),
        ..APISubresourceDiscovery::default()
    };
    APIResourceDiscovery {
        subresources: names.iter().map(subresource).collect(),
        ..resource(object.resource, object.namespaced, nothing, Vec::new())
    }
}

fn resource(
    name: &str,
    namespaced: bool,
    response_kind: GroupVersionKind,
    verbs: Vec<String>,
) -> APIResourceDiscovery {
    APIResourceDiscovery {
        resource: Some(name.to_owned()),
        response_kind: Some(response_kind),
        scope: Some(if namespaced { "Namespaced" } else { "Cluster" }.to_owned()),
        singular_resource: Some(String::new()),
        verbs,
        ..APIResourceDiscovery::default()
    }
}
