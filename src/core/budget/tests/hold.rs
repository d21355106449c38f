//! What a budget makes of a value.

use super::*;
use crate::core::refusal::Refusal;

/// What one HPA of `replicas` with this goal is told in place of `value`, while the budget is open.
fn open(goal: Goal, replicas: Option<u32>, value: f64) -> Result<f64, Refusal> {
    let hpas = [autoscaler("llama", replicas)];
    let ledger = ledger(budget(), State::Open, Some(812.0), &hpas);
    let askers = [asker("llama", replicas, goal)];
    ledger.apply(asked(&askers, &hpas), Ok(reading(value)), None).map(|reading| reading.value)
}

#[test]
fn while_open_a_value_means_at_most_what_there_is() {
    for (goal, value, told) in [
        (Goal::AverageValue(4.0), 100.0, 20.0),
        (Goal::AverageValue(4.0), 20.0, 20.0),
        (Goal::AverageValue(4.0), 7.0, 7.0),
        (Goal::Value(0.5), 3.0, 0.5),
        (Goal::Value(0.5), 0.2, 0.2),
    ] {
        assert_eq!(open(goal, Some(5), value), Ok(told), "{goal:?} {value}");
    }
}

#[test]
fn nothing_there_is_nothing_justified() {
    assert_eq!(open(Goal::AverageValue(4.0), Some(0), 100.0), Ok(0.0));
}

#[test]
fn before_an_hpa_has_decided_only_nothing_is_safe() {
    let refusal = open(Goal::AverageValue(4.0), None, 1.0).unwrap_err();
    assert_eq!(refusal.reason(), "budget");
    assert!(refusal.to_string().contains("how many replicas HPA llama has is not known"), "{refusal}");
    assert_eq!(open(Goal::AverageValue(4.0), None, 0.0), Ok(0.0));
}

#[test]
fn a_closed_budget_and_others_hpas_are_let_alone() {
    let hpas = [autoscaler("llama", Some(5))];
    let askers = [asker("llama", Some(5), Goal::AverageValue(4.0))];
    let closed = ledger(budget(), State::Closed, Some(100.0), &hpas);
    assert_eq!(closed.apply(asked(&askers, &hpas), Ok(reading(99.0)), None), Ok(reading(99.0)));
    let others = Budget {
        guards: vec![Entry { guarded: Guarded::Namespace("batch".into()), price: None }],
        ..budget()
    };
    let others = ledger(others, State::Open, Some(900.0), &hpas);
    assert_eq!(others.apply(asked(&askers, &hpas), Ok(reading(99.0)), None), Ok(reading(99.0)));
    assert!(!others.may_concern("queue", "ai"));
}

#[test]
fn a_refusal_stays_what_it_is() {
    let hpas = [autoscaler("llama", Some(5))];
    let refusal = Refusal::NoSeries { metric: "queue".into(), reason: "r".into(), certain: true };
    let ledger = ledger(budget(), State::Open, Some(900.0), &hpas);
    assert_eq!(ledger.apply(asked(&[], &hpas), Err(refusal.clone()), None), Err(refusal));
}

#[test]
fn two_that_ask_the_same_get_one_value_only_if_it_is_right_for_both() {
    let hpas = [autoscaler("a", Some(5)), autoscaler("b", Some(8))];
    let ledger = ledger(budget(), State::Open, Some(900.0), &hpas);
    let goal = Goal::AverageValue(4.0);
    let askers = [asker("a", Some(5), goal), asker("b", Some(8), goal)];
    let told = |value| ledger.apply(asked(&askers, &hpas), Ok(reading(value)), None);
    assert_eq!(told(19.0), Ok(reading(19.0)));
    let refusal = told(25.0).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "queue: budget gpu-fleet: open, spend 900.00 of 800; several HPAs ask the same, and one value \
         cannot tell each how many replicas it may have (a at most 5, b at most 8): give each a selector \
         of its own"
    );
    let equal = [asker("a", Some(5), goal), asker("b", Some(5), goal)];
    let told = ledger.apply(asked(&equal, &hpas), Ok(reading(99.0)), None).unwrap();
    assert!((told.value - 20.0).abs() < 1e-9);
}

