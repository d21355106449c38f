//! Pods of this cluster as targets.
//!
//! A target's address is that of a pod, as the cluster tells it. An annotation can change the port, the
//! path and the scheme, never where a request goes.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;

use self::annotations::Annotations;
use super::discover::{Discover, Found, Look, Place};
use crate::core::selector::Selector;
use crate::core::series::{Labels, Silent};
use crate::core::workload::{Inventory, Knowledge, Pod};

mod annotations;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

pub use self::annotations::is_path;

/// How often it is looked whether pods have come or gone.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Which pods are targets, and where their pages are.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// In these namespaces; in every namespace if there is none.
    pub namespaces: Vec<Arc<str>>,
    /// Over the labels of the pods, and over their owners by kind.
    pub selector: Selector,
    /// The port; the first that a pod declares if absent.
    pub port: Option<Port>,
    /// The path, from `/` on, without a query.
    pub path: String,
    /// How the port is spoken to.
    pub scheme: Scheme,
    /// The only engine that they can be, if that was said.
    pub engine: Option<Arc<str>>,
    /// Whether the annotations `prometheus.io/…` are honoured. Then only pods that ask to be scraped are
    /// targets.
    pub annotated: bool,
}

/// Which of a pod's ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// The one that a container declares under this name.
    Name(Arc<str>),
    /// This one, declared or not.
    Number(u16),
}

/// How a port is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In clear.
    Http,
    /// With TLS. The certificate must be for the pod's address.
    Https,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => number.fmt(f),
        }
    }
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Selection {
    fn pods(&self, inventory: &dyn Inventory) -> Vec<Arc<Pod>> {
        if self.namespaces.is_empty() {
            return inventory.pods(None);
        }
        self.namespaces.iter().flat_map(|namespace| inventory.pods(Some(namespace))).collect()
    }

    /// Where the pod's page is, if the pod is selected and has one. What keeps a selected pod from being a
    /// target is remarked; that it has no address yet is no mistake.
    fn place(&self, pod: &Pod, remark: &mut dyn FnMut(String)) -> Option<Place> {
        if !pod.counts || !self.selector.matches(|key| pod.label(key)) {
            return None;
        }
        let annotations = if self.annotated { Annotations::of(pod, remark)? } else { Annotations::default() };
        let address = pod.reached_by?.to_canonical();
        if !is_allowed(address) {
            remark(format!("it has the address {address}, which no pod can have"));
            return None;
        }
        let port = annotations.port.or_else(|| self.port(pod, remark))?;
        let scheme = annotations.scheme.unwrap_or(self.scheme).as_str();
        let mut url = Url::parse(&format!("{scheme}://{}", SocketAddr::new(address, port))).ok()?;
        url.set_path(annotations.path.unwrap_or(&self.path));
        let labels =
            [("namespace", &pod.namespace), ("pod", &pod.name)].map(|(key, own)| (key.into(), own.clone()));
        Some(Place {
            url,
            address: None,
            labels: Labels::new(labels.into()),
            engine: self.engine.clone(),
            // Labels and annotations anyone may write who may make a pod.
            speaks_for_others: !self.namespaces.is_empty(),
        })
    }

    fn port(&self, pod: &Pod, remark: &mut dyn FnMut(String)) -> Option<u16> {
        let found = match &self.port {
            Some(Port::Number(number)) => return Some(*number),
            Some(Port::Name(name)) => pod.ports.iter().find(|port| port.name.as_ref() == Some(name)),
            None => pod.ports.first(),
        };
        if found.is_none() {
            remark(match &self.port {
                Some(port) => format!("none of its containers declares a port called {port}"),
                None => "its containers declare no port, and no annotation names one".to_owned(),
            });
        }
        found.map(|port| port.number)
    }
}

/// Whether a pod can have this address: not this host's own, and not one that is another thing on each
/// network, such as a cloud's metadata service.
fn is_allowed(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast() || is_link_local)
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pods")?;
        match &self.namespaces[..] {
            [] => {}
            names => write!(f, " of {}", names.join(", "))?,
        }
        if !self.selector.is_everything() {
            write!(f, " with {}", self.selector)?;
        }
        if self.annotated {
            f.write_str(" that ask for it")?;
        }
        match &self.port {
            Some(port) => write!(f, " at port {port}"),
            None => Ok(()),
        }
    }
}

/// The targets among the pods of the cluster.
pub struct Pods {
    selections: Arc<[Selection]>,
    /// `None` where there is no cluster: then nothing can be known of its pods.
    inventory: Option<Arc<dyn Inventory>>,
    /// What was found last, and of which versions of the inventory.
    last: Mutex<Option<(Vec<u64>, Found)>>,
}

impl Pods {
    /// The pods that any of `selections` selects. Of a page that two of them mean, the first decides.
    pub fn new(selections: Vec<Selection>, inventory: Option<Arc<dyn Inventory>>) -> Self {
        Self { selections: selections.into(), inventory, last: Mutex::default() }
    }

    async fn look(&self) -> Found {
        let Some(inventory) = &self.inventory else {
            return unknown("there is no cluster to find pods in");
        };
        // The versions first: what changes meanwhile is then seen by the next look.
        let versions = self.versions(&**inventory);
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, found)) = last.filter(|(before, _)| *before == versions) {
            return found;
        }
        let (selections, pods) = (Arc::clone(&self.selections), Arc::clone(inventory));
        // A hundred thousand pods take milliseconds that the threads which answer cannot spare.
        let found = tokio::task::spawn_blocking(move || find(&selections, &*pods)).await;
        let found = found.unwrap_or_else(|_| unknown("pods could not be looked through"));
        let known = Some((versions, found.clone()));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = known;
        found
    }

    /// What tells whether any of the pods in question has changed.
    fn versions(&self, inventory: &dyn Inventory) -> Vec<u64> {
        if self.selections.iter().any(|one| one.namespaces.is_empty()) {
            return vec![inventory.version(None)];
        }
        let namespaces = self.selections.iter().flat_map(|one| &one.namespaces);
        namespaces.map(|namespace| inventory.version(Some(namespace))).collect()
    }
}

fn find(selections: &[Selection], inventory: &dyn Inventory) -> Found {
    // Before the pods are read: those that are read later are known by then.
    if inventory.knowledge() == Knowledge::Nothing {
        return unknown("pods are not known yet");
    }
    let mut found = Found::default();
    let mut pages = HashSet::new();
    for selection in selections {
        for pod in selection.pods(inventory) {
            let mut remark = |what: String| {
                found.remarks.insert(format!("pod {}/{}: {what}", pod.namespace, pod.name));
            };
            let Some(place) = selection.place(&pod, &mut remark) else { continue };
            if !pages.insert(place.url.clone()) {
                continue;
            }
            if !pod.ready {
                found.starting.insert(place.clone());
            }
            found.places.push(place);
        }
    }
    found
}

/// There may be any number of targets.
fn unknown(cause: &str) -> Found {
    let labels = Labels::new(vec![("instance".into(), "pods".into())]);
    Found {
        unseen: vec![Silent {
            labels,
            engine: None,
            speaks_for_others: true,
            cause: cause.into(),
            known: false,
        }],
        ..Found::default()
    }
}

impl Discover for Pods {
    fn look(&self) -> Look<'_> {
        Box::pin(self.look())
    }

    fn every(&self) -> Duration {
        LOOK_EVERY
    }

    fn describe(&self) -> String {
        self.selections.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests;
