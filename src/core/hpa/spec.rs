//! What the algorithm is given: the parts of an HPA, its target and its metrics that it looks at.

use std::time::Duration;

use crate::core::time::Timestamp;

/// An HPA's `spec`, as far as the algorithm goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Never fewer; 0 needs an External or Object metric.
    pub min_replicas: u32,
    /// Never more.
    pub max_replicas: u32,
    /// What is measured. The API server never lets this be empty.
    pub metrics: Vec<Target>,
    /// How fast and how nervously to follow the metrics.
    pub behavior: Behavior,
}

/// What a metric's number is compared with. A target is above zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// External or Object, `Value`: the number itself.
    Value(f64),
    /// External or Object, `AverageValue`: the number divided by the replicas.
    AverageValue(f64),
    /// Pods, `AverageValue`: the mean over the pods.
    Pods(f64),
    /// Resource, `Utilization`: mean percent of the request over the pods.
    ///
    /// The resource is taken to be `cpu`, the one for which a pod's readiness counts. The pods are taken
    /// to have equal requests, as those of one template do.
    Utilization(f64),
}

impl Target {
    /// Whether the number comes from outside the pods, so that it also exists when there are none.
    pub(super) const fn is_outside(self) -> bool {
        matches!(self, Self::Value(_) | Self::AverageValue(_))
    }
}

/// What was observed for the metric of the same index.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// External or Object: the sum of the returned values.
    Value(f64),
    /// Pods or Resource: one number for each pod that has a sample.
    Pods(Vec<(PodId, f64)>),
    /// The metrics API answered with this error.
    Unknown(String),
}

/// Names a pod among the pods of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PodId(pub u64);

/// A pod that the target's selector matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub id: PodId,
    /// `status.phase`.
    pub phase: Phase,
    /// Whether the condition `Ready` is true.
    pub ready: bool,
    /// `status.startTime`.
    pub started_at: Timestamp,
    /// When the condition `Ready` last changed, in either direction; `None` without that condition.
    pub ready_since: Option<Timestamp>,
    /// Whether it has a deletion timestamp.
    pub deleted: bool,
    /// When its resource sample was taken; `None` is read as now, over no time at all.
    pub sample: Option<Sample>,
}

/// The span of time that a resource sample speaks for: the `window` before `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The end of the span.
    pub at: Timestamp,
    /// The length of the span.
    pub window: Duration,
}

/// A pod's phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Accepted, not running yet.
    Pending,
    /// At least one container runs.
    Running,
    /// All containers ended well.
    Succeeded,
    /// A container ended badly.
    Failed,
}

/// The target's `scale` subresource and the pods it selects.
#[derive(Debug, Clone, Copy)]
pub struct Scale<'a> {
    /// How many replicas are wanted now.
    pub spec_replicas: u32,
    /// How many there are.
    pub status_replicas: u32,
    /// All that match the selector.
    pub pods: &'a [Pod],
}

/// An HPA's `behavior`.
///
/// The default is what the API server fills into an empty one. An HPA that has none at all is
/// [`Behavior::unset`], and the controller treats it by an older set of rules.
#[derive(Debug, Clone, PartialEq)]
pub struct Behavior {
    /// Rules for more replicas.
    pub scale_up: Rules,
    /// Rules for fewer replicas.
    pub scale_down: Rules,
}

/// How the target may be scaled in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// The most cautious recommendation of this long holds.
    pub stabilization: Duration,
    /// Which of the policies holds.
    pub select: Select,
    /// Limits of speed; where none is given, the defaults of the direction hold.
    pub policies: Vec<Policy>,
    /// How far from 1 the ratio of number and target may be without effect; `None` leaves it to the
    /// controller's own (1.33 and later).
    pub tolerance: Option<f64>,
}

/// Which of several policies holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select {
    /// The one that allows the greatest change.
    Max,
    /// The one that allows the smallest change.
    Min,
    /// None: no scaling in this direction.
    Disabled,
}

/// A limit of speed: at most so much within a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What `value` counts.
    pub kind: PolicyKind,
    /// How much.
    pub value: u32,
    /// In how long.
    pub period: Duration,
}

/// What a policy counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// Replicas.
    Pods,
    /// Percent of the replicas at the start of the period.
    Percent,
}

impl Behavior {
    /// An HPA without `behavior`: the limit of scaling up is fixed and has no memory, and the highest
    /// recommendation of the window holds even while scaling up.
    ///
    /// It is written as rules without policies, which the API server lets nobody else have.
    pub const fn unset() -> Self {
        Self {
            scale_up: Rules::without_policies(UP_WINDOW),
            scale_down: Rules::without_policies(DOWN_WINDOW),
        }
    }
}

impl Default for Behavior {
    fn default() -> Self {
        Self { scale_up: Rules::up(), scale_down: Rules::down() }
    }
}

impl Rules {
    /// The defaults of scaling up: at once, by 4 replicas or 100 % in 15 s, whichever is more.
    pub fn up() -> Self {
        Self { policies: UP.to_vec(), ..Self::without_policies(UP_WINDOW) }
    }

    /// The defaults of scaling down: to the highest recommendation of 5 minutes, by any number.
    pub fn down() -> Self {
        Self { policies: DOWN.to_vec(), ..Self::without_policies(DOWN_WINDOW) }
    }

    const fn without_policies(stabilization: Duration) -> Self {
        Self { stabilization, select: Select::Max, policies: Vec::new(), tolerance: None }
    }
}

const UP_WINDOW: Duration = Duration::ZERO;
const DOWN_WINDOW: Duration = Duration::from_mins(5);
const PERIOD: Duration = Duration::from_secs(15);
pub(super) const UP: &[Policy] = &[
    Policy { kind: PolicyKind::Pods, value: 4, period: PERIOD },
    Policy { kind: PolicyKind::Percent, value: 100, period: PERIOD },
];
pub(super) const DOWN: &[Policy] = &[Policy { kind: PolicyKind::Percent, value: 100, period: PERIOD }];
