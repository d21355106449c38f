//! What metric requests have in common: the question, segments of the path, parameters, patience, the words of a no.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::borrow::Cow;
use std::time::Duration;

use http::Uri;
use percent_encoding::percent_decode_str;

use super::Api;
use super::status::Status;
use crate::core::selector::Selector;
use crate::engine::AskError;

/// How long the very first request for a signal waits for it: below the second in which every
/// request is answered, by what the rest of the way takes.
pub(super) const PATIENCE: Duration = Duration::from_millis(800);

/// What is asked, as it is written: path and query.
pub(super) fn question(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", |question| question.as_str())
}

/// One segment of a path, decoded once.
pub(super) fn segment(raw: &str) -> Result<Cow<'_, str>, Status> {
    percent_decode_str(raw).decode_utf8().map_err(|_| Status::bad_request("the path is not UTF-8"))
}

/// The name of a namespace as it stands in a path.
pub(super) fn namespace(raw: &str) -> Result<Cow<'_, str>, Status> {
    let name = segment(raw)?;
    if is_dns_label(&name) {
        Ok(name)
    } else {
        Err(Status::bad_request(format!("{name:?} is not the name of a namespace")))
    }
}

/// What Kubernetes lets a namespace be called. Anything else is stopped here, since the name goes on
/// into queries.
fn is_dns_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= 63
        && bytes.iter().all(|byte| inner(*byte) || *byte == b'-')
        && inner(bytes[0])
        && inner(bytes[bytes.len() - 1])
}

/// What a query may ask.
pub(super) struct Parameters {
    /// `labelSelector`: of an external metric the series, of a custom one the objects.
    pub(super) label_selector: Selector,
    /// `metricLabelSelector`: of a custom metric the series.
    pub(super) metric_label_selector: Selector,
    /// `explain=true`: the derivation instead of the list, for people.
    pub(super) explain: bool,
}

/// The parameters in `query`; `resource` and `group` name what is asked for in a refusal.
pub(super) fn parameters(query: &str, resource: &str, group: &str) -> Result<Parameters, Status> {
    let mut parameters = Parameters {
        label_selector: Selector::everything(),
        metric_label_selector: Selector::everything(),
        explain: false,
    };
    let selector = |text: &str| Selector::parse(text).map_err(|error| Status::bad_request(error.to_string()));
    let mut seen = [false; 3];
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        // Of two selectors one would be reviewed and the other answered.
        let once = ["labelSelector", "metricLabelSelector", "watch"].iter().position(|once| *once == name);
        if once.is_some_and(|index| std::mem::replace(&mut seen[index], true)) {
            return Err(Status::bad_request(format!("{name} is there more than once")));
        }
        match name.as_ref() {
            "labelSelector" => parameters.label_selector = selector(&value)?,
            "metricLabelSelector" => parameters.metric_label_selector = selector(&value)?,
            "watch" if is_true(&value) => return Err(Status::verb_not_supported("watch", resource, group)),
            "explain" => parameters.explain = is_true(&value),
            // limit, resourceVersion, pretty and the like: nothing to do, as in Kubernetes.
            _ => {}
        }
    }
    Ok(parameters)
}

fn is_true(value: &str) -> bool {
    matches!(value, "true" | "1" | "")
}

/// Notes a refusal for our own metrics and words it; `unknown` is what to say of an unknown metric.
pub(super) fn refused(api: &Api, error: &AskError, unknown: impl FnOnce() -> Status) -> Status {
    match error {
        AskError::Refused(refusal) => api.telemetry.refused(refusal.reason()),
        AskError::NoSource(_) => api.telemetry.refused("unconfigured"),
        AskError::Unknown => return unknown(),
    }
    Status::service_unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_dns_labels() {
        for (name, good) in [
            ("ai", true),
            ("a-1", true),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("A", false),
            ("a.b", false),
            ("a\"b", false),
            ("a%2Fb", false),
            ("%FF", false),
            (&"a".repeat(63), true),
            (&"a".repeat(64), false),
        ] {
            assert_eq!(namespace(name).is_ok(), good, "{name}");
        }
    }

    #[test]
    fn segments_are_decoded_once() {
        assert_eq!(segment("vllm%3Anum_requests_waiting").unwrap(), "vllm:num_requests_waiting");
        assert_eq!(segment("a%253A").unwrap(), "a%3A");
        assert!(segment("%FF").is_err());
    }

    #[test]
    fn a_watch_is_refused_and_the_rest_ignored() {
        let of = |query| parameters(query, "m", "g");
        assert_eq!(of("watch=true").err().map(|status| status.code().as_u16()), Some(405));
        let parsed =
            of("limit=5&watch=false&labelSelector=a%3Db%2Cc+in+%28d%29&metricLabelSelector=x").unwrap();
        assert_eq!(parsed.label_selector.to_string(), "a=b,c in (d)");
        assert_eq!(parsed.metric_label_selector.to_string(), "x");
        for bad in [
            "labelSelector=a%3E1",
            "metricLabelSelector=a%3E1",
            "labelSelector=a&labelSelector=a",
            "watch=false&watch=true",
        ] {
            assert_eq!(of(bad).err().map(|status| status.code().as_u16()), Some(400), "{bad}");
        }
    }
}
