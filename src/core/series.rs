//! Series sets: what a source returns for one signal, for the whole cluster.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::time::Timestamp;

mod arrange;
mod builder;
mod cells;
mod layout;
mod lost;
pub use arrange::is_of_scrape;
pub use builder::Builder;
pub use cells::Cells;
pub use layout::{Layout, Skeleton};

/// One label: name and value. Both are shared, since a fleet repeats them thousands of times.
pub type Label = (Arc<str>, Arc<str>);

/// What names a pod and a part of it.
const POD: [&str; 3] = ["container", "namespace", "pod"];

/// Labels of one series or object, sorted by name. A copy shares them.
#[derive(Debug, Clone, Default)]
pub struct Labels(Arc<[Label]>);

// Strings are shared as far as a source can, so most comparisons are of strings with themselves. By hand, since
// the standard library takes that short cut for equality of sized types alone.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        let of = |a: &Arc<str>, b: &Arc<str>| if Arc::ptr_eq(a, b) { Ordering::Equal } else { a.cmp(b) };
        if Arc::ptr_eq(&self.0, &other.0) {
            return Ordering::Equal;
        }
        let pairs = self.0.iter().zip(other.0.iter());
        let mut unequal = pairs.map(|(a, b)| of(&a.0, &b.0).then_with(|| of(&a.1, &b.1)));
        let first = unequal.find(|ordering| ordering.is_ne());
        first.unwrap_or_else(|| self.0.len().cmp(&other.0.len()))
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Labels {
    /// From pairs in any order; of a repeated name the first stays.
    pub fn new(mut pairs: Vec<Label>) -> Self {
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs.dedup_by(|b, a| a.0 == b.0);
        Self(pairs.into())
    }

    /// Whether others hold this very set, too.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// The value of `name`, if it is there and not empty (Prometheus does not tell the two apart).
    pub fn get(&self, name: &str) -> Option<&str> {
        self.shared(name).map(AsRef::as_ref)
    }

    fn shared(&self, name: &str) -> Option<&Arc<str>> {
        let index = self.0.binary_search_by(|(key, _)| key.as_ref().cmp(name)).ok()?;
        Some(&self.0[index].1).filter(|value| !value.is_empty())
    }

    /// Those whose name `keeps` accepts.
    #[must_use]
    pub fn filtered(&self, keeps: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|(name, _)| keeps(name)).cloned().collect())
    }

    /// These with those of `target`, as Prometheus joins what a page tells with what is known of its
    /// target: a name that both have is the target's, and the page's becomes `exported_…`.
    ///
    /// Unlike there, what names a pod stays together: a target of which only the namespace is known
    /// would otherwise seem to be the pod that its page tells of.
    #[must_use]
    pub fn told_by(&self, target: &Self) -> Self {
        let both_have = |name: &str| self.get(name).is_some() && target.get(name).is_some();
        let is_watching = POD.iter().any(|name| both_have(name));
        let mut pairs: Vec<Label> = Vec::with_capacity(self.0.len() + target.0.len());
        pairs.extend_from_slice(&target.0);
        for (name, value) in self.0.iter() {
            let mut name = Arc::clone(name);
            if is_watching && POD.contains(&&*name) {
                name = format!("exported_{name}").into();
            }
            while target.get(&name).is_some() {
                name = format!("exported_{name}").into();
            }
            pairs.push((name, Arc::clone(value)));
        }
        Self::new(pairs)
    }

    /// All pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }
}

/// What a column of a set holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Column {
    /// The number of the signal's n-th term.
    Term(usize),
    /// A cumulative bucket's rate, up to this bound.
    Bucket(f64),
    /// The rate of a histogram's sum.
    Sum,
    /// The rate of a histogram's count.
    Count,
}

/// What is known of the pod that a series names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acquaintance {
    /// Nobody has looked.
    #[default]
    Unjudged,
    /// The cluster has it, or it names none.
    Known,
    /// The cluster did not have it, first at this time by our clock.
    UnknownSince(Timestamp),
    /// The cluster did not have it for long enough that it is no pod that has just been made.
    Stranger,
}

/// A pod that has not become known in this time, while changes were told, is not of this cluster.
const STRANGER_AFTER: Duration = Duration::from_secs(30);

