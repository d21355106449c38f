//! Whole passes: what is looked at in which order, and what is remembered between them.

use std::time::Duration;

use super::*;

const START: Timestamp = Timestamp::from_millis(1_000_000_000);

fn at(seconds: u64) -> Timestamp {
    START.plus(Duration::from_secs(seconds))
}

fn spec(min: u32, max: u32, metrics: &[Target]) -> Spec {
    Spec { min_replicas: min, max_replicas: max, metrics: metrics.to_vec(), behavior: Behavior::default() }
}

/// A total of which every replica shall have 10.
const TOTAL: &[Target] = &[Target::AverageValue(10.0)];

/// A target that obeys at once.
struct Loop {
    controller: Controller,
    spec: Spec,
    replicas: u32,
}

impl Loop {
    fn of(replicas: u32, spec: Spec) -> Self {
        Self { controller: Controller::new(Options::default()), spec, replicas }
    }

    fn see(&mut self, seconds: u64, observations: &[Observation]) -> Decision {
        let scale = Scale { spec_replicas: self.replicas, status_replicas: self.replicas, pods: &[] };
        let decision = self.controller.sync(at(seconds), &self.spec, &scale, observations);
        self.replicas = decision.replicas;
        decision
    }

    /// A pass over totals.
    fn totals(&mut self, seconds: u64, values: &[f64]) -> (u32, Reason) {
        let seen: Vec<_> = values.iter().map(|value| Observation::Value(*value)).collect();
        let decision = self.see(seconds, &seen);
        (decision.replicas, decision.reason)
    }
}

fn unknown() -> Observation {
    Observation::Unknown("no answer".into())
}

#[test]
fn bounds_are_restored_without_a_look_at_the_metrics() {
    for (replicas, expected, reason) in [(6, 5, Reason::TooManyReplicas), (1, 2, Reason::TooFewReplicas)] {
        let decision = Loop::of(replicas, spec(2, 5, TOTAL)).see(0, &[unknown()]);
        assert_eq!((decision.replicas, decision.reason), (expected, reason));
        assert!(decision.failures.is_empty());
    }
}

#[test]
fn the_largest_proposal_wins() {
    let two = &[Target::AverageValue(10.0), Target::AverageValue(1.0)];
    let seen = [Observation::Value(30.0), Observation::Value(5.0)];
    let decision = Loop::of(4, spec(1, 10, two)).see(0, &seen);
    assert_eq!((decision.replicas, decision.desired, decision.by), (5, 5, Some(1)));
    assert_eq!(decision.reason, Reason::DesiredWithinRange);
    let tie = [Observation::Value(50.0), Observation::Value(5.0)];
    assert_eq!(Loop::of(4, spec(1, 10, two)).see(0, &tie).by, Some(0), "the first of equals");
}

#[test]
fn an_unknown_metric_blocks_scaling_down_but_not_up() {
    let two = &[Target::AverageValue(10.0), Target::Pods(1.0)];
    for (value, expected, desired, reason) in [
        (60.0, 6, 6, Reason::DesiredWithinRange),
        (40.0, 4, 4, Reason::ReadyForNewScale),
        (20.0, 4, 2, Reason::FailedGetPodsMetric),
    ] {
        let decision = Loop::of(4, spec(1, 10, two)).see(0, &[Observation::Value(value), unknown()]);
        assert_eq!((decision.replicas, decision.desired, decision.reason), (expected, desired, reason));
        assert_eq!((decision.failures.len(), decision.failures[0].metric), (1, 1));
        assert_eq!(decision.failures[0].message, "no answer");
    }
}

#[test]
fn without_any_metric_the_count_is_held() {
    for (target, reason) in [
        (Target::Value(1.0), Reason::FailedGetExternalMetric),
        (Target::AverageValue(1.0), Reason::FailedGetExternalMetric),
        (Target::Pods(1.0), Reason::FailedGetPodsMetric),
        (Target::Utilization(1.0), Reason::FailedGetResourceMetric),
    ] {
        let decision = Loop::of(4, spec(1, 10, &[target])).see(0, &[unknown()]);
        assert_eq!((decision.replicas, decision.desired, decision.reason), (4, 4, reason));
    }
    let decision = Loop::of(4, spec(1, 10, TOTAL)).see(0, &[]);
    assert_eq!(decision.failures[0].message, "nothing was observed");
    let decision = Loop::of(4, spec(1, 10, &[])).see(0, &[]);
    assert_eq!((decision.replicas, decision.reason), (4, Reason::FailedComputeMetricsReplicas));
}

