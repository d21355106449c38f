//! Engines and exporters read directly: no Prometheus, no scrape interval but our own.
//!
//! ```text
//!  fetch ──▶ wants (names, windows) ─────────────┐
//!    │                                           ▼
//!    │       discover ──▶ targets ──▶ scrape ──▶ exposition ──▶ history (pages) of each target
//!    ▼                                                              │
//!  answer ◀── plan: which series make which numbers ◀───────────────┘
//! ```
//!
//! Targets are asked while someone asks for a signal, each at its own beat, and only the names that
//! are wanted are kept of their pages. A signal is then put together from memory.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep, timeout};
use tracing::warn;

use self::discover::{Discover, Found, Place};
use self::layout::Layouts;
use self::target::{HURRY_AFTER, Target};
use self::wanted::{Want, Wants};
use super::credentials::Auth;
use super::http::{Http, Reach};
use super::{Answer, Fetch, Source, SourceError, Vitals};
use crate::core::freshness::{Coverage, Memory};
use crate::core::series::{Label, Labels, Silent};
use crate::core::signal::Signal;
use crate::core::time::{Human, Timestamp};

pub mod discover;
pub mod exposition;
#[cfg(test)]
mod fixtures;
mod history;
mod layout;
mod page;
mod plan;
pub mod pods;
mod reduce;
mod target;
mod wanted;

/// So many pages are read at once: a bound on the memory for them.
const AT_ONCE: usize = 64;

/// So many remarks of one look are logged: the same mistake in a thousand pods is one mistake.
const REMARKS: usize = 5;

/// How targets are asked, and the bounds of what they may do to us.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The name in the configuration; also the label `job` of every series.
    pub name: String,
    /// How often each target is asked.
    pub interval: Duration,
    /// How long one answer may take, connecting included.
    pub timeout: Duration,
    /// How requests are authenticated.
    pub auth: Auth,
    /// The largest page in bytes, after decompression.
    pub max_body: usize,
    /// The largest number of wanted series of all targets.
    pub max_series: usize,
}

impl Settings {
    /// The defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(2),
            auth: Auth::default(),
            max_body: 4 << 20,
            max_series: 500_000,
        }
    }
}

/// A source that asks targets itself.
pub struct Scrape {
    shared: Arc<Shared>,
    discover: Arc<dyn Discover>,
    is_running: Arc<AtomicBool>,
    supervisor: Mutex<Option<JoinHandle<()>>>,
}

/// What the tasks of all targets share.
struct Shared {
    settings: Settings,
    wants: Wants,
    /// The targets; `None` before the first look.
    targets: watch::Sender<Option<Arc<Targets>>>,
    layouts: Layouts,
    permits: Semaphore,
    /// How many series are held.
    series: Arc<AtomicUsize>,
    /// A moment, and what it was by the clock of those who ask.
    clock: Mutex<(Instant, Timestamp)>,
}

/// The targets that a look found.
#[derive(Default)]
struct Targets {
    all: Vec<Arc<Target>>,
    unseen: Vec<Silent>,
    remarks: BTreeSet<String>,
}

impl Shared {
    /// Now, by the clock of those who ask.
    fn now(&self) -> Timestamp {
        let (then, at) = *self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        at.plus(then.elapsed())
    }

    /// Takes note of the time. Who asks may have been kept waiting since they read their clock, and a
    /// page must not be older than the one before it.
    fn learn(&self, now: Timestamp) {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        if now > clock.1.plus(clock.0.elapsed()) {
            *clock = (Instant::now(), now);
        }
    }

    fn targets(&self) -> Arc<Targets> {
        self.targets.borrow().clone().unwrap_or_default()
    }
}

impl Scrape {
    /// Nothing is looked for or asked until someone asks for a signal.
    pub fn new(settings: Settings, discover: Arc<dyn Discover>) -> Self {
        let shared = Shared {
            settings,
            wants: Wants::default(),
            targets: watch::Sender::new(None),
            layouts: Layouts::default(),
            permits: Semaphore::new(AT_ONCE),
            series: Arc::default(),
            clock: Mutex::new((Instant::now(), Timestamp::default())),
        };
        Self { shared: Arc::new(shared), discover, is_running: Arc::default(), supervisor: Mutex::default() }
    }

