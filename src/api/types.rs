//! The answer that an HPA reads: `ExternalMetricValueList`.
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::document::json_line;

/// The API group of external metrics.
pub const EXTERNAL_GROUP: &str = "external.metrics.k8s.io";
/// The only version of [`EXTERNAL_GROUP`] that Kubernetes ever had.
pub const EXTERNAL_VERSION: &str = "v1beta1";
/// The kind of the answer.
pub const EXTERNAL_LIST_KIND: &str = "ExternalMetricValueList";
/// `group/version` as it stands in `apiVersion`.
pub const EXTERNAL_API_VERSION: &str = "external.metrics.k8s.io/v1beta1";

/// The API group of metrics of objects.
pub const CUSTOM_GROUP: &str = "custom.metrics.k8s.io";
/// The versions of [`CUSTOM_GROUP`], the preferred one first.
pub const CUSTOM_VERSIONS: [&str; 2] = ["v1beta2", "v1beta1"];
/// The kind of its answers.
pub const CUSTOM_LIST_KIND: &str = "MetricValueList";

/// Several values of one metric. We only ever send one: the HPA adds up whatever it is given.
///
/// The fields stand in the order in which Kubernetes writes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalMetricValueList<'a> {
    /// Always [`EXTERNAL_LIST_KIND`].
    pub kind: Cow<'a, str>,
    /// Always [`EXTERNAL_API_VERSION`].
    pub api_version: Cow<'a, str>,
    /// Always empty, and always there.
    #[serde(default)]
    pub metadata: Empty,
    /// The values.
    pub items: Vec<ExternalMetricValue<'a>>,
}

/// One value of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalMetricValue<'a> {
    /// The name as it was asked for, suffixes included.
    pub metric_name: Cow<'a, str>,
    /// What tells this value from others of the same metric; we aggregate, so ours is empty. Other servers send
    /// `null` here: Go writes a nil map so.
    #[serde(default, deserialize_with = "null_as_default")]
    pub metric_labels: BTreeMap<String, String>,
    /// RFC 3339 in UTC, to the second.
    pub timestamp: Cow<'a, str>,
    /// The seconds that a rate was taken over. Named `window` here, though `windowSeconds` in the custom API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<i64>,
    /// A Kubernetes quantity.
    pub value: Cow<'a, str>,
}

/// An object without fields that anyone here reads or writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The body that answers for `metric`: one value, sampled at `at_ms` (Unix milliseconds).
///
/// `value` must print as a Kubernetes quantity.
pub fn external_metric_value_list(
    metric: &str,
    at_ms: i64,
    window_seconds: Option<i64>,
    value: impl Display,
) -> Bytes {
    json_line(&ExternalMetricValueList {
        kind: EXTERNAL_LIST_KIND.into(),
        api_version: EXTERNAL_API_VERSION.into(),
        metadata: Empty {},
        items: vec![ExternalMetricValue {
            metric_name: metric.into(),
            metric_labels: BTreeMap::new(),
            timestamp: rfc3339_seconds(at_ms).into(),
            window: window_seconds,
            value: value.to_string().into(),
        }],
    })
}

/// Unix milliseconds as Kubernetes writes a time. The fraction is dropped, never rounded up: a sample must not
/// claim to be younger than it is.
pub(super) fn rfc3339_seconds(at_ms: i64) -> String {
    // Go clients parse years of four digits only; a time outside them comes from a broken clock or source, and an
    // answer the client can read, with a time that is plainly wrong, beats one it cannot.
    let seconds = at_ms.div_euclid(1000).clamp(0, Timestamp::MAX.as_second());
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_answer_is_what_the_contract_shows() {
        let body = external_metric_value_list("m", 1_795_306_551_999, Some(60), "1500m");
        assert_eq!(
            std::str::from_utf8(&body).unwrap(),
            concat!(
                r#"{"kind":"ExternalMetricValueList","apiVersion":"external.metrics.k8s.io/v1beta1","metadata":{},"#,
                r#""items":[{"metricName":"m","metricLabels":{},"timestamp":"2026-11-22T00:15:51Z","window":60,"#,
                r#""value":"1500m"}]}"#,
                "\n"
            )
        );
    }

    #[test]
    fn the_window_is_left_out_when_there_is_none() {
        let body = external_metric_value_list("m", 0, None, 7);
        let text = std::str::from_utf8(&body).unwrap();
        assert!(text.contains(r#""timestamp":"1970-01-01T00:00:00Z","value":"7"}"#), "{text}");
    }

    #[test]
    fn answers_of_other_servers_are_read() {
        let foreign = r#"{"kind":"ExternalMetricValueList","apiVersion":"external.metrics.k8s.io/v1beta1",
            "metadata":{"resourceVersion":"1"},"items":[{"metricName":"m","metricLabels":null,
            "timestamp":"2026-11-22T00:15:51Z","value":"0"}]}"#;
        let list: ExternalMetricValueList<'_> = serde_json::from_str(foreign).unwrap();
        assert!(list.items[0].metric_labels.is_empty());
        assert_eq!(list.items[0].window, None);
        let labelled = foreign.replace("null", r#"{"queue":"a"}"#);
        let list: ExternalMetricValueList<'_> = serde_json::from_str(&labelled).unwrap();
        assert_eq!(list.items[0].metric_labels["queue"], "a");
    }

    #[test]
    fn times_are_cut_to_the_second_and_kept_readable() {
        assert_eq!(rfc3339_seconds(999), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339_seconds(-1), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339_seconds(i64::MAX), "9999-12-30T22:00:00Z");
    }

    proptest! {
        #[test]
        fn any_name_and_time_survive_the_wire(name in any::<String>(), at_ms in any::<i64>()) {
            let body = external_metric_value_list(&name, at_ms, Some(at_ms), "1");
            prop_assert_eq!(body.iter().position(|byte| *byte == b'\n'), Some(body.len() - 1));
            let list: ExternalMetricValueList<'_> = serde_json::from_slice(&body).unwrap();
            prop_assert_eq!(list.items.len(), 1);
            prop_assert_eq!(&list.items[0].metric_name, &name);
            prop_assert_eq!(list.items[0].timestamp.len(), "2026-11-22T00:15:51Z".len());
        }
    }
}
