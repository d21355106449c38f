//! One question at a time for one key, whoever waits for the answer.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, ready};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::identity::Key;
use super::reviewer::ReviewError;
use super::room::{Place, Turn};
use crate::telemetry::Telemetry;
use crate::telemetry::identity::Review;

/// Questions under way at once, by [`Turn`](super::room::Turn). More wait for their turn, within the time that
/// each has anyway, but not behind those of other turns: one caller alone cannot fill what the others need.
const AT_ONCE: [usize; 3] = [16, 32, 16];

/// How long after a silence the API server counts as out of reach.
const OUTAGE: Duration = Duration::from_secs(5);

/// How long after a silence it is tried again, beside what is answered meanwhile.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// The answer to come.
pub(super) type Flight<T> = Shared<BoxFuture<'static, Result<T, ReviewError>>>;

type Running<T> = Arc<Mutex<HashMap<Key, Flight<T>>>>;

/// The questions under way.
pub(super) struct Flights<T> {
    running: Running<T>,
    turns: [Arc<Semaphore>; 3],
    limit: Duration,
    health: Arc<Health>,
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Questions of this kind, which may take this long, the wait for their turn included.
    pub(super) fn new(kind: Review, limit: Duration, telemetry: Arc<Telemetry>) -> Self {
        let health = Health {
            kind,
            telemetry,
            start: Instant::now(),
            silent: AtomicU64::new(0),
            failing: AtomicBool::new(false),
        };
        let turns = AT_ONCE.map(|most| Arc::new(Semaphore::new(most)));
        Self { running: Arc::default(), turns, limit, health: Arc::new(health) }
    }

    /// Whether the API server was out of reach for the last question of a preferred caller, just now.
    pub(super) fn is_out_of_reach(&self) -> bool {
        self.health.silence().is_some_and(|silence| silence < OUTAGE)
    }

    /// Whether a silence is so old that it has to be tried whether it lasts.
    pub(super) fn is_to_be_tried(&self) -> bool {
        self.health.silence().is_some_and(|silence| silence >= TRY_AGAIN)
    }

    /// Joins the question under way for `key`, or puts it: `ask` runs in a task of its own, so that it goes
    /// on if all who wait are dropped, and holds `place` as long. Before that `known` is asked once more, since the answer may just
    /// have come; `ask` must make it known before it ends.
    pub(super) fn join<F>(
        &self,
        key: Key,
        place: &Arc<Place>,
        known: impl FnOnce() -> Option<T>,
        ask: impl FnOnce() -> F,
    ) -> Flight<T>
    where
        F: Future<Output = Result<T, ReviewError>> + Send + 'static,
    {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = running.get(&key) {
            return flight.clone();
        }
        if let Some(answer) = known() {
            return ready(Ok(answer)).boxed().shared();
        }
        let (question, limit) = (ask(), self.limit);
        let is_first = place.turn() == Turn::First;
        let turn = Arc::clone(&self.turns[place.turn() as usize]);
        let health = Arc::clone(&self.health);
        let landing = Landing { running: Arc::clone(&self.running), key, _place: Arc::clone(place) };
        let task = tokio::spawn(async move {
            let _landing = landing;
            let answer = async {
                // Never closed, so a turn always comes.
                let _turn = turn.acquire().await;
                question.await
            };
            let answer = timeout(limit, answer).await.unwrap_or_else(|_| Err(ReviewError::timed_out(limit)));
            health.note(answer.as_ref().err(), is_first);
            answer
        });
        let flight = async move { task.await.unwrap_or_else(|_| Err(ReviewError::lost())) };
        let flight = flight.boxed().shared();
        running.insert(key, flight.clone());
        flight
    }
}

/// How the questions of one kind fared.
struct Health {
    kind: Review,
    telemetry: Arc<Telemetry>,
    start: Instant,
    /// When the API server was found out of reach, in milliseconds since `start`; 0 once it answers. Only preferred
    /// callers find it so: those of others may have waited too long for each other.
    silent: AtomicU64,
    /// Whether the last one failed, for whatever reason.
    failing: AtomicBool,
}

impl Health {
    /// Since when it is out of reach, if it is.
    fn silence(&self) -> Option<Duration> {
        let silent = self.silent.load(Ordering::Relaxed);
        (silent > 0).then(|| self.start.elapsed().saturating_sub(Duration::from_millis(silent)))
    }

    /// Failures come in streaks: the first is logged.
    fn note(&self, error: Option<&ReviewError>, is_first: bool) {
        self.telemetry.identity.reviewed(self.kind, error.is_none());
        match error {
            Some(ReviewError::Unreachable(_)) if is_first => {
                self.silent.store((self.start.elapsed().as_millis() as u64).max(1), Ordering::Relaxed);
            }
            Some(ReviewError::Unreachable(_)) => {}
            _ => self.silent.store(0, Ordering::Relaxed),
        }
        let failed_before = self.failing.swap(error.is_some(), Ordering::Relaxed);
        if let Some(error) = error.filter(|_| !failed_before) {
            tracing::error!(kind = ?self.kind, %error, "a review failed");
        }
    }
}

/// Forgets the question when its task ends, by whatever means.
struct Landing<T> {
    running: Running<T>,
    key: Key,
    _place: Arc<Place>,
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}
