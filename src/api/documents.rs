//! Discovery, OpenAPI and version: documents that are built once for each configuration.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::Response;

use super::Api;
use super::document::Document;
use super::negotiate::MediaType;
use super::respond::{document, failure, negotiated};
use super::status::Status;

/// The variable segments of a path; what does not decode names nothing of ours.
type Segments<T> = Result<Path<T>, PathRejection>;

/// `/`
pub(super) async fn root(State(api): State<Arc<Api>>, request: Request) -> Response {
    plain(&request, Some(api.discovery().1.root()))
}

/// `/apis`: the list of groups, or for the aggregator everything in one document.
pub(super) async fn groups(State(api): State<Arc<Api>>, request: Request) -> Response {
    let discovery = api.discovery();
    match negotiated(request.headers(), true) {
        Err(status) => failure(&status),
        Ok(media_type) => {
            let body = match media_type {
                MediaType::AggregatedDiscovery(version) => discovery.1.aggregated(version),
                MediaType::Json | MediaType::Yaml => discovery.1.group_list(),
            };
            document(body, media_type, request.headers())
        }
    }
}

/// `/apis/{group}`
pub(super) async fn group(
    State(api): State<Arc<Api>>,
    group: Segments<String>,
    request: Request,
) -> Response {
    let discovery = api.discovery();
    plain(&request, group.ok().and_then(|Path(group)| discovery.1.group(&group)))
}

/// `/apis/{group}/{version}`: what the aggregator probes to call us available.
pub(super) async fn resources(
    State(api): State<Arc<Api>>,
    names: Segments<(String, String)>,
    request: Request,
) -> Response {
    let discovery = api.discovery();
    plain(&request, names.ok().and_then(|Path((group, version))| discovery.1.resources(&group, &version)))
}

/// `/version`
pub(super) async fn version(State(api): State<Arc<Api>>, request: Request) -> Response {
    plain(&request, Some(api.discovery().1.server_version()))
}

/// `/openapi/v2`
pub(super) async fn openapi_v2(State(api): State<Arc<Api>>, request: Request) -> Response {
    plain(&request, Some(api.openapi.v2()))
}

/// `/openapi/v3`
pub(super) async fn openapi_v3_index(State(api): State<Arc<Api>>, request: Request) -> Response {
    plain(&request, Some(api.openapi.v3_index()))
}

/// `/openapi/v3/{group version}`. The hash in the query names what the client expects; it gets what
/// there is, since a redirect would become a 502 on its way through the aggregator.
pub(super) async fn openapi_v3(
    State(api): State<Arc<Api>>,
    name: Segments<String>,
    request: Request,
) -> Response {
    plain(&request, name.ok().and_then(|Path(name)| api.openapi.v3(&name)))
}

fn plain(request: &Request, wanted: Option<&Document>) -> Response {
    let Some(wanted) = wanted else { return failure(&Status::not_found_path()) };
    match negotiated(request.headers(), false) {
        Ok(media_type) => document(wanted, media_type, request.headers()),
        Err(status) => failure(&status),
    }
}
