//! What we serve, told to Kubernetes: groups, versions, resources, paths and our own version.
//!
//! Aggregators ask for these every minute or more often, from every kube-apiserver, so all of it is built once for
//! each configuration and then handed out as bytes.
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    APIGroup, APIGroupList, APIResource, APIResourceList, GroupVersionForDiscovery,
};
use k8s_openapi::apimachinery::pkg::version::Info;
use serde::Serialize;

use super::document::Document;
use super::negotiate::DiscoveryVersion;
use super::types::{
    CUSTOM_GROUP, CUSTOM_LIST_KIND, CUSTOM_VERSIONS, EXTERNAL_GROUP, EXTERNAL_LIST_KIND, EXTERNAL_VERSION,
};

mod aggregated;

/// An API group that we serve. Every metric appears in every version of it.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// The group's name.
    pub name: &'static str,
    /// Its versions, the preferred one first.
    pub versions: &'static [&'static str],
    /// The kind of the answers.
    pub kind: &'static str,
    /// The objects that metrics belong to. Empty where a metric is a resource of its own, always in a namespace.
    pub objects: &'static [Object],
}

/// A kind of object that has metrics: it is the resource, the metric its subresource.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// The plural name.
    pub resource: &'static str,
    /// Whether such objects live in a namespace.
    pub namespaced: bool,
}

/// The groups that we serve.
pub const GROUPS: &[Group] = &[
    Group { name: EXTERNAL_GROUP, versions: &[EXTERNAL_VERSION], kind: EXTERNAL_LIST_KIND, objects: &[] },
    Group {
        name: CUSTOM_GROUP,
        versions: &CUSTOM_VERSIONS,
        kind: CUSTOM_LIST_KIND,
        // What every metric can be asked of. Other objects are found by the labels of the series at hand, and a
        // list of all that there may be would slow down every kubectl.
        objects: &[
            Object { resource: "namespaces", namespaced: false },
            Object { resource: "pods", namespaced: true },
        ],
    },
];

/// A metric may be read; nothing else can be done with it. Kubernetes' namespace deletion visits each resource that
/// offers both `list` and `delete`, so a verb too many here would cost every deletion a request.
const VERBS: &[&str] = &["get"];

/// The paths that answer besides those of the groups.
const OTHER_PATHS: &[&str] =
    &["/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"];

/// All discovery documents of one configuration.
#[derive(Clone, Debug)]
pub struct Discovery {
    root: Document,
    group_list: Document,
    aggregated_v2: Document,
    aggregated_v2beta1: Document,
    groups: Vec<GroupDocuments>,
    server_version: Document,
}

/// The documents of one group.
#[derive(Clone, Debug)]
struct GroupDocuments {
    name: &'static str,
    group: Document,
    versions: Vec<(&'static str, Document)>,
}

impl Discovery {
    /// Builds the documents for the metrics of these base names, listed in the order given.
    ///
    /// There is at least one name: clients of old treat a version without resources as an error.
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let names: Vec<&str> = names.into_iter().collect();
        let aggregated = |version| Document::json(&aggregated::list(version, GROUPS, &names));
        Self {
            root: Document::json(&root_paths(GROUPS)),
            group_list: Document::json(&APIGroupList { groups: GROUPS.iter().map(api_group).collect() }),
            aggregated_v2: aggregated(DiscoveryVersion::V2),
            aggregated_v2beta1: aggregated(DiscoveryVersion::V2Beta1),
            groups: GROUPS.iter().map(|group| GroupDocuments::new(group, &names)).collect(),
            server_version: Document::json(&server_version()),
        }
    }

    /// `/`: the paths there are.
    pub fn root(&self) -> &Document {
        &self.root
    }

    /// `/apis`, as everyone but the aggregator asks for it.
    pub fn group_list(&self) -> &Document {
        &self.group_list
    }

