use super::DiscoveryVersion::{V2, V2Beta1};
use super::MediaType::{AggregatedDiscovery, Json, Yaml};
use super::*;
use proptest::prelude::*;

const TABLE: &str =
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io";
const V2_RANGE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const V2_BETA_RANGE: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

#[test]
fn what_the_known_clients_send() {
    let kubectl = format!("{TABLE},application/json");
    for header in ["", "  ", "*/*", "application/json", "application/vnd.kubernetes.protobuf, */*", &kubectl]
    {
        assert_eq!(negotiate(Some(header), false), Ok(Json), "{header}");
        assert_eq!(negotiate(Some(header), true), Ok(Json), "{header}");
    }
    assert_eq!(negotiate(None, true), Ok(Json));
    assert_eq!(negotiate(Some(TABLE), false), Err(NotAcceptable));
    assert_eq!(negotiate(Some("application/vnd.kubernetes.protobuf"), false), Err(NotAcceptable));
}

#[test]
fn discovery_is_aggregated_for_those_who_ask() {
    let older_client = format!("{V2_RANGE},{V2_BETA_RANGE},application/json");
    let protobuf_first =
        format!("{};q=0.9,{older_client}", V2_RANGE.replace("json", "vnd.kubernetes.protobuf"));
    let no_peer = format!("{V2_RANGE};profile=nopeer,application/json");
    let any_order = "application/json;as=APIGroupDiscoveryList;v=\"v2\";g=apidiscovery.k8s.io";
    for header in [V2_RANGE, &older_client, &protobuf_first, &no_peer, any_order] {
        assert_eq!(negotiate(Some(header), true), Ok(AggregatedDiscovery(V2)), "{header}");
    }
    // kube-apiserver serves the aggregated form wherever it stands among equals.
    let plain_first = format!("application/json,{V2_RANGE}");
    assert_eq!(negotiate(Some(&plain_first), true), Ok(AggregatedDiscovery(V2)));
    let beta = format!("{V2_BETA_RANGE},application/json");
    assert_eq!(negotiate(Some(&beta), true), Ok(AggregatedDiscovery(V2Beta1)));
    let beta_first = format!("{V2_BETA_RANGE},{V2_RANGE}");
    assert_eq!(negotiate(Some(&beta_first), true), Ok(AggregatedDiscovery(V2Beta1)));
    // Elsewhere there is nothing to aggregate.
    assert_eq!(negotiate(Some(&older_client), false), Ok(Json));
    assert_eq!(negotiate(Some(V2_RANGE), false), Err(NotAcceptable));
    // A version that is still to come.
    let future = V2_RANGE.replace("v2", "v3");
    assert_eq!(negotiate(Some(&future), true), Err(NotAcceptable));
    assert_eq!(negotiate(Some(&format!("{future},application/json")), true), Ok(Json));
}

#[test]
fn weights_and_wildcards() {
    for (header, expected) in [
        ("application/*", Ok(Json)),
        ("*", Ok(Json)),
        ("application/yaml", Ok(Yaml)),
        ("APPLICATION/YAML; charset=utf-8", Ok(Yaml)),
        ("application/yaml, */*", Ok(Yaml)),
        ("application/yaml,application/json", Ok(Yaml)),
        ("application/json,application/yaml", Ok(Json)),
        ("application/json;q=0.5, application/yaml;q=0.9", Ok(Yaml)),
        ("application/yaml;q=0.2, */*", Ok(Json)),
        ("application/*;q=0.3, application/yaml;q=0.1", Ok(Json)),
        ("text/html, application/*;q=0.9, */*;q=0.8", Ok(Json)),
        // Refused outright, however warmly the wildcard speaks.
        ("*/*, application/json;q=0", Ok(Yaml)),
        ("application/json;q=0, application/*;q=0.000", Err(NotAcceptable)),
        ("application/json;Q=0", Err(NotAcceptable)),
        ("application/json;q=-0.0", Err(NotAcceptable)),
        ("text/*", Err(NotAcceptable)),
        ("*/json", Err(NotAcceptable)),
        // A Table refused says nothing of plain JSON.
        ("application/json;as=Table;q=0,application/json", Ok(Json)),
    ] {
        assert_eq!(negotiate(Some(header), false), expected, "{header}");
    }
}

#[test]
fn junk_is_passed_over() {
    for (header, expected) in [
        (",,;;,application/json,", Ok(Json)),
        ("nonsense, a/b/c, /, application/, application/yaml", Ok(Yaml)),
        ("application/json;;=;x;as=;q", Ok(Json)),
        ("application/json;q=high, application/yaml;q=0.1", Ok(Yaml)),
        ("application/json;q=NaN", Ok(Json)),
        ("application/json;q=7", Ok(Json)),
        (r#"text/x;title="a,application/yaml;\",b",application/json"#, Ok(Json)),
        (r#"application/json;title="never closed, application/yaml"#, Ok(Json)),
        ("nonsense", Err(NotAcceptable)),
        (",", Err(NotAcceptable)),
    ] {
        assert_eq!(negotiate(Some(header), false), expected, "{header}");
    }
}

#[test]
fn the_content_type_repeats_what_the_aggregator_asked_for() {
    assert_eq!(content_type(AggregatedDiscovery(V2)), V2_RANGE);
    assert_eq!(content_type(AggregatedDiscovery(V2Beta1)), V2_BETA_RANGE);
    for media_type in OFFERS {
        assert_eq!(negotiate(Some(content_type(media_type)), true), Ok(media_type));
    }
}

#[test]
fn yaml_keeps_strings_strings() {
    let json =
        br#"{"kind":"L","items":[{"value":"5","timestamp":"2026-11-22T00:15:51Z","m":"no","w":60}],"e":{}}"#;
    let yaml = encode_yaml(json).unwrap();
    let text = std::str::from_utf8(&yaml).unwrap();
    insta::assert_snapshot!(text, @r#"
    e: {}
    items:
    - m: "no"
      timestamp: "2026-11-22T00:15:51Z"
      value: "5"
      w: 60
    kind: L
    "#);
    let back: serde_json::Value = serde_saphyr::from_str(text).unwrap();
    assert_eq!(back, serde_json::from_slice::<serde_json::Value>(json).unwrap());
    assert!(matches!(encode_yaml(b"{"), Err(EncodeYamlError::Read(_))));
}

proptest! {
    #[test]
    fn nothing_panics(header in any::<String>(), discovery in any::<bool>()) {
        let _ = negotiate(Some(&header), discovery);
    }

    #[test]
    fn nothing_header_like_panics(header in r#"[ a-c/*;,="\\q.01é]{0,60}"#, discovery in any::<bool>()) {
        let _ = negotiate(Some(&header), discovery);
    }

    #[test]
    fn yaml_says_what_the_json_said(message in any::<String>(), long in "[ a-z:#\n'\"-]{70,200}") {
        let value = serde_json::json!({ "message": message, "items": [{ "long": long }, {}] });
        let yaml = encode_yaml(value.to_string().as_bytes()).unwrap();
        let back: serde_json::Value = serde_saphyr::from_slice(&yaml).unwrap();
        prop_assert_eq!(back, value);
    }

    #[test]
    fn plain_json_at_full_weight_is_always_served(before in "[a-z/]{0,9}(;[a-z]=[a-z]{1,3}){0,3}") {
        let header = format!("{before},application/json");
        prop_assert_eq!(negotiate(Some(&header), false), Ok(Json));
    }
}
