//! Layouts: which series the pages of a target hold, in the order met.
//!
//! Replicas of one model have pages that are alike, so the names and labels of a thousand targets are
//! held once, and of each target only its numbers.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::exposition::Sample;
use super::plan::Plan;
use crate::core::histogram::parse_le;
use crate::core::series::{Label, Labels};
use crate::core::signal::Signal;
use crate::source::intern::Interner;

/// Plans beyond this are of signals that nobody asks for any more.
const PLANS: usize = 512;

/// One series of a page.
#[derive(Debug)]
pub(super) struct Known {
    /// Name and labels as the page writes them.
    key: Arc<[u8]>,
    /// The sample's name, with `_bucket`, `_sum` or `_count`.
    pub(super) name: Box<str>,
    /// The labels that the page gives it, a bucket's bound left out.
    pub(super) labels: Labels,
    /// A bucket's bound.
    pub(super) bound: Option<f64>,
}

impl Known {
    fn new(sample: &Sample<'_>, strings: &mut Interner) -> Self {
        let is_bucket = sample.name.ends_with("_bucket");
        let mut bound = None;
        let mut pairs: Vec<Label> = Vec::new();
        for (name, value) in sample.labels() {
            if is_bucket && name == "le" {
                bound = parse_le(&value);
            } else {
                pairs.push((strings.get(&name), strings.get(&value)));
            }
        }
        Self { key: sample.series.into(), name: sample.name.into(), labels: Labels::new(pairs), bound }
    }
}

/// The series of a page, in the order met.
#[derive(Debug, Default)]
pub(super) struct Layout {
    series: Vec<Arc<Known>>,
    by_key: HashMap<Arc<[u8]>, usize>,
    plans: Mutex<HashMap<Arc<Signal>, Arc<Plan>>>,
}

impl Layout {
    fn of(series: Vec<Arc<Known>>) -> Self {
        let by_key = series.iter().enumerate().map(|(index, one)| (Arc::clone(&one.key), index)).collect();
        Self { series, by_key, plans: Mutex::default() }
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.series.len()
    }

    /// All of them, in the order of a page's numbers.
    pub(super) fn series(&self) -> impl Iterator<Item = &Known> {
        self.series.iter().map(AsRef::as_ref)
    }

    /// Where the series written as `key` stands. `guess` is where it is if the page is like the last.
    pub(super) fn find(&self, key: &[u8], guess: usize) -> Option<usize> {
        if self.series.get(guess).is_some_and(|one| *one.key == *key) {
            return Some(guess);
        }
        self.by_key.get(key).copied()
    }

    /// Which of its series make which numbers of `signal`; worked out once.
    pub(super) fn plan(&self, signal: &Arc<Signal>) -> Arc<Plan> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(signal) {
            return Arc::clone(plan);
        }
        if plans.len() >= PLANS {
            plans.clear();
        }
        let plan = Arc::new(Plan::new(signal, self));
        plans.insert(Arc::clone(signal), Arc::clone(&plan));
        plan
    }

    fn has_keys<'a>(&self, keys: impl ExactSizeIterator<Item = &'a [u8]>) -> bool {
        self.len() == keys.len() && self.series.iter().zip(keys).all(|(one, key)| *one.key == *key)
    }
}

/// The layouts in use, each once.
#[derive(Debug, Default)]
pub(super) struct Layouts(Mutex<HashMap<u64, Vec<Weak<Layout>>>>);

impl Layouts {
    /// `layout` with the series of `new` at its end.
    pub(super) fn grown(&self, layout: &Layout, new: &[Sample<'_>]) -> Arc<Layout> {
        let keys: Vec<&[u8]> =
            layout.series.iter().map(|one| &*one.key).chain(new.iter().map(|one| one.series)).collect();
        self.get(&keys, || {
            let mut strings = Interner::default();
            let new = new.iter().map(|sample| Arc::new(Known::new(sample, &mut strings)));
            layout.series.iter().cloned().chain(new).collect()
        })
    }

    /// The series of `layout` at these places, in this order.
    pub(super) fn shrunk(&self, layout: &Layout, kept: &[usize]) -> Arc<Layout> {
        let keys: Vec<&[u8]> = kept.iter().map(|index| &*layout.series[*index].key).collect();
        self.get(&keys, || kept.iter().map(|index| Arc::clone(&layout.series[*index])).collect())
    }

    fn get(&self, keys: &[&[u8]], make: impl FnOnce() -> Vec<Arc<Known>>) -> Arc<Layout> {
        let mut hasher = DefaultHasher::new();
        keys.hash(&mut hasher);
        let mut layouts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alike = layouts.entry(hasher.finish()).or_default();
        let known = alike.iter().filter_map(Weak::upgrade).find(|one| one.has_keys(keys.iter().copied()));
        if let Some(known) = known {
            return known;
        }
        let layout = Arc::new(Layout::of(make()));
        alike.push(Arc::downgrade(&layout));
        layouts.retain(|_, alike| {
            alike.retain(|one| one.strong_count() > 0);
            !alike.is_empty()
        });
        layout
    }

    /// What the layouts take, in bytes, roughly.
    pub(super) fn bytes(&self) -> usize {
        let layouts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let series = layouts.values().flatten().filter_map(Weak::upgrade).map(|layout| {
            layout
                .series
                .iter()
                .map(|one| 160 + one.key.len() + 32 * one.labels.iter().count())
                .sum::<usize>()
        });
        series.sum()
    }
}

#[cfg(test)]
mod tests;
