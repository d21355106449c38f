//! Group versions as whole documents: their paths, with the models beside them.

use serde_json::{Map, Value, json};

use super::described::{GroupVersion, Operation, Parameter};
use super::schema::{self, Dialect};

const MEDIA_TYPES: [&str; 2] = ["application/json", "application/yaml"];

/// The failures that a caller should expect, as the description lists them.
const FAILURES: [(&str, &str); 5] = [
    ("400", "The path or a selector cannot be read"),
    ("401", "Unauthorized"),
    ("403", "Forbidden"),
    ("404", "No metric of that name is defined"),
    ("503", "The metric is defined but has no value that may be acted on; the message says why"),
];

/// One document of version 2 for all of them.
pub(super) fn v2(described: &[GroupVersion]) -> Value {
    let paths: Map<String, Value> = described.iter().flat_map(|one| paths(one, Dialect::V2)).collect();
    let models: Map<String, Value> =
        described.iter().flat_map(|one| schema::models(one, Dialect::V2)).collect();
    json!({ "swagger": "2.0", "info": info(), "paths": paths, "definitions": models })
}

/// The document of version 3 for one.
pub(super) fn v3(described: &GroupVersion) -> Value {
    json!({
        "openapi": "3.0.0",
        "info": info(),
        "paths": paths(described, Dialect::V3),
        "components": { "schemas": schema::models(described, Dialect::V3) },
    })
}

fn info() -> Value {
    json!({ "title": "Inferometer", "version": concat!("v", env!("CARGO_PKG_VERSION")) })
}

/// The aggregator drops every path that does not begin with the group and version.
fn paths(of: &GroupVersion, dialect: Dialect) -> Map<String, Value> {
    let path = |one: &Operation| format!("/{}/{}", of.name(), one.path);
    of.operations.iter().map(|one| (path(one), json!({ "get": operation(of, one, dialect) }))).collect()
}

fn operation(of: &GroupVersion, one: &Operation, dialect: Dialect) -> Value {
    let parameters: Vec<Value> = one.parameters.iter().map(|one| parameter(one, dialect)).collect();
    let mut operation = json!({
        "operationId": operation_id(of, one),
        "description": one.text,
        "tags": [format!("{}_{}", of.tag, of.version)],
        "parameters": parameters,
        "responses": responses(of, dialect),
        "x-kubernetes-action": of.action,
        "x-kubernetes-group-version-kind": schema::group_version_kind(of, of.value),
    });
    if dialect == Dialect::V2 {
        operation["produces"] = json!(MEDIA_TYPES);
        operation["schemes"] = json!(["https"]);
    }
    operation
}

/// In the way of Kubernetes, where to `get` an object is to read it.
fn operation_id(of: &GroupVersion, one: &Operation) -> String {
    let verb = if of.action == "get" { "read" } else { of.action };
    format!("{verb}{}{}{}", capitalised(of.tag), capitalised(of.version), one.name)
}

fn capitalised(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(rest).collect()
}

fn parameter(one: &Parameter, dialect: Dialect) -> Value {
    let mut parameter = json!({
        "name": one.name, "in": one.place, "required": one.place == "path", "description": one.text,
    });
    match dialect {
        Dialect::V2 => parameter["type"] = json!(one.form),
        Dialect::V3 => parameter["schema"] = json!({ "type": one.form }),
    }
    parameter
}

fn responses(of: &GroupVersion, dialect: Dialect) -> Map<String, Value> {
    let list = schema::reference(of, of.list, dialect);
    let success = match dialect {
        Dialect::V2 => json!({ "description": "OK", "schema": list }),
        Dialect::V3 => {
            let content: Map<String, Value> =
                MEDIA_TYPES.iter().map(|form| ((*form).into(), json!({ "schema": list }))).collect();
            json!({ "description": "OK", "content": content })
        }
    };
    let failures = FAILURES.iter().map(|(code, text)| ((*code).into(), json!({ "description": text })));
    failures.chain([("200".to_owned(), success)]).collect()
}
