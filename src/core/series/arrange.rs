//! From rows to an indexed set: each series of a pod once, in order, its element numbered; and pods found
//! by their addresses.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
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

/// What several servers that scrape the same add.
const REPLICAS: [&str; 4] = ["__replica__", "prometheus", "prometheus_replica", "receive_replica"];

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
        let passed_over = leave_out_repeated(&mut rows);
        rows.sort_by(|a, b| order(&a.labels).cmp(&order(&b.labels)));

        let mut numbering = Numbering::default();
        let numbers = rows.iter().map(|row| row.number).collect();
        let series: Vec<Series> = rows
            .into_iter()
            .map(|Arriving { labels, at, cells, .. }| {
                let element = numbering.number(element, &labels);
                Series::new(labels, element, at, cells.into())
            })
            .collect();
        let mut namespaces = HashMap::new();
        for (index, one) in series.iter().enumerate() {
            if let Some(namespace) = one.labels.shared("namespace") {
                namespaces.entry(Arc::clone(namespace)).or_insert(index..index).end = index + 1;
            }
        }
        let (namespaces, layout) = (Arc::new(namespaces), Layout::default());
        (Self { columns, series, namespaces, layout, clock_offset, silent: Vec::new(), passed_over }, numbers)
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
        let Self { columns, series, clock_offset, silent, passed_over, .. } = self;
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
            Arriving { labels, at: one.at, cells: one.cells.to_vec(), number: 0 }
        });
        let (mut set, _) = Self::arranged(columns, rows.collect(), signal.element(), clock_offset);
        set.passed_over.extend(passed_over);
        set.with_silent(silent)
    }
}

/// Whether a label tells how a series was scraped, and of one scraped twice only one counts.
pub fn is_of_scrape(label: &str) -> bool {
    PLUMBING.contains(&label)
}

/// Where the address of whoever tells a series may stand, in the order of trust: the first is the scraper's,
/// the second may be the page's own.
const ADDRESSES: [&str; 2] = ["instance", "pod_ip"];

/// The address in `10.0.0.5:8000`, `[fd00::5]:8000` or `10.0.0.5`.
fn address_in(text: &str) -> Option<IpAddr> {
    let by_port = || text.parse::<SocketAddr>().map(|address| address.ip());
    text.parse().or_else(|_| by_port()).ok()
}

/// By what and where a series was scraped: the job, and the host of the instance.
type Scraped<'l> = (Option<&'l str>, &'l str);

/// What tells a series from others there: the port, and what a page may say of its own series where a scrape says
/// nothing of it.
type Told<'l> = (&'l str, [Option<&'l str>; 2]);

fn target(labels: &Labels) -> (Scraped<'_>, Told<'_>) {
    let instance = labels.get("instance").unwrap_or_default();
    let (host, port) = instance.rsplit_once(':').unwrap_or((instance, ""));
    ((labels.get("job"), host), (port, ["container", "endpoint"].map(|name| labels.get(name))))
}

/// Leaves out what is one series of a pod, scraped several times: the freshest stays. What was left out, each with
/// what stands for it.
///
/// Another job, or another address of the same pod (it was made anew), is another view of the same thing;
/// another port within one job is another thing, as is another container or endpoint.
fn leave_out_repeated(rows: &mut Vec<Arriving>) -> Vec<(Labels, Labels)> {
    let mut alike: HashMap<Labels, (usize, Vec<usize>)> = HashMap::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        // Without a pod, the instance is all there is to tell replicas apart.
        if row.labels.get("pod").is_some() {
            match alike.entry(identity(&row.labels)) {
                Entry::Vacant(vacant) => drop(vacant.insert((index, Vec::new()))),
                Entry::Occupied(mut first) => first.get_mut().1.push(index),
            }
        }
    }
    let mut repeated = HashMap::new();
    for (first, mut others) in alike.into_values().filter(|(_, others)| !others.is_empty()) {
        others.push(first);
        let (at, labels) = (|index: usize| rows[index].at, |index: usize| &rows[index].labels);
        others.sort_by(|&a, &b| at(b).cmp(&at(a)).then_with(|| labels(a).cmp(labels(b))));
        let (freshest, _) = target(labels(others[0]));
        let mut parts = HashMap::new();
        let mut left_out = Vec::new();
        for &index in &others {
            let (scraped, part) = target(labels(index));
            match parts.entry(part) {
                Entry::Vacant(vacant) if scraped == freshest => drop(vacant.insert(index)),
                _ => left_out.push((index, part)),
            }
        }
        let stands_for = |part| *parts.get(&part).unwrap_or(&others[0]);
        repeated.extend(left_out.into_iter().map(|(index, part)| (index, stands_for(part))));
    }
    let labels = |index: usize| rows[index].labels.clone();
    let passed_over = repeated.iter().map(|(&index, &kept)| (labels(index), labels(kept))).collect();
    let mut index = 0..;
    rows.retain(|_| index.next().is_none_or(|index| !repeated.contains_key(&index)));
    passed_over
}

/// What tells a series of a pod from another once scraping is left out. What names neither job nor instance was
/// made by a query, whose labels are all wanted, but for those of the servers that evaluated it.
fn identity(labels: &Labels) -> Labels {
    let is_scraped = ["instance", "job"].iter().any(|name| labels.get(name).is_some());
    let left_out = if is_scraped { &PLUMBING[..] } else { &REPLICAS[..] };
    labels.filtered(|name| !left_out.contains(&name))
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
