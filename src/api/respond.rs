//! From bodies to responses.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::document::Document;
use super::negotiate::{self, MediaType};
use super::status::Status;

/// The media type to answer with. Clients that send several `Accept` fields mean the first, as in Go.
pub(super) fn negotiated(headers: &HeaderMap, offers_discovery: bool) -> Result<MediaType, Status> {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    negotiate::negotiate(accept, offers_discovery).map_err(|_| Status::not_acceptable())
}

/// An answer that is only good now.
pub(super) fn fresh(body: Bytes, media_type: MediaType) -> Response {
    let mut response = with_type(StatusCode::OK, body, negotiate::content_type(media_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A value that is told as JSON or YAML.
pub(super) fn encoded(json: Bytes, media_type: MediaType) -> Response {
    match media_type {
        MediaType::Yaml => match negotiate::encode_yaml(&json) {
            Ok(yaml) => fresh(yaml, media_type),
            Err(error) => failure(&Status::internal(error)),
        },
        _ => fresh(json, media_type),
    }
}

/// A document, or that the client has it already.
pub(super) fn document(document: &Document, media_type: MediaType, request: &HeaderMap) -> Response {
    let yaml;
    let document = match media_type {
        MediaType::Yaml => match document.to_yaml() {
            Ok(converted) => {
                yaml = converted;
                &yaml
            }
            Err(error) => return failure(&Status::internal(error)),
        },
        _ => document,
    };
    let known = request.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known.is_some_and(|tags| document.matches(tags)) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        with_type(StatusCode::OK, document.body(), negotiate::content_type(media_type))
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(document.etag()) {
        headers.insert(ETAG, tag);
    }
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A failure, as Kubernetes writes it.
pub(super) fn failure(status: &Status) -> Response {
    with_type(status.code(), status.to_json(), "application/json")
}

/// Plain text.
pub(super) fn text(code: StatusCode, text: String) -> Response {
    with_type(code, text.into(), "text/plain; charset=utf-8")
}

fn with_type(code: StatusCode, body: Bytes, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
