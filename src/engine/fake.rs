//! For tests: a source that does as it is told and counts what it is asked, and an engine over it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Answer as EngineAnswer, Ask, AskError, Definitions, Engine, Pace};
use crate::catalog::Catalog;
use crate::core::evaluate::Whom;
use crate::core::freshness::{Coverage, Memory};
use crate::core::metric::Metric;
use crate::core::refusal::Refusal;
use crate::core::selector::Selector;
use crate::core::series::{Builder, Column, Labels, Silent};
use crate::core::signal::{Kind, PRESENT, Signal};
use crate::core::time::Timestamp;
use crate::source::{Answer, Fetch, Source, SourceError, Vitals};
use crate::telemetry::Telemetry;

/// How a question for presence begins.
const PRESENCE: &str = "presence";

/// Two engines. Alpha alone has most metrics, and both have `shared`.
pub(crate) fn catalog() -> Arc<Catalog> {
    static CATALOG: LazyLock<Arc<Catalog>> = LazyLock::new(|| Arc::new(read_catalog()));
    Arc::clone(&CATALOG)
}

fn read_catalog() -> Catalog {
    let gauges: String =
        (0..50).map(|n| preset(&format!("g{n}"), &format!("gauge: ['alpha:g{n}']"))).collect();
    let head = |engine| {
        format!(
            "engine: {engine}\ntitle: T\nsource: S\ndetect: ['{engine}:shared']\nmodel: [model]\npresets:\n"
        )
    };
    let alpha = [
        head("alpha"),
        preset("queue", "gauge: ['alpha:queue']"),
        preset("rate", "counter: ['alpha:rate_total']"),
        preset("shared", "gauge: ['alpha:shared']"),
        preset("trend", "counter: ['alpha:trend_total']").replace("value:", "window: 1200, value:"),
        "- { name: latency, help: h, unit: seconds, semantics: intensive, direction: rises, \
         value: { distribution: { histogram: ['alpha:latency_seconds'], statistic: p95 } } }\n"
            .to_owned(),
        gauges,
    ]
    .concat();
    let shared = "- { name: shared, value: { term: { gauge: ['beta:shared'] } } }\n";
    let beta = head("beta") + shared;
    Catalog::from_files(&[("alpha.yaml", &alpha), ("beta.yaml", &beta)]).unwrap()
}

fn preset(name: &str, term: &str) -> String {
    let facts = "help: h, unit: requests, semantics: extensive, direction: rises";
    format!("- {{ name: {name}, {facts}, value: {{ term: {{ {term} }} }} }}\n")
}

/// What a [`Fake`] does when it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    Answer,
    Fail,
    Hang,
    Panic,
}

/// How a [`Fake`] behaves from now on.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) deed: Deed,
    /// The same for the question which engines are there.
    pub(crate) presence: Deed,
    /// How long an answer takes.
    pub(crate) takes: Duration,
    /// Each pod's number.
    pub(crate) value: f64,
    /// The pods, as namespace and name.
    pub(crate) pods: Vec<(String, String)>,
    /// The engines that are there.
    pub(crate) engines: Vec<&'static str>,
    /// When the samples were taken, unless just now.
    pub(crate) sampled: Option<Timestamp>,
    /// When the process started, if it tells.
    pub(crate) started: Option<Timestamp>,
    /// Targets that do not answer.
    pub(crate) silent: Vec<Silent>,
    /// How often its numbers are new, if it tells.
    pub(crate) renews: Option<Duration>,
    /// How it is doing, if it tells.
    pub(crate) vitals: Option<Vitals>,
}

/// One question that was asked.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) signal: String,
    pub(crate) coverage: Coverage,
}

/// A source that does as it is told.
pub(crate) struct Fake {
    name: &'static str,
    script: Mutex<Script>,
    calls: Mutex<Vec<Call>>,
    running: AtomicUsize,
    most: AtomicUsize,
}

impl Fake {
    pub(crate) fn new(name: &'static str) -> Arc<Self> {
        let script = Script {
            deed: Deed::Answer,
            presence: Deed::Answer,
            takes: Duration::ZERO,
            value: 7.0,
            pods: vec![("ai".into(), "a-0".into())],
            engines: vec!["alpha"],
            sampled: None,
            started: None,
            silent: Vec::new(),
            renews: None,
            vitals: None,
        };
        Arc::new(Self {
            name,
            script: Mutex::new(script),
            calls: Mutex::default(),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    /// The script, to be changed.
    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// Every question so far, those for presence left out.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| !call.signal.starts_with(PRESENCE)).cloned().collect()
    }

    /// How often it was asked for series whose name begins so.
    pub(crate) fn count(&self, series: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| call.signal.starts_with(series)).count()
    }

    /// How often it was asked which engines are there.
    pub(crate) fn presence_count(&self) -> usize {
        self.count(PRESENCE)
    }

    /// The most questions at once so far.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// The pauses between questions.
    pub(crate) fn gaps(&self) -> Vec<Duration> {
        self.calls().windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }

    async fn answer(
        &self,
        signal: &Signal,
        coverage: &Coverage,
        now: Timestamp,
    ) -> Result<Answer, SourceError> {
        let call = Call { at: Instant::now(), signal: signal.to_string(), coverage: coverage.clone() };
        self.calls.lock().unwrap().push(call);
        let _running = Running::new(self);
        let script = self.script().clone();
        sleep(script.takes).await;
        let deed = if matches!(signal, Signal::Presence(_)) { script.presence } else { script.deed };
        match deed {
            Deed::Answer => Ok(script.answer(signal, coverage, now)),
            Deed::Fail => Err(SourceError::Unreachable("connection refused".to_owned())),
            Deed::Hang => std::future::pending().await,
            Deed::Panic => panic!("as told"),
        }
    }
}

/// Counts what runs at once, hung and panicking questions included.
struct Running<'a>(&'a Fake);

