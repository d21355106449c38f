//! Budgets: what a fleet may cost, and the breaker that holds it there.
//!
//! ```text
//! spend ──▶ breaker (open │ closed) ──┐
//!      └──▶ shares of what is left ───┴▶ replicas each HPA may have ──▶ the value that means just these
//! ```
//!
//! An HPA takes the largest of its metrics, so one more metric cannot hold it back. A budget instead
//! changes the values of all others: while it is open none of them justifies more replicas than there
//! are, and each may still justify fewer.

use std::sync::Arc;
use std::time::Duration;

use super::autoscaler::Autoscaler;
use super::metric::Metric;

mod breaker;
mod hold;
mod ledger;
mod share;
#[cfg(test)]
mod tests;

pub use breaker::{Breaker, Standing, State};
pub use ledger::{Account, Asked, Ledger};
pub use share::{Fleet, Replicas};

/// What may be spent, on whom, and what happens beyond.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Its name, unique among budgets.
    pub name: Arc<str>,
    /// What is spent.
    pub spend: Spend,
    /// From here on it is open.
    pub limit: f64,
    /// Once open, it is so until the spend falls below this; at most the limit.
    pub reset_below: f64,
    /// For how long it stays open at least.
    pub minimum_open: Duration,
    /// After so long without a known spend, the spend counts as lost.
    pub lost_after: Duration,
    /// What holds while the spend is lost.
    pub when_lost: WhenLost,
    /// Whom it holds.
    pub guards: Vec<Entry>,
}

/// What is spent.
#[derive(Debug, Clone)]
pub enum Spend {
    /// The value of a metric over the whole cluster, in the limit's unit.
    Metric(Arc<Metric>),
    /// The price of one replica for an hour, times the replicas of all that are guarded.
    Replicas(Price),
}

/// What one replica costs for an hour.
#[derive(Debug, Clone)]
pub enum Price {
    /// This much.
    Fixed(f64),
    /// The value of a metric over the whole cluster.
    Metric(Arc<Metric>),
}

/// What holds while the spend is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenLost {
    /// Nobody grows.
    #[default]
    Hold,
    /// Nobody is held.
    Release,
}

/// One of those that a budget holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Who.
    pub guarded: Guarded,
    /// What a replica of it costs for an hour, in place of the budget's own price.
    pub price: Option<f64>,
}

/// Who is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guarded {
    /// An HPA.
    Autoscaler {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
    /// The HPAs of a workload.
    Workload {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its kind in lower case.
        kind: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
    /// All HPAs of a namespace.
    Namespace(Arc<str>),
    /// All HPAs that name this metric.
    Metric(Arc<str>),
}

impl Guarded {
    /// Whether this HPA is meant.
    pub fn is(&self, autoscaler: &Autoscaler) -> bool {
        match self {
            Self::Autoscaler { namespace, name } => {
                *namespace == autoscaler.namespace && *name == autoscaler.name
            }
            Self::Workload { namespace, kind, name } => {
                let Autoscaler { namespace: own, scales, .. } = autoscaler;
                namespace == own && *kind == scales.kind && *name == scales.name
            }
            Self::Namespace(namespace) => *namespace == autoscaler.namespace,
            Self::Metric(metric) => autoscaler.wants.iter().any(|want| want.metric == *metric),
        }
    }

    /// Whether an HPA of this namespace that names this metric may be meant.
    fn may_be(&self, namespace: &str, metric: &str) -> bool {
        match self {
            Self::Autoscaler { namespace: own, .. }
            | Self::Workload { namespace: own, .. }
            | Self::Namespace(own) => **own == *namespace,
            // An HPA that names it is held in its other metrics as well.
            Self::Metric(own) => **own == *metric || !namespace.is_empty(),
        }
    }
}

impl Budget {
    /// Whether it holds this HPA.
    pub fn guards(&self, autoscaler: &Autoscaler) -> bool {
        self.guards.iter().any(|entry| entry.guarded.is(autoscaler))
    }

    /// What a replica of this HPA costs for an hour, where replicas are paid for one by one: the first
    /// price that an entry states for it, or else `common`. `None` for what is not guarded, and where
    /// neither is known or makes sense.
    pub fn price(&self, autoscaler: &Autoscaler, common: Option<f64>) -> Option<f64> {
        let mut entries = self.guards.iter().filter(|entry| entry.guarded.is(autoscaler)).peekable();
        entries.peek()?;
        let price = entries.find_map(|entry| entry.price).or(common)?;
        is_amount(price).then_some(price)
    }

    /// The metric that must be read to know the spend, if one must.
    pub fn reads(&self) -> Option<&Arc<Metric>> {
        match &self.spend {
            Spend::Metric(metric) | Spend::Replicas(Price::Metric(metric)) => Some(metric),
            Spend::Replicas(Price::Fixed(_)) => None,
        }
    }
}

/// Whether a number can be money.
fn is_amount(amount: f64) -> bool {
    amount.is_finite() && amount >= 0.0
}
