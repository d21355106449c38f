//! Redis, and what speaks as it does (Valkey): lengths of lists, streams and sorted sets.
//!
//! A source only ever reads, with few commands: `LLEN`, `ZCARD`, `XINFO GROUPS`; `XLEN` and `XRANGE`
//! where a server does not tell a group's lag; `SCAN` for patterns. It never asks for all keys at once.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use self::failure::Failure;
use self::keeper::Keeper;
use self::read::Number;
use super::{Answer, Auth, Fetch, Source, SourceError, Text};
use crate::core::freshness::Coverage;
use crate::core::series::{Builder, Column, Label, Labels};
use crate::core::signal::{Element, NeutralLabels, RedisKeys, RedisMeasure, RedisSignal, Signal};
use crate::core::time::{Human, Timestamp};

mod connect;
pub(crate) mod decode;
mod failure;
mod keeper;
mod lag;
mod link;
mod read;
mod scan;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// A name or an address; without the brackets that IPv6 has in URLs.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How the keys are reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// One server.
    Single(Address),
    /// The primary that Sentinel names at the time.
    Sentinel {
        /// The name under which Sentinel watches it.
        master: String,
        /// Some of the Sentinels.
        addresses: Vec<Address>,
        /// The user and password of the Sentinels themselves, if they ask for it.
        login: Option<(Text, Text)>,
    },
    /// A Redis Cluster, of which these are some nodes.
    Cluster(Vec<Address>),
}

/// How to reach the keys of a Redis, and whose they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The name in the configuration.
    pub name: String,
    /// Where the servers are.
    pub mode: Mode,
    /// Whether they speak TLS.
    pub tls: bool,
    /// User, password, certificates: of it `basic`, `client_certificate` and `ca` are used.
    pub auth: Auth,
    /// The number of the database; 0 on a cluster.
    pub database: u16,
    /// How long connecting may take, and how long a reading.
    pub timeout: Duration,
    /// The namespace whose requests are answered from it; without one, those of metrics that are
    /// declared to be of the whole cluster.
    pub namespace: Option<Arc<str>>,
}

impl Settings {
    /// The defaults for servers at `mode`.
    pub fn new(name: impl Into<String>, mode: Mode) -> Self {
        Self {
            name: name.into(),
            mode,
            tls: false,
            auth: Auth::default(),
            database: 0,
            timeout: Duration::from_secs(2),
            namespace: None,
        }
    }
}

/// A client of one Redis.
pub struct Redis {
    settings: Settings,
    keeper: Keeper,
}

impl Redis {
    /// A client; nothing is connected yet.
    pub fn new(settings: Settings) -> Self {
        Self { keeper: Keeper::new(settings.clone()), settings }
    }

    async fn read(&self, signal: &RedisSignal, now: Timestamp) -> Result<Answer, SourceError> {
        let numbers = match self.attempt(signal).await {
            // The server went away and may be back: a connection of before tells nothing of now.
            Err((failure, true)) if failure.lost => {
                self.attempt(signal).await.map_err(|(failure, _)| failure)
            }
            outcome => outcome.map_err(|(failure, _)| failure),
        };
        let mut builder = Builder::default();
        for Number { name, value } in numbers.map_err(|failure| failure.error)? {
            if !builder.row(self.labels(signal, name), now, [(Column::Term(0), value)]) {
                return Err(SourceError::Unusable("two keys that differ in nothing that is text".to_owned()));
            }
        }
        let set = builder.finish(&Element::Series, &NeutralLabels::default(), 0);
        Ok(Answer { set, memory: None, warnings: Vec::new(), cost: None })
    }

    /// One attempt; a failure comes with whether the connection was one of before.
    async fn attempt(&self, signal: &RedisSignal) -> Result<Vec<Number>, (Failure, bool)> {
        let within = self.settings.timeout;
        let late = || SourceError::Timeout(Human(within).to_string());
        let lease = timeout(within, self.keeper.lease());
        let mut lease = match lease.await {
            Ok(lease) => lease.map_err(|error| (error.into(), false))?,
            Err(_) => return Err((late().into(), false)),
        };
        let failure = match timeout(within, read::read(&mut lease.link, signal)).await {
            Ok(Ok(numbers)) => return Ok(numbers),
            Ok(Err(failure)) => failure,
            Err(_) => {
                // What is still under way on it would be taken for the answer to something else.
                self.keeper.forget(lease.number).await;
                return Err((late().into(), false));
            }
        };
        if failure.lost {
            self.keeper.forget(lease.number).await;
        }
        Err((failure, lease.is_old))
    }

    fn labels(&self, signal: &RedisSignal, (label, value): (&'static str, String)) -> Labels {
        let mut pairs: Vec<Label> = vec![(label.into(), value.into())];
        if let RedisMeasure::StreamLag { group } | RedisMeasure::StreamPending { group } = &signal.measure {
            pairs.push(("group".into(), group.as_str().into()));
        }
        if let Some(namespace) = &self.settings.namespace {
            pairs.push(("namespace".into(), Arc::clone(namespace)));
        }
        Labels::new(pairs)
    }
}

impl Source for Redis {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn fetch<'a>(&'a self, signal: &'a Arc<Signal>, _: &'a Coverage, now: Timestamp) -> Fetch<'a> {
        Box::pin(async move {
            match signal.as_ref() {
                Signal::Redis(signal) => self.read(signal, now).await,
                _ => Err(SourceError::Refused("a Redis is asked for its keys only".to_owned())),
            }
        })
    }

    fn describe(&self, signal: &Signal, _: &Coverage) -> Arc<str> {
        let Signal::Redis(signal) = signal else { return "".into() };
        let command = read::command_of(&signal.measure);
        match &signal.keys {
            RedisKeys::Named(keys) => {
                keys.iter().map(|key| format!("{command} {key}")).collect::<Vec<_>>().join("\n").into()
            }
            RedisKeys::Matching(pattern) => {
                let kind = read::kind_of(&signal.measure);
                format!("SCAN MATCH {pattern} TYPE {kind}\n{command} of each").into()
            }
        }
    }

    fn can_read(&self, signal: &Signal) -> bool {
        matches!(signal, Signal::Redis(_))
    }
}
