//! What is installed into a cluster: every object is one that an API server takes as it stands,
//! kustomize and Helm say the same, and nothing is allowed that is not needed.

pub(crate) mod alerts;
pub(crate) mod dashboard;
mod docs;
mod examples;
mod firing;
mod install;
mod kinds;
mod recipes;
pub(crate) mod render;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use render::{helm, helm_all, kustomize, list, name, objects, of_kind, overlay, overlays, text};

/// What only Helm says of an object, about itself.
const OF_HELM: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

/// Objects by name, in a form in which they can be compared.
fn comparable(objects: Vec<Json>) -> BTreeMap<String, Json> {
    let named = objects.into_iter().map(|mut object| {
        if let Some(labels) = object.pointer_mut("/metadata/labels").and_then(Json::as_object_mut) {
            labels.retain(|label, _| !OF_HELM.contains(&label.as_str()));
        }
        // Comments and the order of fields are no difference.
        if let Some(document) = object.pointer_mut("/data/config.yaml") {
            *document = serde_saphyr::from_str(document.as_str().expect("a text")).expect("YAML");
        }
        (name(&object), object)
    });
    named.collect()
}

#[test]
fn every_field_of_every_manifest_is_known() {
    let mut seen = 0;
    for (name, values) in overlays() {
        for object in overlay(name).into_iter().chain(helm(&values).expect(name)) {
            assert_eq!(kinds::faults(&object), Vec::<String>::new(), "{name}");
            seen += 1;
        }
    }
    assert!(seen > 150, "{seen} objects");
}

#[test]
fn helm_renders_what_kustomize_does() {
    for (name, values) in overlays() {
        let mut one = comparable(overlay(name));
        let other = comparable(helm(&values).expect(name));
        // Helm keeps its own record of the release in the namespace, which so is there before the chart.
        assert!(one.remove("Namespace /inferometer").is_some());
        assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>(), "{name}");
        for (object, one) in &one {
            assert_eq!(one, &other[object], "{name}: {object}");
        }
    }
}

#[test]
fn the_chart_refuses_values_that_it_does_not_know() {
    let wrong = [
        (json!({ "replicaCount": 3 }), "replicaCount"),
        (json!({ "replicas": 0 }), "replicas"),
        (json!({ "tls": { "mode": "none" } }), "mode"),
        (json!({ "tls": { "mode": "secret" } }), "secretName"),
        (json!({ "config": { "kind": "ConfigMap" } }), "kind"),
    ];
    let sets: Vec<&Json> = wrong.iter().map(|(values, _)| values).collect();
    for (result, (values, word)) in helm_all(&sets).into_iter().zip(&wrong) {
        let error = result.expect_err(&values.to_string());
        assert!(error.contains(word), "{values}: {error}");
    }
}

#[test]
fn every_value_of_the_chart_has_an_effect() {
    let sets: Vec<Json> = serde_saphyr::from_str(include_str!("manifests/values.yaml")).expect("a list");
    let none = json!({});
    let mut rendered = helm_all(&std::iter::once(&none).chain(&sets).collect::<Vec<_>>());
    let plain = comparable(rendered.remove(0).expect("the chart"));
    for (result, values) in rendered.into_iter().zip(&sets) {
        let objects = result.unwrap_or_else(|error| panic!("{values}: {error}"));
        for object in &objects {
            assert_eq!(kinds::faults(object), Vec::<String>::new(), "{values}");
        }
        assert_ne!(comparable(objects), plain, "{values}");
    }
    // None is forgotten here.
    let chart: Json =
        serde_saphyr::from_str(include_str!("../../manifests/helm/inferometer/values.yaml")).expect("YAML");
    for key in chart.as_object().expect("a mapping").keys() {
        assert!(sets.iter().any(|values| values.get(key).is_some()), "{key}");
    }
}

#[test]
fn the_registrations_alone_are_those_of_the_overlays() {
    for (folder, overlay_name) in [("apiservice", "default"), ("apiservice/external", "external-only")] {
        let alone = comparable(kustomize(folder));
        let whole = overlay(overlay_name);
        let of_overlay = of_kind(&whole, "APIService").into_iter().cloned().collect();
        assert_eq!(alone, comparable(of_overlay), "{folder}");
        for registration in alone.values() {
            // Trust is written by the adapter, never waived.
            assert_eq!(registration.pointer("/spec/insecureSkipTLSVerify"), None);
            assert_eq!(registration.pointer("/spec/caBundle"), None);
            let (group, version) = (text(registration, "/spec/group"), text(registration, "/spec/version"));
            assert_eq!(text(registration, "/metadata/name"), format!("{version}.{group}"));
        }
    }
}

#[test]
fn the_versions_are_that_of_the_program() {
    let version = env!("CARGO_PKG_VERSION");
    let chart = objects(include_str!("../../manifests/helm/inferometer/Chart.yaml")).remove(0);
    assert_eq!(text(&chart, "/version"), version);
    assert_eq!(text(&chart, "/appVersion"), version);
    let objects = overlay("default");
    let deployment = render::only(&objects, "Deployment");
    let image = text(&list(deployment, "/spec/template/spec/containers")[0], "/image");
    assert!(image.ends_with(&format!(":{version}")), "{image}");
}
