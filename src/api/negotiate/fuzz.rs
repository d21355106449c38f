//! Any bytes, read as an `Accept` header; and as a JSON body that is wanted as YAML.

use super::{DiscoveryVersion, MediaType, NotAcceptable, content_type, encode_yaml, negotiate};

/// The outcome is a form that is on offer and that the header could name.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(header) = std::str::from_utf8(bytes) else { return };
    let lower = header.to_ascii_lowercase();
    for offers_discovery in [false, true] {
        match negotiate(Some(header), offers_discovery) {
            Ok(MediaType::Json) => {}
            Ok(MediaType::Yaml) => assert!(lower.contains("yaml") || lower.contains('*')),
            Ok(form @ MediaType::AggregatedDiscovery(version)) => {
                assert!(offers_discovery && header.contains("APIGroupDiscoveryList"));
                let name = if version == DiscoveryVersion::V2 { "v2" } else { "v2beta1" };
                assert!(header.contains(name) && content_type(form).contains(name));
            }
            Err(NotAcceptable) => assert!(!header.trim().is_empty()),
        }
    }
    // One that is refused says so: anything else can be added.
    let Ok(MediaType::Json | MediaType::Yaml) = negotiate(Some(header), false) else { return };
    assert!(negotiate(Some(header), true).is_ok());
}

/// What is JSON becomes YAML that says the same.
pub(crate) fn yaml(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    // The reader that judges here goes no deeper than 64.
    if bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > 60 {
        return;
    }
    let yaml = encode_yaml(bytes).expect("what JSON says, YAML can say");
    let again: serde_json::Value =
        serde_saphyr::from_slice(&yaml).unwrap_or_else(|error| panic!("{error}: {}", yaml.escape_ascii()));
    assert_eq!(again, json, "{}", yaml.escape_ascii());
}
