//! Against exporters on this host: what is asked, when, and what is made of what comes back.

use std::net::SocketAddr;
use std::sync::Mutex;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::serve::ListenerExt as _;
use futures_util::stream;
use reqwest::StatusCode;
use tokio::net::TcpListener;

use super::discover::Look;
use super::*;
use crate::core::evaluate::{Question, Whom, evaluate};
use crate::core::fixtures::{at, input, labels, metric, term, text, waiting};
use crate::core::freshness::{Refreshed, Snapshot};
use crate::core::metric::{Formula, Metric};
use crate::core::reading::Reading;
use crate::core::refusal::Refusal;
use crate::core::selector::Selector;

mod beats;
mod faults;
mod leaving;
mod starting;
mod sums;

const MILLIS: fn(u64) -> Duration = Duration::from_millis;

/// What an exporter does when it is asked.
#[derive(Clone)]
enum Deed {
    /// Answers with this page, as text.
    Page(String),
    /// Answers with anything, made by this.
    Answer(Arc<dyn Fn(&HeaderMap) -> Response + Send + Sync>),
    /// Does not answer.
    Hang,
}

/// A page with this number of requests waiting.
fn page(number: u32) -> Deed {
    Deed::Page(format!("requests_waiting {number}\n"))
}

fn answer(make: impl Fn(&HeaderMap) -> Response + Send + Sync + 'static) -> Deed {
    Deed::Answer(Arc::new(make))
}

/// A server on a free port of this host that does as it is told, and remembers when it was asked.
struct Exporter {
    address: SocketAddr,
    deed: Arc<Mutex<Deed>>,
    asked: Arc<Mutex<Vec<Instant>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Exporter {
    async fn start(deed: Deed) -> Self {
        type Shared = (Arc<Mutex<Deed>>, Arc<Mutex<Vec<Instant>>>);
        async fn handle(State((deed, asked)): State<Shared>, headers: HeaderMap) -> Response {
            asked.lock().expect("lock").push(Instant::now());
            let deed = deed.lock().expect("lock").clone();
            match deed {
                Deed::Page(page) => page.into_response(),
                Deed::Answer(make) => make(&headers),
                Deed::Hang => std::future::pending().await,
            }
        }
        let deed = Arc::new(Mutex::new(deed));
        let (asked, connections) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(handle).with_state((Arc::clone(&deed), Arc::clone(&asked)));
        let counted = Arc::clone(&connections);
        let listener = listener.tap_io(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let task = tokio::spawn(async { axum::serve(listener, router).await.expect("serves") });
        Self { address, deed, asked, connections, task }
    }

    /// Does this from now on.
    fn set(&self, deed: Deed) {
        *self.deed.lock().expect("lock") = deed;
    }

    /// When it was asked.
    fn asked(&self) -> Vec<Instant> {
        self.asked.lock().expect("lock").clone()
    }

    fn place(&self, known: &str) -> Place {
        place(self.address, known)
    }

    /// Stops listening.
    fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop();
    }
}

fn place(address: SocketAddr, known: &str) -> Place {
    let url = format!("http://{address}/metrics").parse().expect("a URL");
    Place { url, address: None, labels: labels(known), engine: None, speaks_for_others: true }
}

/// An address of this host at which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

/// Targets that the test decides about.
#[derive(Default)]
struct Places {
    found: Mutex<Found>,
    looks: AtomicUsize,
    every: Duration,
}

impl Places {
    fn of(places: impl IntoIterator<Item = Place>) -> Arc<Self> {
        let found = Found { places: places.into_iter().collect(), ..Found::default() };
        Arc::new(Self { found: Mutex::new(found), looks: AtomicUsize::new(0), every: MILLIS(20) })
    }

    fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }

    fn set(&self, places: impl IntoIterator<Item = Place>, unseen: Vec<Silent>) {
        *self.found.lock().expect("lock") =
            Found { places: places.into_iter().collect(), unseen, ..Found::default() };
    }

    /// The same, and waits until it has been seen.
    async fn change(&self, places: impl IntoIterator<Item = Place>) {
        self.set(places, Vec::new());
        let before = self.looks();
        until(|| self.looks() > before + 1).await;
    }
}

impl Discover for Places {
    fn look(&self) -> Look<'_> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        let found = self.found.lock().expect("lock").clone();
        Box::pin(async { found })
    }

    fn every(&self) -> Duration {
        self.every
    }

    fn describe(&self) -> String {
        "here".to_owned()
    }
}

/// Waits for something that is to come soon.
async fn until(what: impl Fn() -> bool) {
    let reached = async {
        while !what() {
            sleep(MILLIS(5)).await;
        }
    };
    timeout(Duration::from_secs(20), reached).await.expect("it comes");
}

/// A source over these places, and its clock.
struct World {
    source: Scrape,
    places: Arc<Places>,
    began: Instant,
}

impl World {
    fn with(places: Arc<Places>, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new("pods");
        (settings.interval, settings.timeout) = (MILLIS(50), MILLIS(1000));
        change(&mut settings);
        let source = Scrape::new(settings, Arc::clone(&places) as Arc<dyn Discover>);
        Self { source, places, began: Instant::now() }
    }

    fn new(places: impl IntoIterator<Item = Place>) -> Self {
        Self::with(Places::of(places), |_| {})
    }

    /// Over these exporters, all in the namespace `ai`.
    fn over(exporters: &[&Exporter]) -> Self {
        Self::new(exporters.iter().map(|exporter| exporter.place("namespace=ai")))
    }

