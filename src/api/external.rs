//! `external.metrics.k8s.io`: one number for a metric, a namespace and a selector.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::Response;
use http::Uri;
use percent_encoding::percent_decode_str;

use super::explain::Explanation;
use super::negotiate::MediaType;
use super::respond::{encoded, failure, fresh, negotiated};
use super::status::Status;
use super::types::{EXTERNAL_GROUP, external_metric_value_list};
use super::{Api, document};
use crate::core::selector::Selector;
use crate::engine::{Ask, AskError};

/// How long the very first request for a signal waits for it: below the second in which every
/// request is answered, by what the rest of the way takes.
const PATIENCE: Duration = Duration::from_millis(800);

/// `GET …/namespaces/{namespace}/{metric}?labelSelector=…`; with `explain=true` the derivation
/// instead of the list, for people.
pub(super) async fn value(State(api): State<Arc<Api>>, request: Request) -> Response {
    let media_type = match negotiated(request.headers(), false) {
        Ok(media_type) => media_type,
        Err(status) => return failure(&status),
    };
    let uri = request.uri();
    let question = uri.path_and_query().map_or("", |question| question.as_str());
    if media_type == MediaType::Json
        && let Some(body) = api.remembered.recall(question, &api.engine)
    {
        api.telemetry.served_remembered();
        return fresh(body, media_type);
    }
    match answer(&api, uri, question, media_type).await {
        Ok(response) => response,
        Err(status) => failure(&status),
    }
}

async fn answer(api: &Api, uri: &Uri, question: &str, media_type: MediaType) -> Result<Response, Status> {
    let (namespace, metric) = path_parts(uri.path())?;
    let Parameters { selector, explain } = parameters(uri.query().unwrap_or_default(), &metric)?;
    let ask = Ask { metric: &metric, namespace: &namespace, selector: &selector, patience: PATIENCE };
    if explain {
        let explained = api.engine.explain(ask).await.map_err(|error| status_of(&error, &ask))?;
        let explanation = Explanation::new(&explained, &namespace, &selector);
        return Ok(encoded(document::json_line(&explanation), media_type));
    }
    match api.engine.ask(ask).await {
        Ok(answer) => {
            let reading = &answer.reading;
            if reading.held {
                api.telemetry.served_held();
            }
            let window = reading.window.map(|window| i64::try_from(window.as_secs()).unwrap_or(i64::MAX));
            let body = external_metric_value_list(&metric, reading.at.as_millis(), window, reading.quantity);
            if media_type == MediaType::Json && !reading.held {
                api.remembered.note(question, body.clone(), answer.stamp);
            }
            Ok(encoded(body, media_type))
        }
        Err(error) => {
            match &error {
                AskError::Refused(refusal) => api.telemetry.refused(refusal.reason()),
                AskError::NoSource(_) => api.telemetry.refused("unconfigured"),
                AskError::Unknown => {}
            }
            Err(status_of(&error, &ask))
        }
    }
}

fn status_of(error: &AskError, ask: &Ask<'_>) -> Status {
    match error {
        AskError::Unknown => Status::not_found_metric(ask.metric, ask.namespace),
        AskError::NoSource(_) | AskError::Refused(_) => Status::service_unavailable(error.to_string()),
    }
}

/// Namespace and metric, the last and the one before the last of the path.
fn path_parts(path: &str) -> Result<(Cow<'_, str>, Cow<'_, str>), Status> {
    let decode = |part| {
        let decoded = percent_decode_str(part).decode_utf8();
        decoded.map_err(|_| Status::bad_request("the path is not UTF-8"))
    };
    let mut parts = path.rsplit('/');
    let (metric, namespace) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (namespace, metric) = (decode(namespace)?, decode(metric)?);
    if !is_dns_label(&namespace) {
        return Err(Status::bad_request(format!("{namespace:?} is not the name of a namespace")));
    }
    Ok((namespace, metric))
}

/// What Kubernetes lets a namespace be called. Anything else is stopped here, since the name goes on
/// into queries.
fn is_dns_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= 63
        && bytes.iter().all(|byte| inner(*byte) || *byte == b'-')
        && inner(bytes[0])
        && inner(bytes[bytes.len() - 1])
}

struct Parameters {
    selector: Selector,
    explain: bool,
}

fn parameters(query: &str, metric: &str) -> Result<Parameters, Status> {
    let mut parameters = Parameters { selector: Selector::everything(), explain: false };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "labelSelector" => {
                parameters.selector =
                    Selector::parse(&value).map_err(|error| Status::bad_request(error.to_string()))?;
            }
            "watch" if is_true(&value) => {
                return Err(Status::verb_not_supported("watch", metric, EXTERNAL_GROUP));
            }
            "explain" => parameters.explain = is_true(&value),
            // limit, resourceVersion, pretty and the like: nothing to do, as in Kubernetes.
            _ => {}
        }
    }
    Ok(parameters)
}

fn is_true(value: &str) -> bool {
    matches!(value, "true" | "1" | "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_dns_labels() {
        for (name, good) in [
            ("ai", true),
            ("a-1", true),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("A", false),
            ("a.b", false),
            ("a\"b", false),
            (&"a".repeat(63), true),
            (&"a".repeat(64), false),
        ] {
            assert_eq!(is_dns_label(name), good, "{name}");
        }
    }

    #[test]
    fn the_path_is_decoded_once() {
        let (namespace, metric) = path_parts("/x/namespaces/ai/vllm%3Anum_requests_waiting").unwrap();
        assert_eq!((namespace.as_ref(), metric.as_ref()), ("ai", "vllm:num_requests_waiting"));
        assert!(path_parts("/x/namespaces/a%2Fb/m").is_err());
        assert!(path_parts("/x/namespaces/ai/%FF").is_err());
    }

    #[test]
    fn a_watch_is_refused_and_the_rest_ignored() {
        assert_eq!(parameters("watch=true", "m").err().map(|status| status.code().as_u16()), Some(405));
        let parsed = parameters("limit=5&watch=false&labelSelector=a%3Db%2Cc+in+%28d%29", "m").unwrap();
        assert_eq!(parsed.selector.to_string(), "a=b,c in (d)");
        assert_eq!(
            parameters("labelSelector=a%3E1", "m").err().map(|status| status.code().as_u16()),
            Some(400)
        );
    }
}
