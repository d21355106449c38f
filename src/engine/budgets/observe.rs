//! Budgets as metrics of our own: read when scraped.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::core::budget::Account;
use crate::engine::Engine;

/// Encodes an engine's budgets.
pub struct Budgets(pub Arc<Engine>);

impl fmt::Debug for Budgets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Budgets")
    }
}

type Value = fn(&Account) -> Option<f64>;

/// One gauge for each budget.
const GAUGES: [(&str, &str, Value); 6] = [
    ("budget_open", "Whether a budget lets nobody grow: 1 or 0", |account| {
        Some(f64::from(u8::from(account.standing.holds())))
    }),
    ("budget_spend", "What is spent, in the limit's unit; absent while it is not known", |account| {
        account.spend
    }),
    ("budget_guarded", "How many autoscalers a budget guards that have decided", |account| {
        Some(account.replicas.len() as f64)
    }),
    ("budget_held", "How many autoscalers a budget lets not grow now, open or by their share", |account| {
        Some(account.held() as f64)
    }),
    ("budget_limit", "What may be spent", |account| Some(account.budget.limit)),
    ("budget_lost", "Whether the spend has not been known for too long: 1 or 0", |account| {
        Some(f64::from(u8::from(account.standing.is_lost())))
    }),
];

impl Collector for Budgets {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let ledger = self.0.ledger();
        for (name, help, value) in GAUGES {
            let mut gauges = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for account in &ledger.accounts {
                let Some(value) = value(account) else { continue };
                let labels = [("budget", account.budget.name.to_string())];
                ConstGauge::new(value).encode(gauges.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}
