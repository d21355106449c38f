//! Told `value_for(n)`, the HPA's own algorithm wants n.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::core::hpa::{
    Behavior, Controller, Observation, Options, Phase, Pod, PodId, Rules, Scale, Spec, Target,
};
use crate::core::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

fn asker(goal: Goal, replicas: u32, ready: u32) -> Asker {
    Asker { namespace: "ai".into(), name: "llama".into(), goal, replicas: Some(replicas), ready: Some(ready) }
}

/// What the HPA proposes with `ready` of its pods ready when it is told `value`.
fn proposal(goal: Goal, replicas: u32, ready: u32, value: f64) -> Option<u32> {
    let target = match goal {
        Goal::Value(target) => Target::Value(target),
        Goal::AverageValue(target) => Target::AverageValue(target),
        Goal::Pods(target) => Target::Pods(target),
    };
    let pods: Vec<Pod> = (0..replicas.max(ready))
        .map(|index| Pod {
            id: PodId(index.into()),
            // For a Pods metric, a pod that does not count is one that does not run yet.
            phase: if index < ready { Phase::Running } else { Phase::Pending },
            ready: index < ready,
            started_at: NOW.shifted(-3_600_000),
            ready_since: Some(NOW.shifted(-1_800_000)),
            deleted: false,
            sample: None,
        })
        .collect();
    let seen = match goal {
        Goal::Pods(_) => Observation::Pods((0..ready).map(|id| (PodId(id.into()), value)).collect()),
        _ => Observation::Value(value),
    };
    let now = Duration::ZERO;
    let spec = Spec {
        min_replicas: 0,
        max_replicas: i32::MAX as u32,
        metrics: vec![target],
        behavior: Behavior {
            scale_up: Rules { stabilization: now, ..Rules::up() },
            scale_down: Rules { stabilization: now, ..Rules::down() },
        },
    };
    let scale = Scale { spec_replicas: replicas, status_replicas: replicas, pods: &pods };
    let decision = Controller::new(Options::default()).scaled_to_zero().sync(NOW, &spec, &scale, &[seen]);
    decision.failures.is_empty().then_some(decision.desired)
}

const GOALS: [fn(f64) -> Goal; 3] = [Goal::Value, Goal::AverageValue, Goal::Pods];
const TARGETS: [f64; 5] = [0.05, 0.8, 7.0, 33.333, 1e6];

#[test]
fn whole_multiples_read_as_people_would_write_them() {
    for (goal, replicas, ready, wanted, value) in [
        (Goal::AverageValue(10.0), 2, 2, 4, 40.0),
        (Goal::AverageValue(10.0), 0, 0, 4, 40.0),
        (Goal::AverageValue(10.0), 4, 1, 4, 40.0),
        (Goal::AverageValue(10.0), 4, 4, 0, 0.0),
        (Goal::Value(0.8), 4, 1, 4, 0.8),
        (Goal::Value(0.8), 0, 0, 4, 3.2),
        (Goal::Value(0.8), 2, 2, 4, 1.6),
        (Goal::Pods(5.0), 4, 2, 8, 20.0),
        (Goal::Pods(5.0), 3, 3, 1, 1.666),
    ] {
        assert_eq!(asker(goal, replicas, ready).value_for(wanted), Some(value), "{goal:?} {wanted}");
    }
}

#[test]
fn a_step_down_within_the_tolerance_takes_a_lower_value() {
    // 9 × 10 would be 0.9 of what 10 replicas shall have, and nothing would happen.
    let asked = asker(Goal::AverageValue(10.0), 10, 10).value_for(9);
    assert_eq!(asked, Some(89.999));
    assert_eq!(proposal(Goal::AverageValue(10.0), 10, 10, 90.0), Some(10));
    assert_eq!(proposal(Goal::AverageValue(10.0), 10, 10, 89.999), Some(9));
}

#[test]
fn where_no_value_says_so_it_stays_where_it_is() {
    for goal in [Goal::AverageValue(10.0), Goal::Value(10.0), Goal::Pods(10.0)] {
        for (now, wanted) in [(10, 11), (11, 12), (20, 19), (30, 32)] {
            let value = asker(goal, now, now).value_for(wanted).unwrap();
            assert_eq!(proposal(goal, now, now, value), Some(now), "{goal:?} {now} {wanted}");
        }
    }
    assert_eq!(asker(Goal::Value(1.0), 12, 10).value_for(10), Some(1.0), "the ready ones already want 10");
}