impl Acquaintance {
    /// This judgement after an earlier one of the same series.
    fn after(self, earlier: Self) -> Self {
        match (self, earlier) {
            (Self::Unjudged, earlier) => earlier,
            (Self::UnknownSince(_), Self::Stranger) => Self::Stranger,
            (Self::UnknownSince(now), Self::UnknownSince(then)) if now.since(then) >= STRANGER_AFTER => {
                Self::Stranger
            }
            (Self::UnknownSince(_), Self::UnknownSince(then)) => Self::UnknownSince(then),
            (judged, _) => judged,
        }
    }
}

/// One series: its labels, when its sample was taken, and one number for each column it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The labels, engine-neutral ones included.
    pub labels: Labels,
    /// When the oldest sample behind the numbers was taken, by the source's clock.
    pub at: Timestamp,
    /// One cell for each of [`SeriesSet::columns`]; `None` where the series has no such number.
    pub cells: Cells,
    /// Series with the same number describe the same pod or device.
    pub element: u32,
    /// The longest gap between its sample times of late in milliseconds; 0 before there were two.
    pub(super) renewed_every: u32,
    /// Whether it had a number before and has none now: a rate whose window holds too few samples.
    pub lapsed: bool,
    /// Whether the cluster has its pod.
    pub acquaintance: Acquaintance,
}

impl Series {
    /// One of which nothing was learned yet.
    fn new(labels: Labels, element: u32, at: Timestamp, cells: Cells) -> Self {
        let acquaintance = Acquaintance::default();
        Self { labels, at, cells, element, renewed_every: 0, lapsed: false, acquaintance }
    }
}

/// What the series of a set are ordered by.
fn order(labels: &Labels) -> (&str, &Labels) {
    (labels.get("namespace").unwrap_or_default(), labels)
}

/// A target that does not answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Silent {
    /// What every series of it would carry.
    pub labels: Labels,
    /// The only engine that it can be, if that was said.
    pub engine: Option<Arc<str>>,
    /// What it did.
    pub cause: Arc<str>,
    /// Whether it may tell of devices and prices other than its pod's own.
    pub speaks_for_others: bool,
    /// Whether its last numbers are still in the set. If it never had any, a sum without it is
    /// unknown, not smaller.
    pub known: bool,
}

impl Silent {
    /// Its address.
    pub fn name(&self) -> &str {
        self.labels.get("instance").unwrap_or("without address")
    }

    /// Whether it told `series`, or is that series itself, which its source lost.
    fn told(&self, series: &Series) -> bool {
        self.is_source_of(series) || self.labels == series.labels
    }

    /// Whether `series` was told by this target.
    pub fn is_source_of(&self, series: &Series) -> bool {
        let told_by =
            |name| self.labels.get(name).is_some_and(|value| series.labels.get(name) == Some(value));
        told_by("job") && told_by("instance")
    }
}

/// A signal's numbers for the whole cluster, indexed by namespace.
#[derive(Debug, Default)]
pub struct SeriesSet {
    columns: Vec<Column>,
    series: Vec<Series>,
    namespaces: Arc<HashMap<Arc<str>, Range<usize>>>,
    layout: Layout,
    clock_offset: i64,
    silent: Vec<Silent>,
    /// Labels of series that were left out as scraped twice, each with those of the one that stands for it.
    passed_over: Vec<(Labels, Labels)>,
}

impl SeriesSet {
    /// With the targets that do not answer, where the source knows its targets.
    #[must_use]
    pub fn with_silent(self, silent: Vec<Silent>) -> Self {
        Self { silent, ..self }
    }

    /// The targets that do not answer.
    pub fn silent(&self) -> &[Silent] {
        &self.silent
    }

    /// Labels of series that are one scraped twice, and of the one that is here instead.
    pub fn passed_over(&self) -> &[(Labels, Labels)] {
        &self.passed_over
    }

    /// What each cell of a series holds; buckets come in rising order of their bound.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Every series, ordered by namespace, then by labels.
    pub fn all(&self) -> &[Series] {
        &self.series
    }

    /// The series of one namespace.
    pub fn in_namespace(&self, namespace: &str) -> &[Series] {
        self.namespaces.get(namespace).map_or(&[], |range| &self.series[range.clone()])
    }

    /// How many namespaces have series.
    pub fn namespace_count(&self) -> usize {
        self.namespaces.len()
    }

