//! What the algorithm answers, in the words of the HPA's own conditions.

use std::fmt;

/// What one pass decided, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// How many replicas the target shall have from now on.
    pub replicas: u32,
    /// What the metrics ask for, before windows, policies and bounds. The same as `replicas` where the
    /// metrics were not looked at, the current count where none could be read.
    pub desired: u32,
    /// What the stabilization windows made of `desired`, before policies and bounds.
    pub stabilized: u32,
    /// The metric that asks for most, as an index into the spec.
    pub by: Option<usize>,
    /// Why `replicas` is what it is: the last rule that changed something.
    pub reason: Reason,
    /// The metrics that could not be turned into a count.
    pub failures: Vec<Failure>,
}

/// A metric that could not be turned into a replica count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its index in the spec.
    pub metric: usize,
    /// Which kind of metric it is.
    pub reason: Reason,
    /// What went wrong.
    pub message: String,
}

/// The reasons that an HPA's conditions and events give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The current count is right.
    ReadyForNewScale,
    /// The count asked for is allowed.
    DesiredWithinRange,
    /// A lower recommendation of the scale-up window holds.
    ScaleUpStabilized,
    /// A higher recommendation of the scale-down window holds.
    ScaleDownStabilized,
    /// A scale-up policy does not allow more.
    ScaleUpLimit,
    /// A scale-down policy does not allow less.
    ScaleDownLimit,
    /// The minimum holds.
    TooFewReplicas,
    /// The maximum holds.
    TooManyReplicas,
    /// The target was set to 0 replicas by somebody else.
    ScalingDisabled,
    /// An External or Object metric could not be read. (The real one says `FailedGetObjectMetric` of
    /// an Object metric.)
    FailedGetExternalMetric,
    /// A Pods metric could not be read.
    FailedGetPodsMetric,
    /// A Resource metric could not be read.
    FailedGetResourceMetric,
    /// There is no metric at all.
    FailedComputeMetricsReplicas,
}

impl fmt::Display for Reason {
    /// As it stands in a condition's `reason`: the variant's own name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
