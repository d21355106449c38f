//! From rows to an indexed set: each series of a pod once, in order, its element numbered; and pods found
//! by their addresses.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::builder::is_confined;
use super::{Column, Labels, Layout, Series, SeriesSet, order};
use crate::core::signal::{Element, Signal};
use crate::core::time::Timestamp;

/// What a scrape adds to tell its targets apart. Two series of one pod that differ in nothing else
/// are one series, scraped twice.
const PLUMBING: [&str; 11] = [
    "__replica__",
    "container",
    "endpoint",
    "instance",
    "job",
    "node",
    "prometheus",
    "prometheus_replica",
    "receive_replica",
    "scrape_job",
    "service",
];

/// One series on its way into a set.
pub(super) struct Arriving {
    pub(super) labels: Labels,
    /// The time of its sample, by the source's clock.
    pub(super) at: Timestamp,
    /// In the set's order.
    pub(super) cells: Vec<Option<f64>>,
    /// By what it will be known again.
    pub(super) number: u32,
}

impl SeriesSet {
    /// The set of these rows: each series of a pod once, in order, elements numbered. And the number of the row
    /// that each series was.
    pub(super) fn arranged(
        columns: Vec<Column>,
        mut rows: Vec<Arriving>,
        element: &Element,
        clock_offset: i64,
    ) -> (Self, Vec<u32>) {
        // Newest first, so that of two scrapes of one pod the fresher one is met first and stays.
        rows.sort_unstable_by(|a, b| b.at.cmp(&a.at).then_with(|| a.labels.cmp(&b.labels)));
        let mut scrapes = Scrapes::with_capacity(rows.len());
        rows.retain(|row| scrapes.is_new(&row.labels));
        drop(scrapes);
        rows.sort_unstable_by(|a, b| order(&a.labels).cmp(&order(&b.labels)));

        let mut numbering = Numbering::default();
        let numbers = rows.iter().map(|row| row.number).collect();
        let series: Vec<Series> = rows
            .into_iter()
            .map(|Arriving { labels, at, cells, .. }| {
                let element = numbering.number(element, &labels);
                Series::new(labels, element, at, cells.into_boxed_slice())
            })
            .collect();
        let mut namespaces = HashMap::new();
        for (index, one) in series.iter().enumerate() {
            if let Some(namespace) = one.labels.shared("namespace") {
                namespaces.entry(Arc::clone(namespace)).or_insert(index..index).end = index + 1;
            }
        }
        let (namespaces, layout) = (Arc::new(namespaces), Layout::default());
        (Self { columns, series, namespaces, layout, clock_offset, silent: Vec::new() }, numbers)
    }

    /// Gives series that name no pod the one that has their address, as `find` (namespace and name by
    /// address) knows it. To be done to a fresh set, before anything is learned from the one before it.
    ///
    /// Not where exporters tell of others' devices: their address is their own.
    #[must_use]
    pub fn joined_by_address(
        self,
        signal: &Signal,
        find: impl Fn(IpAddr) -> Option<(Arc<str>, Arc<str>)>,
    ) -> Self {
        if !is_confined(signal) {
            return self;
        }
        let pod_of = |labels: &Labels| {
            if labels.get("pod").is_some() {
                return None;
            }
            let address = ADDRESSES.iter().find_map(|name| address_in(labels.get(name)?))?;
            // A series of another namespace than its address is not that pod's.
            find(address)
                .filter(|(namespace, _)| labels.get("namespace").is_none_or(|own| *own == **namespace))
        };
        if !self.series.iter().any(|series| pod_of(&series.labels).is_some()) {
            return self;
        }
        let Self { columns, series, clock_offset, silent, .. } = self;
        let rows = series.into_iter().map(|one| {
            let pod = pod_of(&one.labels);
            let labels = match pod {
                Some((namespace, pod)) => {
                    let mut pairs = one.labels.0.to_vec();
                    // Labels that are there but empty would win over these.
                    pairs.retain(|(name, _)| !matches!(name.as_ref(), "namespace" | "pod"));
                    pairs.extend([("namespace".into(), namespace), ("pod".into(), pod)]);
                    Labels::new(pairs)
                }
                None => one.labels,
            };
            Arriving { labels, at: one.at, cells: one.cells.into_vec(), number: 0 }
        });
        Self::arranged(columns, rows.collect(), signal.element(), clock_offset).0.with_silent(silent)
    }
}

