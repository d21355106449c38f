//! Each guard by itself, their order, and what is served when nothing is known.

mod loops;
mod properties;

use std::sync::Arc;

use super::*;
use crate::core::fixtures::{at, seconds};
use crate::core::justify::Goal;

fn reading(value: f64, now: Timestamp) -> Reading {
    Reading {
        value,
        quantity: Quantity::from_f64(value).unwrap(),
        at: now.shifted(-3_000),
        sampled_at: now.shifted(-2_000),
        window: Some(seconds(60)),
        held: false,
        expires: now.plus(seconds(75)),
        elements: 3,
    }
}

fn refusal() -> Refusal {
    Refusal::NoSeries { metric: "queue".into(), reason: "none".into(), certain: true }
}

fn asker(name: &str, goal: Goal, replicas: u32, ready: u32) -> Asker {
    Asker {
        namespace: Arc::from("ai"),
        name: name.into(),
        goal,
        replicas: Some(replicas),
        ready: Some(ready),
    }
}

/// A question and what is remembered of it.
struct Asked {
    guards: Guards,
    memory: Memory,
    askers: Vec<Asker>,
}

impl Asked {
    fn of(guards: Guards) -> Self {
        Self { guards, memory: Memory::default(), askers: Vec::new() }
    }

    fn activation(threshold: f64, reset_below: f64, hold: u64) -> Self {
        let activation = Activation { threshold, reset_below, hold: seconds(hold) };
        Self::of(Guards { activation: Some(activation), ..Guards::default() })
    }

    fn fallback(after: u64, failures: Option<u32>, until: u64, with: Substitute) -> Self {
        let fallback = Fallback { after: seconds(after), failures, until: seconds(until), with };
        Self::of(Guards { fallback: Some(fallback), ..Guards::default() })
    }

    fn known(&mut self, time: f64, value: f64) -> Reading {
        self.see(time, Some(value)).expect("a reading")
    }

    fn refused(&mut self, time: f64) -> Result<Reading, Refusal> {
        self.see(time, None)
    }

    fn see(&mut self, time: f64, value: Option<f64>) -> Result<Reading, Refusal> {
        let now = at(time);
        let evaluated = value.map(|value| reading(value, now)).ok_or_else(refusal);
        self.guards.apply(&mut self.memory, evaluated, &self.askers, now, None)
    }

    fn values(&mut self, series: &[(f64, f64)]) -> Vec<f64> {
        series.iter().map(|(time, value)| self.known(*time, *value).value).collect()
    }
}

#[test]
fn without_guards_everything_passes_as_it_is() {
    let mut asked = Asked::of(Guards::default());
    assert!(asked.guards.is_empty());
    assert_eq!(asked.known(0.0, 7.25), reading(7.25, at(0.0)));
    assert_eq!(asked.refused(1.0), Err(refusal()));
    assert!(!Asked::activation(1.0, 1.0, 0).guards.is_empty());
}

#[test]
fn below_its_threshold_a_value_is_nothing() {
    let mut asked = Asked::activation(1.0, 1.0, 0);
    let seen = [(0.0, 0.999), (15.0, 1.0), (30.0, 4.0), (45.0, 0.5), (60.0, 0.0)];
    assert_eq!(asked.values(&seen), [0.0, 1.0, 4.0, 0.0, 0.0]);
    let nothing = asked.known(75.0, 0.999);
    assert_eq!((nothing.quantity.milli(), nothing.expires), (0, at(75.0 + 75.0)), "as good as before");
}

#[test]
fn between_its_levels_a_value_stays_what_it_was() {
    let mut asked = Asked::activation(1.0, 0.5, 0);
    let seen = [(0.0, 0.7), (15.0, 0.4), (30.0, 0.7), (45.0, 1.0), (60.0, 0.7), (75.0, 0.5), (90.0, 0.499)];
    assert_eq!(asked.values(&seen), [0.7, 0.0, 0.0, 1.0, 0.7, 0.5, 0.0], "active after a start");
}