#[test]
fn a_target_that_somebody_set_to_zero_is_left_alone() {
    for min in [0, 1] {
        let mut hpa = Loop::of(0, spec(min, 10, TOTAL));
        assert_eq!(hpa.totals(0, &[500.0]), (0, Reason::ScalingDisabled), "minimum {min}");
    }
}

#[test]
fn a_target_that_the_hpa_brought_to_zero_comes_back() {
    let mut hpa = Loop::of(1, spec(0, 10, TOTAL));
    assert_eq!(hpa.totals(0, &[0.0]), (1, Reason::ScaleDownStabilized));
    assert_eq!(hpa.totals(300, &[0.0]), (0, Reason::DesiredWithinRange));
    assert_eq!(hpa.totals(315, &[0.0]), (0, Reason::ReadyForNewScale));
    assert_eq!(hpa.see(330, &[unknown()]).reason, Reason::FailedGetExternalMetric);
    assert_eq!(hpa.totals(345, &[25.0]), (3, Reason::DesiredWithinRange));
    hpa.replicas = 0;
    assert_eq!(hpa.totals(360, &[25.0]), (0, Reason::ScalingDisabled), "now it was somebody else");
}

#[test]
fn what_the_status_says_of_zero_survives_a_restart() {
    let mut hpa = Loop::of(0, spec(0, 10, TOTAL));
    hpa.controller = Controller::new(Options::default()).scaled_to_zero();
    assert_eq!(hpa.totals(0, &[25.0]), (3, Reason::DesiredWithinRange));
}

#[test]
fn a_minimum_raised_at_zero_is_met() {
    let mut hpa = Loop::of(0, spec(3, 10, TOTAL));
    hpa.controller = Controller::new(Options::default()).scaled_to_zero();
    let mut busy = Loop { controller: hpa.controller.clone(), ..Loop::of(0, hpa.spec.clone()) };
    assert_eq!(hpa.totals(0, &[5.0]), (3, Reason::TooFewReplicas));
    assert_eq!(busy.totals(0, &[50.0]), (4, Reason::ScaleUpLimit), "by the metrics, if they ask for more");
}

#[test]
fn only_a_metric_from_outside_leads_back_from_zero() {
    let mut hpa = Loop::of(0, spec(0, 10, &[Target::Pods(1.0)]));
    hpa.controller = Controller::new(Options::default()).scaled_to_zero();
    assert_eq!(hpa.see(0, &[unknown()]).reason, Reason::ScalingDisabled);
    // With a raised minimum the metrics are asked in vain.
    hpa.spec.min_replicas = 1;
    let seen = Observation::Pods(vec![(PodId(1), 5.0)]);
    let decision = hpa.see(15, &[seen]);
    assert_eq!((decision.replicas, decision.reason), (0, Reason::FailedGetPodsMetric));
}

#[test]
fn a_controller_that_has_just_started_does_not_scale_down_for_five_minutes() {
    let mut hpa = Loop::of(10, spec(1, 20, TOTAL));
    for seconds in (0..300).step_by(15) {
        assert_eq!(hpa.totals(seconds, &[20.0]), (10, Reason::ScaleDownStabilized), "{seconds} s");
    }
    assert_eq!(hpa.totals(300, &[20.0]), (2, Reason::DesiredWithinRange));
}

#[test]
fn the_highest_recommendation_of_the_window_holds() {
    let mut hpa = Loop::of(2, spec(1, 20, TOTAL));
    assert_eq!(hpa.totals(0, &[60.0]), (6, Reason::DesiredWithinRange));
    assert_eq!(hpa.totals(150, &[40.0]), (6, Reason::ScaleDownStabilized));
    let decision = hpa.see(310, &[Observation::Value(20.0)]);
    assert_eq!((decision.replicas, decision.desired, decision.stabilized), (4, 2, 4));
    assert_eq!(decision.reason, Reason::ScaleDownStabilized);
    assert_eq!(hpa.totals(460, &[20.0]), (2, Reason::DesiredWithinRange));
}

#[test]
fn the_window_runs_out_during_an_outage() {
    for (outage, expected) in [(240, 10), (360, 1)] {
        let mut hpa = Loop::of(10, spec(1, 20, TOTAL));
        hpa.totals(0, &[100.0]);
        for seconds in (15..outage).step_by(15) {
            assert_eq!(hpa.see(seconds, &[unknown()]).replicas, 10);
        }
        assert_eq!(hpa.totals(outage, &[1.0]).0, expected, "{outage} s");
    }
}

