//! Refusals, as API servers word them.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value as Json, json};

use super::store::Key;

/// A `Status` of failure.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    code: u16,
    reason: &'static str,
    message: String,
}

impl Problem {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into() }
    }

    pub(super) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    pub(super) fn not_found(key: &Key) -> Self {
        Self::new(404, "NotFound", format!("{} \"{}\" not found", key.kind, key.name))
    }

    pub(super) fn already_exists(key: &Key) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{}\" already exists", key.kind, key.name))
    }

    pub(super) fn conflict(key: &Key) -> Self {
        let words =
            "the object has been modified; please apply your changes to the latest version and try again";
        let message = format!("Operation cannot be fulfilled on {} \"{}\": {words}", key.kind, key.name);
        Self::new(409, "Conflict", message)
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(super) fn expired(version: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {version} ({oldest})"))
    }

    pub(super) fn status(&self) -> Json {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        })
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        answer(self.code, &self.status())
    }
}

/// An answer in JSON.
pub(super) fn answer(code: u16, body: &Json) -> Response {
    let code = StatusCode::from_u16(code).expect("a code");
    (code, [(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
