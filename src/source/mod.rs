//! Sources: where numbers come from, one file each behind one interface.
//!
//! A source turns a signal into a series set for the whole cluster. It knows nothing of HPAs,
//! selectors or Kubernetes' API shapes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use self::prometheus::Prometheus;
use self::redis::Redis;
use self::scrape::Scrape;
use self::scrape::discover::{Addresses, Discover, Endpoint, Joined};
use self::scrape::pods::{Pods, Selection};
use crate::core::freshness::{Coverage, Memory};
use crate::core::series::SeriesSet;
use crate::core::signal::Signal;
use crate::core::time::Timestamp;
use crate::core::workload::Inventory;

pub(crate) mod body;
mod credentials;
mod http;
mod intern;
pub mod prometheus;
pub mod redis;
pub mod schedule;
pub mod scrape;

pub use self::credentials::{Auth, Text};

/// The most cells of a set, 128 MiB of them: what a body of allowed size may unfold to.
const MAX_CELLS: usize = 8 << 20;

/// A source as it is configured.
#[derive(Debug, Clone, PartialEq)]
pub enum Definition {
    /// A server with the Prometheus query API.
    Prometheus(prometheus::Settings),
    /// Targets that are read directly: those that have addresses, and pods of the cluster.
    Scrape(scrape::Settings, Vec<Endpoint>, Vec<Selection>),
    /// A Redis whose keys are read.
    Redis(redis::Settings),
}

impl Definition {
    /// The source's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Prometheus(settings) => &settings.name,
            Self::Scrape(settings, ..) => &settings.name,
            Self::Redis(settings) => &settings.name,
        }
    }

    /// Whether it answers queries in PromQL.
    pub fn knows_promql(&self) -> bool {
        matches!(self, Self::Prometheus(_))
    }

    /// The source; nothing is connected yet. Pods are found in `inventory`; without one, a source that
    /// needs it refuses all questions.
    pub fn build(self, inventory: Option<&Arc<dyn Inventory>>) -> Arc<dyn Source> {
        match self {
            Self::Prometheus(settings) => Arc::new(Prometheus::new(settings)),
            Self::Redis(settings) => Arc::new(Redis::new(settings)),
            Self::Scrape(settings, endpoints, pods) => {
                let (has_endpoints, has_pods) = (!endpoints.is_empty(), !pods.is_empty());
                let addresses = || -> Arc<dyn Discover> { Arc::new(Addresses::new(endpoints)) };
                let pods = || -> Arc<dyn Discover> { Arc::new(Pods::new(pods, inventory.cloned())) };
                Arc::new(Scrape::new(
                    settings,
                    match (has_endpoints, has_pods) {
                        (_, false) => addresses(),
                        (false, true) => pods(),
                        (true, true) => Arc::new(Joined::new([addresses(), pods()])),
                    },
                ))
            }
        }
    }
}

/// What a source returns for one signal.
#[derive(Debug)]
pub struct Answer {
    /// The numbers.
    pub set: SeriesSet,
    /// What the source remembers, if it tells that it lost older samples.
    pub memory: Option<Memory>,
    /// What the source remarked on its answer.
    pub warnings: Vec<String>,
    /// What the answer cost, where that is not the time it took: of a source that waits for others to
    /// be read and then works from memory.
    pub cost: Option<Duration>,
}

/// How a source that reads targets by itself is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vitals {
    /// How many targets there are.
    pub targets: usize,
    /// How many of them did not answer when they were last asked.
    pub silent: usize,
    /// How many series are held.
    pub series: usize,
    /// What they take in bytes, about.
    pub bytes: usize,
    /// The longest that a target took for its latest answer.
    pub longest: Duration,
    /// The most by which a latest scrape began later than it was due.
    pub latest: Duration,
}

/// Why a source gave no answer, in words that reach the HPA's condition: never a credential, never
/// a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No connection, or it broke.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer within {0}")]
    Timeout(String),
    /// The source refused the query.
    #[error("query refused: {0}")]
    Refused(String),
    /// A credential or certificate file cannot be used.
    #[error("{0}")]
    Credentials(String),
    /// The answer is not what the protocol says.
    #[error("unusable answer: {0}")]
    Unusable(String),
    /// The answer is larger than allowed.
    #[error("answer too large: {0}")]
    TooLarge(String),
    /// The answer leaves something out.
    #[error("partial answer: {0}")]
    Partial(String),
}

impl SourceError {
    /// A short word for our own metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Timeout(_) => "timeout",
            Self::Refused(_) => "refused",
            Self::Credentials(_) => "credentials",
            Self::Unusable(_) => "unusable",
            Self::TooLarge(_) => "too_large",
            Self::Partial(_) => "partial",
        }
    }
}

/// A boxed future, so that sources of several kinds stand behind one interface.
pub type Fetch<'a> = Pin<Box<dyn Future<Output = Result<Answer, SourceError>> + Send + 'a>>;

/// Where numbers come from.
pub trait Source: Send + Sync {
    /// The name in the configuration.
    fn name(&self) -> &str;

    /// Reads `signal` for `coverage`. `now` is our clock at the time of asking.
    fn fetch<'a>(&'a self, signal: &'a Arc<Signal>, coverage: &'a Coverage, now: Timestamp) -> Fetch<'a>;

    /// What will be asked, in the source's own language, for people.
    fn describe(&self, signal: &Signal, coverage: &Coverage) -> Arc<str>;

    /// Whether it can read such a signal at all.
    fn can_read(&self, signal: &Signal) -> bool {
        !matches!(signal, Signal::Schedule(_) | Signal::Redis(_))
    }

    /// How often its numbers are new, if it is known beforehand and asking costs nobody else anything.
    fn renews_every(&self) -> Option<Duration> {
        None
    }

    /// How it is doing, if it reads targets by itself.
    fn vitals(&self) -> Option<Vitals> {
        None
    }
}
