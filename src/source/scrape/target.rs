//! One target: asked at its own beat, its last numbers kept.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{StatusCode, Url};
use tokio::sync::{SemaphorePermit, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{info, warn};

use super::Shared;
use super::discover::Place;
use super::exposition::Format;
use super::history::History;
use super::page::{Page, Unfit};
use crate::core::series::{Labels, Silent};
use crate::core::signal::Signal;
use crate::core::time::Timestamp;
use crate::source::SourceError;
use crate::source::body::read_limited;
use crate::source::http::Http;

/// Only the text format is asked for: asked for OpenMetrics, some engines rename `vllm:` to `vllm_`.
const ACCEPTED: &str = "text/plain;version=0.0.4,*/*;q=0.1";

/// Pages above this are parsed where nobody waits for the processor.
const LARGE: usize = 256 << 10;

/// A target that is asked anew because more is wanted is left alone for so long first.
pub(super) const HURRY_AFTER: Duration = Duration::from_millis(100);

/// The most bounds that the buckets of one page may have: several times what histograms have.
const MAX_BOUNDS: usize = 512;

/// One target.
pub(super) struct Target {
    pub(super) place: Place,
    /// What all its series carry: what is known of the place, and its address.
    pub(super) labels: Labels,
    http: Arc<Http>,
    state: Mutex<State>,
    /// The version of the wanted names at the latest attempt; 0 before the first.
    attempted: watch::Sender<u64>,
    /// Whether it was there before it was found: then a set without it lacks it.
    was_there: bool,
    /// Whether what runs there has yet to come up.
    is_starting: AtomicBool,
    /// How many series all targets hold, this one's among them.
    series: Arc<AtomicUsize>,
}

/// How the labels begin in which an exporter names pods that it watches.
const WATCHING: [&str; 4] = ["exported_", "pod_name", "pod_namespace", "container_name"];

/// Where a target stands with a signal.
pub(super) enum Standing {
    /// It has just been found and not been asked yet, or has yet to come up.
    New,
    /// It has never told the numbers.
    Unknown(Silent),
    /// It has told them, and does not answer any more.
    Held(Silent),
    /// It answers.
    Well,
}

/// What is known of a target.
#[derive(Default)]
pub(super) struct State {
    pub(super) history: History,
    /// What went wrong at the latest attempt.
    failure: Option<Arc<str>>,
    /// The version of the wanted names at the latest attempt that went well; 0 before the first.
    answered: u64,
    /// Whether it had yet to come up when it was last asked: then its failure tells nothing.
    is_early: bool,
    /// How long the latest attempt took.
    pub(super) took: Duration,
    /// How much later than planned it began.
    pub(super) late: Duration,
}

impl State {
    /// Whether it need not answer yet, and has not.
    fn is_excused(&self) -> bool {
        self.is_early && self.answered == 0
    }

    /// What went wrong, if that was not to be expected.
    fn complaint(&self) -> Option<Arc<str>> {
        self.failure.clone().filter(|_| !self.is_excused())
    }
}

impl Target {
    pub(super) fn new(
        place: Place,
        labels: Labels,
        http: Arc<Http>,
        was_there: bool,
        series: Arc<AtomicUsize>,
    ) -> Self {
        let (state, attempted) = (Mutex::default(), watch::Sender::new(0));
        let is_starting = AtomicBool::new(false);
        Self { place, labels, http, state, attempted, was_there, is_starting, series }
    }

    /// Notes whether what runs there has yet to come up. Before its first page, such a target has
    /// nothing that a sum could lack; from then on it is one like the others.
    pub(super) fn starts(&self, is_starting: bool) {
        self.is_starting.store(is_starting, Ordering::Relaxed);
        let mut state = self.state();
        // Once it is up, an answer is due from the next attempt on.
        state.is_early |= is_starting;
    }

    /// Whether it need not answer yet, and has not.
    pub(super) fn is_excused(&self) -> bool {
        self.state().is_excused()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it was asked for what `version` wants.
    pub(super) async fn attempt(&self, version: u64) {
        // The sender lives as long as the target.
        let _ = self.attempted.subscribe().wait_for(|attempted| *attempted >= version).await;
    }

    /// The labels of a series of its page. Of one that speaks for itself only, what would move its numbers to
    /// others' pods is left out.
    pub(super) fn labels_of(&self, told: &Labels) -> Labels {
        let labels = told.told_by(&self.labels);
        if self.place.speaks_for_others {
            return labels;
        }
        labels.filtered(|name| !WATCHING.iter().any(|begin| name.starts_with(begin)))
    }

    /// Whether it did not answer when it was last asked.
    pub(super) fn is_silent(&self) -> bool {
        self.state().complaint().is_some()
    }

    /// Where it stands with a signal that has been wanted since the names had this version.
    pub(super) fn standing(&self, version: u64) -> Standing {
        let state = self.state();
        let silent = |cause: &Arc<str>, known| Silent {
            labels: self.labels.clone(),
            engine: self.place.engine.clone(),
            speaks_for_others: self.place.speaks_for_others,
            cause: Arc::clone(cause),
            known,
        };
        match (&state.failure, state.answered >= version) {
            (None, true) => Standing::Well,
            (Some(cause), true) => Standing::Held(silent(cause, true)),
            (_, false) if state.is_excused() => Standing::New,
            (Some(cause), false) => Standing::Unknown(silent(cause, false)),
            (None, false) if *self.attempted.borrow() == 0 && !self.was_there => Standing::New,
            (None, false) => Standing::Unknown(silent(&"no answer yet".into(), false)),
        }
    }

    /// Why its pages cannot serve a signal, if they cannot. `is_covered`: the signal has been wanted for
    /// longer than its window.
    pub(super) fn unfit(&self, signal: &Arc<Signal>, is_covered: bool) -> Option<Silent> {
        let state = self.state();
        let cause = if state.history.layout().plan(signal).bounds() > MAX_BOUNDS {
            "too many different buckets"
        } else if is_covered && self.was_there && state.history.pages() < 2 {
            // One that has just started adds nothing yet; this one did not begin with its first page.
            "it was read once so far, and a rate needs two pages"
        } else {
            return None;
        };
        let (labels, engine) = (self.labels.clone(), self.place.engine.clone());
        let speaks_for_others = self.place.speaks_for_others;
        Some(Silent { labels, engine, speaks_for_others, cause: cause.into(), known: false })
    }

    /// Asks the target until the task is aborted.
    pub(super) async fn keep(self: Arc<Self>, shared: Arc<Shared>) {
        let every = shared.settings.interval;
        // The beats of targets that are asked together are spread over the interval.
        let spread = every.mul_f64(self.share());
        let mut changes = shared.wants.changes();
        let mut due = Instant::now();
        let mut pause = spread;
        loop {
            let version = changes.borrow_and_update().version;
            self.scrape(&shared, version, due).await;
            let now = Instant::now();
            // The beats that a scrape longer than the interval has missed are not made up for.
            due = now.max(due + pause);
            pause = every;
            if let Ok(Ok(())) = timeout_at(due, changes.changed()).await {
                sleep_until(now + HURRY_AFTER).await;
                due = Instant::now();
                pause = spread;
            }
        }
    }

    /// A number in 0..1 that is the target's own.
    pub(super) fn share(&self) -> f64 {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(&self.place);
        hash as f64 / u64::MAX as f64
    }

    async fn scrape(self: &Arc<Self>, shared: &Arc<Shared>, version: u64, due: Instant) {
        let began = Instant::now();
        let is_early = self.is_starting.load(Ordering::Relaxed);
        let at = shared.now();
        let result = match self.read(shared).await {
            Ok((body, format, _permit)) if body.len() > LARGE => {
                let (this, shared) = (Arc::clone(self), Arc::clone(shared));
                let taking = tokio::task::spawn_blocking(move || this.take(&shared, &body, format, at));
                let failed = |_| SourceError::Unusable("it could not be read".to_owned());
                taking.await.map_err(failed).and_then(|taken| taken)
            }
            Ok((body, format, _permit)) => self.take(shared, &body, format, at),
            Err(error) => Err(error),
        };
        let mut state = self.state();
        let before = state.complaint();
        state.took = began.elapsed();
        state.late = began.duration_since(due);
        state.is_early = is_early;
        if result.is_ok() {
            state.answered = version;
        }
        state.failure = result.err().map(|error| error.to_string().into());
        let now = state.complaint();
        drop(state);
        self.tell(shared, before.as_deref(), now.as_deref());
        self.attempted.send_replace(version);
    }

    /// Says once that the target fell silent, and once that it is back.
    fn tell(&self, shared: &Shared, before: Option<&str>, now: Option<&str>) {
        let (source, target) = (shared.settings.name.as_str(), self.place.url.as_str());
        match (before, now) {
            (None, Some(cause)) => warn!(source, target, cause, "target gives no metrics"),
            (Some(_), None) => info!(source, target, "target gives its metrics again"),
            _ => {}
        }
    }

    /// A page, with the permit to hold it.
    async fn read<'s>(
        &self,
        shared: &'s Shared,
    ) -> Result<(Vec<u8>, Format, Option<SemaphorePermit<'s>>), SourceError> {
        let client = self.http.client()?;
        let request = client.get(self.place.url.clone()).header(ACCEPT, ACCEPTED);
        let response = self.http.send(request, &peer(&self.place.url)).await?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND {
            let path = self.place.url.path();
            return Err(SourceError::Unusable(format!("HTTP {status}: {path} is not where its metrics are")));
        }
        if status != StatusCode::OK {
            return Err(SourceError::Unusable(format!("HTTP {status}")));
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let format = Format::of(content_type).ok_or_else(|| {
            let found: String = content_type.unwrap_or_default().chars().take(100).collect();
            let path = self.place.url.path();
            SourceError::Unusable(format!("{path} has content of type {found:?}, which is no metrics page"))
        })?;
        // Only now: targets that take their time to answer must not keep others waiting. It is never closed.
        let permit = shared.permits.acquire().await.ok();
        let body = read_limited(response, shared.settings.max_body, shared.settings.timeout).await?;
        Ok((body, format, permit))
    }

    fn take(&self, shared: &Shared, body: &[u8], format: Format, at: Timestamp) -> Result<(), SourceError> {
        let (wanted, received) = (shared.wants.wanted(), shared.now());
        let (layout, own) = {
            let state = self.state();
            (Arc::clone(state.history.layout()), state.history.held())
        };
        let others = self.series.load(Ordering::Relaxed).saturating_sub(own);
        let most = shared.settings.max_series.saturating_sub(others);
        // Without the lock: whoever reads the numbers must not wait for a page of megabytes.
        let read = Page::read((body, format), (at, received), &wanted, (&layout, &shared.layouts), most);
        let read = read.map_err(|unfit| match unfit {
            Unfit::Malformed(malformed) => SourceError::Unusable(malformed.to_string()),
            Unfit::Cut | Unfit::Empty => SourceError::Unusable(unfit.to_string()),
            Unfit::TooMany => SourceError::TooLarge(format!(
                "more than {} series of all targets",
                shared.settings.max_series
            )),
        })?;
        let mut state = self.state();
        state.history.add(read, &wanted, &shared.layouts);
        let now = state.history.held();
        drop(state);
        self.series.fetch_add(now, Ordering::Relaxed);
        self.series.fetch_sub(own, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let own = self.state().history.held();
        self.series.fetch_sub(own, Ordering::Relaxed);
    }
}

/// Host and port, for errors.
fn peer(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}
