//! Counters of who was recognised and who was let in.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, counter::ConstCounter};

use super::{Telemetry, result};

/// How a request's caller was recognised, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// By the front proxy's headers.
    FrontProxy,
    /// By a certificate of their own.
    ClientCertificate,
    /// By a bearer token.
    Token,
    /// There was nothing to recognise them by.
    Anonymous,
    /// What they brought was not believed.
    Refused,
    /// Nobody could say: the API server did not answer.
    Unavailable,
}

/// What was decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Allowed.
    Allowed,
    /// Denied.
    Denied,
    /// Allowed by an old decision, since the API server did not answer.
    StaleAllowed,
    /// Refused, since the API server did not answer.
    Unavailable,
}

/// What the API server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Review {
    /// Whose a token is.
    Token,
    /// Whether a user may.
    Access,
}

/// Which bound of the requests that wait was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// That of one caller.
    Caller,
    /// That of all together.
    All,
}

const AUTHENTICATIONS: [&str; 6] =
    ["front_proxy", "client_certificate", "token", "anonymous", "refused", "unavailable"];
const ACCESSES: [&str; 4] = ["allowed", "denied", "stale_allowed", "unavailable"];
const REVIEWS: [&str; 2] = ["token", "access"];
const SHEDS: [&str; 2] = ["caller", "all"];
const RESULTS: [&str; 2] = [result(true), result(false)];

/// What concerns identity and access.
#[derive(Debug, Default)]
pub struct Identity {
    authentications: [AtomicU64; AUTHENTICATIONS.len()],
    accesses: [AtomicU64; ACCESSES.len()],
    /// By kind, each by result.
    reviews: [[AtomicU64; 2]; REVIEWS.len()],
    trust: [AtomicU64; 2],
    /// By the bound that was reached.
    sheds: [AtomicU64; SHEDS.len()],
    waiting: AtomicI64,
    front_proxy_refused: AtomicBool,
}

impl Identity {
    /// A caller was recognised, or not.
    pub fn authenticated(&self, how: Authentication) {
        self.authentications[how as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A request was decided about.
    pub fn decided(&self, access: Access) {
        self.accesses[access as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The API server was asked, and answered or not.
    pub fn reviewed(&self, review: Review, good: bool) {
        self.reviews[review as usize][usize::from(!good)].fetch_add(1, Ordering::Relaxed);
    }

    /// The cluster's trust anchors were taken or refused.
    pub fn trust_read(&self, good: bool) {
        self.trust[usize::from(!good)].fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the front proxy is not believed because anyone could pass for it.
    pub fn front_proxy_refused(&self, refused: bool) {
        self.front_proxy_refused.store(refused, Ordering::Relaxed);
    }

    /// A request was refused since too many wait.
    pub fn shed(&self, bound: Shed) {
        self.sheds[bound as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// One request more has to wait, or one less (-1).
    pub fn waits(&self, change: i64) {
        self.waiting.fetch_add(change, Ordering::Relaxed);
    }

    /// How many requests wait.
    pub fn waiting(&self) -> i64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many requests were refused since this bound was reached.
    pub fn sheds(&self, bound: Shed) -> u64 {
        self.sheds[bound as usize].load(Ordering::Relaxed)
    }

    /// How often callers were recognised in this way.
    pub fn authentications(&self, how: Authentication) -> u64 {
        self.authentications[how as usize].load(Ordering::Relaxed)
    }

    /// How often requests were decided about in this way.
    pub fn decisions(&self, access: Access) -> u64 {
        self.accesses[access as usize].load(Ordering::Relaxed)
    }
}

/// Encodes [`Identity`].
#[derive(Debug)]
pub(super) struct Encoded(pub(super) Arc<Telemetry>);

impl Collector for Encoded {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let identity = &self.0.identity;
        for (name, help, words, counters) in [
            (
                "authentications",
                "Requests by how the caller was recognised",
                AUTHENTICATIONS.as_slice(),
                identity.authentications.as_slice(),
            ),
            (
                "access_decisions",
                "Requests by what was decided about them",
                ACCESSES.as_slice(),
                identity.accesses.as_slice(),
            ),
            (
                "trust_reads",
                "Versions of the cluster's trust anchors taken or refused",
                RESULTS.as_slice(),
                identity.trust.as_slice(),
            ),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (word, counter) in words.iter().zip(counters) {
                ConstCounter::new(counter.load(Ordering::Relaxed))
                    .encode(family.encode_family(&[("result", *word)])?)?;
            }
        }
        let help = "Questions to the API server about tokens and access";
        let mut family = encoder.encode_descriptor("access_reviews", help, None, MetricType::Counter)?;
        for (kind, counters) in REVIEWS.iter().zip(&identity.reviews) {
            for (result, counter) in RESULTS.iter().zip(counters) {
                ConstCounter::new(counter.load(Ordering::Relaxed))
                    .encode(family.encode_family(&[("kind", *kind), ("result", *result)])?)?;
            }
        }
        let help = "Requests refused with 429 since too many waited, by whose bound was reached";
        let mut family = encoder.encode_descriptor("requests_shed", help, None, MetricType::Counter)?;
        for (bound, counter) in SHEDS.iter().zip(&identity.sheds) {
            ConstCounter::new(counter.load(Ordering::Relaxed))
                .encode(family.encode_family(&[("bound", *bound)])?)?;
        }
        let help = "Requests that wait for a review or for the first read of a signal";
        let waiting = encoder.encode_descriptor("requests_waiting", help, None, MetricType::Gauge)?;
        ConstGauge::new(identity.waiting()).encode(waiting)?;
        let help = "1 while the front proxy is not believed because any user could pass for it";
        let refused = encoder.encode_descriptor("front_proxy_refused", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(identity.front_proxy_refused.load(Ordering::Relaxed))).encode(refused)
    }
}