/// Where the address of whoever tells a series may stand, in the order of trust: the first is the scraper's,
/// the second may be the page's own.
const ADDRESSES: [&str; 2] = ["instance", "pod_ip"];

/// The address in `10.0.0.5:8000`, `[fd00::5]:8000` or `10.0.0.5`.
fn address_in(text: &str) -> Option<IpAddr> {
    let by_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    text.parse().or_else(|_| by_port()).ok()
}

/// Tells series of several containers of a pod from one series scraped several times.
struct Scrapes(HashMap<Labels, Vec<Target>>);

/// Where a series was scraped: the job, and host and port of the instance.
#[derive(PartialEq)]
struct Target {
    job: Option<Arc<str>>,
    host: String,
    port: String,
}

impl Target {
    fn of(labels: &Labels) -> Self {
        let instance = labels.get("instance").unwrap_or_default();
        let (host, port) = instance.rsplit_once(':').unwrap_or((instance, ""));
        Self { job: labels.shared("job").cloned(), host: host.to_owned(), port: port.to_owned() }
    }

    /// Another port of the same pod, scraped by the same job.
    fn is_beside(&self, other: &Self) -> bool {
        self.job == other.job && self.host == other.host && self.port != other.port
    }
}

impl Scrapes {
    fn with_capacity(series: usize) -> Self {
        Self(HashMap::with_capacity(series))
    }

    /// Whether `labels` are not yet known from a fresher scrape. Series must come freshest first.
    ///
    /// Another job, or another address of the same pod (it was made anew), is another view of the
    /// same thing; another port within one job is another thing.
    fn is_new(&mut self, labels: &Labels) -> bool {
        // Without a pod, the instance is all there is to tell replicas apart.
        if labels.get("pod").is_none() {
            return true;
        }
        let target = Target::of(labels);
        let known = self.0.entry(identity(labels)).or_default();
        let is_new = known.iter().all(|other| target.is_beside(other));
        if is_new {
            known.push(target);
        }
        is_new
    }
}

/// What tells a series of a pod from another once scraping is left out.
fn identity(labels: &Labels) -> Labels {
    Labels(labels.0.iter().filter(|(name, _)| !PLUMBING.contains(&name.as_ref())).cloned().collect())
}

/// Numbers elements in the order they are met.
#[derive(Default)]
struct Numbering {
    known: HashMap<Vec<Option<Arc<str>>>, u32>,
    next: u32,
}

impl Numbering {
    fn number(&mut self, element: &Element, labels: &Labels) -> u32 {
        let key: Vec<Option<Arc<str>>> = match element {
            Element::Series => Vec::new(),
            Element::Pod => {
                // What is not known by its pod is known by its address.
                let name = if labels.get("pod").is_some() { "pod" } else { "instance" };
                ["namespace", name].iter().map(|name| labels.shared(name).cloned()).collect()
            }
            Element::Device(names) => names.iter().map(|name| labels.shared(name).cloned()).collect(),
        };
        // Without pod and address, or a device's first label, a series can only stand for itself.
        let tells_apart = match element {
            Element::Series => false,
            Element::Pod => key[1].is_some(),
            Element::Device(_) => key.first().is_some_and(Option::is_some),
        };
        let fresh = self.next;
        let number = if tells_apart { *self.known.entry(key).or_insert(fresh) } else { fresh };
        self.next += u32::from(number == fresh);
        number
    }
}
