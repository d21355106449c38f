//! How we say no: Kubernetes `Status` objects, in the words operators already search for.
//!
//! Every message lives in this file. None of these answers carries `Retry-After`, nor `details.retryAfterSeconds`:
//! client-go obeys either by sleeping inside one of the few workers that serve all HPAs of a cluster.
use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::document::json_line;
use super::types::Empty;

/// A `Status` of API version v1 that reports a failure. The fields stand in Kubernetes' order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    kind: Cow<'static, str>,
    api_version: Cow<'static, str>,
    #[serde(default)]
    metadata: Empty,
    #[serde(rename = "status")]
    outcome: Cow<'static, str>,
    #[serde(default)]
    message: String,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    reason: Cow<'static, str>,
    #[serde(serialize_with = "code_as_number", deserialize_with = "number_as_code")]
    code: StatusCode,
}

/// What a user was not allowed to touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// A path outside the resource APIs: `/apis`, `/version`.
    Path(&'a str),
    /// A resource: an external metric, or `pods/metric` of the custom API.
    Resource {
        /// The API group.
        group: &'a str,
        /// The resource, for external metrics the metric's name.
        resource: &'a str,
        /// The part after the resource's slash, if any.
        subresource: Option<&'a str>,
        /// The object asked for by name, if any.
        name: Option<&'a str>,
        /// The namespace, if any.
        namespace: Option<&'a str>,
    },
}

impl Status {
    /// 404: no metric of that name is defined. The form is the metrics-API library's `NewMetricNotFoundForError`.
    pub fn not_found_metric(metric: &str, namespace: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            format!("the server could not find the metric {metric} for namespaces {namespace}"),
        )
    }

    /// 404: no metric of that name is defined for such objects. The form is the metrics-API library's
    /// `NewMetricNotFoundError` and, with a name, its `NewMetricNotFoundForError`.
    pub fn not_found_metric_of(metric: &str, resource: &str, name: Option<&str>) -> Self {
        let of = name.map(|name| format!(" {name}")).unwrap_or_default();
        Self::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            format!("the server could not find the metric {metric} for {resource}{of}"),
        )
    }

    /// 404: nothing is served under that path.
    pub fn not_found_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource")
    }

    /// 400: a selector or a path that cannot be read.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 405: an HTTP method other than GET.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    /// 405: GET, but asking for something the resource does not do (`watch=true`).
    pub fn verb_not_supported(verb: &str, resource: &str, group: &str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            format!("{verb} is not supported on resources of kind {:?}", qualified(resource, group)),
        )
    }

    /// 406: the client takes none of the forms we write.
    pub fn not_acceptable() -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "NotAcceptable",
            "only the following media types are accepted: application/json, application/yaml",
        )
    }

    /// 401: we do not know who is asking.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    /// 403: we know, and they may not. `reason` is the authorizer's own word on it and may be empty.
    pub fn forbidden(user: &str, verb: &str, target: Target<'_>, reason: &str) -> Self {
        let (subject, attempt) = match target {
            Target::Path(path) => (String::new(), format!("User {user:?} cannot {verb} path {path:?}")),
            Target::Resource { group, resource, subresource, name, namespace } => {
                let object = name.map(|name| format!(" {name:?}")).unwrap_or_default();
                let full =
                    subresource.map_or(Cow::Borrowed(resource), |sub| format!("{resource}/{sub}").into());
                let scope = namespace
                    .map_or("at the cluster scope".into(), |space| format!("in the namespace {space:?}"));
                (
                    format!("{}{object} is ", qualified(resource, group)),
                    format!("User {user:?} cannot {verb} resource {full:?} in API group {group:?} {scope}"),
                )
            }
        };
        let attempt = without_markup(&attempt);
        let separator = if reason.is_empty() { "" } else { ": " };
        Self::new(
            StatusCode::FORBIDDEN,
            "Forbidden",
            format!("{subject}forbidden: {attempt}{separator}{reason}"),
        )
    }

    /// 429: there is no room to wait in. Like every refusal without `Retry-After`.
    pub fn too_many_requests(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message)
    }

    /// 503: the metric is known but has no value to act on. The HPA prints `message` word for word in its
    /// condition, so it names the signal and the cause.
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    /// 500: our fault.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            format!("Internal error occurred: {cause}"),
        )
    }

    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind: "Status".into(),
            api_version: "v1".into(),
            metadata: Empty {},
            outcome: "Failure".into(),
            message: message.into(),
            reason: reason.into(),
            code,
        }
    }

    /// The HTTP status to answer with.
    pub fn code(&self) -> StatusCode {
        self.code
    }

    /// What a person reads.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What a program matches on; empty where Kubernetes has no word for the code.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The body, as JSON. Kubernetes answers a refused `Accept` in JSON too, so nothing else is ever needed.
    pub fn to_json(&self) -> Bytes {
        json_line(self)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

/// `resource.group`, as Kubernetes prints a `GroupResource`.
fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") }
}

/// Escapes what a browser might take for HTML: parts of the path and the user's name are the caller's to choose.
fn without_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

// serde hands over a reference, whatever the size of the field.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn code_as_number<S: Serializer>(code: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(code.as_u16())
}

fn number_as_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StatusCode, D::Error> {
    StatusCode::from_u16(u16::deserialize(deserializer)?).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests;
