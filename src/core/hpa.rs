//! The algorithm of the HorizontalPodAutoscaler (autoscaling/v2): from observed metrics to replicas.
//!
//! ```text
//! bounds ──▶ metrics ──▶ windows ──▶ policies, bounds ──▶ decision
//! (min, max) (the most)  (cautious)  (how fast)           (and why)
//! ```
//!
//! It follows the controller of Kubernetes 1.36 (`horizontal.go`, `replica_calculator.go` and
//! `metrics/utilization.go` of `pkg/controller/podautoscaler`) with what 1.37 has on by default. What older
//! ones do otherwise:
//!
//! - each direction of each HPA may set its tolerance: alpha in 1.33, on since 1.35;
//! - a target at 0 replicas is scaled up again only if this HPA has brought it there, and only by an
//!   External or Object metric, unless the minimum was raised since: alpha in 1.36, on since 1.37. A
//!   target set to 0 by somebody else is left alone, even if the minimum is 0;
//! - when scaling down, a missing utilization counts as the target if that is above 100 %;
//! - a count too large to write down becomes the largest one. Most of these wrapped around on some
//!   machines, until kubernetes#141397.
//!
//! The order matters. Too many or too few replicas are corrected without a look at the metrics. The
//! largest proposal is brought within the windows, and the result within the policies and the bounds.
//! The proposal is remembered as it was before all that, a step once it was taken. A pass without usable
//! metrics remembers nothing, so the windows run out meanwhile.
//!
//! Left out: what needs a cluster (which pods are the target's, conflicts, status, events), because the
//! caller has it; a fallback for external metrics that fail (KEP-5679), which 1.36 does not have;
//! Resource targets other than utilization of `cpu`, ContainerResource, and requests that differ between
//! pods, because inference is not scaled on them; the controller's flag for the window of an HPA without
//! `behavior`, which stays at its default; a quantity beyond 9.2e15, which saturates here and is read as
//! 0 there.

mod behavior;
mod decision;
mod replicas;
mod spec;

pub use self::decision::{Decision, Failure, Reason};
pub use self::replicas::Options;
pub use self::spec::{
    Behavior, Observation, Phase, Pod, PodId, Policy, PolicyKind, Rules, Sample, Scale, Select, Spec, Target,
};

use self::behavior::History;
use self::replicas::{Context, Tolerance};
use super::time::Timestamp;

/// The controller of one HPA: what it is set to, and what it remembers.
#[derive(Debug, Clone, Default)]
pub struct Controller {
    options: Options,
    history: History,
    scaled_to_zero: bool,
}

impl Controller {
    /// One that has just started and remembers nothing.
    pub fn new(options: Options) -> Self {
        Self { options, history: History::default(), scaled_to_zero: false }
    }

    /// The same for an HPA whose status says that it has scaled its target to zero.
    #[must_use]
    pub fn scaled_to_zero(mut self) -> Self {
        self.scaled_to_zero = true;
        self
    }

    /// One pass, which Kubernetes makes every 15 s.
    ///
    /// `observations` go with `spec.metrics`, index by index. The decision is taken as carried out.
    pub fn sync(
        &mut self,
        now: Timestamp,
        spec: &Spec,
        scale: &Scale<'_>,
        observations: &[Observation],
    ) -> Decision {
        let current = scale.spec_replicas;
        self.history.begin(now, current);
        let decision = if current == 0 && !self.may_leave_zero(spec) {
            Decision::at(0, Reason::ScalingDisabled)
        } else if current > spec.max_replicas {
            Decision::at(spec.max_replicas, Reason::TooManyReplicas)
        } else if current != 0 && current < spec.min_replicas {
            Decision::at(spec.min_replicas, Reason::TooFewReplicas)
        } else {
            self.by_metrics(now, spec, scale, observations)
        };
        if decision.replicas != current {
            self.history.record(now, spec, current, decision.replicas);
            self.scaled_to_zero = decision.replicas == 0 && spec.min_replicas == 0 && has_outside(spec);
        }
        decision
    }

    fn may_leave_zero(&self, spec: &Spec) -> bool {
        self.scaled_to_zero && (spec.min_replicas != 0 || has_outside(spec))
    }

    fn by_metrics(
        &mut self,
        now: Timestamp,
        spec: &Spec,
        scale: &Scale<'_>,
        observations: &[Observation],
    ) -> Decision {
        let current = scale.spec_replicas;
        let (most, failures) = self.propose(now, spec, scale, observations);
        let Some((desired, metric)) = most else {
            let reason = failures.first().map_or(Reason::FailedComputeMetricsReplicas, |first| first.reason);
            return Decision { failures, ..Decision::at(current, reason) };
        };
        let by = Some(metric);
        // The metric that is missing might have asked for more.
        if let Some(first) = failures.first().filter(|_| desired < current) {
            let reason = first.reason;
            return Decision { desired, by, failures, ..Decision::at(current, reason) };
        }

        let (stabilized, steadied) = self.history.stabilize(now, spec, current, desired);
        let (mut replicas, mut limited) = self.history.limit(now, spec, current, stabilized);
        if current == 0 && replicas < spec.min_replicas {
            (replicas, limited) = (spec.min_replicas, Some(Reason::TooFewReplicas));
        }
        let settled = if replicas == current { Reason::ReadyForNewScale } else { Reason::DesiredWithinRange };
        let reason = limited.or(steadied).unwrap_or(settled);
        Decision { replicas, desired, stabilized, by, reason, failures }
    }

    /// The largest proposal and the metric that makes it, and the metrics that make none.
    fn propose(
        &self,
        now: Timestamp,
        spec: &Spec,
        scale: &Scale<'_>,
        observations: &[Observation],
    ) -> (Option<(u32, usize)>, Vec<Failure>) {
        let tolerance =
            Tolerance::new(self.options.tolerance, &spec.behavior.scale_down, &spec.behavior.scale_up);
        let context = Context { now, scale, tolerance, options: &self.options };
        let mut most: Option<(u32, usize)> = None;
        let mut failures = Vec::new();
        for (metric, target) in spec.metrics.iter().enumerate() {
            match context.propose(*target, observations.get(metric)) {
                Ok(replicas) if most.is_none_or(|(most, _)| replicas > most) => {
                    most = Some((replicas, metric));
                }
                Ok(_) => {}
                Err(message) => failures.push(Failure { metric, reason: failed(*target), message }),
            }
        }
        (most, failures)
    }
}

impl Decision {
    /// A decision that took no metric into account.
    const fn at(replicas: u32, reason: Reason) -> Self {
        Self { replicas, desired: replicas, stabilized: replicas, by: None, reason, failures: Vec::new() }
    }
}

fn has_outside(spec: &Spec) -> bool {
    spec.metrics.iter().any(|target| target.is_outside())
}

const fn failed(target: Target) -> Reason {
    match target {
        Target::Value(_) | Target::AverageValue(_) => Reason::FailedGetExternalMetric,
        Target::Pods(_) => Reason::FailedGetPodsMetric,
        Target::Utilization(_) => Reason::FailedGetResourceMetric,
    }
}

#[cfg(test)]
mod tests;
