//! Models as JSON schemas.
//!
//! The aggregator merges version 2 descriptions by the names of their definitions, and renames one of two that
//! differ. So the models bear upstream's names and refer to each other only; a time, a quantity, a selector or a
//! list's metadata is described in place instead of under the name of Kubernetes' own type.

use serde_json::{Map, Value, json};

use super::described::GroupVersion;

/// A version of OpenAPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// It can neither say that a quantity is a number or a string, nor that a field may be null.
    V2,
    /// It can.
    V3,
}

/// A type of object.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) kind: &'static str,
    /// Whether it is a kind of the API, rather than a part of one.
    pub(super) is_top_level: bool,
    pub(super) text: &'static str,
    pub(super) fields: &'static [Field],
}

/// A field of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    name: &'static str,
    form: Form,
    required: bool,
    text: &'static str,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// A text.
    Text,
    /// A time in RFC 3339.
    Time,
    /// A whole number of seconds.
    Seconds,
    /// A Kubernetes quantity.
    Quantity,
    /// Values by name.
    Labels,
    /// An object without fields.
    Empty,
    /// Which object of the cluster is meant.
    Object,
    /// A label selector, or null.
    Selector,
    /// Another model of the group version.
    Model(&'static str),
    /// A list of such.
    Models(&'static str),
}

impl Field {
    pub(super) const fn required(name: &'static str, form: Form, text: &'static str) -> Self {
        Self { name, form, required: true, text }
    }

    pub(super) const fn optional(name: &'static str, form: Form, text: &'static str) -> Self {
        Self { name, form, required: false, text }
    }

    /// The same under another name.
    pub(super) const fn called(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    fn schema(&self, of: &GroupVersion, dialect: Dialect) -> Value {
        let mut schema = self.form.schema(of, dialect);
        // Nothing may stand beside a reference.
        if schema.get("$ref").is_none() {
            schema["description"] = json!(self.text);
        }
        schema
    }
}

impl Form {
    fn schema(self, of: &GroupVersion, dialect: Dialect) -> Value {
        match (self, dialect) {
            (Self::Quantity, Dialect::V3) => json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
            (Self::Text | Self::Quantity, _) => text(),
            (Self::Time, _) => json!({ "type": "string", "format": "date-time" }),
            (Self::Seconds, _) => json!({ "type": "integer", "format": "int64" }),
            (Self::Labels, _) => labels(),
            (Self::Empty, _) => json!({ "type": "object" }),
            (Self::Object, _) => json!({
                "type": "object",
                "required": ["name"],
                "properties": { "kind": text(), "namespace": text(), "name": text(), "apiVersion": text() },
            }),
            (Self::Selector, dialect) => {
                let mut schema = selector();
                if dialect == Dialect::V3 {
                    schema["nullable"] = json!(true);
                }
                schema
            }
            (Self::Model(kind), dialect) => reference(of, kind, dialect),
            (Self::Models(kind), dialect) => {
                json!({ "type": "array", "items": reference(of, kind, dialect) })
            }
        }
    }
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn labels() -> Value {
    json!({ "type": "object", "additionalProperties": text() })
}

fn selector() -> Value {
    let requirement = json!({
        "type": "object",
        "required": ["key", "operator"],
        "properties": {
            "key": text(),
            "operator": text(),
            "values": { "type": "array", "items": text() },
        },
    });
    json!({
        "type": "object",
        "properties": {
            "matchLabels": labels(),
            "matchExpressions": { "type": "array", "items": requirement },
        },
    })
}

/// The models of a group version by name.
pub(super) fn models(of: &GroupVersion, dialect: Dialect) -> Map<String, Value> {
    let schema = |model: &Model| {
        let required = model.fields.iter().filter(|field| field.required).map(|field| field.name);
        let properties: Map<String, Value> =
            model.fields.iter().map(|field| (field.name.to_owned(), field.schema(of, dialect))).collect();
        let mut schema = json!({
            "type": "object",
            "description": model.text,
            "required": required.collect::<Vec<_>>(),
            "properties": properties,
        });
        if model.is_top_level {
            schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(of, model.kind)]);
        }
        (name(of, model.kind), schema)
    };
    of.models.iter().map(schema).collect()
}

/// Refers to a model.
pub(super) fn reference(of: &GroupVersion, kind: &str, dialect: Dialect) -> Value {
    let place = match dialect {
        Dialect::V2 => "#/definitions",
        Dialect::V3 => "#/components/schemas",
    };
    json!({ "$ref": format!("{place}/{}", name(of, kind)) })
}

/// A kind as the extensions of OpenAPI name it.
pub(super) fn group_version_kind(of: &GroupVersion, kind: &str) -> Value {
    json!({ "group": of.group, "version": of.version, "kind": kind })
}

fn name(of: &GroupVersion, kind: &str) -> String {
    format!("io.k8s.metrics.pkg.apis.{}.{}.{kind}", of.package, of.version)
}
