//! Which objects a list or a watch is about, and in which form they are wanted.

use std::sync::Arc;

use http::HeaderMap;
use http::header::ACCEPT;
use inferometer::core::selector::Selector;
use serde_json::{Value as Json, json};

use super::kinds::Target;
use super::problem::Problem;
use super::store::Event;

/// The query of a request, decoded.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// Empty if it is not there.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self.get(name), "true" | "1")
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name).parse().ok()
    }
}

/// As they are stored, or their metadata only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Whole,
    Metadata,
}

impl Form {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        if accept.contains("as=PartialObjectMetadata") { Self::Metadata } else { Self::Whole }
    }

    pub(super) fn show(self, object: &Arc<Json>) -> Arc<Json> {
        match self {
            Self::Whole => Arc::clone(object),
            Self::Metadata => Arc::new(json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
            })),
        }
    }
}

pub(super) struct Scope {
    /// The full name of the kind.
    pub(super) kind: String,
    pub(super) namespace: Option<String>,
    labels: Selector,
    /// Paths of fields, the value wanted, and whether it is wanted or unwanted.
    fields: Vec<(String, String, bool)>,
    pub(super) form: Form,
}

impl Scope {
    pub(super) fn new(target: &Target, query: &Query, form: Form) -> Result<Self, Problem> {
        let labels = match query.get("labelSelector") {
            "" => Selector::everything(),
            text => Selector::parse(text).map_err(|error| Problem::bad_request(error.to_string()))?,
        };
        let mut fields: Vec<(String, String, bool)> = Vec::new();
        for part in query.get("fieldSelector").split(',').filter(|part| !part.is_empty()) {
            let (path, value) =
                part.split_once('=').ok_or_else(|| Problem::bad_request("a bad field selector"))?;
            fields.push((
                path.trim_end_matches('!').replace('.', "/"),
                value.trim_start_matches('=').to_owned(),
                !path.ends_with('!'),
            ));
        }
        // `/pods/NAME?watch=true` is a watch of that name.
        fields.extend(target.name.clone().map(|name| ("metadata/name".to_owned(), name, true)));
        let namespace = target.namespace.clone();
        Ok(Self { kind: target.kind.full_name(), namespace, labels, fields, form })
    }

    pub(super) fn holds(&self, object: &Json) -> bool {
        let text =
            |path: &str| object.pointer(&format!("/{path}")).and_then(Json::as_str).unwrap_or_default();
        self.namespace.as_deref().is_none_or(|namespace| text("metadata/namespace") == namespace)
            && self.fields.iter().all(|(path, value, wanted)| (text(path) == value) == *wanted)
            && self.labels.matches(|key| object["metadata"]["labels"][key].as_str())
    }

    /// What a watch of this scope is told of an event.
    pub(super) fn tell(&self, event: &Event) -> Option<(&'static str, Arc<Json>)> {
        if event.key.kind != self.kind {
            return None;
        }
        let before = event.before.as_ref().filter(|object| self.holds(object));
        let after = event.after.as_ref().filter(|object| self.holds(object));
        let (change, object) = match (before, after) {
            (None, None) => return None,
            (None, Some(object)) => ("ADDED", object),
            (Some(_), Some(object)) => ("MODIFIED", object),
            // Gone from the scope, or gone altogether.
            (Some(old), None) => ("DELETED", event.after.as_ref().unwrap_or(old)),
        };
        Some((change, self.form.show(object)))
    }
}