#[test]
fn a_hold_is_waited_out_without_a_break() {
    let mut asked = Asked::activation(2.0, 1.0, 60);
    assert_eq!(asked.values(&[(0.0, 0.0)]), [0.0], "a start wakes nothing");
    let seen = [(10.0, 3.0), (20.0, 0.0), (79.0, 0.5), (79.5, 1.5), (80.0, 0.0), (139.0, 0.0), (140.0, 0.0)];
    assert_eq!(asked.values(&seen), [3.0, 1.0, 1.0, 1.5, 1.0, 1.0, 0.0]);
    let mut asked = Asked::activation(2.0, 1.0, 60);
    asked.known(0.0, 3.0);
    assert_eq!(asked.known(15.0, 0.0).expires, at(16.0), "time alone ends it");
    assert!(asked.refused(30.0).is_err());
    assert!(asked.known(75.0, 0.5).value.abs() < f64::EPSILON, "not to know is no break");
}

#[test]
fn a_clamp_keeps_its_bounds() {
    let clamp = |min, max| Asked::of(Guards { clamp: Some(Clamp { min, max }), ..Guards::default() });
    for (min, max, value, expected) in [
        (Some(1.0), Some(5.0), 0.0, 1.0),
        (Some(1.0), Some(5.0), 3.0, 3.0),
        (Some(1.0), Some(5.0), 9.0, 5.0),
        (None, Some(5.0), 0.0, 0.0),
        (Some(1.0), None, 9.0, 9.0),
    ] {
        let served = clamp(min, max).known(0.0, value);
        assert_eq!((served.value, served.quantity), (expected, Quantity::from_f64(expected).unwrap()));
        assert_eq!(served.expires, at(75.0));
    }
    let mut each = vec![("a".to_owned(), reading(9.0, at(0.0))), ("b".to_owned(), reading(0.0, at(0.0)))];
    clamp(Some(1.0), Some(5.0)).guards.apply_to_each(&mut each);
    let numbers: Vec<_> = each.iter().map(|(_, reading)| (reading.value, reading.quantity.milli())).collect();
    assert_eq!(numbers, [(5.0, 5000), (1.0, 1000)]);
    Asked::activation(20.0, 20.0, 0).guards.apply_to_each(&mut each);
    assert_eq!(each[0].1.value.to_bits(), 5.0_f64.to_bits(), "what needs a memory leaves them alone");
}

fn slew() -> Slew {
    let speed = |by, per| Some(Speed { by, per: seconds(per) });
    Slew { rise: speed(60.0, 60), fall: speed(5.0, 10) }
}

#[test]
fn a_slew_moves_with_time_alone() {
    let mut asked = Asked::of(Guards { slew: Some(slew()), ..Guards::default() });
    let seen =
        [(0.0, 10.0), (10.0, 100.0), (10.0, 100.0), (20.0, 100.0), (25.0, 28.0), (35.0, 0.0), (95.0, 0.0)];
    assert_eq!(asked.values(&seen), [10.0, 20.0, 20.0, 30.0, 28.0, 23.0, 0.0]);
    assert_eq!(asked.known(96.0, 0.0).expires, at(97.0), "or rest would be taken for time to move in");
    assert_eq!(asked.values(&[(95.0, 50.0), (96.0, 50.0)]), [0.0, 0.0], "out of order");
}

#[test]
fn a_slew_outlasts_gaps_but_not_ten_minutes() {
    let mut asked = Asked::of(Guards { slew: Some(slew()), ..Guards::default() });
    asked.known(0.0, 10.0);
    assert!(asked.refused(15.0).is_err());
    assert_eq!(asked.values(&[(30.0, 900.0), (630.0, 900.0), (1230.5, 5.0)]), [40.0, 640.0, 5.0]);
}

#[test]
fn guards_come_in_their_order() {
    let clamp = Some(Clamp { min: None, max: Some(25.0) });
    let activation = Some(Activation { threshold: 20.0, reset_below: 20.0, hold: Duration::ZERO });
    let mut asked = Asked::of(Guards { slew: Some(slew()), clamp, activation, fallback: None });
    // From 10 it rises through the threshold to the bound; it falls from the bound, not from where the
    // slew had led it.
    let seen = [(0.0, 10.0), (5.0, 90.0), (15.0, 90.0), (45.0, 90.0), (55.0, 0.0), (65.0, 0.0)];
    assert_eq!(asked.values(&seen), [0.0, 0.0, 25.0, 25.0, 20.0, 0.0]);
}

