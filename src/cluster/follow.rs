//! Following one kind of object: a list in pages, then a watch from there, and again from where it ended.
//!
//! `kube::runtime::watcher` does the same but tells neither that a quiet watch is alive nor that it has been
//! taken up again, waits for a list's pages without limit, and stays with a version that the server refuses.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use kube::Client;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::core::Request;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};

use super::health::Health;
use super::metrics::WatchMetrics;
use super::object::{Body, Kind, Object, Page};

/// Objects of one page: with some 7 KiB for a pod, a few MiB at a time.
const PAGE: u32 = 500;

/// The server ends a watch that soon, with a bookmark: a server that has stopped is told from a quiet one.
const WATCH: Duration = Duration::from_secs(20);

/// Longer than a watch lasts by so much, nothing comes any more.
const LATE: Duration = Duration::from_secs(5);

/// A page may take so long, on a server that is busy.
const ANSWER: Duration = Duration::from_secs(30);

/// After a failure it is tried again: at first, and at most after so long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LAST_PAUSE: Duration = Duration::from_secs(10);

/// After so many refusals in a row to go on from where we were, a list is taken anew.
const PATIENCE: u32 = 5;

/// A kind that is not there, or forbidden, may come to be there.
const ABSENCE: Duration = Duration::from_mins(3);

/// So many malformed objects are named in the log.
const MOST_NAMED: u32 = 100;

/// What is told to whoever keeps the objects.
pub(super) trait Sink: Send + Sync + 'static {
    /// What is decoded of an object.
    type Body: Body;
    /// A list begins.
    fn begin(&self);
    /// An object is as it is told here.
    fn apply(&self, object: Self::Body);
    /// There is no such object any more.
    fn remove(&self, namespace: &str, name: &str);
    /// The list has ended: objects that were not told since it began are gone.
    fn end(&self);
    /// How many objects are kept.
    fn count(&self) -> usize;
}

