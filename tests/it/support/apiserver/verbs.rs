//! What each method does to the objects.

use std::sync::Arc;

use axum::body::Bytes;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::{Value as Json, json};

use super::Shared;
use super::kinds::{Kind, Target};
use super::problem::{Problem, answer};
use super::scope::{Form, Query, Scope};
use super::store::{Key, State};
use super::{patch, watching};

pub(super) async fn serve(
    shared: &Arc<Shared>,
    parts: &Parts,
    target: Target,
    body: Bytes,
) -> Result<Response, Problem> {
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let form = Form::of(&parts.headers);
    let kind = target.kind;
    if !shared.store.read().serves(&kind) {
        return Err(Problem::no_such_path());
    }
    let verb = verb(&parts.method, &target, &query);
    if shared.faults.forbids(verb, &kind.full_name()) {
        let message =
            format!("{} is forbidden: User \"inferometer\" cannot {verb} resource", kind.full_name());
        return Err(Problem::new(403, "Forbidden", message));
    }
    match verb {
        "watch" => {
            let scope = Scope::new(&target, &query, form)?;
            if query.is("sendInitialEvents") {
                // What servers without streaming lists say.
                let message = "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless \
                               the WatchList feature gate is enabled";
                return Err(Problem::new(422, "Invalid", message));
            }
            Ok(watching::watch(shared, target, scope, &query))
        }
        "list" => {
            let mut ticks = shared.store.ticks();
            while shared.store.read().held.contains(&kind.full_name()) {
                let _ = ticks.changed().await;
            }
            list(&shared.store.read(), &kind, &Scope::new(&target, &query, form)?, &query)
        }
        "get" => {
            let object = shared.store.read().get(&key(&target))?;
            Ok(answer(200, &form.show(&object)))
        }
        "create" => {
            let object = accept(&kind, &target, parse(&body)?);
            let key = key_of(&kind, &object);
            let object = shared.store.change(|state| state.create(key, object))?;
            Ok(answer(201, &form.show(&object)))
        }
        "update" => {
            let object = accept(&kind, &target, parse(&body)?);
            let object = shared.store.change(|state| state.replace(key(&target), object))?;
            Ok(answer(200, &form.show(&object)))
        }
        "patch" => {
            let change = parse(&body)?;
            let (code, object) = shared
                .store
                .change(|state| patched(state, &target, &content_type(&parts.headers), &query, &change))?;
            Ok(answer(code, &form.show(&object)))
        }
        "delete" => {
            let object = shared.store.change(|state| state.delete(&key(&target)))?;
            let details = json!({ "name": target.name, "uid": object["metadata"]["uid"] });
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
            });
            Ok(answer(200, &status))
        }
        _ => Err(Problem::new(405, "MethodNotAllowed", "the server does not allow this method")),
    }
}

/// As authorization names it; `?` for what is not served.
fn verb(method: &Method, target: &Target, query: &Query) -> &'static str {
    match (method.as_str(), &target.name) {
        ("GET", _) if query.is("watch") => "watch",
        ("GET", Some(_)) => "get",
        ("GET", None) => "list",
        ("POST", None) => "create",
        ("PUT", Some(_)) => "update",
        ("PATCH", Some(_)) => "patch",
        ("DELETE", Some(_)) => "delete",
        _ => "?",
    }
}

fn key(target: &Target) -> Key {
    Key {
        kind: target.kind.full_name(),
        namespace: target.namespace.clone().unwrap_or_default(),
        name: target.name.clone().unwrap_or_default(),
    }
}

pub(super) fn key_of(kind: &Kind, object: &Json) -> Key {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    Key { kind: kind.full_name(), namespace: text("namespace"), name: text("name") }
}

fn parse(body: &Bytes) -> Result<Json, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(error.to_string()))
}

fn content_type(headers: &HeaderMap) -> String {
    let header = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    header.unwrap_or_default().to_owned()
}

