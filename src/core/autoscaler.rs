//! HorizontalPodAutoscalers, trimmed to what they ask of us and what they have decided.

use std::sync::Arc;

use super::selector::Selector;
use super::workload::Owner;

/// A HorizontalPodAutoscaler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Autoscaler {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// What it scales.
    pub scales: Owner,
    /// The least replicas.
    pub min_replicas: u32,
    /// The most replicas.
    pub max_replicas: u32,
    /// How many there were when it last looked; `None` before it has.
    pub current_replicas: Option<u32>,
    /// How many it last wanted.
    pub desired_replicas: Option<u32>,
    /// What it asks of us.
    pub wants: Box<[Want]>,
}

/// One metric that an autoscaler names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Of what it is asked.
    pub of: Of,
    /// The metric's name.
    pub metric: Arc<str>,
    /// The series wanted.
    pub selector: Selector,
    /// The number that the value is compared with, as it is written there.
    pub target: Goal,
}

/// Of what a metric is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Of {
    /// `type: External`: one number.
    External,
    /// `type: Pods`: a number of each pod.
    Pods,
    /// `type: Object`: the number of this object.
    Object(Owner),
}

/// What a value is compared with: a Kubernetes quantity as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Goal {
    /// The value itself.
    Value(Arc<str>),
    /// The value divided by the replicas.
    AverageValue(Arc<str>),
}