#[test]
fn what_cannot_be_told_is_none() {
    let unseen = |goal| Asker { replicas: None, ready: None, ..asker(goal, 1, 1) };
    assert_eq!(unseen(Goal::Value(1.0)).value_for(2), None);
    assert_eq!(unseen(Goal::Pods(1.0)).value_for(2), None);
    assert_eq!(unseen(Goal::AverageValue(1.0)).value_for(2), Some(2.0), "needs to know nothing");
    assert_eq!(asker(Goal::Value(1.0), 2, 0).value_for(3), None, "nothing to multiply");
    assert_eq!(asker(Goal::Value(1.0), 2, 0).value_for(2), Some(1.0));
    assert_eq!(asker(Goal::Pods(1.0), 0, 0).value_for(3), None, "no pod to have a number");
    assert_eq!(asker(Goal::Value(0.001), 10, 10).value_for(3), None, "no thousandth lies there");
    assert_eq!(asker(Goal::AverageValue(0.0), 10, 10).value_for(3), None);
    assert_eq!(asker(Goal::AverageValue(f64::NAN), 10, 10).value_for(3), None);
    assert_eq!(asker(Goal::AverageValue(1e12), 1, 1).value_for(3), None, "too large to be served");
    let unknown = Asker { ready: None, ..asker(Goal::Value(1.0), 2, 1) };
    assert_eq!(unknown.value_for(3), None);
    assert_eq!(unknown.value_for(0), Some(0.0));
}

/// No thousandth asks for `wanted`: found by trying all that could.
fn is_out_of_reach(goal: Goal, now: u32, ready: u32, wanted: u32) -> bool {
    let (Goal::Value(target) | Goal::AverageValue(target) | Goal::Pods(target)) = goal;
    let step =
        if matches!(goal, Goal::AverageValue(_)) || now == 0 { target } else { target / f64::from(ready) };
    let (low, high) = (step * f64::from(wanted.saturating_sub(1)), step * f64::from(wanted));
    (0..=100).all(|part| {
        let value = low + (high - low) * f64::from(part) / 100.0;
        let value = (value * 1000.0).round() / 1000.0;
        proposal(goal, now, ready, value) != Some(wanted)
    })
}

#[test]
fn every_count_that_can_be_asked_for_is() {
    for goal in GOALS {
        for target in TARGETS {
            let goal = goal(target);
            for (now, ready) in
                (0..=12).chain([20, 21]).map(|now| (now, now)).chain([(12, 10), (10, 5), (4, 6), (20, 1)])
            {
                if now == 0 && matches!(goal, Goal::Pods(_)) {
                    continue;
                }
                for wanted in 0..=24 {
                    check(goal, now, ready, wanted);
                }
            }
        }
    }
}

#[track_caller]
fn check(goal: Goal, now: u32, ready: u32, wanted: u32) {
    let told = asker(goal, now, ready).value_for(wanted);
    let exact = told.and_then(|value| proposal(goal, now, ready, value)) == Some(wanted);
    if !exact {
        let stays = told.is_none_or(|value| proposal(goal, now, ready, value) == Some(now));
        let place = format!("{goal:?}, {now} replicas, {ready} ready, {wanted} wanted: {told:?}");
        assert!(stays, "{place} moves it elsewhere");
        assert!(is_out_of_reach(goal, now, ready, wanted), "{place} though there is a value");
    }
}

proptest! {
    #[test]
    fn never_more_than_asked_for(
        which in 0..3_usize,
        milli in 1..100_000_i64,
        now in 0..400_u32,
        ready in 1..400_u32,
        wanted in 0..2_000_u32,
    ) {
        let goal = GOALS[which](milli as f64 / 1000.0);
        prop_assume!(now > 0 || which != 2);
        if let Some(value) = asker(goal, now, ready).value_for(wanted) {
            let proposed = proposal(goal, now, ready, value).unwrap();
            prop_assert!(proposed == wanted || proposed == now, "{value} asks for {proposed}");
        }
    }
}