#[test]
fn of_pods_the_mean_is_held_and_their_proportions_stay() {
    let hpas = [autoscaler("llama", Some(4))];
    let ledger = ledger(budget(), State::Open, Some(900.0), &hpas);
    let askers = [asker("llama", Some(4), Goal::Pods(10.0))];
    let told = |values: &[f64]| {
        let readings = values.iter().enumerate().map(|(n, value)| (n.to_string(), reading(*value)));
        let told = ledger.apply_each(asked(&askers, &hpas), readings.collect()).unwrap();
        told.into_iter().map(|(_, reading)| reading.value).collect::<Vec<_>>()
    };
    assert_eq!(told(&[60.0, 20.0, 0.0, 0.0]), [30.0, 10.0, 0.0, 0.0]);
    assert_eq!(told(&[30.0, 10.0, 0.0, 0.0]), [30.0, 10.0, 0.0, 0.0]);
    // In a rolling update there are more pods than replicas.
    assert_eq!(told(&[10.0; 5]), [8.0; 5]);
}

#[test]
fn while_the_hpas_are_not_known_nobody_who_may_be_held_is_told_anything() {
    let ledger = Ledger { is_complete: false, ..ledger(budget(), State::Open, None, &[]) };
    let refusal = ledger.apply(asked(&[], &[]), Ok(reading(1.0)), None).unwrap_err();
    assert!(refusal.to_string().contains("the cluster's HPAs are not known"), "{refusal}");
    assert_eq!(ledger.apply(asked(&[], &[]), Ok(reading(0.0)), None), Ok(reading(0.0)));
    let elsewhere = Asked { namespace: "batch", ..asked(&[], &[]) };
    assert_eq!(ledger.apply(elsewhere, Ok(reading(1.0)), None), Ok(reading(1.0)));
}

#[test]
fn a_question_of_nobody_that_a_budget_may_mean_is_refused() {
    let own =
        Budget { guards: vec![Entry { guarded: Guarded::Metric("queue".into()), price: None }], ..budget() };
    let own = ledger(own, State::Open, Some(900.0), &[]);
    let refusal = own.apply(asked(&[], &[]), Ok(reading(1.0)), None).unwrap_err();
    assert!(refusal.to_string().contains("no HPA is known to ask this"), "{refusal}");
    let other = Asked { metric: "latency", ..asked(&[], &[]) };
    assert_eq!(own.apply(other, Ok(reading(1.0)), None), Ok(reading(1.0)));
    // Who asks may be an HPA that is not known yet, or one that asks in a way not known to be its own.
    let named = ledger(budget(), State::Open, Some(900.0), &[]);
    assert!(named.apply(asked(&[], &[]), Ok(reading(1.0)), None).is_err());
    assert_eq!(named.apply(asked(&[], &[]), Ok(reading(0.0)), None), Ok(reading(0.0)));
}

#[test]
fn a_share_is_a_ceiling_while_closed() {
    let hpas = [autoscaler("a100", Some(1)), autoscaler("h100", Some(1))];
    let ledger = ledger(priced(40.0, &[("a100", 4.0), ("h100", 8.0)]), State::Closed, Some(12.0), &hpas);
    let told = |name: &str| {
        let askers = [asker(name, Some(1), Goal::AverageValue(4.0))];
        ledger.apply(asked(&askers, &hpas), Ok(reading(1000.0)), None).unwrap().value / 4.0
    };
    assert!((told("a100") - 6.0).abs() < 1e-9);
    assert!((told("h100") - 2.0).abs() < 1e-9);
}

#[test]
fn every_step_is_told() {
    let hpas = [autoscaler("llama", Some(5))];
    let ledger = ledger(budget(), State::Open, Some(812.0), &hpas);
    let askers = [asker("llama", Some(5), Goal::AverageValue(4.0))];
    let mut steps = Vec::new();
    ledger.apply(asked(&askers, &hpas), Ok(reading(100.0)), Some(&mut steps)).unwrap();
    let [step] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((step.guard.as_str(), step.acts), ("budget gpu-fleet", true));
    assert_eq!((step.before, step.after), (Some(100.0), Some(20.0)));
    assert_eq!(step.why, "open, spend 812.00 of 800");
}
