//! The manifests as a cluster would get them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value as Json, json};

use crate::support::command::output;

/// The project's root.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The tools that `tests/run` installs beside what cargo builds.
fn tools() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools")
}

/// The objects of a text with any number of YAML documents.
pub(crate) fn objects(text: &str) -> Vec<Json> {
    let documents: Vec<Json> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// The kubectl to use: `tests/run` installs one where the system's is too old.
pub(crate) fn kubectl() -> PathBuf {
    let own = tools().join("kubectl/bin/kubectl");
    if own.exists() { own } else { PathBuf::from("kubectl") }
}

/// What `kubectl kustomize` makes of a folder, absolute or in the project.
pub(crate) fn kustomize(folder: &str) -> Vec<Json> {
    let said = output(Command::new(kubectl()).arg("kustomize").arg(Path::new(ROOT).join(folder)));
    let errors = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{folder}: {errors}");
    assert!(!errors.contains("deprecated"), "{folder}: {errors}");
    objects(&String::from_utf8_lossy(&said.stdout))
}

/// What Helm makes of the chart with each of these sets of values over its own, as a release in
/// `inferometer`; or what it has against them.
pub(super) fn helm_all(sets: &[&Json]) -> Vec<Result<Vec<Json>, String>> {
    let python = tools().join("helm/bin/python");
    assert!(python.exists(), "Helm is missing: tests/run installs it");
    let mut command = Command::new(python);
    command.arg(Path::new(ROOT).join("tests/it/manifests/helm.py"));
    command.arg(Path::new(ROOT).join("manifests/helm/inferometer")).arg(json!(sets).to_string());
    let said = output(&mut command);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let results: Vec<Json> = serde_json::from_slice(&said.stdout).expect("a list");
    assert_eq!(results.len(), sets.len());
    let result = |result: &Json| match result["manifests"].as_str() {
        Some(manifests) => Ok(objects(manifests)),
        None => Err(text(result, "/error").to_owned()),
    };
    results.iter().map(result).collect()
}

/// The same with one set.
pub(super) fn helm(values: &Json) -> Result<Vec<Json>, String> {
    helm_all(&[values]).remove(0)
}

/// The values of the chart that stand for each overlay.
pub(super) fn overlays() -> [(&'static str, Json); 4] {
    [
        ("default", json!({})),
        ("external-only", json!({ "apiServices": { "custom": false } })),
        ("cert-manager", json!({ "tls": { "mode": "certManager" } })),
        ("monitoring", json!({ "monitoring": { "enabled": true } })),
    ]
}

/// The objects of an overlay.
pub(super) fn overlay(name: &str) -> Vec<Json> {
    kustomize(&format!("manifests/overlays/{name}"))
}

/// The text at a JSON pointer.
pub(crate) fn text<'a>(object: &'a Json, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Json::as_str).unwrap_or_default()
}

/// The list at a JSON pointer.
pub(crate) fn list<'a>(object: &'a Json, pointer: &str) -> &'a [Json] {
    object.pointer(pointer).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// What an object is called: kind, namespace and name.
pub(super) fn name(object: &Json) -> String {
    let place = text(object, "/metadata/namespace");
    format!("{} {place}/{}", text(object, "/kind"), text(object, "/metadata/name"))
}

/// The objects of a kind.
pub(super) fn of_kind<'a>(objects: &'a [Json], kind: &str) -> Vec<&'a Json> {
    objects.iter().filter(|object| text(object, "/kind") == kind).collect()
}

/// The only object of a kind.
pub(super) fn only<'a>(objects: &'a [Json], kind: &str) -> &'a Json {
    match of_kind(objects, kind)[..] {
        [object] => object,
        ref several => panic!("{} of {kind}", several.len()),
    }
}