#[test]
fn every_step_is_told() {
    let clamp = Some(Clamp { min: None, max: Some(25.0) });
    let activation = Some(Activation { threshold: 30.0, reset_below: 30.0, hold: Duration::ZERO });
    let fallback =
        Fallback { after: seconds(60), failures: Some(2), until: seconds(30), with: Substitute::Value(7.0) };
    let guards = Guards { slew: Some(slew()), clamp, activation, fallback: Some(fallback) };
    let mut memory = Memory::default();
    let mut told = |time: f64, value: Option<f64>| {
        let mut steps = Vec::new();
        let evaluated = value.map(|value| reading(value, at(time))).ok_or_else(refusal);
        let _ = guards.apply(&mut memory, evaluated, &[], at(time), Some(&mut steps));
        let one = |step: GuardStep| {
            let acts = if step.acts { "acts" } else { "rests" };
            format!("{} {acts} {:?} {:?}: {}", step.guard, step.before, step.after, step.why)
        };
        steps.into_iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(
        told(0.0, Some(20.0)),
        [
            "slew rests Some(20.0) Some(20.0): the first value is taken as it is",
            "clamp rests Some(20.0) Some(20.0): is at most 25",
            "activation acts Some(20.0) Some(0.0): inactive until at 30",
            "fallback rests Some(0.0) Some(0.0): the value is known",
        ]
    );
    assert_eq!(
        told(8.0, Some(90.0)),
        [
            "slew acts Some(90.0) Some(28.0): rises by at most 60 per 1m and falls by at most 5 per 10s; it was 20 8s ago",
            "clamp acts Some(28.0) Some(25.0): is at most 25",
            "activation acts Some(25.0) Some(0.0): inactive until at 30",
            "fallback rests Some(0.0) Some(0.0): the value is known",
        ]
    );
    assert_eq!(
        told(20.0, None),
        ["fallback rests None None: refused for 0s, begins after 1m or 2 refused answers"]
    );
    assert_eq!(
        told(35.0, None),
        [
            "fallback acts None Some(7.0): the value 7 stands in, for 15s the value is not known: queue: no series: none"
        ]
    );
    assert_eq!(
        told(50.0, Some(10.0)).last().unwrap(),
        "fallback acts Some(0.0) Some(7.0): the value is known again; in 30s the fallback ends if it stays so"
    );
}

#[test]
fn a_fallback_begins_after_its_time() {
    let mut asked = Asked::fallback(60, None, 30, Substitute::Value(7.5));
    assert_eq!(asked.refused(0.0), Err(refusal()));
    assert_eq!(asked.refused(59.9), Err(refusal()));
    let served = asked.refused(60.0).unwrap();
    assert_eq!((served.value, served.quantity.milli()), (7.5, 7500));
    assert_eq!((served.at, served.sampled_at, served.window, served.elements), (at(60.0), at(60.0), None, 0));
    assert!(served.held && served.expires <= at(61.0));
    let mut asked = Asked::fallback(60, None, 30, Substitute::Value(7.5));
    assert!(asked.refused(0.0).is_err());
    asked.known(45.0, 3.0);
    assert!(asked.refused(75.0).is_err(), "the time begins anew");
    assert!(Asked::fallback(0, None, 30, Substitute::Value(7.5)).refused(0.0).is_ok());
}

#[test]
fn a_fallback_begins_after_failures_a_second_apart() {
    let mut asked = Asked::fallback(600, Some(3), 30, Substitute::Value(7.5));
    for (time, begun) in [(0.0, false), (0.4, false), (0.9, false), (1.0, false), (1.9, false), (2.0, true)] {
        assert_eq!(asked.refused(time).is_ok(), begun, "{time} s");
    }
}

#[test]
fn a_fallback_ends_when_values_are_known_without_a_break() {
    let mut asked = Asked::fallback(0, None, 60, Substitute::Value(7.0));
    assert!(asked.refused(0.0).is_ok());
    let seen = [(15.0, 3.0), (74.0, 3.0)];
    assert_eq!(asked.values(&seen), [7.0, 7.0]);
    assert!(asked.refused(74.5).is_ok());
    let seen = [(75.0, 3.0), (134.0, 3.0), (135.0, 4.0)];
    assert_eq!(asked.values(&seen), [7.0, 7.0, 4.0]);
    assert!(!asked.known(136.0, 4.0).held);
}

#[test]
fn the_last_value_keeps_its_times_and_ends() {
    let mut asked = Asked::fallback(30, None, 60, Substitute::Last(seconds(120)));
    let known = asked.known(0.0, 12.0);
    assert!(asked.refused(10.0).is_err());
    let served = asked.refused(40.0).unwrap();
    assert_eq!((served.value, served.at, served.sampled_at), (12.0, known.at, known.sampled_at));
    assert!(served.held && served.expires == at(41.0) && served.elements == 3);
    // What is known is the last value, so it is served, and bridged at once while the fallback is on.
    let again = asked.known(50.0, 13.0);
    assert_eq!((again.value, again.held, again.expires), (13.0, false, at(51.0)));
    assert_eq!(asked.refused(170.0).unwrap().value.to_bits(), 13.0_f64.to_bits());
    assert_eq!(
        asked.refused(171.0).unwrap_err().to_string(),
        "queue: no series: none; no fallback: the last value was known 2m1s ago (limit 2m)"
    );
    let mut asked = Asked::fallback(0, None, 60, Substitute::Last(seconds(120)));
    let refused = asked.refused(0.0).unwrap_err();
    assert_eq!(refused.to_string(), "queue: no series: none; no fallback: no value was known before");
    assert_eq!(refused.reason(), "no_series");
}

#[test]
fn the_last_value_is_the_one_that_was_served() {
    let mut asked = Asked::fallback(0, None, 60, Substitute::Last(seconds(120)));
    asked.guards.clamp = Some(Clamp { min: None, max: Some(5.0) });
    asked.known(0.0, 12.0);
    assert_eq!(asked.refused(1.0).unwrap().quantity.milli(), 5000);
}

#[test]
fn a_last_value_is_not_repeated_to_who_multiplies_by_it() {
    let mut asked = Asked::fallback(0, None, 60, Substitute::Last(seconds(120)));
    asked.askers = vec![asker("a", Goal::AverageValue(10.0), 2, 2), asker("b", Goal::Value(0.8), 2, 2)];
    asked.known(0.0, 12.0);
    assert_eq!(
        asked.refused(1.0).unwrap_err().to_string(),
        "queue: no series: none; no fallback: HPA ai/b multiplies its replicas by the value, so the last one must \
         not be repeated; a fallback of `replicas` can be"
    );
}

#[test]
fn a_substitute_passes_no_other_guard() {
    let mut asked = Asked::fallback(0, None, 60, Substitute::Value(7.0));
    asked.guards.clamp = Some(Clamp { min: None, max: Some(5.0) });
    asked.guards.activation = Some(Activation { threshold: 100.0, reset_below: 100.0, hold: Duration::ZERO });
    asked.guards.slew = Some(slew());
    asked.known(0.0, 0.0);
    assert_eq!(asked.refused(1.0).unwrap().quantity.milli(), 7000);
}

#[test]
fn replicas_are_told_through_the_askers_own_target() {
    let mut asked = Asked::fallback(0, None, 60, Substitute::Replicas(4));
    let mut told = |askers: &[Asker]| {
        asked.askers = askers.to_vec();
        asked.refused(0.0).map(|reading| reading.value).map_err(|refusal| refusal.to_string())
    };
    let total = |name, replicas| asker(name, Goal::AverageValue(10.0), replicas, replicas);
    assert_eq!(told(&[total("a", 2)]), Ok(40.0));
    assert_eq!(told(&[total("a", 0)]), Ok(40.0));
    assert_eq!(told(&[total("a", 0), total("b", 9)]), Ok(40.0), "the same value for both");
    assert_eq!(told(&[asker("a", Goal::Value(0.8), 0, 0)]), Ok(3.2));
    let prefix = "queue: no series: none; no fallback: ";
    let refused = |askers: &[Asker], why: &str, told: &mut dyn FnMut(&[Asker]) -> Result<f64, String>| {
        assert_eq!(told(askers), Err(format!("{prefix}{why}")));
    };
    refused(&[], "no HPA is known to ask for it, so 4 replicas have no value", &mut told);
    refused(
        &[total("a", 2), asker("b", Goal::AverageValue(5.0), 2, 2)],
        "HPAs ai/a and ai/b would need different values for 4 replicas; give each a selector of its own",
        &mut told,
    );
    refused(
        &[asker("a", Goal::Value(0.8), 2, 0)],
        "which value lets HPA ai/a want 4 replicas cannot be told yet",
        &mut told,
    );
}

#[test]
fn what_is_known_is_better_than_a_substitute_that_is_not() {
    let mut asked = Asked::fallback(0, None, 60, Substitute::Replicas(4));
    assert!(asked.refused(0.0).is_err());
    let served = asked.known(15.0, 3.0);
    assert_eq!((served.value, served.held, served.expires), (3.0, false, at(16.0)));
}
