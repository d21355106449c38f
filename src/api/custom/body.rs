//! The answer's body: `MetricValueList` in both versions of the API.

use bytes::Bytes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use serde::Serialize;

use super::object::Object;
use crate::api::document::json_line;
use crate::api::types::{CUSTOM_GROUP, CUSTOM_LIST_KIND, Empty, rfc3339_seconds};
use crate::core::reading::Reading;
use crate::core::selector::{Operator, Selector};

/// A version of the custom metrics API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// `v1beta1`: name and selector beside the value.
    V1Beta1,
    /// `v1beta2`: name and selector in a `metric` of their own.
    V1Beta2,
}

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "v1beta1" => Some(Self::V1Beta1),
            "v1beta2" => Some(Self::V1Beta2),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::V1Beta1 => "v1beta1",
            Self::V1Beta2 => "v1beta2",
        }
    }
}

/// One value of an answer.
pub(super) struct Item<'a> {
    pub(super) object: &'a Object,
    pub(super) name: &'a str,
    pub(super) reading: &'a Reading,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<T> {
    kind: &'static str,
    api_version: String,
    metadata: Empty,
    items: Vec<T>,
}

/// The fields stand in the order in which Kubernetes writes them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct V1Beta1<'a> {
    described_object: Described<'a>,
    metric_name: &'a str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<i64>,
    value: String,
    selector: Option<&'a LabelSelector>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct V1Beta2<'a> {
    described_object: Described<'a>,
    metric: Identifier<'a>,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_seconds: Option<i64>,
    value: String,
}

#[derive(Serialize)]
struct Identifier<'a> {
    name: &'a str,
    selector: Option<&'a LabelSelector>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
}

/// The body that answers for `metric`, whose series `selector` selected, of objects in `namespace`.
pub(super) fn metric_value_list<'a>(
    version: Version,
    namespace: Option<&'a str>,
    metric: &'a str,
    selector: &Selector,
    items: impl Iterator<Item = Item<'a>>,
) -> Bytes {
    let selector = (!selector.is_everything()).then(|| label_selector(selector));
    let selector = selector.as_ref();
    let described = |item: &Item<'a>| {
        let (kind, api_version) = item.object.kind();
        Described { kind, namespace, name: item.name, api_version }
    };
    let timestamp = |item: &Item<'a>| rfc3339_seconds(item.reading.at.as_millis());
    let api_version = format!("{CUSTOM_GROUP}/{}", version.name());
    match version {
        Version::V1Beta1 => {
            let value = |item: Item<'a>| V1Beta1 {
                described_object: described(&item),
                metric_name: metric,
                timestamp: timestamp(&item),
                window: item.reading.window_seconds(),
                value: item.reading.quantity.to_string(),
                selector,
            };
            let items = items.map(value).collect();
            json_line(&List { kind: CUSTOM_LIST_KIND, api_version, metadata: Empty {}, items })
        }
        Version::V1Beta2 => {
            let value = |item: Item<'a>| V1Beta2 {
                described_object: described(&item),
                metric: Identifier { name: metric, selector },
                timestamp: timestamp(&item),
                window_seconds: item.reading.window_seconds(),
                value: item.reading.quantity.to_string(),
            };
            let items = items.map(value).collect();
            json_line(&List { kind: CUSTOM_LIST_KIND, api_version, metadata: Empty {}, items })
        }
    }
}

/// A selector in the form that objects carry.
fn label_selector(selector: &Selector) -> LabelSelector {
    let mut labels = std::collections::BTreeMap::new();
    let mut expressions = Vec::new();
    for requirement in selector.requirements() {
        let (key, values) = (requirement.key().to_owned(), requirement.values().to_vec());
        let operator = match requirement.operator() {
            // A key that is asked for twice can stand only once among the labels.
            Operator::Equals if !labels.contains_key(&key) => {
                labels.extend(values.into_iter().map(|value| (key.clone(), value)));
                continue;
            }
            Operator::Equals | Operator::In => "In",
            Operator::NotEquals | Operator::NotIn => "NotIn",
            Operator::Exists => "Exists",
            Operator::DoesNotExist => "DoesNotExist",
        };
        let values = (!values.is_empty()).then_some(values);
        expressions.push(LabelSelectorRequirement { key, operator: operator.to_owned(), values });
    }
    LabelSelector {
        match_labels: (!labels.is_empty()).then_some(labels),
        match_expressions: (!expressions.is_empty()).then_some(expressions),
    }
}

#[cfg(test)]
mod tests;
