//! For tests: an API server without a network, that keeps objects of any kind.
//!
//! It knows what clients rely on: resource versions and what they refuse, lists, watches that go on from a
//! version or learn that it is gone, merge patches; and it can be away, refuse, and forget.
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode, Uri};
use kube::Client;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tower::{BoxError, service_fn};

/// Which requests are refused, and how: method and path decide.
type Refusal = Box<dyn Fn(&Method, &str) -> Option<StatusCode> + Send>;

/// The fake API server. Clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct Cluster(Arc<Inner>);

#[derive(Default)]
struct Inner {
    store: Mutex<Store>,
    /// Wakes watches.
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Store {
    version: u64,
    objects: BTreeMap<Place, Value>,
    changes: Vec<Change>,
    /// Changes up to this version are forgotten: a watch from before is told so.
    compacted: u64,
    requests: Vec<String>,
    away: bool,
    /// Watches of an earlier generation are cut.
    generation: u64,
    refusal: Option<Refusal>,
}

/// Where an object is: `/api/v1/pods` or `/apis/GROUP/VERSION/RESOURCE`, namespace, name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    collection: String,
    namespace: String,
    name: String,
}

struct Change {
    version: u64,
    kind: &'static str,
    place: Place,
    object: Value,
}

/// What a watch learns.
enum News {
    /// Nothing yet.
    None,
    /// An event, and the version to go on from.
    Event(u64, Value),
    /// The watch is over.
    End,
}

/// What a list or watch is of.
struct Selection {
    /// Namespace and name may be empty: then any.
    place: Place,
    labels: Vec<(String, String)>,
}

impl Cluster {
    /// A client of this server.
    pub(crate) fn client(&self) -> Client {
        let server = self.clone();
        let service = service_fn(move |request: Request<kube::client::Body>| {
            let server = server.clone();
            async move {
                let (parts, body) = request.into_parts();
                server.answer(&parts.method, &parts.uri, &body.collect_bytes().await?)
            }
        });
        Client::new(service, "default")
    }

    /// Puts an object at this path, new or instead of what is there.
    pub(crate) fn put(&self, path: &str, object: Value) {
        let mut store = self.store();
        store.write(Place::of(path), object);
        self.wake(store);
    }

    /// The object at this path.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.store().objects.get(&Place::of(path)).cloned()
    }

    /// Changes the object at this path.
    #[track_caller]
    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.get(path).expect("the object is there");
        change(&mut object);
        self.put(path, object);
    }

    /// Deletes the object at this path, if there is one.
    pub(crate) fn delete(&self, path: &str) {
        let mut store = self.store();
        store.delete(&Place::of(path));
        self.wake(store);
    }

    /// Refuses connections and cuts watches from now on, or serves again.
    pub(crate) fn set_away(&self, away: bool) {
        let mut store = self.store();
        store.away = away;
        store.generation += 1;
        self.wake(store);
    }

    /// Cuts watches and forgets what was before: they have to list again.
    pub(crate) fn compact(&self) {
        let mut store = self.store();
        store.version += 1;
        store.compacted = store.version;
        store.changes.clear();
        store.generation += 1;
        self.wake(store);
    }

    /// Refuses those requests from now on.
    pub(crate) fn refuse(&self, refusal: impl Fn(&Method, &str) -> Option<StatusCode> + Send + 'static) {
        self.store().refusal = Some(Box::new(refusal));
    }

    /// All requests so far, as `METHOD /path?query`, those refused included.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.store().requests.clone()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap()
    }

    fn wake(&self, store: MutexGuard<'_, Store>) {
        drop(store);
        self.0.changed.send_replace(());
    }

    fn answer(&self, method: &Method, uri: &Uri, body: &[u8]) -> Result<Response<Body>, BoxError> {
        let mut store = self.store();
        store.requests.push(format!("{method} {uri}"));
        if store.away {
            return Err("connection refused".into());
        }
        if let Some(code) = store.refusal.as_ref().and_then(|refusal| refusal(method, uri.path())) {
            return Ok(failure(code, code.canonical_reason().unwrap_or_default()));
        }
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let mut place = Place::of(uri.path());
        let answer = match *method {
            Method::GET if query.contains_key("watch") => {
                let selection = Selection::of(place, &query);
                let from = query.get("resourceVersion").and_then(|version| version.parse().ok());
                let generation = store.generation;
                drop(store);
                return Ok(self.watch(selection, from.unwrap_or_default(), generation));
            }
            Method::GET if place.name.is_empty() => Ok(store.list(&Selection::of(place, &query))),
            Method::GET => store.objects.get(&place).cloned().ok_or(StatusCode::NOT_FOUND),
            Method::POST => {
                let object: Value = serde_json::from_slice(body)?;
                place.name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                if store.objects.contains_key(&place) {
                    return Ok(failure(StatusCode::CONFLICT, "AlreadyExists"));
                }
                Ok(store.write(place, object))
            }
            Method::PUT => {
                let object: Value = serde_json::from_slice(body)?;
                store.replace(place, object)
            }
            Method::PATCH => {
                let patch: Value = serde_json::from_slice(body)?;
                store.objects.get(&place).cloned().ok_or(StatusCode::NOT_FOUND).and_then(|mut object| {
                    merge(&mut object, patch);
                    store.replace(place, object)
                })
            }
            Method::DELETE => store.delete(&place).ok_or(StatusCode::NOT_FOUND),
            _ => Err(StatusCode::METHOD_NOT_ALLOWED),
        };
        self.wake(store);
        Ok(match answer {
            Ok(object) => json_response(StatusCode::OK, &object),
            Err(StatusCode::CONFLICT) => failure(StatusCode::CONFLICT, "Conflict"),
            Err(StatusCode::NOT_FOUND) => failure(StatusCode::NOT_FOUND, "NotFound"),
            Err(code) => failure(code, code.canonical_reason().unwrap_or_default()),
        })
    }

    /// Events after version `from`, one a line, until the generation ends.
    fn watch(&self, selection: Selection, from: u64, generation: u64) -> Response<Body> {
        let state = (self.clone(), self.0.changed.subscribe(), selection, from);
        let events = stream::unfold(state, move |(server, mut changed, selection, from)| async move {
            loop {
                changed.mark_unchanged();
                let news = server.store().after(&selection, from, generation);
                match news {
                    News::Event(version, event) => {
                        let line = Bytes::from(format!("{event}\n"));
                        return Some((Ok::<_, Infallible>(line), (server, changed, selection, version)));
                    }
                    News::None => changed.changed().await.ok()?,
                    News::End => return None,
                }
            }
        });
        Response::new(Body::from_stream(events))
    }
}