    /// When `series` was sampled, by our clock: the source's clock may be off, ages must not be.
    pub fn sampled_at(&self, series: &Series) -> Timestamp {
        self.by_our_clock(series.at)
    }

    /// A time of the source's clock by ours.
    pub fn by_our_clock(&self, at: Timestamp) -> Timestamp {
        at.shifted(self.clock_offset)
    }

    /// When the oldest sample was taken, by our clock.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.series.iter().map(|series| self.sampled_at(series)).min()
    }

    /// When the newest sample was taken, by our clock.
    pub fn newest(&self) -> Option<Timestamp> {
        self.series.iter().map(|series| self.sampled_at(series)).max()
    }

    /// Notes which series name pods that the cluster has, by namespace and name. To be done while changes
    /// are told, and before anything is learned from the set before this one.
    #[must_use]
    pub fn judging_pods(mut self, now: Timestamp, is_known: impl Fn(&str, &str) -> bool) -> Self {
        for series in &mut self.series {
            let pod = series.labels.get("namespace").zip(series.labels.get("pod"));
            series.acquaintance = match pod {
                Some((namespace, name)) if !is_known(namespace, name) => Acquaintance::UnknownSince(now),
                _ => Acquaintance::Known,
            };
        }
        self
    }

    /// Learns from the set read before this one how often each series is renewed: by the gap between
    /// its sample times, where it was renewed; otherwise what was known of it stays.
    ///
    /// Each series by itself, because one signal may be scraped at several paces. `after_silence`: the
    /// gap is then the length of the silence and teaches nothing, as that of a target which was silent by itself.
    #[must_use]
    pub fn learning_from(mut self, previous: &Self, after_silence: bool) -> Self {
        let mut earlier = previous.series.iter().peekable();
        let mut paired = 0;
        for series in &mut self.series {
            // Both sets have the same order, so one walk through both finds every pair. Most share their labels,
            // which are then equal without a look at them.
            let is_pair = |old: &&Series| old.labels == series.labels;
            while earlier.next_if(|old| !is_pair(old) && order(&old.labels) < order(&series.labels)).is_some()
            {
            }
            let Some(old) = earlier.next_if(is_pair) else { continue };
            paired += 1;
            series.acquaintance = series.acquaintance.after(old.acquaintance);
            // By either clock: where the source's was set forward in between, the jump is no gap.
            let by_ours = self.clock_offset - previous.clock_offset;
            let gap = series.at.since(old.at).min(series.at.shifted(by_ours).since(old.at));
            let gap = u32::try_from(gap.as_millis()).unwrap_or(u32::MAX);
            // The longest gap, slowly forgotten: two servers that scrape out of step and answer by
            // turns show short gaps among the long ones.
            let remembered = old.renewed_every - old.renewed_every / 8;
            // Looked up only where it matters: most gaps are as long as the one before.
            let was_silent = || previous.silent.iter().any(|silent| silent.known && silent.told(old));
            let teaches = gap > 0 && !after_silence && (gap / 2 <= old.renewed_every || !was_silent());
            series.renewed_every = if teaches { gap.max(remembered) } else { old.renewed_every };
            series.lapsed = !series.has_number() && (old.lapsed || old.has_number());
        }
        if paired == self.series.len() && paired == previous.series.len() {
            self.layout = previous.layout.clone();
        }
        self
    }

    /// How often the source renews its samples: the median over the series of which it is known.
    pub fn cadence(&self) -> Option<Duration> {
        let mut known: Vec<u32> =
            self.series.iter().map(|series| series.renewed_every).filter(|every| *every > 0).collect();
        let middle = known.len() / 2;
        (!known.is_empty()).then(|| Duration::from_millis(u64::from(*known.select_nth_unstable(middle).1)))
    }
}

impl Series {
    /// Whether any of its numbers is known. A rate is not before a series has two samples.
    pub fn has_number(&self) -> bool {
        self.cells.iter().any(Option::is_some)
    }

    /// How often this series was last seen to be renewed; `None` before that was seen.
    pub fn cadence(&self) -> Option<Duration> {
        (self.renewed_every > 0).then(|| Duration::from_millis(u64::from(self.renewed_every)))
    }
}

#[cfg(test)]
mod tests;