/// An object as it is stored: it says what it is and where.
pub(super) fn accept(kind: &Kind, target: &Target, mut object: Json) -> Json {
    object["kind"] = kind.singular.into();
    object["apiVersion"] = kind.api_version().into();
    let metadata = super::store::metadata(&mut object);
    if let Some(namespace) = &target.namespace {
        metadata.insert("namespace".into(), namespace.clone().into());
    }
    if let Some(name) = &target.name {
        metadata.insert("name".into(), name.clone().into());
    }
    if !metadata.contains_key("name")
        && let Some(prefix) = metadata.get("generateName").and_then(Json::as_str)
    {
        let name = format!("{prefix}{}", jiff::Timestamp::now().as_nanosecond() % 1_000_000);
        metadata.insert("name".into(), name.into());
    }
    if let Some(plain) = object.get_mut("stringData").map(Json::take) {
        object.as_object_mut().expect("it is one").remove("stringData");
        for (key, value) in plain.as_object().into_iter().flatten() {
            object["data"][key] = BASE64.encode(value.as_str().unwrap_or_default()).into();
        }
    }
    object
}

fn patched(
    state: &mut State,
    target: &Target,
    content_type: &str,
    query: &Query,
    change: &Json,
) -> Result<(u16, Arc<Json>), Problem> {
    let key = key(target);
    let applied = content_type.starts_with("application/apply-patch");
    if applied && query.get("fieldManager").is_empty() {
        return Err(Problem::bad_request("fieldManager is required for apply patch"));
    }
    let old = match state.get(&key) {
        Err(_) if applied => {
            return Ok((201, state.create(key, accept(&target.kind, target, change.clone()))?));
        }
        old => old?,
    };
    let mut object = (*old).clone();
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json-patch+json" => {
            patch::apply(&mut object, change).map_err(|message| Problem::new(422, "Invalid", message))?;
        }
        "application/merge-patch+json"
        | "application/strategic-merge-patch+json"
        | "application/apply-patch+yaml" => patch::merge(&mut object, change),
        other => return Err(Problem::new(415, "UnsupportedMediaType", format!("no such patch: {other}"))),
    }
    let object = accept(&target.kind, target, object);
    Ok((200, state.replace(key, object)?))
}

fn list(state: &State, kind: &Kind, scope: &Scope, query: &Query) -> Result<Response, Problem> {
    let limit = query.number("limit").filter(|limit| *limit > 0).map_or(usize::MAX, |limit| limit as usize);
    let (version, after) = match query.get("continue") {
        "" => (state.version, None),
        token => {
            let (version, key) =
                resume(&scope.kind, token).ok_or_else(|| Problem::bad_request("a bad token"))?;
            if version < state.oldest {
                return Err(Problem::expired(version, state.oldest));
            }
            (version, Some(key))
        }
    };
    let mut items = Vec::new();
    let mut last = None;
    let mut left = 0;
    let held = state.list(&scope.kind, scope.namespace.as_deref(), after.as_ref());
    for (key, object) in held.filter(|(_, object)| scope.holds(object)) {
        if items.len() == limit {
            left += 1;
            continue;
        }
        let mut item = (*scope.form.show(object)).clone();
        if scope.form == Form::Whole && !kind.custom {
            // The items of a list of built-in kinds do not say what they are.
            let fields = item.as_object_mut().expect("an object");
            fields.remove("kind");
            fields.remove("apiVersion");
        }
        items.push(item);
        last = Some(key);
    }
    let mut metadata = json!({ "resourceVersion": version.to_string() });
    if let (Some(last), 1..) = (last, left) {
        metadata["continue"] = BASE64.encode(format!("{version}\0{}\0{}", last.namespace, last.name)).into();
        metadata["remainingItemCount"] = left.into();
    }
    let (kind, api_version) = match scope.form {
        Form::Whole => (format!("{}List", kind.singular), kind.api_version()),
        Form::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
    };
    let body = json!({ "kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items });
    Ok(answer(200, &body))
}

fn resume(kind: &str, token: &str) -> Option<(u64, Key)> {
    let text = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
    let mut parts = text.split('\0').map(str::to_owned);
    let version = parts.next()?.parse().ok()?;
    Some((version, Key { kind: kind.to_owned(), namespace: parts.next()?, name: parts.next()? }))
}