    fn now(&self) -> Timestamp {
        at(self.began.elapsed().as_secs_f64())
    }

    async fn fetch(&self, signal: &Signal) -> Result<Answer, SourceError> {
        self.fetch_for(signal, &Coverage::Cluster).await
    }

    async fn fetch_for(&self, signal: &Signal, coverage: &Coverage) -> Result<Answer, SourceError> {
        self.source.fetch(&Arc::new(signal.clone()), coverage, self.now()).await
    }

    /// The numbers of the first term, each with its labels except those that every series has.
    async fn rows(&self, signal: &Signal) -> Vec<(String, Option<f64>)> {
        let answer = self.fetch(signal).await.expect("an answer");
        let short = |labels: &Labels| text(&labels.filtered(|name| name != "instance" && name != "job"));
        let series = answer.set.all().iter();
        let mut rows: Vec<_> =
            series.map(|one| (short(&one.labels), one.cells.first().copied().flatten())).collect();
        rows.sort_by(|a, b| a.partial_cmp(b).expect("no NaN"));
        rows
    }

    /// The numbers of requests waiting.
    async fn numbers(&self) -> Vec<f64> {
        self.rows(&waiting()).await.into_iter().filter_map(|(_, number)| number).collect()
    }

    /// Waits until the numbers of requests waiting are these.
    async fn until_numbers(&self, expected: &[f64]) {
        let reached = async {
            while self.numbers().await != expected {
                sleep(MILLIS(5)).await;
            }
        };
        timeout(Duration::from_secs(20), reached).await.expect("it comes");
    }

    /// What is known after one more read.
    async fn known(&self, before: &Snapshot, signal: &Signal) -> Snapshot {
        let at = self.now();
        match self.fetch(signal).await {
            Err(error) => before.failed(error.to_string().into()),
            Ok(Answer { set, memory, .. }) => {
                let refreshed = Refreshed {
                    at,
                    set,
                    interval: MILLIS(25),
                    coverage: Coverage::Cluster,
                    memory,
                    query: Arc::default(),
                    warnings: Arc::default(),
                };
                before.refreshed(signal, refreshed, Duration::from_mins(1))
            }
        }
    }

    /// The sum of requests waiting in `ai`.
    async fn evaluated(&self, before: &Snapshot) -> (Snapshot, Result<Reading, Refusal>) {
        let snapshot = self.known(before, &waiting()).await;
        let reading = self.judge(&sum_of(waiting()), &snapshot);
        (snapshot, reading)
    }

    fn judge(&self, metric: &Metric, snapshot: &Snapshot) -> Result<Reading, Refusal> {
        let selector = Selector::everything();
        let question = Question { namespace: "ai", selector: &selector, whom: Whom::All, pods: None };
        evaluate(metric, &[(&metric.inputs[0], snapshot)], question, "pods", self.now(), None)
    }
}

/// The sum of the first term, by the engine vllm.
fn sum_of(signal: Signal) -> Metric {
    metric(vec![input("vllm", signal, Formula::Linear(vec![term(0)]))])
}

#[tokio::test]
async fn it_says_what_it_is() {
    let world = World::with(Places::of([]), |settings| settings.interval = Duration::from_secs(3));
    assert_eq!(world.source.name(), "pods");
    assert_eq!(world.source.renews_every(), Some(Duration::from_secs(3)));
    let signal = crate::core::fixtures::tokens();
    let asked = world.source.describe(&signal, &Coverage::Cluster);
    assert_eq!(&*asked, "tokens_total, rates over 2m, read every 3s from here");
    assert_eq!(
        &*world.source.describe(&waiting(), &Coverage::Cluster),
        "requests_waiting, read every 3s from here"
    );
}

#[tokio::test]
async fn a_query_is_refused_and_starts_nothing() {
    let world = World::new([]);
    let query = crate::core::signal::QuerySignal {
        promql: "sum(x)".to_owned(),
        window: None,
        element: crate::core::signal::Element::Pod,
        timed: true,
        of_samples: false,
    };
    let refused = world.fetch(&Signal::Query(query)).await.expect_err("refused");
    assert_eq!(refused.kind(), "refused");
    assert!(refused.to_string().contains("cannot tell"), "{refused}");
    assert_eq!(world.places.looks(), 0);
}

#[tokio::test]
async fn nothing_is_asked_before_someone_asks() {
    let exporter = Exporter::start(page(3)).await;
    let world = World::over(&[&exporter]);
    sleep(MILLIS(100)).await;
    assert_eq!((world.places.looks(), exporter.asked().len()), (0, 0));
    assert_eq!(world.numbers().await, [3.0]);
}

#[tokio::test]
async fn the_text_format_is_asked_for_with_compression() {
    let seen = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&seen);
    let exporter = Exporter::start(answer(move |headers| {
        *kept.lock().expect("lock") = Some(headers.clone());
        "requests_waiting 1\n".into_response()
    }))
    .await;
    let world = World::over(&[&exporter]);
    assert_eq!(world.numbers().await, [1.0]);
    let seen = seen.lock().expect("lock").take().expect("a request");
    let header = |name| seen.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert!(header(header::ACCEPT).starts_with("text/plain;version=0.0.4"), "{seen:?}");
    assert!(!header(header::ACCEPT).contains("openmetrics"), "{seen:?}");
    assert!(header(header::ACCEPT_ENCODING).contains("gzip"), "{seen:?}");
    assert!(header(header::USER_AGENT).starts_with("inferometer/"), "{seen:?}");
}