#[test]
fn growth_is_limited_per_period_of_fifteen_seconds() {
    let mut hpa = Loop::of(1, spec(1, 30, TOTAL));
    let steps: Vec<_> = [0, 5, 15, 30, 45].iter().map(|seconds| hpa.totals(*seconds, &[900.0])).collect();
    assert_eq!(
        steps,
        [
            (5, Reason::ScaleUpLimit),
            (5, Reason::ScaleUpLimit),
            (10, Reason::ScaleUpLimit),
            (20, Reason::ScaleUpLimit),
            (30, Reason::TooManyReplicas),
        ]
    );
}

#[test]
fn a_step_back_to_a_bound_counts_for_policies() {
    let mut hpa = Loop::of(1, spec(4, 20, TOTAL));
    assert_eq!(hpa.totals(0, &[900.0]), (4, Reason::TooFewReplicas));
    // Three of the four that 15 s allow are used up; 100 % of the one at their start is less.
    assert_eq!(hpa.totals(10, &[900.0]), (5, Reason::ScaleUpLimit));
}

#[test]
fn windows_come_before_policies_and_bounds() {
    let mut hpa = Loop::of(20, spec(12, 40, TOTAL));
    hpa.spec.behavior.scale_down = Rules {
        stabilization: Duration::from_mins(1),
        policies: vec![Policy { kind: PolicyKind::Pods, value: 3, period: Duration::from_mins(1) }],
        ..Rules::down()
    };
    let mut steps = Vec::new();
    for (seconds, value) in [(0, 160.0), (30, 160.0), (61, 50.0), (100, 50.0), (121, 50.0), (181, 50.0)] {
        let decision = hpa.see(seconds, &[Observation::Value(value)]);
        steps.push((decision.desired, decision.stabilized, decision.replicas, decision.reason));
    }
    assert_eq!(
        steps,
        [
            (16, 20, 20, Reason::ScaleDownStabilized),
            (16, 20, 20, Reason::ScaleDownStabilized),
            (5, 16, 17, Reason::ScaleDownLimit),
            // What was remembered at 61 s is the 5 that was asked for, neither 16 nor 17.
            (5, 5, 17, Reason::ScaleDownLimit),
            (5, 5, 14, Reason::ScaleDownLimit),
            (5, 5, 12, Reason::TooFewReplicas),
        ]
    );
}

#[test]
fn the_documented_descent_from_eighty_to_ten() {
    let mut hpa = Loop::of(80, spec(1, 100, TOTAL));
    let minute = Duration::from_mins(1);
    hpa.spec.behavior.scale_down = Rules {
        stabilization: Duration::ZERO,
        policies: vec![
            Policy { kind: PolicyKind::Pods, value: 4, period: minute },
            Policy { kind: PolicyKind::Percent, value: 10, period: minute },
        ],
        ..Rules::down()
    };
    let mut steps = Vec::new();
    while hpa.replicas > 10 {
        steps.push(hpa.totals(60 * steps.len() as u64, &[100.0]).0);
    }
    assert_eq!(steps, [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16, 12, 10]);
}

#[test]
fn disabled_scaling_down_still_scales_up() {
    let mut hpa = Loop::of(5, spec(1, 20, TOTAL));
    hpa.spec.behavior.scale_down.select = Select::Disabled;
    assert_eq!(hpa.totals(0, &[70.0]), (7, Reason::DesiredWithinRange));
    assert_eq!(hpa.totals(3600, &[10.0]), (7, Reason::ScaleDownLimit));
}

#[test]
fn the_hpas_own_tolerance_stands_before_the_controllers() {
    for (own, value, expected) in [(None, 105.0, 10), (Some(0.05), 105.0, 10), (Some(0.04), 105.0, 11)] {
        let mut hpa = Loop::of(10, spec(1, 20, TOTAL));
        hpa.spec.behavior.scale_up.tolerance = own;
        assert_eq!(hpa.totals(0, &[value]).0, expected, "{own:?}");
    }
    let mut hpa = Loop::of(10, spec(1, 20, TOTAL));
    hpa.controller = Controller::new(Options { tolerance: 0.04, ..Options::default() });
    assert_eq!(hpa.totals(0, &[105.0]).0, 11);
}

#[test]
fn an_hpa_without_behavior_grows_from_one_to_four() {
    let mut hpa = Loop::of(1, Spec { behavior: Behavior::unset(), ..spec(1, 30, TOTAL) });
    let steps: Vec<_> = [0, 1, 2].iter().map(|seconds| hpa.totals(*seconds, &[900.0]).0).collect();
    assert_eq!(steps, [4, 8, 16], "and each pass doubles, however soon it comes");
}

#[test]
fn reasons_read_as_in_conditions() {
    assert_eq!(Reason::ScaleDownStabilized.to_string(), "ScaleDownStabilized");
    assert_eq!(Reason::FailedGetExternalMetric.to_string(), "FailedGetExternalMetric");
}