impl Store {
    fn write(&mut self, place: Place, mut object: Value) -> Value {
        self.version += 1;
        let old = self.objects.get(&place);
        let metadata = &mut object["metadata"];
        metadata["name"] = json!(place.name);
        if !place.namespace.is_empty() {
            metadata["namespace"] = json!(place.namespace);
        }
        metadata["uid"] = match old {
            Some(old) => old["metadata"]["uid"].clone(),
            None => json!(format!("uid-{}", self.version)),
        };
        metadata["resourceVersion"] = json!(self.version.to_string());
        let kind = if old.is_some() { "MODIFIED" } else { "ADDED" };
        self.objects.insert(place.clone(), object.clone());
        self.changes.push(Change { version: self.version, kind, place, object: object.clone() });
        object
    }

    fn replace(&mut self, place: Place, object: Value) -> Result<Value, StatusCode> {
        let old = self.objects.get(&place).ok_or(StatusCode::NOT_FOUND)?;
        let version = &object["metadata"]["resourceVersion"];
        if !version.is_null() && *version != old["metadata"]["resourceVersion"] {
            return Err(StatusCode::CONFLICT);
        }
        Ok(self.write(place, object))
    }

    fn delete(&mut self, place: &Place) -> Option<Value> {
        let mut object = self.objects.remove(place)?;
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let change =
            Change { version: self.version, kind: "DELETED", place: place.clone(), object: object.clone() };
        self.changes.push(change);
        Some(object)
    }

    fn list(&self, selection: &Selection) -> Value {
        let items = self.objects.iter().filter(|(place, object)| selection.selects(place, object));
        let items: Vec<&Value> = items.map(|(_, object)| object).collect();
        let metadata = json!({"resourceVersion": self.version.to_string()});
        json!({"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items})
    }

    /// The first event after version `from`.
    fn after(&self, selection: &Selection, from: u64, generation: u64) -> News {
        if self.away || generation != self.generation {
            return News::End;
        }
        if from < self.compacted {
            let gone = status(StatusCode::GONE, "Expired");
            return News::Event(u64::MAX, json!({"type": "ERROR", "object": gone}));
        }
        let change = self
            .changes
            .iter()
            .find(|change| change.version > from && selection.selects(&change.place, &change.object));
        change.map_or(News::None, |change| {
            News::Event(change.version, json!({"type": change.kind, "object": change.object}))
        })
    }
}

impl Place {
    fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (version, rest) = parts.split_at(parts.len().min(if parts[0] == "api" { 2 } else { 3 }));
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            rest => ("", rest),
        };
        let resource = rest.first().copied().unwrap_or_default();
        Self {
            collection: format!("/{}/{resource}", version.join("/")),
            namespace: namespace.to_owned(),
            name: rest.get(1).copied().unwrap_or_default().to_owned(),
        }
    }
}

impl Selection {
    fn of(mut place: Place, query: &BTreeMap<String, String>) -> Self {
        let pairs = |parameter: &str| -> Vec<(String, String)> {
            let text = query.get(parameter).map(String::as_str).unwrap_or_default();
            let pairs = text.split(',').filter_map(|part| part.split_once('='));
            pairs.map(|(key, value)| (key.to_owned(), value.trim_start_matches('=').to_owned())).collect()
        };
        for (field, value) in pairs("fieldSelector") {
            match field.as_str() {
                "metadata.name" => place.name = value,
                "metadata.namespace" => place.namespace = value,
                other => panic!("this fake knows no field {other}"),
            }
        }
        Self { place, labels: pairs("labelSelector") }
    }

    fn selects(&self, place: &Place, object: &Value) -> bool {
        let any_or = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        self.place.collection == place.collection
            && any_or(&self.place.namespace, &place.namespace)
            && any_or(&self.place.name, &place.name)
            && self.labels.iter().all(|(label, value)| object["metadata"]["labels"][label] == **value)
    }
}

fn merge(object: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *object = patch;
        return;
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    for (key, value) in patch {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(&key);
        } else {
            merge(&mut object[&key], value);
        }
    }
}

fn status(code: StatusCode, reason: &str) -> Value {
    let message = format!("{reason}, says the fake");
    json!({"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure",
           "message": message, "reason": reason, "code": code.as_u16()})
}

fn failure(code: StatusCode, reason: &str) -> Response<Body> {
    json_response(code, &status(code, reason))
}

fn json_response(code: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = code;
    response
}
