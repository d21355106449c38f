//! Budgets over fleets of one or two HPAs, and the HPA's own algorithm on what they serve.

mod breaker;
mod hold;
mod loops;
mod share;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::core::autoscaler::{Goal as Written, Of, Want};
use crate::core::fixtures::at;
use crate::core::justify::{Asker, Goal};
use crate::core::quantity::Quantity;
use crate::core::reading::Reading;
use crate::core::selector::Selector;
use crate::core::workload::Owner;

/// 800 an hour, reset below 760, open for at least 10 minutes; it guards namespace `ai`.
fn budget() -> Budget {
    Budget {
        name: "gpu-fleet".into(),
        spend: Spend::Metric(Arc::new(crate::core::fixtures::metric(Vec::new()))),
        limit: 800.0,
        reset_below: 760.0,
        minimum_open: Duration::from_mins(10),
        lost_after: Duration::from_mins(5),
        when_lost: WhenLost::Hold,
        guards: vec![Entry { guarded: Guarded::Namespace("ai".into()), price: None }],
    }
}

/// The same by the replicas of HPAs of `ai`, with a price for each.
fn priced(limit: f64, prices: &[(&str, f64)]) -> Budget {
    let entry = |(name, price): &(&str, f64)| Entry {
        guarded: Guarded::Autoscaler { namespace: "ai".into(), name: (*name).into() },
        price: Some(*price),
    };
    Budget {
        spend: Spend::Replicas(Price::Fixed(1.0)),
        limit,
        reset_below: limit * 0.95,
        guards: prices.iter().map(entry).collect(),
        ..budget()
    }
}

/// An HPA of `ai` that names the metric `queue` and scales a Deployment of its own name.
fn autoscaler(name: &str, replicas: Option<u32>) -> Arc<Autoscaler> {
    Arc::new(Autoscaler {
        namespace: "ai".into(),
        name: name.into(),
        scales: Owner { kind: "deployment".into(), name: name.into() },
        min_replicas: 1,
        max_replicas: 100,
        current_replicas: replicas,
        desired_replicas: replicas,
        wants: Box::new([Want {
            of: Of::External,
            metric: "queue".into(),
            selector: Selector::everything(),
            target: Written::AverageValue("4".into()),
        }]),
    })
}

fn asker(name: &str, replicas: Option<u32>, goal: Goal) -> Asker {
    Asker { namespace: "ai".into(), name: name.into(), goal, replicas, ready: replicas }
}

fn reading(value: f64) -> Reading {
    Reading {
        value,
        quantity: Quantity::from_f64(value).unwrap(),
        at: at(0.0),
        sampled_at: at(0.0),
        window: None,
        held: false,
        expires: at(60.0),
        elements: 1,
    }
}

/// A ledger of one budget in this state, over these HPAs.
fn ledger(budget: Budget, state: State, spend: Option<f64>, fleet: &[Arc<Autoscaler>]) -> Ledger {
    let breaker = Breaker::remembered(state, at(0.0));
    let account = Account::new(Arc::new(budget), breaker, spend, fleet, None, at(1.0));
    Ledger { version: 1, accounts: vec![account], is_complete: true }
}

fn asked<'a>(askers: &'a [Asker], autoscalers: &'a [Arc<Autoscaler>]) -> Asked<'a> {
    Asked { metric: "queue", namespace: "ai", askers, autoscalers }
}

#[test]
fn who_is_guarded() {
    let one = autoscaler("llama", Some(3));
    let is = |guarded: Guarded| guarded.is(&one);
    let named = |name: &str| Guarded::Autoscaler { namespace: "ai".into(), name: name.into() };
    let workload = |kind: &str, name: &str| Guarded::Workload {
        namespace: "ai".into(),
        kind: kind.into(),
        name: name.into(),
    };
    assert!(is(named("llama")) && !is(named("qwen")));
    assert!(is(workload("deployment", "llama")) && !is(workload("statefulset", "llama")));
    assert!(is(Guarded::Namespace("ai".into())) && !is(Guarded::Namespace("batch".into())));
    assert!(is(Guarded::Metric("queue".into())) && !is(Guarded::Metric("latency".into())));
}
