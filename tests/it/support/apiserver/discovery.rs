//! What the server says it serves; the old form only, as clients fall back to it.

use serde_json::{Value as Json, json};

use super::kinds::{KINDS, Kind};
use super::store::State;

/// The document of a discovery path, `None` for others.
pub(super) fn document(state: &State, path: &str) -> Option<Json> {
    let served = || KINDS.iter().filter(|kind| state.serves(kind));
    match path.trim_end_matches('/').split('/').skip(1).collect::<Vec<_>>().as_slice() {
        ["version"] => Some(json!({
            "major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "", "gitTreeState": "clean",
            "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.26", "compiler": "gc", "platform": "linux/amd64",
        })),
        ["readyz" | "livez" | "healthz"] => Some(Json::from("ok")),
        ["api"] => {
            Some(json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }))
        }
        ["apis"] => {
            let mut groups: Vec<(&str, &str)> = served()
                .filter(|kind| !kind.group.is_empty())
                .map(|kind| (kind.group, kind.version))
                .collect();
            groups.dedup();
            let groups: Vec<Json> =
                groups.into_iter().map(|(group, version)| one_group(group, version)).collect();
            Some(json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups }))
        }
        ["apis", group] => {
            let kind = served().find(|kind| kind.group == *group)?;
            let mut document = one_group(kind.group, kind.version);
            document["kind"] = "APIGroup".into();
            document["apiVersion"] = "v1".into();
            Some(document)
        }
        ["api", version] => resources(served(), "", version),
        ["apis", group, version] => resources(served(), group, version),
        _ => None,
    }
}

fn one_group(group: &str, version: &str) -> Json {
    let version = json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    json!({ "name": group, "versions": [version], "preferredVersion": version })
}

fn resources<'k>(kinds: impl Iterator<Item = &'k Kind>, group: &str, version: &str) -> Option<Json> {
    let resources: Vec<Json> = kinds
        .filter(|kind| kind.group == group && kind.version == version)
        .map(|kind| {
            json!({
                "name": kind.resource, "singularName": kind.singular.to_lowercase(), "namespaced": kind.namespaced,
                "kind": kind.singular, "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
            })
        })
        .collect();
    let name = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    let document = json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": resources });
    (!document["resources"].as_array()?.is_empty()).then_some(document)
}