impl<'a> Running<'a> {
    fn new(fake: &'a Fake) -> Self {
        let running = fake.running.fetch_add(1, Ordering::Relaxed) + 1;
        fake.most.fetch_max(running, Ordering::Relaxed);
        Self(fake)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Script {
    fn answer(&self, signal: &Signal, coverage: &Coverage, now: Timestamp) -> Answer {
        let at = self.sampled.unwrap_or(now);
        let mut builder = Builder::default();
        match signal {
            Signal::Query(_) | Signal::Schedule(_) | Signal::Redis(_) => {}
            Signal::Presence(_) => {
                for engine in &self.engines {
                    let labels = labels(&[(PRESENT, &format!("{engine}:shared"))]);
                    builder.number(labels.clone(), Column::Term(0), 1.0);
                    builder.time(labels, at);
                }
            }
            Signal::Series(series) => {
                let engine = series.labels.engine.as_deref().unwrap_or_default();
                let is_there = self.engines.contains(&engine);
                for (namespace, pod) in
                    self.pods.iter().filter(|(name, _)| is_there && coverage.includes(name))
                {
                    let labels = labels(&[("namespace", namespace), ("pod", pod)]);
                    for (column, value) in self.cells(series.terms[0].kind) {
                        builder.number(labels.clone(), column, value);
                    }
                    builder.time(labels, at);
                }
            }
        }
        let set = builder.finish(signal.element(), &signal.labels(), 0).with_silent(self.silent.clone());
        Answer { set, memory: self.started.map(Memory::since), warnings: Vec::new(), cost: None }
    }

    fn cells(&self, kind: Kind) -> Vec<(Column, f64)> {
        match kind {
            Kind::Gauge | Kind::Counter | Kind::Slope => vec![(Column::Term(0), self.value)],
            Kind::Buckets => vec![(Column::Bucket(1.0), 10.0), (Column::Bucket(f64::INFINITY), 10.0)],
            Kind::Mean => vec![(Column::Sum, 10.0 * self.value), (Column::Count, 10.0)],
        }
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::new(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
}

impl Source for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn fetch<'a>(&'a self, signal: &'a Arc<Signal>, coverage: &'a Coverage, now: Timestamp) -> Fetch<'a> {
        Box::pin(self.answer(signal, coverage, now))
    }

    fn describe(&self, signal: &Signal, _: &Coverage) -> Arc<str> {
        signal.to_string().into()
    }

    fn renews_every(&self) -> Option<Duration> {
        self.script().renews
    }

    fn vitals(&self) -> Option<Vitals> {
        self.script().vitals
    }
}

/// The namespaces that a question was narrowed to, sorted; `*` for the whole cluster.
pub(crate) fn narrowed(coverage: &Coverage) -> Vec<String> {
    let Coverage::Namespaces(names) = coverage else { return vec!["*".to_owned()] };
    let names: HashSet<&str> = names.iter().map(AsRef::as_ref).collect();
    let mut names: Vec<_> = names.into_iter().map(str::to_owned).collect();
    names.sort_unstable();
    names
}

/// An engine over a [`Fake`].
pub(crate) struct World {
    pub(crate) source: Arc<Fake>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) engine: Arc<Engine>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Vec::new())
    }

    pub(crate) fn with(metrics: Vec<Metric>) -> Self {
        let source = Fake::new("main");
        let definitions = Definitions {
            sources: vec![Arc::clone(&source) as Arc<dyn Source>],
            metrics,
            ..Definitions::default()
        };
        let telemetry = Arc::new(Telemetry::default());
        let engine = Engine::new(catalog(), definitions, Pace::default(), Arc::clone(&telemetry));
        Self { source, telemetry, engine: Arc::new(engine) }
    }

    /// Replaces the metrics, the source stays.
    pub(crate) fn install(&self, metrics: Vec<Metric>) {
        self.engine.install(Definitions {
            sources: vec![Arc::clone(&self.source) as Arc<dyn Source>],
            metrics,
            ..Definitions::default()
        });
    }

    pub(crate) async fn ask_in(&self, metric: &str, namespace: &str) -> Result<EngineAnswer, AskError> {
        let selector = Selector::everything();
        let patience = Duration::from_millis(800);
        self.engine.ask(Ask { metric, namespace, selector: &selector, whom: Whom::All, patience }).await
    }

    pub(crate) async fn ask(&self, metric: &str) -> Result<EngineAnswer, AskError> {
        self.ask_in(metric, "ai").await
    }

    /// The number, which must be known.
    pub(crate) async fn value(&self, metric: &str) -> f64 {
        self.ask(metric).await.unwrap().reading.value
    }

    /// The refusal, which must come.
    pub(crate) async fn refusal(&self, metric: &str) -> Refusal {
        match self.ask(metric).await {
            Err(AskError::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// Asks every second for so many seconds.
    pub(crate) async fn keep_asking(&self, metric: &str, seconds: u64) {
        for _ in 0..seconds {
            let _ = self.ask(metric).await;
            sleep(Duration::from_secs(1)).await;
        }
    }
}

/// A metric of the catalog under another name, to be changed.
pub(crate) fn like(metric: &str, name: &str) -> Metric {
    Metric { name: name.into(), ..catalog().resolve(metric).unwrap() }
}

/// How long something takes, with what it gives.
pub(crate) async fn timed<T>(what: impl Future<Output = T>) -> (T, Duration) {
    let began = Instant::now();
    let given = what.await;
    (given, began.elapsed())
}
