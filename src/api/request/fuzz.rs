//! Any bytes, read as what stands behind `GET `: a path with its query.

use http::{Method, Uri};

use super::{namespace, parameters, segment};
use crate::auth::attributes::{Attributes, Subject};
use crate::core::selector::Selector;

/// Nothing but a DNS label becomes a namespace, and what is reviewed is what is answered: each part of the
/// path reads the same to the reviewer and to us, and so does the selector.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(uri) = Uri::try_from(bytes) else { return };
    for raw in uri.path().split('/') {
        if let Ok(name) = namespace(raw) {
            let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            assert!(
                (1..=63).contains(&name.len()) && name.bytes().all(|byte| is_inner(byte) || byte == b'-')
            );
            assert!(name.starts_with(|c: char| c != '-') && name.ends_with(|c: char| c != '-'));
        }
    }
    let asked = parameters(uri.query().unwrap_or_default(), "metric", "external.metrics.k8s.io");
    let method = Method::GET;
    let Ok(Attributes { verb, subject: Subject::Resource(reviewed) }) = Attributes::read(&method, &uri)
    else {
        return;
    };
    let parts: Vec<_> = uri.path().trim_end_matches('/').split('/').skip(1).map(segment).collect();
    let parts: Vec<_> = parts.into_iter().map(|part| part.expect("it was reviewed")).collect();
    let known = [&reviewed.namespace, &reviewed.name, &reviewed.subresource];
    for part in known.into_iter().flatten().chain([&reviewed.group, &reviewed.version, &reviewed.resource]) {
        assert!(parts.contains(part) && !part.contains('/') && !part.contains(char::is_control), "{part:?}");
    }
    if let Ok(asked) = asked
        && verb == "list"
    {
        let text = reviewed.selector().unwrap_or_default();
        assert_eq!(Selector::parse(&text), Ok(asked.label_selector), "reviewed as {text:?}");
    }
}
