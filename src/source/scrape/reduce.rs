//! From the pages of all targets to the set of one signal.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::plan::Matchers;
use super::target::{Standing, Target};
use super::{Shared, Targets};
use crate::core::freshness::Coverage;
use crate::core::series::{Builder, Column, Labels, SeriesSet};
use crate::core::signal::{Factor, Signal};
use crate::core::time::Timestamp;
use crate::source::{MAX_CELLS, SourceError, Vitals};

/// What numbers are multiplied by and when that was sampled, by the values of the labels in which the
/// two agree.
type Prices = HashMap<Vec<String>, (f64, Timestamp)>;

/// Labels in which exporters that watch other pods tell a pod's namespace.
const WATCHED: [&str; 2] = ["exported_namespace", "pod_namespace"];

impl Targets {
    /// The set of `signal`, which has been wanted since the names had this version, and if `is_covered`
    /// for longer than its window.
    pub(super) fn reduce(
        &self,
        signal: &Arc<Signal>,
        coverage: &Coverage,
        version: u64,
        is_covered: bool,
    ) -> Result<SeriesSet, SourceError> {
        let terms = match &**signal {
            Signal::Series(signal) => &signal.terms[..],
            _ => &[],
        };
        let factors = terms.iter().map(|term| term.factor.as_ref());
        let factors: Vec<Option<(&Factor, Prices)>> =
            factors.map(|factor| factor.map(|factor| (factor, prices(factor, &self.all)))).collect();
        let mut silent = self.unseen.clone();
        let mut builder = Builder::of(signal, true);
        let mut answered = 0;
        for target in &self.all {
            match target.standing(version) {
                Standing::New => continue,
                Standing::Unknown(unknown) => {
                    silent.push(unknown);
                    continue;
                }
                Standing::Held(held) => silent.push(held),
                Standing::Well => {}
            }
            if let Some(unknown) = target.unfit(signal, is_covered) {
                silent.push(unknown);
                continue;
            }
            answered += 1;
            add(target, signal, coverage, &factors, &mut builder);
            if builder.cells() > MAX_CELLS {
                let name = target.place.instance();
                return Err(SourceError::TooLarge(format!(
                    "too many different buckets of {signal} up to {name}"
                )));
            }
        }
        if answered == 0 && silent.is_empty() && self.starting() > 0 {
            // Not the same as that nothing is there: they may have numbers any moment.
            return Err(SourceError::Unreachable("none of its targets is ready yet".to_owned()));
        }
        if answered == 0
            && let Some(one) = silent.first()
        {
            let instance = one.labels.get("instance").unwrap_or_default();
            let cause = if one.cause.contains(instance) {
                one.cause.to_string()
            } else {
                format!("{instance}: {}", one.cause)
            };
            return Err(SourceError::Unreachable(match silent.len() {
                1 => cause,
                count => format!("none of {count} targets answers; {cause}"),
            }));
        }
        Ok(builder.finish(signal.element(), &signal.labels(), 0).with_silent(silent))
    }

    /// How many are left out because they need not answer yet.
    fn starting(&self) -> usize {
        self.all.iter().filter(|target| target.is_excused()).count()
    }

    /// What to know about the numbers of these targets. Whoever may read a metric reads it, so it names none.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.all.is_empty() && self.unseen.is_empty() {
            warnings.push("there is no target".to_owned());
        }
        match self.starting() {
            0 => {}
            1 => {
                warnings.push("1 target is left out: its pod is not ready and has never answered".to_owned());
            }
            count => warnings.push(format!(
                "{count} targets are left out: their pods are not ready and have never answered"
            )),
        }
        match self.remarks.len() {
            0 => {}
            1 => warnings.push("1 pod cannot be read as it was meant: see the log".to_owned()),
            count => warnings.push(format!("{count} pods cannot be read as they were meant: see the log")),
        }
        warnings
    }
}

impl Shared {
    /// How the source is doing.
    pub(super) fn vitals(&self) -> Vitals {
        let targets = self.targets();
        let mut vitals = Vitals {
            targets: targets.all.len() + targets.unseen.len(),
            silent: targets.unseen.len(),
            series: self.series.load(Ordering::Relaxed),
            bytes: self.layouts.bytes(),
            longest: Duration::ZERO,
            latest: Duration::ZERO,
        };
        for target in &targets.all {
            vitals.silent += usize::from(target.is_silent());
            let state = target.state();
            vitals.bytes += state.history.bytes();
            vitals.longest = vitals.longest.max(state.took);
            vitals.latest = vitals.latest.max(state.late);
        }
        vitals
    }
}

/// Adds a target's rows.
fn add(
    target: &Target,
    signal: &Arc<Signal>,
    coverage: &Coverage,
    factors: &[Option<(&Factor, Prices)>],
    builder: &mut Builder,
) {
    let state = target.state();
    let plan = state.history.layout().plan(signal);
    for mut found in plan.read(&state.history) {
        let labels = target.labels_of(found.labels);
        // What an exporter tells of a pod that it watches will be moved to that pod's namespace.
        let is_elsewhere = WATCHED.iter().all(|name| labels.get(name).is_none())
            && labels.get("namespace").is_some_and(|namespace| !coverage.includes(namespace));
        if is_elsewhere {
            continue;
        }
        found.numbers.retain_mut(|(column, value)| {
            let Column::Term(index) = column else { return true };
            let Some((factor, prices)) = factors.get(*index).and_then(Option::as_ref) else { return true };
            let Some((price, at)) = prices.get(&values(&labels, factor)) else { return false };
            *value *= price;
            found.at = found.at.min(*at);
            true
        });
        // Of two rows with the same labels the first stays, as on one page.
        builder.row(labels, found.at, found.numbers);
    }
}

/// The largest number of a factor's series for each set of values that its labels have.
fn prices(factor: &Factor, targets: &[Arc<Target>]) -> Prices {
    let matchers = Matchers::new(&factor.series.matchers);
    let mut prices = Prices::new();
    for target in targets.iter().filter(|target| target.place.speaks_for_others) {
        let state = target.state();
        let layout = Arc::clone(state.history.layout());
        for (index, known) in layout.series().enumerate() {
            if *known.name != *factor.series.name || !matchers.accept(&known.labels) {
                continue;
            }
            if let Some((value, at)) = state.history.latest(index) {
                let labels = known.labels.told_by(&target.labels);
                let price = prices.entry(values(&labels, factor)).or_insert((value, at));
                let is_larger = match value.partial_cmp(&price.0) {
                    // The same price told by one that does not answer any more is not old.
                    Some(order) => order.then(at.cmp(&price.1)).is_gt(),
                    None => price.0.is_nan(),
                };
                if is_larger {
                    *price = (value, at);
                }
            }
        }
    }
    prices
}

fn values(labels: &Labels, factor: &Factor) -> Vec<String> {
    factor.on.iter().map(|name| labels.get(name).unwrap_or_default().to_owned()).collect()
}
