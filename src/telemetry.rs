//! Our own metrics: what operators alert on.
//!
//! What is counted on the request path is an atomic in a fixed place: no lock, no lookup by label.

pub mod identity;
pub mod process;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::{MetricType, counter::ConstCounter};
use prometheus_client::registry::Registry;

/// Response codes that are told apart; any other counts under the last.
const CODES: [u16; 15] = [200, 304, 400, 401, 403, 404, 405, 406, 414, 431, 500, 503, 504, 429, 0];

/// Refusal reasons, as `Refusal::reason` names them; any other counts under the last.
const REASONS: [&str; 13] = [
    "unlisted",
    "loading",
    "source_down",
    "stale",
    "unanswered",
    "recovering",
    "silent",
    "no_series",
    "incomplete",
    "idle",
    "budget",
    "unservable",
    "unconfigured",
];

/// Upper bounds of the latency buckets in seconds: an answer from memory is well below the first
/// millisecond, an answer of any kind below the last bound.
const LATENCIES: [f64; 10] = [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.01, 0.1, 0.5, 1.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RefreshLabels {
    source: String,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct GuardLabels {
    metric: String,
    guard: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ApiServiceLabels {
    api_service: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TransitionLabels {
    budget: String,
    to: String,
}

/// Our own metrics.
#[derive(Debug, Default)]
pub struct Telemetry {
    requests: [AtomicU64; CODES.len()],
    latency: [AtomicU64; LATENCIES.len() + 1],
    latency_micros: AtomicU64,
    refusals: [AtomicU64; REASONS.len()],
    held: AtomicU64,
    remembered: AtomicU64,
    generation: AtomicI64,
    refreshes: Family<RefreshLabels, Counter>,
    refresh_seconds: RefreshSeconds,
    guard_changes: Family<GuardLabels, Counter>,
    reloads: Family<ResultLabels, Counter>,
    certificate_reloads: Family<ResultLabels, Counter>,
    configuration_refused: AtomicBool,
    certificate_refused: AtomicBool,
    /// Who was recognised and who was let in.
    pub identity: identity::Identity,
    /// Unix time in seconds; 0 while it is not known.
    certificate_expiry: AtomicI64,
    registrations: Family<ApiServiceLabels, Gauge>,
    connections: Gauge,
    transitions: Family<TransitionLabels, Counter>,
}

#[derive(Debug)]
struct RefreshSeconds(Histogram);

impl Default for RefreshSeconds {
    fn default() -> Self {
        Self(Histogram::new([0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0]))
    }
}

impl Telemetry {
    /// An API request was answered.
    pub fn answered(&self, code: u16, took: Duration) {
        let index = CODES.iter().position(|known| *known == code).unwrap_or(CODES.len() - 1);
        self.requests[index].fetch_add(1, Ordering::Relaxed);
        let seconds = took.as_secs_f64();
        let bucket = LATENCIES.iter().position(|bound| seconds <= *bound).unwrap_or(LATENCIES.len());
        self.latency[bucket].fetch_add(1, Ordering::Relaxed);
        self.latency_micros.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    /// So many connections of callers are open.
    pub fn connected(&self, count: usize) {
        self.connections.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A metric was refused, with the short word for the reason.
    pub fn refused(&self, reason: &str) {
        let index = REASONS.iter().position(|known| *known == reason).unwrap_or(REASONS.len() - 1);
        self.refusals[index].fetch_add(1, Ordering::Relaxed);
    }

    /// An answer was served from a source that has fallen silent.
    pub fn served_held(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    /// An answer was served without evaluating anything.
    pub fn served_remembered(&self) {
        self.remembered.fetch_add(1, Ordering::Relaxed);
    }

    /// A guard of a configured metric began or ceased to change the answer to a question.
    pub fn guard_changed(&self, metric: &str, guard: &str) {
        let labels = GuardLabels { metric: metric.to_owned(), guard: guard.to_owned() };
        self.guard_changes.get_or_create(&labels).inc();
    }

    /// The definitions in force changed.
    pub fn generation(&self, number: u64) {
        self.generation.store(i64::try_from(number).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// A signal was read, or could not be for this kind of reason.
    pub fn refreshed(&self, source: &str, took: Duration, failure: Option<&'static str>) {
        let labels = RefreshLabels { source: source.to_owned(), result: failure.unwrap_or("success") };
        self.refreshes.get_or_create(&labels).inc();
        self.refresh_seconds.0.observe(took.as_secs_f64());
    }

    /// A configuration was taken or refused.
    pub fn reloaded(&self, good: bool) {
        self.reloads.get_or_create(&ResultLabels { result: result(good) }).inc();
        self.configuration_refused.store(!good, Ordering::Relaxed);
    }

    /// A serving certificate was taken or refused.
    pub fn certificate_reloaded(&self, good: bool) {
        self.certificate_reloads.get_or_create(&ResultLabels { result: result(good) }).inc();
        self.certificate_refused.store(!good, Ordering::Relaxed);
    }

    /// The certificate's files hold what is served.
    pub fn certificate_in_force(&self) {
        self.certificate_refused.store(false, Ordering::Relaxed);
    }

    /// The serving certificate is good until then.
    pub fn certificate_expires(&self, until: SystemTime) {
        let seconds = until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.certificate_expiry.store(i64::try_from(seconds).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Whether this APIService points at us and trusts our CAs.
    pub fn registered(&self, api_service: &'static str, registered: bool) {
        self.registrations.get_or_create(&ApiServiceLabels { api_service }).set(i64::from(registered));
    }

    /// A budget stands otherwise than before.
    pub fn budget_moved(&self, budget: &str, to: &str) {
        let labels = TransitionLabels { budget: budget.to_owned(), to: to.to_owned() };
        self.transitions.get_or_create(&labels).inc();
    }

    /// A registry of everything here, ready to be encoded; more collectors may be added to it.
    pub fn registry(self: &Arc<Self>) -> Registry {
        let mut registry = Registry::with_prefix("inferometer");
        registry.register("source_refreshes", "Reads of sources by result", self.refreshes.clone());
        registry.register(
            "source_refresh_seconds",
            "Duration of reads of sources",
            self.refresh_seconds.0.clone(),
        );
        registry.register(
            "guard_changes",
            "How often a guard began or ceased to change an answer",
            self.guard_changes.clone(),
        );
        registry.register("connections", "Connections of callers", self.connections.clone());
        registry.register("configuration_reloads", "Configurations taken or refused", self.reloads.clone());
        registry.register(
            "certificate_reloads",
            "Serving certificates taken or refused",
            self.certificate_reloads.clone(),
        );
        registry.register(
            "api_service_registered",
            "Whether the APIService points at us and trusts our CAs",
            self.registrations.clone(),
        );
        registry.register(
            "budget_transitions",
            "Changes of budgets by what they do since",
            self.transitions.clone(),
        );
        registry.register_collector(Box::new(RequestPath(Arc::clone(self))));
        registry.register_collector(Box::new(identity::Encoded(Arc::clone(self))));
        registry
    }
}

const fn result(good: bool) -> &'static str {
    if good { "success" } else { "failure" }
}

/// Encodes the atomics of the request path.
#[derive(Debug)]
struct RequestPath(Arc<Telemetry>);

impl Collector for RequestPath {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Self(telemetry) = self;
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);

        let mut requests =
            encoder.encode_descriptor("api_requests", "API requests by code", None, MetricType::Counter)?;
        for (code, counter) in CODES.iter().zip(&telemetry.requests) {
            let code = if *code == 0 { "other".to_owned() } else { code.to_string() };
            ConstCounter::new(load(counter)).encode(requests.encode_family(&[("code", code)])?)?;
        }
        let mut latency = encoder.encode_descriptor(
            "api_request_seconds",
            "Time to answer an API request",
            None,
            MetricType::Histogram,
        )?;
        let counts: Vec<u64> = telemetry.latency.iter().map(load).collect();
        let bounds = LATENCIES.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(counts.iter().copied()).collect();
        latency.encode_histogram::<prometheus_client::encoding::NoLabelSet>(
            load(&telemetry.latency_micros) as f64 / 1e6,
            counts.iter().sum(),
            &buckets,
            None,
        )?;
        let mut refusals = encoder.encode_descriptor(
            "refusals",
            "Metric requests refused by reason",
            None,
            MetricType::Counter,
        )?;
        for (reason, counter) in REASONS.iter().zip(&telemetry.refusals) {
            ConstCounter::new(load(counter)).encode(refusals.encode_family(&[("reason", *reason)])?)?;
        }
        for (name, help, value) in [
            ("held_readings", "Answers from a source that had fallen silent", load(&telemetry.held)),
            ("remembered_readings", "Answers served without evaluating again", load(&telemetry.remembered)),
        ] {
            let counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value).encode(counter)?;
        }
        for (name, help, refused) in [
            (
                "configuration_refused",
                "1 while the configuration file is not what is in force",
                &telemetry.configuration_refused,
            ),
            (
                "certificate_refused",
                "1 while the certificate's files, or its Secret, are not what is served",
                &telemetry.certificate_refused,
            ),
        ] {
            let gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(i64::from(refused.load(Ordering::Relaxed))).encode(gauge)?;
        }
        let expiry = telemetry.certificate_expiry.load(Ordering::Relaxed);
        if expiry != 0 {
            let gauge = encoder.encode_descriptor(
                "certificate_expiry_timestamp_seconds",
                "When the serving certificate expires, in Unix time",
                None,
                MetricType::Gauge,
            )?;
            ConstGauge::new(expiry).encode(gauge)?;
        }
        let generation = encoder.encode_descriptor(
            "configuration_generation",
            "Counts the configurations taken, from 1",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(telemetry.generation.load(Ordering::Relaxed)).encode(generation)
    }
}
