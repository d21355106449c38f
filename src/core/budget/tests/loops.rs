//! The HPA's own algorithm on what a budget serves.

use proptest::prelude::*;

use super::*;
use crate::core::hpa::{Behavior, Controller, Observation, Options, Phase, Pod, PodId, Scale, Spec, Target};
use crate::core::time::Timestamp;

/// A workload with its HPA, which finds as many ready pods as it has replicas.
struct Workload {
    controller: Controller,
    goal: Goal,
    replicas: u32,
}

impl Workload {
    fn new(goal: Goal, replicas: u32) -> Self {
        Self { controller: Controller::new(Options::default()), goal, replicas }
    }

    /// One sync of the HPA that is told what the ledger lets pass of `values`: one value, or one of each
    /// pod.
    fn sync(&mut self, name: &str, now: Timestamp, ledger: &Ledger, hpas: &[Arc<Autoscaler>], value: f64) {
        let askers = [asker(name, Some(self.replicas), self.goal)];
        let asked = asked(&askers, hpas);
        let pods: Vec<Pod> = (0..u64::from(self.replicas)).map(pod).collect();
        let (target, observation) = match self.goal {
            Goal::Value(target) => (Target::Value(target), one(ledger, asked, value)),
            Goal::AverageValue(target) => (Target::AverageValue(target), one(ledger, asked, value)),
            Goal::Pods(target) => {
                // Uneven on purpose.
                let uneven = |pod: &Pod| value * if pod.id.0.is_multiple_of(2) { 1.5 } else { 0.5 };
                let readings = pods.iter().map(|pod| (pod.id.0.to_string(), reading(uneven(pod)))).collect();
                let told = ledger.apply_each(asked, readings);
                let told = told.map(|all| {
                    let ids = all.iter().map(|(name, told)| (PodId(name.parse().unwrap()), told.value));
                    Observation::Pods(ids.collect())
                });
                (Target::Pods(target), told.unwrap_or_else(|error| Observation::Unknown(error.to_string())))
            }
        };
        let behavior = Behavior::default();
        let spec = Spec { min_replicas: 1, max_replicas: 100, metrics: vec![target], behavior };
        let scale = Scale { spec_replicas: self.replicas, status_replicas: self.replicas, pods: &pods };
        self.replicas = self.controller.sync(now, &spec, &scale, &[observation]).replicas;
    }
}

fn one(ledger: &Ledger, asked: Asked<'_>, value: f64) -> Observation {
    match ledger.apply(asked, Ok(reading(value)), None) {
        Ok(reading) => Observation::Value(reading.quantity.as_f64()),
        Err(refusal) => Observation::Unknown(refusal.to_string()),
    }
}

fn pod(id: u64) -> Pod {
    Pod {
        id: PodId(id),
        phase: Phase::Running,
        ready: true,
        started_at: at(-10_000.0),
        ready_since: Some(at(-9_000.0)),
        deleted: false,
        sample: None,
    }
}

fn goals() -> impl Strategy<Value = Goal> {
    // Targets in whole thousandths, as every HPA has them.
    let target = (1_u32..20_000).prop_map(|milli| f64::from(milli) / 1000.0);
    (target, 0..3).prop_map(|(target, kind)| match kind {
        0 => Goal::Value(target),
        1 => Goal::AverageValue(target),
        _ => Goal::Pods(target),
    })
}

proptest! {
    /// Whatever is demanded while the budget is open, nobody grows beyond what there was at its opening,
    /// or since.
    #[test]
    fn while_open_replicas_never_rise(
        goal in goals(),
        start in 1_u32..60,
        demands in prop::collection::vec(0.0..20.0_f64, 1..40),
    ) {
        let target = match goal { Goal::Value(t) | Goal::AverageValue(t) | Goal::Pods(t) => t };
        let mut workload = Workload::new(goal, start);
        for (pass, demand) in demands.into_iter().enumerate() {
            let before = workload.replicas;
            let hpas = [autoscaler("llama", Some(before))];
            let ledger = ledger(budget(), State::Open, Some(900.0), &hpas);
            workload.sync("llama", at(15.0 * pass as f64), &ledger, &hpas, demand * target);
            prop_assert!(workload.replicas <= before, "{before} to {}", workload.replicas);
        }
    }

    /// Several that grow at once stay within the budget together.
    #[test]
    fn shares_hold_all_together(
        limit in 10.0..2_000.0_f64,
        prices in (0.5..20.0_f64, 0.5..20.0_f64),
        demands in prop::collection::vec((0.0..500.0_f64, 0.0..500.0_f64), 1..40),
    ) {
        let (a, b) = prices;
        let mut both =
            [("a", Workload::new(Goal::AverageValue(4.0), 1)), ("b", Workload::new(Goal::AverageValue(4.0), 1))];
        for (pass, (one, other)) in demands.into_iter().enumerate() {
            let hpas: Vec<_> =
                both.iter().map(|(name, workload)| autoscaler(name, Some(workload.replicas))).collect();
            let ledger = ledger(priced(limit, &[("a", a), ("b", b)]), State::Closed, None, &hpas);
            for ((name, workload), demand) in both.iter_mut().zip([one, other]) {
                workload.sync(name, at(15.0 * pass as f64), &ledger, &hpas, demand);
            }
            let spend = f64::from(both[0].1.replicas) * a + f64::from(both[1].1.replicas) * b;
            prop_assert!(spend <= limit.max(a + b) + 1e-6, "{spend} of {limit}");
        }
    }
}

#[test]
fn while_open_demand_is_followed_down() {
    let mut workload = Workload::new(Goal::AverageValue(4.0), 20);
    for pass in 0..40 {
        let hpas = [autoscaler("llama", Some(workload.replicas))];
        let ledger = ledger(budget(), State::Open, Some(900.0), &hpas);
        workload.sync("llama", at(15.0 * f64::from(pass)), &ledger, &hpas, 24.0);
    }
    assert_eq!(workload.replicas, 6);
    for pass in 40..80 {
        let hpas = [autoscaler("llama", Some(workload.replicas))];
        let ledger = ledger(budget(), State::Open, Some(900.0), &hpas);
        workload.sync("llama", at(15.0 * f64::from(pass)), &ledger, &hpas, 4_000.0);
    }
    assert_eq!(workload.replicas, 6, "what was given up comes back when the budget allows it");
}
