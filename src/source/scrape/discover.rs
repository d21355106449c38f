//! Where targets are: addresses, and names with all the addresses that they stand for.

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Url;
use tokio::time::Instant;

use crate::core::series::{Label, Labels, Silent};

/// Where engines have their metrics.
pub const USUAL_PATH: &str = "/metrics";

/// How often names are looked up.
const LOOK_UP_EVERY: Duration = Duration::from_secs(5);

/// How long addresses are believed that cannot be looked up any more.
const BELIEVED: Duration = Duration::from_mins(1);

/// How long a look-up may take.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(5);

/// One target's place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// What to ask for.
    pub url: Url,
    /// The address to connect to, where the URL's host is a name.
    pub address: Option<SocketAddr>,
    /// What is known of it: its namespace, its pod.
    pub labels: Labels,
    /// The only engine that it can be, if that was said.
    pub engine: Option<Arc<str>>,
    /// Whether it may tell of devices and prices other than its pod's own: whoever runs the source named it,
    /// or its namespace.
    pub speaks_for_others: bool,
}

impl Place {
    /// The address, as series carry it in their label `instance`; with the path if that is not the usual
    /// one, since two pages behind one address are two targets.
    pub fn instance(&self) -> String {
        let address = self.address.map_or_else(
            || {
                let port = self.url.port_or_known_default().unwrap_or_default();
                format!("{}:{port}", self.url.host_str().unwrap_or_default())
            },
            |address| address.to_string(),
        );
        if self.url.path() == USUAL_PATH { address } else { address + self.url.path() }
    }
}

/// What a look found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The targets.
    pub places: Vec<Place>,
    /// Where there may be more that it could not see.
    pub unseen: Vec<Silent>,
    /// Of the targets, those that run what has yet to come up and need not answer until then.
    pub starting: HashSet<Place>,
    /// What keeps something that was found from being a target as it was meant, for the log.
    pub remarks: BTreeSet<String>,
}

impl Found {
    /// Adds what another look found.
    fn extend(&mut self, other: Self) {
        self.places.extend(other.places);
        self.unseen.extend(other.unseen);
        self.starting.extend(other.starting);
        self.remarks.extend(other.remarks);
    }
}

/// A boxed future, so that ways to find targets stand behind one interface.
pub type Look<'a> = Pin<Box<dyn Future<Output = Found> + Send + 'a>>;

/// A way to find targets.
pub trait Discover: Send + Sync {
    /// The targets as they are now.
    fn look(&self) -> Look<'_>;

    /// How often to look.
    fn every(&self) -> Duration;

    /// What is looked at, for people.
    fn describe(&self) -> String;
}

/// Looks up the addresses of a name, with the port that they are to have.
type LookUp = dyn Fn(String, u16) -> Looked + Send + Sync;

type Looked = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Addresses given by the user.
pub struct Addresses {
    look_up: Box<LookUp>,
    endpoints: Vec<Endpoint>,
    /// What each name stood for when it could last be looked up.
    last: Mutex<Vec<Option<Resolved>>>,
}

/// When a name was looked up, and what it stood for.
type Resolved = (Instant, Vec<SocketAddr>);

/// An address given by the user: an IP address is one target, a name as many as it has addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What to ask for.
    pub url: Url,
    /// What is known of its targets: their namespace.
    pub labels: Labels,
    /// The only engine that they can be, if that was said.
    pub engine: Option<Arc<str>>,
}

impl Addresses {
    /// These addresses. Names are looked up as the host does it.
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        let by_host = |name, port| -> Looked {
            Box::pin(async move { Ok(tokio::net::lookup_host((name, port)).await?.collect()) })
        };
        Self::looked_up(endpoints, by_host)
    }

    fn looked_up(
        endpoints: Vec<Endpoint>,
        look_up: impl Fn(String, u16) -> Looked + Send + Sync + 'static,
    ) -> Self {
        let last = Mutex::new(vec![None; endpoints.len()]);
        Self { look_up: Box::new(look_up), endpoints, last }
    }

    async fn resolve(&self, index: usize) -> Found {
        let mut found = Found::default();
        let endpoint = &self.endpoints[index];
        let host = endpoint.url.host_str().unwrap_or_default();
        let place = |url: Url, address| Place {
            url,
            address,
            labels: endpoint.labels.clone(),
            engine: endpoint.engine.clone(),
            speaks_for_others: true,
        };
        // An IPv6 address stands in brackets in a URL.
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            found.places.push(place(endpoint.url.clone(), None));
            return found;
        }
        let port = endpoint.url.port_or_known_default().unwrap_or_default();
        let looked = tokio::time::timeout(LOOK_UP_WITHIN, (self.look_up)(host.to_owned(), port)).await;
        let cause = match looked {
            Ok(Ok(mut addresses)) => {
                // A pod with an address of each family is one target.
                if addresses.iter().any(SocketAddr::is_ipv4) {
                    addresses.retain(SocketAddr::is_ipv4);
                }
                addresses.sort_unstable();
                addresses.dedup();
                self.remember(index, addresses);
                None
            }
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {} s", LOOK_UP_WITHIN.as_secs())),
        };
        match (self.known(index), cause) {
            // A name server that is away takes nobody's replicas away, for a while: later the address
            // may be another's.
            (Some(addresses), _) => {
                for address in addresses {
                    found.places.push(place(by_address(&endpoint.url, address), Some(address)));
                }
            }
            (None, cause) => {
                let mut pairs: Vec<Label> =
                    endpoint.labels.iter().map(|(name, value)| (name.into(), value.into())).collect();
                pairs.push(("instance".into(), format!("{host}:{port}").into()));
                found.unseen.push(Silent {
                    labels: Labels::new(pairs),
                    engine: endpoint.engine.clone(),
                    speaks_for_others: true,
                    cause: cause.unwrap_or_default().into(),
                    known: false,
                });
            }
        }
        found
    }

    fn remember(&self, index: usize, addresses: Vec<SocketAddr>) {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some((Instant::now(), addresses));
    }

    fn known(&self, index: usize) -> Option<Vec<SocketAddr>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last[index].as_ref().filter(|(at, _)| at.elapsed() < BELIEVED).map(|(_, addresses)| addresses.clone())
    }
}

/// The URL with the address in the name's place. A certificate is for the name, so with TLS it stays.
fn by_address(url: &Url, address: SocketAddr) -> Url {
    let mut by_address = url.clone();
    if url.scheme() == "http" {
        // An IP address is always a valid host.
        let _ = by_address.set_ip_host(address.ip());
    }
    by_address
}

impl Discover for Addresses {
    fn look(&self) -> Look<'_> {
        Box::pin(async {
            // All at once: a name server that hangs for one name hides no other.
            let each = join_all((0..self.endpoints.len()).map(|index| self.resolve(index))).await;
            let mut found = Found::default();
            for one in each {
                found.extend(one);
            }
            found
        })
    }

    fn every(&self) -> Duration {
        LOOK_UP_EVERY
    }

    fn describe(&self) -> String {
        let urls: Vec<&str> = self.endpoints.iter().map(|endpoint| endpoint.url.as_str()).collect();
        match &urls[..] {
            [first, second, _, _, ..] => format!("{first}, {second} and {} more", urls.len() - 2),
            _ => urls.join(", "),
        }
    }
}

mod joined;

pub use self::joined::Joined;

#[cfg(test)]
mod tests;
