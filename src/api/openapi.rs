//! The OpenAPI descriptions, versions 2 and 3, as JSON.
//!
//! Who reads them: kube-aggregator fetches `/openapi/v2` with `Accept: application/json` and the index at
//! `/openapi/v3` with no `Accept` at all, about once a minute as `system:aggregator`. The documents that the index
//! names are fetched by clients through the proxy, with the clients' own `Accept`. kubectl's protobuf form
//! (`application/com.github.proto-openapi.spec.v2@v1.0+protobuf`) is asked of kube-apiserver, which encodes the
//! merged description itself: asked for it alone, we answer 406.
//!
//! The aggregator merges v2 descriptions by the names of their definitions, and renames one of two that differ. So
//! the definitions here bear upstream's names and refer to each other only; a time, a quantity or a list's metadata
//! is described in place instead of under the name of Kubernetes' own type.
use serde_json::{Map, Value, json};

use super::document::Document;
use super::types::{EXTERNAL_API_VERSION, EXTERNAL_GROUP, EXTERNAL_LIST_KIND, EXTERNAL_VERSION};

const VALUE_KIND: &str = "ExternalMetricValue";
const MODELS: &str = "io.k8s.metrics.pkg.apis.external_metrics.v1beta1";
const MEDIA_TYPES: [&str; 2] = ["application/json", "application/yaml"];

/// The failures that a caller should expect, as the description lists them.
const FAILURES: [(&str, &str); 5] = [
    ("400", "The label selector cannot be read"),
    ("401", "Unauthorized"),
    ("403", "Forbidden"),
    ("404", "No metric of that name is defined"),
    ("503", "The metric is defined but has no value that may be acted on; the message says why"),
];

/// All OpenAPI documents. They describe the API, not the metrics, and never change while we run.
#[derive(Clone, Debug)]
pub struct OpenApi {
    v2: Document,
    v3_index: Document,
    v3: Vec<(String, Document)>,
}

impl OpenApi {
    /// Builds the documents.
    pub fn new() -> Self {
        let v3 = vec![(format!("apis/{EXTERNAL_API_VERSION}"), Document::json(&v3_external()))];
        let paths: Map<String, Value> = v3
            .iter()
            .map(|(name, document)| {
                let url = format!("/openapi/v3/{name}?hash={}", document.hash());
                (name.clone(), json!({ "serverRelativeURL": url }))
            })
            .collect();
        Self { v2: Document::json(&v2()), v3_index: Document::json(&json!({ "paths": paths })), v3 }
    }

    /// `/openapi/v2`.
    pub fn v2(&self) -> &Document {
        &self.v2
    }

    /// `/openapi/v3`: where the description of each group version is.
    pub fn v3_index(&self) -> &Document {
        &self.v3_index
    }

    /// `/openapi/v3/{name}`, with a name such as `apis/external.metrics.k8s.io/v1beta1`.
    ///
    /// kube-apiserver redirects a request whose `hash` is out of date; we must not, since the aggregator turns any
    /// redirect into a 502. Such a request gets the present document. `Cache-Control: immutable` is right only
    /// when `hash` equals [`Document::hash`].
    pub fn v3(&self, name: &str) -> Option<&Document> {
        self.v3.iter().find(|(known, _)| known == name).map(|(_, document)| document)
    }
}

impl Default for OpenApi {
    fn default() -> Self {
        Self::new()
    }
}

/// What differs between the two versions of OpenAPI in a schema.
#[derive(Clone, Copy)]
struct Dialect {
    references: &'static str,
    /// Quantities are numbers or strings, which version 2 cannot say.
    unions: bool,
}

fn v2() -> Value {
    let text = |name: &str, place: &str, required: bool, description: &str| {
        json!({
            "name": name, "in": place, "required": required, "type": "string",
            "description": description,
        })
    };
    let mut responses = failures();
    responses.insert(
        "200".into(),
        json!({ "description": "OK", "schema": reference("#/definitions/", EXTERNAL_LIST_KIND) }),
    );
    let mut operation = operation(text);
    operation.insert("produces".into(), json!(MEDIA_TYPES));
    operation.insert("schemes".into(), json!(["https"]));
    operation.insert("responses".into(), responses.into());
    json!({
        "swagger": "2.0",
        "info": info(),
        "paths": { path(): { "get": operation } },
        "definitions": schemas(Dialect { references: "#/definitions/", unions: false }),
    })
}

