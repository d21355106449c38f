//! `custom.metrics.k8s.io`: one number for each pod, or the number of an object.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::request::Parts;

use self::body::{Item, metric_value_list};
use self::object::{Object, Wanted};
use super::explain::Explanation;
use super::negotiate::MediaType;
use super::request::{self, PATIENCE, Parameters};
use super::respond::{encoded, failure, negotiated};
use super::status::Status;
use super::types::CUSTOM_GROUP;
use super::{Api, document};
use crate::core::evaluate::Whom;
use crate::engine::{Ask, Stamp};

mod body;
mod object;

/// `GET …/{version}/…`: see [`Wanted`] for the paths; with `explain=true` the derivation instead of the
/// list, for people.
pub(super) async fn value(State(api): State<Arc<Api>>, request: Request) -> Response {
    match answer(&api, &request.into_parts().0).await {
        Ok(response) => response,
        Err(status) => failure(&status),
    }
}

async fn answer(api: &Api, request: &Parts) -> Result<Response, Status> {
    let (uri, media_type) = (&request.uri, negotiated(&request.headers, false)?);
    let wanted = Wanted::parse(uri.path())?;
    let resource = format!("{}/{}", wanted.object.resource(), wanted.metric);
    let Parameters { label_selector, metric_label_selector: selector, explain } =
        request::parameters(uri.query().unwrap_or_default(), &resource, CUSTOM_GROUP)?;
    let key = wanted.object.key();
    let name = wanted.name.as_deref();
    let whom = match (&wanted.object, name) {
        // The namespace is where the question is asked, and all in it is the namespace's.
        (Object::Namespace, _) | (Object::Other { .. }, None) => Whom::All,
        (_, Some(name)) => Whom::Object { key, name },
        (Object::Pod, None) => Whom::Pods(&label_selector),
    };
    if name.is_none() && wanted.object != Object::Pod && !label_selector.is_everything() {
        return Err(Status::bad_request(format!(
            "{} cannot be chosen by label, since only the labels of pods are known here: name one, or leave \
             labelSelector out",
            wanted.object.resource()
        )));
    }
    let metric = wanted.metric.as_ref();
    let namespace = match (&wanted.object, name) {
        (Object::Namespace, Some(name)) => name,
        (Object::Namespace, None) => "",
        _ => wanted.namespace.as_deref().unwrap_or_default(),
    };
    let ask = Ask { metric, namespace, selector: &selector, whom, patience: PATIENCE };
    let refused = |error| request::refused(api, &error, || wanted.unknown());
    if explain {
        let explained = api.engine.explain(ask).await.map_err(refused)?;
        let explanation = Explanation::new(&explained, namespace, &selector);
        return Ok(encoded(document::json_line(&explanation), media_type));
    }
    let (readings, stamp): (Vec<_>, Stamp) = if let Some(name) = name {
        let answer = api.engine.ask(ask).await.map_err(refused)?;
        (vec![(name.to_owned(), answer.reading)], answer.stamp)
    } else {
        let answers = api.engine.ask_each(ask, key).await.map_err(refused)?;
        (answers.readings, answers.stamp)
    };
    let is_held = readings.iter().any(|(_, reading)| reading.held);
    if is_held {
        api.telemetry.served_held();
    }
    let items = readings.iter().map(|(name, reading)| Item { object: &wanted.object, name, reading });
    let body = metric_value_list(wanted.version, wanted.namespace.as_deref(), metric, &selector, items);
    if media_type == MediaType::Json && !is_held {
        api.remembered.note(request::question(uri), body.clone(), stamp, &api.engine);
    }
    Ok(encoded(body, media_type))
}

#[cfg(test)]
mod tests;