    async fn answer(
        &self,
        signal: &Arc<Signal>,
        coverage: &Coverage,
        now: Timestamp,
    ) -> Result<Answer, SourceError> {
        if !self.can_read(signal) {
            return Err(SourceError::Refused(format!("targets that are read directly cannot tell {signal}")));
        }
        let shared = &self.shared;
        shared.learn(now);
        let Want { since, version, .. } = shared.wants.ask(signal, now);
        self.start();
        // Every target is asked soon, and has answered or failed by then.
        let patience = (HURRY_AFTER + shared.settings.timeout).saturating_sub(now.since(since));
        if !patience.is_zero() {
            let _ = timeout(patience, self.attempted(version)).await;
        }
        let began = Instant::now();
        let Some(targets) = shared.targets.borrow().clone() else {
            return Err(SourceError::Unreachable("its targets are still being looked for".to_owned()));
        };
        let warnings = targets.warnings();
        // What is read as it is was read from every target; only a window has to fill first.
        let memory = signal.window().map(|_| Memory::since(since));
        let is_covered = signal.window().is_some_and(|window| now.since(since) > window);
        let (signal, coverage) = (Arc::clone(signal), coverage.clone());
        // Thousands of targets take milliseconds that the threads which answer cannot spare.
        let set =
            tokio::task::spawn_blocking(move || targets.reduce(&signal, &coverage, version, is_covered));
        let set = set.await.map_err(|_| SourceError::Unusable("it could not be read".to_owned()))??;
        Ok(Answer { set, memory, warnings, cost: Some(began.elapsed()) })
    }

    /// Waits until every target was asked for what `version` wants.
    async fn attempted(&self, version: u64) {
        let mut targets = self.shared.targets.subscribe();
        let Ok(targets) = targets.wait_for(Option::is_some).await.map(|targets| targets.clone()) else {
            return;
        };
        for target in targets.iter().flat_map(|targets| &targets.all) {
            target.attempt(version).await;
        }
    }

    /// Starts to look for targets and to ask them, unless that goes on already.
    fn start(&self) {
        if self.is_running.swap(true, Ordering::SeqCst) {
            return;
        }
        let task =
            supervise(Arc::clone(&self.shared), Arc::clone(&self.discover), Arc::clone(&self.is_running));
        *self.supervisor.lock().unwrap_or_else(PoisonError::into_inner) = Some(tokio::spawn(task));
    }
}

impl Drop for Scrape {
    fn drop(&mut self) {
        if let Some(task) = self.supervisor.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
    }
}

/// The tasks of targets, which end with it.
#[derive(Default)]
struct Tasks(HashMap<Place, (Arc<Target>, AbortHandle)>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.values().for_each(|(_, task)| task.abort());
    }
}

/// Whether a target is still being asked: what a strange page did to its task must not silence it for good.
fn is_alive((_, task): &(Arc<Target>, AbortHandle)) -> bool {
    !task.is_finished()
}

