use super::*;
use serde_json::Value;

const NAMES: [&str; 2] = ["gpu_utilization", "inference_requests_waiting"];

/// Compares with a file written by hand from Kubernetes' types: as values, since the order of keys is free here.
fn assert_golden(document: &Document, name: &str) {
    let path = format!("{}/tests/fixtures/contract/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let actual: Value = serde_json::from_slice(&document.body()).unwrap();
    assert_eq!(actual, golden, "{name}: {actual:#}");
}

#[test]
fn the_documents_are_the_golden_ones() {
    let discovery = Discovery::new(NAMES);
    assert_golden(discovery.group_list(), "apis");
    assert_golden(discovery.group(EXTERNAL_GROUP).unwrap(), "apis-external");
    assert_golden(discovery.resources(EXTERNAL_GROUP, EXTERNAL_VERSION).unwrap(), "apis-external-v1beta1");
    assert_golden(discovery.group(CUSTOM_GROUP).unwrap(), "apis-custom");
    assert_golden(discovery.resources(CUSTOM_GROUP, "v1beta1").unwrap(), "apis-custom-v1beta1");
    assert_golden(discovery.aggregated(DiscoveryVersion::V2), "apis-aggregated-v2");
    assert_golden(discovery.root(), "root");
}

#[test]
fn v2beta1_differs_in_nothing_but_its_name() {
    let discovery = Discovery::new(NAMES);
    let text = |version| String::from_utf8(discovery.aggregated(version).body().to_vec()).unwrap();
    assert_eq!(
        text(DiscoveryVersion::V2).replace("apidiscovery.k8s.io/v2", "apidiscovery.k8s.io/v2beta1"),
        text(DiscoveryVersion::V2Beta1)
    );
    let tag = |version| discovery.aggregated(version).etag();
    assert_ne!(tag(DiscoveryVersion::V2), tag(DiscoveryVersion::V2Beta1));
}

#[test]
fn tags_follow_the_configuration() {
    let (one, same, other) = (Discovery::new(NAMES), Discovery::new(NAMES), Discovery::new(["a"]));
    let tag = |discovery: &Discovery| discovery.aggregated(DiscoveryVersion::V2).etag().to_owned();
    assert_eq!(tag(&one), tag(&same));
    assert_ne!(tag(&one), tag(&other));
    assert_eq!(one.group_list().etag(), other.group_list().etag());
}

#[test]
fn what_is_not_ours_is_not_found() {
    let discovery = Discovery::new(NAMES);
    assert!(discovery.group("metrics.k8s.io").is_none());
    assert!(discovery.resources(EXTERNAL_GROUP, "v1").is_none());
    assert!(discovery.resources(EXTERNAL_GROUP, "v1beta2").is_none());
    assert!(discovery.resources(CUSTOM_GROUP, "v1").is_none());
    assert!(discovery.resources("", "").is_none());
}

#[test]
fn both_versions_of_the_custom_group_list_the_same() {
    let discovery = Discovery::new(NAMES);
    let text = |version| {
        let body = discovery.resources(CUSTOM_GROUP, version).unwrap().body();
        String::from_utf8(body.to_vec()).unwrap()
    };
    assert_ne!(text("v1beta1"), text("v1beta2"));
    assert_eq!(text("v1beta1").replace("v1beta1", "v1beta2"), text("v1beta2"));
}

#[test]
fn the_version_has_every_field_that_clients_read() {
    let info: Info = serde_json::from_slice(&Discovery::new(NAMES).server_version().body()).unwrap();
    assert_eq!(info.git_version, concat!("v", env!("CARGO_PKG_VERSION")));
    assert!(info.major.parse::<u32>().is_ok() && info.minor.parse::<u32>().is_ok());
    assert!(info.platform.contains('/'));
}