fn v3_external() -> Value {
    let references = "#/components/schemas/";
    let text = |name: &str, place: &str, required: bool, description: &str| {
        json!({
            "name": name, "in": place, "required": required, "description": description,
            "schema": { "type": "string" },
        })
    };
    let content: Map<String, Value> = MEDIA_TYPES
        .iter()
        .map(|form| ((*form).into(), json!({ "schema": reference(references, EXTERNAL_LIST_KIND) })))
        .collect();
    let mut responses = failures();
    responses.insert("200".into(), json!({ "description": "OK", "content": content }));
    let mut operation = operation(text);
    operation.insert("responses".into(), responses.into());
    json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": { path(): { "get": operation } },
        "components": { "schemas": schemas(Dialect { references, unions: true }) },
    })
}

fn info() -> Value {
    json!({ "title": "Inferometer", "version": concat!("v", env!("CARGO_PKG_VERSION")) })
}

/// One path with parameters, rather than one for each metric, so that the description stays as small with a
/// thousand metrics. The aggregator drops every path that does not begin with the group and version.
fn path() -> String {
    format!("/apis/{EXTERNAL_API_VERSION}/namespaces/{{namespace}}/{{metricName}}")
}

/// The parts of the operation that both versions share; `text` describes a parameter that is a string.
fn operation(text: impl Fn(&str, &str, bool, &str) -> Value) -> Map<String, Value> {
    let selector = "Restricts the series that the value is computed from, and the pods that they belong to, by \
                    their labels. Defaults to everything in the namespace.";
    let parameters = json!([
        text("namespace", "path", true, "the namespace whose workloads are measured"),
        text("metricName", "path", true, "the name of the metric"),
        text("labelSelector", "query", false, selector),
    ]);
    Map::from_iter([
        ("operationId".into(), json!("listExternalMetricsV1beta1NamespacedExternalMetricValue")),
        ("description".into(), json!("read the value of an external metric")),
        ("tags".into(), json!(["externalMetrics_v1beta1"])),
        ("parameters".into(), parameters),
        ("x-kubernetes-action".into(), json!("list")),
        ("x-kubernetes-group-version-kind".into(), group_version_kind(VALUE_KIND)),
    ])
}

fn failures() -> Map<String, Value> {
    FAILURES.iter().map(|(code, text)| ((*code).into(), json!({ "description": text }))).collect()
}

fn schemas(dialect: Dialect) -> Value {
    let kind = json!({ "type": "string", "description": "The kind of the object" });
    let version = json!({ "type": "string", "description": "The group and version of the object's schema" });
    let mut quantity = json!({ "description": "The value, as a Kubernetes quantity such as 5 or 1500m" });
    if dialect.unions {
        quantity["oneOf"] = json!([{ "type": "string" }, { "type": "number" }]);
    } else {
        quantity["type"] = json!("string");
    }
    let value = json!({
        "type": "object",
        "description": "The value of an external metric at one time.",
        "required": ["metricName", "metricLabels", "timestamp", "value"],
        "properties": {
            "kind": kind,
            "apiVersion": version,
            "metricName": { "type": "string", "description": "The name of the metric" },
            "metricLabels": {
                "type": "object",
                "additionalProperties": { "type": "string" },
                "description": "What tells this value from others of the same metric",
            },
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "The time of the oldest sample that the value was computed from",
            },
            "window": {
                "type": "integer",
                "format": "int64",
                "description": "The seconds before the timestamp that a rate was taken over; none otherwise",
            },
            "value": quantity,
        },
        "x-kubernetes-group-version-kind": [group_version_kind(VALUE_KIND)],
    });
    let list = json!({
        "type": "object",
        "description": "The values of an external metric for one label selector: always exactly one.",
        "required": ["items"],
        "properties": {
            "kind": kind,
            "apiVersion": version,
            "metadata": { "type": "object", "description": "Empty; there for the form's sake" },
            "items": {
                "type": "array",
                "description": "The values",
                "items": reference(dialect.references, VALUE_KIND),
            },
        },
        "x-kubernetes-group-version-kind": [group_version_kind(EXTERNAL_LIST_KIND)],
    });
    json!({ model(VALUE_KIND): value, model(EXTERNAL_LIST_KIND): list })
}

fn model(kind: &str) -> String {
    format!("{MODELS}.{kind}")
}

fn reference(prefix: &str, kind: &str) -> Value {
    json!({ "$ref": format!("{prefix}{}", model(kind)) })
}

fn group_version_kind(kind: &str) -> Value {
    json!({ "group": EXTERNAL_GROUP, "version": EXTERNAL_VERSION, "kind": kind })
}

#[cfg(test)]
mod tests;
