//! The API server takes every manifest as it stands, and knows every field of it.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::installation::namespace;
use super::{ControlPlane, text};
use crate::manifests::render::{ROOT, kustomize, objects};

/// Folders that are applied with `kubectl apply -k`.
const FOLDERS: [&str; 6] = [
    "apiservice",
    "apiservice/external",
    "manifests/overlays/default",
    "manifests/overlays/external-only",
    "manifests/overlays/cert-manager",
    "manifests/overlays/monitoring",
];

fn examples() -> Vec<(String, Vec<Json>)> {
    let folder =
        std::fs::read_dir(Path::new(ROOT).join("manifests/examples")).expect("the examples are there");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let yaml = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    yaml.map(|path| (path.display().to_string(), objects(&std::fs::read_to_string(&path).expect("text"))))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_manifests() {
    let plane = ControlPlane::start().await;
    let admin = plane.admin().await;
    let rendered = FOLDERS.iter().map(|folder| ((*folder).to_owned(), kustomize(folder)));
    let all: Vec<(String, Vec<Json>)> = rendered.chain(examples()).collect();
    let restricted = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let mut pen = namespace("restricted");
    pen["metadata"]["labels"] = restricted;
    admin.apply(&pen).await;

    let (mut taken, mut foreign) = (0, Vec::new());
    for (source, objects) in &all {
        for object in objects {
            if !admin.knows(object).await {
                foreign.push(format!("{} of {}", text(object, "/kind"), text(object, "/apiVersion")));
                continue;
            }
            // What is tried in a namespace needs one.
            let within = text(object, "/metadata/namespace");
            if !within.is_empty() && admin.find(&namespace(within)).await.is_none() {
                admin.apply(&namespace(within)).await;
            }
            if let Err(error) = admin.try_apply(object, true).await {
                panic!("{source}: {} {}: {error}", text(object, "/kind"), text(object, "/metadata/name"));
            }
            taken += 1;
        }
    }
    foreign.sort();
    foreign.dedup();
    println!("{taken} objects are taken; the API server has no {foreign:?}");
    assert!(taken > 100, "{taken}");
    for built_in in
        ["/v1", "v1 ", "apps/", "autoscaling/", "policy/", "rbac.", "networking.", "apiregistration."]
    {
        assert!(!foreign.iter().any(|kind| kind.contains(&format!("of {built_in}"))), "{foreign:?}");
    }

    // A pod of ours where only restricted ones are let in.
    let overlay = kustomize("manifests/overlays/default");
    let deployment =
        overlay.iter().find(|object| text(object, "/kind") == "Deployment").expect("a Deployment");
    let template = &deployment["spec"]["template"];
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "namespace": "restricted", "name": "inferometer" },
        "spec": template["spec"],
    });
    admin.try_create(&pod, true).await.expect("the restricted standard lets our pod in");
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    let error = admin.try_create(&pod, true).await.expect_err("it lets no other in").to_string();
    assert!(error.contains("allowPrivilegeEscalation"), "{error}");
}
