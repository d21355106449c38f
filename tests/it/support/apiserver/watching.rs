//! Open watches.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::kinds::Target;
use super::problem::Problem;
use super::scope::{Query, Scope};

/// Between two bookmarks; API servers send one a minute.
const BOOKMARKS: Duration = Duration::from_millis(500);
/// A watch ends by itself after this long unless it asks for less.
const LONGEST: u64 = 1_800;

struct Watch {
    shared: Arc<Shared>,
    target: Target,
    scope: Scope,
    ticks: watch::Receiver<u64>,
    /// What happened up to here has been told.
    told: u64,
    /// Of all watches, when this one began.
    expiries: u64,
    /// What is to be sent before anything else.
    first: Vec<u8>,
    /// When the next bookmark is due, if bookmarks are wanted.
    bookmark: Option<Instant>,
    ends: Instant,
    over: bool,
}

pub(super) fn watch(shared: &Arc<Shared>, target: Target, scope: Scope, query: &Query) -> Response {
    let version = query.number("resourceVersion").unwrap_or(0);
    let state = shared.store.read();
    let mut watch = Watch {
        ticks: shared.store.ticks(),
        shared: Arc::clone(shared),
        told: if version == 0 { state.version } else { version },
        expiries: state.expiries,
        first: Vec::new(),
        bookmark: query.is("allowWatchBookmarks").then(|| Instant::now() + BOOKMARKS),
        ends: Instant::now() + Duration::from_secs(query.number("timeoutSeconds").unwrap_or(LONGEST)),
        over: false,
        target,
        scope,
    };
    if version == 0 {
        for (_, object) in state.list(&watch.scope.kind, watch.scope.namespace.as_deref(), None) {
            if watch.scope.holds(object) {
                line(&mut watch.first, "ADDED", &watch.scope.form.show(object));
            }
        }
    } else if version < state.oldest {
        line(&mut watch.first, "ERROR", &Problem::expired(version, state.oldest).status());
        watch.over = true;
    }
    drop(state);
    let chunks = stream::unfold(watch, Watch::next).map(Ok::<_, std::convert::Infallible>);
    ([(CONTENT_TYPE, "application/json")], Body::from_stream(chunks.boxed())).into_response()
}

fn line(buffer: &mut Vec<u8>, change: &str, object: &Json) {
    // In this order, as servers send it: who reads the type first need not keep the object.
    buffer.extend_from_slice(format!("{{\"type\":\"{change}\",\"object\":{object}}}").as_bytes());
    buffer.push(b'\n');
}

impl Watch {
    /// The next piece of the stream. What is there already goes out as one.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if !self.first.is_empty() {
            let first = std::mem::take(&mut self.first);
            return Some((first.into(), self));
        }
        loop {
            if self.over || Instant::now() >= self.ends || self.shared.faults.ends_watches() {
                return None;
            }
            self.ticks.borrow_and_update();
            if !self.shared.faults.silences_watches() {
                let chunk = self.look();
                if !chunk.is_empty() {
                    return Some((chunk.into(), self));
                }
            }
            let until = self.bookmark.map_or(self.ends, |bookmark| bookmark.min(self.ends));
            tokio::select! {
                _ = self.ticks.changed() => {}
                () = sleep_until(until) => {}
            }
        }
    }

    fn look(&mut self) -> Vec<u8> {
        let mut chunk = Vec::new();
        let shared = Arc::clone(&self.shared);
        let state = shared.store.read();
        if state.held.contains(&self.scope.kind) {
            // A due bookmark waits too; it would tell of what is kept back.
            self.bookmark = self.bookmark.map(|_| Instant::now() + BOOKMARKS);
            return chunk;
        }
        if state.expiries > self.expiries {
            line(&mut chunk, "ERROR", &Problem::expired(self.told, state.version).status());
            self.over = true;
            return chunk;
        }
        for event in state.since(self.told) {
            if let Some((change, object)) = self.scope.tell(event) {
                line(&mut chunk, change, &object);
            }
        }
        self.told = self.told.max(state.version);
        if self.bookmark.is_some_and(|due| Instant::now() >= due) {
            self.bookmark = Some(Instant::now() + BOOKMARKS);
            let object = json!({
                "kind": self.target.kind.singular, "apiVersion": self.target.kind.api_version(),
                "metadata": { "resourceVersion": self.told.to_string(), "creationTimestamp": null },
            });
            line(&mut chunk, "BOOKMARK", &self.scope.form.show(&Arc::new(object)));
        }
        chunk
    }
}