/// Looks for targets and keeps one task for each, until nobody asks for anything.
async fn supervise(shared: Arc<Shared>, discover: Arc<dyn Discover>, is_running: Arc<AtomicBool>) {
    let mut tasks = Tasks::default();
    let clients = Clients::new(&shared.settings);
    // Whether there may be targets that have not been seen yet.
    let mut is_blind = true;
    loop {
        shared.wants.forget(shared.now());
        if shared.wants.wanted().is_empty() {
            shared.targets.send_replace(None);
            is_running.store(false, Ordering::SeqCst);
            // Whoever asked meanwhile found it running and waits.
            if shared.wants.wanted().is_empty() || is_running.swap(true, Ordering::SeqCst) {
                return;
            }
        }
        let Found { places, unseen, starting, remarks } = discover.look().await;
        tell(&shared, &remarks);
        let mut all = Vec::with_capacity(places.len());
        let mut next = HashMap::with_capacity(places.len());
        for place in places {
            if next.contains_key(&place) {
                continue;
            }
            let known = tasks.0.remove(&place);
            // What is asked anew after such an end was there before, and is not left out meanwhile.
            let is_starting = starting.contains(&place);
            let was_there = (is_blind || known.is_some()) && !is_starting;
            let known = known.filter(is_alive).inspect(|(target, _)| target.starts(is_starting));
            let (target, task) = known.unwrap_or_else(|| {
                let target = Arc::new(target(&shared, place.clone(), &clients, was_there));
                target.starts(is_starting);
                let task = tokio::spawn(Arc::clone(&target).keep(Arc::clone(&shared)));
                (target, task.abort_handle())
            });
            all.push(Arc::clone(&target));
            next.insert(place, (target, task));
        }
        // What is left of the old ones has left the set, and ends here.
        tasks = Tasks(next);
        is_blind = !unseen.is_empty();
        shared.targets.send_replace(Some(Arc::new(Targets { all, unseen, remarks })));
        sleep(discover.every()).await;
    }
}

/// Logs what the look before did not remark.
fn tell(shared: &Shared, remarks: &BTreeSet<String>) {
    let (before, source) = (shared.targets(), shared.settings.name.as_str());
    let new: Vec<&String> = remarks.difference(&before.remarks).collect();
    new.iter().take(REMARKS).for_each(|remark| warn!(source, "{remark}"));
    if let Some(more) = new.len().checked_sub(REMARKS).filter(|more| *more > 0) {
        warn!(source, more, "other pods are like these");
    }
}

/// The clients that targets share, so that their connections and buffers are pooled.
struct Clients {
    plain: Arc<Http>,
    secure: Arc<Http>,
}

impl Clients {
    fn new(settings: &Settings) -> Self {
        let client = |reach| Arc::new(Http::new(settings.auth.clone(), settings.timeout, reach).direct());
        Self { plain: client(Reach::Plain), secure: client(Reach::Tls) }
    }
}

fn target(shared: &Shared, place: Place, clients: &Clients, was_there: bool) -> Target {
    let settings = &shared.settings;
    let mut pairs: Vec<Label> =
        vec![("instance".into(), place.instance().into()), ("job".into(), settings.name.as_str().into())];
    pairs.extend(place.labels.iter().map(|(name, value)| (name.into(), value.into())));
    let http = match (place.url.scheme(), place.address) {
        ("https", Some(address)) => {
            // Connects to this address of the name, whose certificate is the name's.
            let host = place.url.host_str().unwrap_or_default().to_owned();
            Arc::new(Http::new(settings.auth.clone(), settings.timeout, Reach::TlsAt(host, address)).direct())
        }
        ("https", None) => Arc::clone(&clients.secure),
        _ => Arc::clone(&clients.plain),
    };
    Target::new(place, Labels::new(pairs), http, was_there, Arc::clone(&shared.series))
}

impl Source for Scrape {
    fn name(&self) -> &str {
        &self.shared.settings.name
    }

    fn fetch<'a>(&'a self, signal: &'a Arc<Signal>, coverage: &'a Coverage, now: Timestamp) -> Fetch<'a> {
        Box::pin(self.answer(signal, coverage, now))
    }

    fn describe(&self, signal: &Signal, _: &Coverage) -> Arc<str> {
        let every = Human(self.shared.settings.interval);
        let window = signal.window().map(|window| format!(", rates over {}", Human(window)));
        let window = window.unwrap_or_default();
        format!("{signal}{window}, read every {every} from {}", self.discover.describe()).into()
    }

    fn can_read(&self, signal: &Signal) -> bool {
        matches!(signal, Signal::Series(_) | Signal::Presence(_))
    }

    fn renews_every(&self) -> Option<Duration> {
        Some(self.shared.settings.interval)
    }

    fn vitals(&self) -> Option<Vitals> {
        Some(self.shared.vitals())
    }
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scrape").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
