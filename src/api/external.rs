//! `external.metrics.k8s.io`: one number for a metric, a namespace and a selector.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;

use super::explain::Explanation;
use super::negotiate::MediaType;
use super::request::{self, PATIENCE, Parameters};
use super::respond::{encoded, failure, negotiated};
use super::status::Status;
use super::types::{EXTERNAL_GROUP, external_metric_value_list};
use super::{Api, document};
use crate::core::evaluate::Whom;
use crate::engine::Ask;

/// `GET …/namespaces/{namespace}/{metric}?labelSelector=…`; with `explain=true` the derivation
/// instead of the list, for people.
pub(super) async fn value(State(api): State<Arc<Api>>, request: Request) -> Response {
    match answer(&api, &request.into_parts().0).await {
        Ok(response) => response,
        Err(status) => failure(&status),
    }
}

async fn answer(api: &Api, request: &Parts) -> Result<Response, Status> {
    let (uri, media_type) = (&request.uri, negotiated(&request.headers, false)?);
    let (namespace, metric) = path_parts(uri.path())?;
    let Parameters { label_selector: selector, explain, .. } =
        request::parameters(uri.query().unwrap_or_default(), &metric, EXTERNAL_GROUP)?;
    let ask = Ask {
        metric: &metric,
        namespace: &namespace,
        selector: &selector,
        whom: Whom::All,
        patience: PATIENCE,
    };
    let refused = |error| request::refused(api, &error, || Status::not_found_metric(&metric, &namespace));
    if explain {
        let explained = api.engine.explain(ask).await.map_err(refused)?;
        let explanation = Explanation::new(&explained, &namespace, &selector);
        return Ok(encoded(document::json_line(&explanation), media_type));
    }
    let answer = api.engine.ask(ask).await.map_err(refused)?;
    let reading = &answer.reading;
    if reading.held {
        api.telemetry.served_held();
    }
    let body = external_metric_value_list(
        &metric,
        reading.at.as_millis(),
        reading.window_seconds(),
        reading.quantity,
    );
    if media_type == MediaType::Json && !reading.held {
        api.remembered.note(request::question(uri), body.clone(), answer.stamp, &api.engine);
    }
    Ok(encoded(body, media_type))
}

/// Namespace and metric, the last and the one before the last of the path.
fn path_parts(path: &str) -> Result<(Cow<'_, str>, Cow<'_, str>), Status> {
    let mut parts = path.rsplit('/');
    let (metric, namespace) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    Ok((request::namespace(namespace)?, request::segment(metric)?))
}
