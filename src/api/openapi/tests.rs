use super::*;
use crate::api::discovery::GROUPS;
use std::collections::BTreeSet;

const EXTERNAL: &str = "apis/external.metrics.k8s.io/v1beta1";
const V1BETA1: &str = "apis/custom.metrics.k8s.io/v1beta1";
const V1BETA2: &str = "apis/custom.metrics.k8s.io/v1beta2";

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

/// Every document, with the place of its models and the group versions that it describes.
fn documents() -> Vec<(Value, &'static str, Vec<&'static str>)> {
    let openapi = OpenApi::new();
    let all = [EXTERNAL, V1BETA1, V1BETA2];
    let one = |name| (read(openapi.v3(name).unwrap()), "/components/schemas", vec![name]);
    let mut documents: Vec<_> = all.map(one).into();
    documents.push((read(openapi.v2()), "/definitions", all.to_vec()));
    documents
}

fn properties<'a>(document: &'a Value, models: &str, model: &str) -> &'a Value {
    let model = document.pointer(models).unwrap().get(format!("io.k8s.metrics.pkg.apis.{model}"));
    &model.unwrap_or_else(|| panic!("{model:?}"))["properties"]
}

#[test]
fn every_version_that_is_served_is_described_and_no_other() {
    let served: BTreeSet<String> = GROUPS
        .iter()
        .flat_map(|group| group.versions.iter().map(|version| format!("apis/{}/{version}", group.name)))
        .collect();
    let openapi = OpenApi::new();
    let index = read(openapi.v3_index());
    let index = index["paths"].as_object().unwrap();
    assert_eq!(index.keys().cloned().collect::<BTreeSet<_>>(), served);
    for (name, entry) in index {
        let hash = openapi.v3(name).unwrap().hash();
        assert_eq!(*entry, json!({ "serverRelativeURL": format!("/openapi/v3/{name}?hash={hash}") }));
    }
    assert!(openapi.v3("apis/custom.metrics.k8s.io/v1").is_none());
    assert_eq!(OpenApi::default().v2(), openapi.v2());
}

#[test]
fn every_reference_leads_somewhere_and_every_model_is_referred_to() {
    for (document, models, described) in documents() {
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        let models: BTreeSet<String> =
            document.pointer(models).unwrap().as_object().map_or_else(BTreeSet::new, |known| {
                known.keys().map(|name| format!("#{models}/{name}")).collect()
            });
        assert_eq!(found, models, "{described:?}");
    }
}

#[test]
fn no_name_of_kubernetes_is_redefined() {
    for (document, models, described) in documents() {
        for (name, schema) in document.pointer(models).unwrap().as_object().unwrap() {
            let (package, kind) = name.rsplit_once('.').unwrap();
            let of = described.iter().find(|of| {
                let of = of.trim_start_matches("apis/").replace(".metrics.k8s.io/", "_metrics.");
                package == format!("io.k8s.metrics.pkg.apis.{of}")
            });
            let (group, version) =
                of.unwrap().trim_start_matches("apis/").split_once('/').unwrap_or_else(|| panic!("{name}"));
            // A part of a kind is no kind that one could ask for.
            let expected = match kind {
                "MetricIdentifier" => Value::Null,
                _ => json!([{ "group": group, "version": version, "kind": kind }]),
            };
            assert_eq!(schema["x-kubernetes-group-version-kind"], expected, "{name}");
        }
    }
}

#[test]
fn paths_survive_the_aggregators_filter_and_declare_their_parameters() {
    let mut ids = BTreeSet::new();
    for (document, _, described) in documents() {
        for (path, item) in document["paths"].as_object().unwrap() {
            assert!(described.iter().any(|of| path.starts_with(&format!("/{of}/"))), "{path}");
            let get = &item["get"];
            let mut declared = 0;
            for parameter in get["parameters"].as_array().unwrap() {
                let name = parameter["name"].as_str().unwrap();
                let in_path = parameter["in"] == "path";
                declared += usize::from(in_path);
                assert_eq!(in_path, path.contains(&format!("{{{name}}}")), "{path}: {name}");
                assert_eq!(in_path, parameter["required"].as_bool().unwrap(), "{path}: {name}");
                let form = parameter.get("type").unwrap_or(&parameter["schema"]["type"]);
                assert_eq!(form, if name == "explain" { "boolean" } else { "string" }, "{path}: {name}");
            }
            assert_eq!(declared, path.matches('{').count(), "{path}");
            assert!(get["responses"]["200"].is_object());
            ids.insert((get["operationId"].as_str().unwrap().to_owned(), path.clone()));
        }
    }
    // The same in both versions of OpenAPI, and one for each path.
    assert_eq!(ids.len(), 7, "{ids:?}");
    assert_eq!(ids.iter().map(|(id, _)| id).collect::<BTreeSet<_>>().len(), 7, "{ids:?}");
}

