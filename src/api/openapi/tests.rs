use super::*;
use std::collections::BTreeSet;

const GROUP_VERSION: &str = "apis/external.metrics.k8s.io/v1beta1";

fn read(document: &Document) -> Value {
    serde_json::from_slice(&document.body()).unwrap()
}

/// Everything that stands behind a `$ref`.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|inner| references(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

fn documents() -> [(Value, &'static str); 2] {
    let openapi = OpenApi::new();
    [(read(openapi.v2()), "/definitions"), (read(openapi.v3(GROUP_VERSION).unwrap()), "/components/schemas")]
}

#[test]
fn every_reference_leads_somewhere() {
    for (document, _) in documents() {
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}

#[test]
fn no_name_of_kubernetes_is_redefined() {
    for (document, pointer) in documents() {
        for (name, schema) in document.pointer(pointer).unwrap().as_object().unwrap() {
            let kind = name.strip_prefix("io.k8s.metrics.pkg.apis.external_metrics.v1beta1.").unwrap();
            assert_eq!(schema["x-kubernetes-group-version-kind"][0]["kind"], kind);
        }
    }
}

#[test]
fn the_path_survives_the_aggregators_filter_and_declares_its_parameters() {
    for (document, _) in documents() {
        let paths = document["paths"].as_object().unwrap();
        assert_eq!(paths.len(), 1);
        let (path, item) = paths.iter().next().unwrap();
        assert!(path.starts_with("/apis/external.metrics.k8s.io/v1beta1/"));
        let get = &item["get"];
        for parameter in get["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            let in_path = parameter["in"] == "path";
            assert_eq!(in_path, path.contains(&format!("{{{name}}}")), "{name}");
            assert_eq!(in_path, parameter["required"].as_bool().unwrap(), "{name}");
        }
        assert!(get["responses"]["200"].is_object());
        assert!(get["operationId"].is_string());
    }
}

#[test]
fn the_schema_describes_what_is_sent() {
    let body = crate::api::types::external_metric_value_list("m", 0, Some(60), "1");
    let sent: Value = serde_json::from_slice(&body).unwrap();
    for (document, pointer) in documents() {
        let schemas = document.pointer(pointer).unwrap();
        for (kind, object) in [(EXTERNAL_LIST_KIND, &sent), (VALUE_KIND, &sent["items"][0])] {
            let schema = &schemas[model(kind)];
            for key in object.as_object().unwrap().keys() {
                assert!(schema["properties"][key].is_object(), "{kind}.{key}");
            }
            for required in schema["required"].as_array().unwrap() {
                assert!(object.get(required.as_str().unwrap()).is_some(), "{kind}.{required}");
            }
        }
    }
}

#[test]
fn the_index_names_the_present_document() {
    let openapi = OpenApi::new();
    let hash = openapi.v3(GROUP_VERSION).unwrap().hash();
    assert_eq!(
        read(openapi.v3_index()),
        json!({ "paths": { GROUP_VERSION: { "serverRelativeURL": format!("/openapi/v3/{GROUP_VERSION}?hash={hash}") } } })
    );
    assert!(openapi.v3("apis/custom.metrics.k8s.io/v1beta1").is_none());
    assert_eq!(OpenApi::default().v2(), openapi.v2());
}