    /// `/apis`, everything in one document.
    pub fn aggregated(&self, version: DiscoveryVersion) -> &Document {
        match version {
            DiscoveryVersion::V2 => &self.aggregated_v2,
            DiscoveryVersion::V2Beta1 => &self.aggregated_v2beta1,
        }
    }

    /// `/apis/{group}`, if it is ours.
    pub fn group(&self, group: &str) -> Option<&Document> {
        self.find(group).map(|found| &found.group)
    }

    /// `/apis/{group}/{version}`, if it is ours. The aggregator takes any 2xx here as the sign that we are alive.
    pub fn resources(&self, group: &str, version: &str) -> Option<&Document> {
        let versions = &self.find(group)?.versions;
        versions.iter().find(|(name, _)| *name == version).map(|(_, document)| document)
    }

    /// `/version`.
    pub fn server_version(&self) -> &Document {
        &self.server_version
    }

    fn find(&self, group: &str) -> Option<&GroupDocuments> {
        self.groups.iter().find(|documents| documents.name == group)
    }
}

impl GroupDocuments {
    fn new(group: &Group, names: &[&str]) -> Self {
        let resources: Vec<APIResource> = resource_names(group, names)
            .map(|(name, namespaced)| APIResource {
                name,
                namespaced,
                kind: group.kind.to_owned(),
                verbs: verbs(),
                ..APIResource::default()
            })
            .collect();
        let document = |version: &&'static str| {
            let group_version = format!("{}/{version}", group.name);
            (*version, Document::json(&APIResourceList { group_version, resources: resources.clone() }))
        };
        Self {
            name: group.name,
            group: Document::json(&api_group(group)),
            versions: group.versions.iter().map(document).collect(),
        }
    }
}

/// Every resource of the group, with whether it is namespaced.
fn resource_names(group: &Group, names: &[&str]) -> impl Iterator<Item = (String, bool)> {
    let own = if group.objects.is_empty() { names } else { &[] };
    let own = own.iter().map(|name| ((*name).to_owned(), true));
    own.chain(group.objects.iter().flat_map(move |object| {
        names.iter().map(|name| (format!("{}/{name}", object.resource), object.namespaced))
    }))
}

fn api_group(group: &Group) -> APIGroup {
    let version = |version: &&str| GroupVersionForDiscovery {
        group_version: format!("{}/{version}", group.name),
        version: (*version).to_owned(),
    };
    APIGroup {
        name: group.name.to_owned(),
        preferred_version: group.versions.first().map(version),
        versions: group.versions.iter().map(version).collect(),
        ..APIGroup::default()
    }
}

fn verbs() -> Vec<String> {
    VERBS.iter().map(|verb| (*verb).to_owned()).collect()
}

/// The document at `/`; it has no kind of its own.
#[derive(Serialize)]
struct RootPaths {
    paths: Vec<String>,
}

fn root_paths(groups: &[Group]) -> RootPaths {
    let mut paths: Vec<String> = OTHER_PATHS.iter().map(|path| (*path).to_owned()).collect();
    for group in groups {
        paths.push(format!("/apis/{}", group.name));
        for version in group.versions {
            paths.push(format!("/apis/{}/{version}", group.name));
            paths.push(format!("/openapi/v3/apis/{}/{version}", group.name));
        }
    }
    paths.sort_unstable();
    RootPaths { paths }
}

/// Who we are, in the form that describes a Kubernetes binary. Its clients want every field to be there and parse
/// only major, minor and gitVersion; the rest is for people.
fn server_version() -> Info {
    // Platforms bear Go's names in Kubernetes.
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Info {
        major: env!("CARGO_PKG_VERSION_MAJOR").into(),
        minor: env!("CARGO_PKG_VERSION_MINOR").into(),
        git_version: concat!("v", env!("CARGO_PKG_VERSION")).into(),
        compiler: "rustc".into(),
        platform: format!("{}/{architecture}", std::env::consts::OS),
        ..Info::default()
    }
}

#[cfg(test)]
mod tests;