#[test]
fn every_shape_of_a_url_has_a_path() {
    let shapes = |document: &Value, prefix: &str| {
        let paths = document["paths"].as_object().unwrap().keys();
        paths.filter_map(|path| path.strip_prefix(prefix).map(str::to_owned)).collect::<BTreeSet<_>>()
    };
    for (document, _, described) in documents() {
        for of in described {
            let expected: &[&str] = match of {
                EXTERNAL => &["namespaces/{namespace}/{metricName}"],
                _ => &[
                    "namespaces/{namespace}/metrics/{metricName}",
                    "namespaces/{namespace}/{resource}/{name}/{metricName}",
                    "{resource}/{name}/{metricName}",
                ],
            };
            let expected: BTreeSet<String> = expected.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(shapes(&document, &format!("/{of}/")), expected);
        }
    }
}

#[test]
fn the_schema_describes_what_is_sent() {
    let sent = |name: &str| -> Value {
        let path = format!("{}/tests/fixtures/contract/{name}.json", env!("CARGO_MANIFEST_DIR"));
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    };
    let external = crate::api::types::external_metric_value_list("m", 0, Some(60), "1");
    let external: Value = serde_json::from_slice(&external).unwrap();
    for (document, models, described) in documents() {
        for of in described {
            let (package, list, value, sent) = match of {
                EXTERNAL => (
                    "external_metrics.v1beta1",
                    "ExternalMetricValueList",
                    "ExternalMetricValue",
                    external.clone(),
                ),
                V1BETA1 => {
                    ("custom_metrics.v1beta1", "MetricValueList", "MetricValue", sent("value-custom-v1beta1"))
                }
                _ => {
                    ("custom_metrics.v1beta2", "MetricValueList", "MetricValue", sent("value-custom-v1beta2"))
                }
            };
            let mut objects = vec![(list, sent.clone()), (value, sent["items"][0].clone())];
            if let Some(metric) = sent["items"][0].get("metric") {
                objects.push(("MetricIdentifier", metric.clone()));
            }
            for (kind, object) in objects {
                let schema =
                    &document.pointer(models).unwrap()[format!("io.k8s.metrics.pkg.apis.{package}.{kind}")];
                for key in object.as_object().unwrap().keys() {
                    assert!(schema["properties"][key].is_object(), "{of} {kind}.{key}");
                }
                for required in schema["required"].as_array().unwrap() {
                    assert!(object.get(required.as_str().unwrap()).is_some(), "{of} {kind}.{required}");
                }
            }
        }
    }
}

#[test]
fn the_window_bears_the_name_of_its_version() {
    for (document, models, described) in documents() {
        for (of, model, window) in [
            (EXTERNAL, "external_metrics.v1beta1.ExternalMetricValue", "window"),
            (V1BETA1, "custom_metrics.v1beta1.MetricValue", "window"),
            (V1BETA2, "custom_metrics.v1beta2.MetricValue", "windowSeconds"),
        ] {
            if described.contains(&of) {
                let keys = properties(&document, models, model).as_object().unwrap().keys();
                assert_eq!(keys.filter(|key| key.starts_with("window")).collect::<Vec<_>>(), [window]);
            }
        }
    }
    // Only version 3 can say that there may be no selector.
    let v3 = read(OpenApi::new().v3(V1BETA2).unwrap());
    let selector =
        &properties(&v3, "/components/schemas", "custom_metrics.v1beta2.MetricIdentifier")["selector"];
    assert_eq!(selector["nullable"], true);
}
