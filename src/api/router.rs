//! Which path goes where.

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::get;

use super::recall::Recalling;
use super::respond::failure;
use super::status::Status;
use super::{Api, custom, documents, external, health};

/// The API server: what is remembered, and the routes.
pub fn service(api: Arc<Api>) -> Recalling<Router> {
    Recalling::new(routes(Arc::clone(&api)), api)
}

/// Whatever is not one of them is a `Status` too.
fn routes(api: Arc<Api>) -> Router {
    Router::new()
        .route("/", get(documents::root))
        .route("/apis", get(documents::groups))
        .route("/apis/", get(documents::groups))
        .route("/apis/{group}", get(documents::group))
        .route("/apis/{group}/{version}", get(documents::resources))
        .route(
            "/apis/external.metrics.k8s.io/v1beta1/namespaces/{namespace}/{metric}",
            // A HEAD would pass for a GET.
            get(external::value).head(method_not_allowed),
        )
        .route("/apis/custom.metrics.k8s.io/{version}/{*path}", get(custom::value).head(method_not_allowed))
        .route("/openapi/v2", get(documents::openapi_v2))
        .route("/openapi/v3", get(documents::openapi_v3_index))
        .route("/openapi/v3/{*name}", get(documents::openapi_v3))
        .route("/version", get(documents::version))
        .merge(health_routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(api)
}

/// Health, which is also served where the operators' tools look for it.
pub fn health_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/healthz", get(health::live))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
}

async fn not_found() -> Response {
    failure(&Status::not_found_path())
}

async fn method_not_allowed() -> Response {
    failure(&Status::method_not_allowed())
}