/// Follows one kind of object.
pub(super) struct Follower<S> {
    pub(super) client: Client,
    pub(super) kind: &'static Kind,
    pub(super) sink: Arc<S>,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Arc<WatchMetrics>,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Client(#[from] kube::Error),
    #[error("the server is silent")]
    Silent(Instant),
    #[error("a page that is none: {0}")]
    Page(#[from] serde_json::Error),
    #[error("a list without a version to go on from")]
    NoVersion,
}

impl Failure {
    /// The code of a server's refusal.
    fn code(&self) -> Option<u16> {
        match self {
            Self::Client(kube::Error::Api(status)) => Some(status.code),
            _ => None,
        }
    }
}

impl<S: Sink> Follower<S> {
    /// Follows until it is dropped.
    pub(super) async fn run(self) {
        let kind = self.kind.name;
        let mut version = String::new();
        let mut malformed = 0;
        let mut failures = 0;
        let mut was_told = false;
        loop {
            let began = Instant::now();
            let is_listing = version.is_empty();
            let result = if is_listing {
                self.list(&mut version, &mut malformed).await
            } else {
                self.watch(&mut version, &mut malformed).await
            };
            self.metrics.objects(kind, self.sink.count());
            let Err(failure) = result else {
                if failures > 0 {
                    info!(kind, "watching again");
                }
                failures = 0;
                // A server that ends every watch at once must not be asked without pause.
                if !is_listing && began.elapsed() < FIRST_PAUSE {
                    sleep(jittered(FIRST_PAUSE)).await;
                }
                continue;
            };
            let code = failure.code();
            if matches!(code, Some(403 | 404)) && is_listing && self.is_dispensable(code) {
                if code == Some(403) && !was_told {
                    was_told = true;
                    self.metrics.failed(kind);
                    warn!(kind, error = %failure, "may not be read; owners of this kind stay unknown");
                }
                self.do_without().await;
                continue;
            }
            let well_until = if let Failure::Silent(then) = failure { then } else { Instant::now() };
            self.health.failed(self.kind, well_until);
            self.metrics.failed(kind);
            if failures == 0 && code != Some(410) {
                warn!(kind, error = %failure, "the watch has failed; trying again");
            } else {
                debug!(kind, error = %failure, failures, "the watch has failed");
            }
            failures += 1;
            let is_refused = code.is_some() && failures >= PATIENCE;
            if is_refused || matches!(code, Some(400 | 410)) {
                version.clear();
            }
            sleep(jittered(pause(failures))).await;
        }
    }

    /// Whether what the server refuses can be done without: an owner's kind that is not there, or that we must
    /// not read and never could.
    fn is_dispensable(&self, code: Option<u16>) -> bool {
        self.kind.metadata_only && (code == Some(404) || !self.health.was_listed(self.kind))
    }

    async fn do_without(&self) {
        self.sink.begin();
        self.sink.end();
        self.health.without(self.kind);
        sleep(jittered(ABSENCE)).await;
    }

    async fn list(&self, version: &mut String, malformed: &mut u32) -> Result<(), Failure> {
        let request = Request::new(self.kind.path);
        let mut params = ListParams::default().limit(PAGE);
        self.sink.begin();
        loop {
            let page =
                if self.kind.metadata_only { request.list_metadata(&params) } else { request.list(&params) };
            let page = page.map_err(kube::Error::BuildRequest)?;
            let asked = Instant::now();
            let answer = timeout(ANSWER, self.client.request_text(page)).await;
            let text = answer.map_err(|_| Failure::Silent(asked))??;
            let (mut taker, sink) = (self.taker(*malformed), Arc::clone(&self.sink));
            // A page takes some milliseconds of thought, for which requests must not wait.
            let done = tokio::task::spawn_blocking(move || {
                let (objects, meta) = Page::<Object<S::Body>>::decode(&text)?.into_parts();
                drop(text);
                for object in objects {
                    taker.apply(&*sink, object);
                }
                Ok::<_, serde_json::Error>((meta, taker.malformed))
            });
            // It is not cancelled, and a panic in it is one of ours.
            let (page, count) = done.await.map_err(|_| Failure::NoVersion)??;
            *malformed = count;
            if !page.r#continue.is_empty() {
                params.continue_token = Some(page.r#continue);
                continue;
            }
            if page.resource_version.is_empty() {
                return Err(Failure::NoVersion);
            }
            self.sink.end();
            self.metrics.listed(self.kind.name);
            self.health.listed(self.kind);
            *version = page.resource_version;
            return Ok(());
        }
    }

    async fn watch(&self, version: &mut String, malformed: &mut u32) -> Result<(), Failure> {
        let request = Request::new(self.kind.path);
        let params =
            WatchParams { timeout: Some(WATCH.as_secs() as u32), bookmarks: true, ..WatchParams::default() };
        let watch = if self.kind.metadata_only {
            request.watch_metadata(&params, version)
        } else {
            request.watch(&params, version)
        };
        let watch = watch.map_err(kube::Error::BuildRequest)?;
        let mut heard = Instant::now();
        let events = timeout(ANSWER, self.client.request_events::<Object<S::Body>>(watch)).await;
        let mut events = pin!(events.map_err(|_| Failure::Silent(heard))??);
        self.health.heard(self.kind);
        let mut taker = self.taker(*malformed);
        loop {
            let event = timeout(WATCH + LATE, events.try_next()).await;
            let event = match event.map_err(|_| Failure::Silent(heard))? {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(()),
                // A line that is no event. The next one may be.
                Err(kube::Error::SerdeError(error)) => {
                    taker.note("", "", &error.to_string());
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            heard = Instant::now();
            taker.event(&*self.sink, version, event)?;
            *malformed = taker.malformed;
        }
    }

    fn taker(&self, malformed: u32) -> Taker {
        Taker { kind: self.kind.name, metrics: Arc::clone(&self.metrics), malformed }
    }
}

/// Hands objects on, and leaves out those that are malformed.
struct Taker {
    kind: &'static str,
    metrics: Arc<WatchMetrics>,
    /// How many there were.
    malformed: u32,
}

impl Taker {
    /// Takes what a watch tells, and notes the version from which to go on.
    fn event<S: Sink>(
        &mut self,
        sink: &S,
        version: &mut String,
        event: WatchEvent<Object<S::Body>>,
    ) -> Result<(), Failure> {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                advance(version, object.version());
                self.apply(sink, object);
            }
            WatchEvent::Deleted(object) => {
                advance(version, object.version());
                let (namespace, name) = object.key();
                sink.remove(namespace, name);
            }
            WatchEvent::Bookmark(bookmark) => advance(version, &bookmark.metadata.resource_version),
            WatchEvent::Error(status) => return Err(kube::Error::Api(status).into()),
        }
        Ok(())
    }

    fn apply<S: Sink>(&mut self, sink: &S, object: Object<S::Body>) {
        match object.0 {
            Ok(body) => sink.apply(body),
            Err(malformed) => {
                // What it was before is not known to be right any more.
                sink.remove(&malformed.namespace, &malformed.name);
                self.note(&malformed.namespace, &malformed.name, &malformed.error);
            }
        }
    }

    fn note(&mut self, namespace: &str, name: &str, error: &str) {
        self.metrics.malformed(self.kind);
        self.malformed = self.malformed.saturating_add(1);
        if self.malformed <= MOST_NAMED {
            warn!(kind = self.kind, namespace, name, error, "a malformed object is left out");
        }
    }
}

fn advance(version: &mut String, to: &str) {
    if !to.is_empty() {
        to.clone_into(version);
    }
}

/// How long to wait after so many failures in a row.
fn pause(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LAST_PAUSE)
}

/// Somewhere between half of `pause` and all of it, so that replicas and kinds do not come together.
fn jittered(pause: Duration) -> Duration {
    let share = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
    pause.mul_f64(f64::midpoint(1.0, share))
}
