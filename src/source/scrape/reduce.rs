//! From the pages of all targets to the set of one signal.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use std::sync::Arc;

use super::plan::Matchers;
use super::target::{Standing, Target};
use super::{Shared, Targets};
use crate::core::freshness::Coverage;
use crate::core::series::{Builder, Column, Labels, SeriesSet};
use crate::core::signal::{Factor, Signal, Term};
use crate::source::{SourceError, Vitals};

/// What numbers are multiplied by, by the values of the labels in which the two agree.
type Prices = HashMap<Vec<String>, f64>;

impl Shared {
    /// The set of `signal`, which has been wanted since the names had this version.
    pub(super) fn reduce(
        &self,
        targets: &Targets,
        signal: &Arc<Signal>,
        coverage: &Coverage,
        version: u64,
    ) -> Result<SeriesSet, SourceError> {
        let terms = match &**signal {
            Signal::Series(signal) => &signal.terms[..],
            Signal::Query(_) | Signal::Presence(_) => &[],
        };
        let prices: Vec<Option<Prices>> =
            terms.iter().map(|term| term.factor.as_ref().map(|factor| prices(factor, targets))).collect();
        let mut silent = targets.unseen.clone();
        let mut builder = Builder::default();
        let mut answered = 0;
        for target in &targets.all {
            match target.standing(version) {
                Standing::New => continue,
                Standing::Unknown(unknown) => {
                    silent.push(unknown);
                    continue;
                }
                Standing::Held(held) => silent.push(held),
                Standing::Well => {}
            }
            answered += 1;
            add(target, signal, coverage, (terms, &prices), &mut builder);
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
    (terms, prices): (&[Term], &[Option<Prices>]),
    builder: &mut Builder,
) {
    let state = target.state();
    let plan = state.history.layout().plan(signal);
    for mut found in plan.read(&state.history) {
        let labels = found.labels.told_by(&target.labels);
        let is_known = |namespace: &str| coverage.includes(namespace);
        // A row of another namespace may have moved there by what its exporter watches.
        let is_elsewhere = labels.get("exported_namespace").is_none()
            && labels.get("namespace").is_some_and(|namespace| !is_known(namespace));
        if is_elsewhere {
            continue;
        }
        found.numbers.retain_mut(|(column, value)| {
            let Column::Term(index) = column else { return true };
            let Some((factor, prices)) =
                terms.get(*index).and_then(|term| term.factor.as_ref()).zip(prices[*index].as_ref())
            else {
                return true;
            };
            let price = prices.get(&values(&labels, factor));
            *value *= price.copied().unwrap_or_default();
            price.is_some()
        });
        // Of two rows with the same labels the first stays, as on one page.
        builder.row(labels, found.at, found.numbers);
    }
}

/// The largest number of a factor's series for each set of values that its labels have.
fn prices(factor: &Factor, targets: &Targets) -> Prices {
    let matchers = Matchers::new(&factor.series.matchers);
    let mut prices = Prices::new();
    for target in &targets.all {
        let state = target.state();
        let layout = Arc::clone(state.history.layout());
        for (index, known) in layout.series().enumerate() {
            if *known.name != *factor.series.name || !matchers.accept(&known.labels) {
                continue;
            }
            if let Some((value, _)) = state.history.latest(index) {
                let labels = known.labels.told_by(&target.labels);
                let price = prices.entry(values(&labels, factor)).or_insert(value);
                *price = price.max(value);
            }
        }
    }
    prices
}

fn values(labels: &Labels, factor: &Factor) -> Vec<String> {
    factor.on.iter().map(|name| labels.get(name).unwrap_or_default().to_owned()).collect()
}
