//! The derivation of a number, for people: what `explain=true` and `inferometer explain` show.

use serde::{Deserialize, Serialize};

use super::types::rfc3339_seconds;
use crate::core::autoscaler::{Autoscaler, Goal, Of, Want};
use crate::core::metric::Metric;
use crate::core::reading::Derivation;
use crate::core::selector::Selector;
use crate::core::workload::Owner;
use crate::engine::Explained;

/// Every step from source to HPA.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    kind: String,
    api_version: String,
    /// What the metric is.
    pub metric: MetricFacts,
    /// The request's namespace.
    pub namespace: String,
    /// The request's selector in canonical form.
    pub selector: String,
    /// The source that is read.
    pub source: String,
    /// What the HPA gets, if it gets a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<AnswerFacts>,
    /// Why it gets none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<RefusalFacts>,
    /// The steps.
    pub derivation: Derivation,
    /// Who asks for the metric in this namespace, whatever the selector.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub autoscalers: Vec<AutoscalerFacts>,
}

/// What a metric is.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricFacts {
    /// The name asked for.
    pub name: String,
    /// One sentence.
    pub help: String,
    /// The unit of the value.
    pub unit: String,
    /// `extensive` or `intensive`.
    #[serde(rename = "type")]
    pub semantics: String,
    /// The HPA target type that fits.
    pub target_type: String,
    /// What load does to it.
    pub direction: String,
    /// The values it can take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(f64, f64)>,
    /// A target to start from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggested_target: Option<f64>,
    /// The window of its rates in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_seconds: Option<u64>,
    /// How long a last value is held, in seconds.
    pub hold_seconds: f64,
}

/// What the HPA gets.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnswerFacts {
    /// The quantity.
    pub value: String,
    /// The number before it was rounded to thousandths.
    pub exact: f64,
    /// The time of the oldest sample behind it.
    pub timestamp: String,
    /// Its age in seconds.
    pub age_seconds: f64,
    /// Whether the source has fallen silent.
    pub held: bool,
}

/// Why the HPA gets nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RefusalFacts {
    /// A short word.
    pub reason: String,
    /// The sentence in the HPA's condition.
    pub message: String,
}

/// One metric of a HorizontalPodAutoscaler: one that names several of ours comes several times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalerFacts {
    /// Its name.
    pub name: String,
    /// What it scales, as `deployment/llama`.
    pub scales: String,
    /// Of what it asks: `External`, `Pods`, or `Object service/llama`.
    pub of: String,
    /// The series that it asks for; empty for all of them.
    pub selector: String,
    /// What it compares the value with, as `AverageValue 16`.
    pub target: String,
    /// The least replicas.
    pub min_replicas: u32,
    /// The most replicas.
    pub max_replicas: u32,
    /// How many there were when it last looked, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_replicas: Option<u32>,
    /// How many it last wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_replicas: Option<u32>,
}

impl Explanation {
    /// What the engine tells, in the form that is served.
    pub fn new(explained: &Explained, namespace: &str, selector: &Selector) -> Self {
        let (answer, refusal) = match &explained.outcome {
            Ok(reading) => {
                let answer = AnswerFacts {
                    value: reading.quantity.to_string(),
                    exact: reading.value,
                    timestamp: rfc3339_seconds(reading.at.as_millis()),
                    age_seconds: explained.now.since(reading.sampled_at).as_secs_f64(),
                    held: reading.held,
                };
                (Some(answer), None)
            }
            Err(refusal) => {
                let refusal =
                    RefusalFacts { reason: refusal.reason().to_owned(), message: refusal.to_string() };
                (None, Some(refusal))
            }
        };
        let metric = MetricFacts::new(&explained.binding.metric);
        let autoscalers = explained.autoscalers.iter();
        let autoscalers = autoscalers.flat_map(|one| AutoscalerFacts::all(one, &metric.name)).collect();
        Self {
            kind: "MetricExplanation".to_owned(),
            api_version: "inferometer.dev/v1alpha1".to_owned(),
            metric,
            namespace: namespace.to_owned(),
            selector: selector.to_string(),
            source: explained.binding.source_name.clone(),
            answer,
            refusal,
            derivation: explained.derivation.clone(),
            autoscalers,
        }
    }
}

impl AutoscalerFacts {
    /// What `autoscaler` wants of `metric`.
    fn all(autoscaler: &Autoscaler, metric: &str) -> impl Iterator<Item = Self> {
        let wants = autoscaler.wants.iter().filter(move |want| *want.metric == *metric);
        wants.map(move |want| Self::new(autoscaler, want))
    }

    fn new(autoscaler: &Autoscaler, want: &Want) -> Self {
        let object = |owner: &Owner| format!("{}/{}", owner.kind, owner.name);
        Self {
            name: autoscaler.name.to_string(),
            scales: object(&autoscaler.scales),
            of: match &want.of {
                Of::External => "External".to_owned(),
                Of::Pods => "Pods".to_owned(),
                Of::Object(one) => format!("Object {}", object(one)),
            },
            selector: want.selector.to_string(),
            target: match &want.target {
                Goal::Value(value) => format!("Value {value}"),
                Goal::AverageValue(value) => format!("AverageValue {value}"),
            },
            min_replicas: autoscaler.min_replicas,
            max_replicas: autoscaler.max_replicas,
            current_replicas: autoscaler.current_replicas,
            desired_replicas: autoscaler.desired_replicas,
        }
    }
}

impl MetricFacts {
    /// What a metric is, in words.
    pub fn new(metric: &Metric) -> Self {
        Self {
            name: metric.name.to_string(),
            help: metric.help.to_string(),
            unit: metric.unit.to_string(),
            semantics: metric.semantics.to_string(),
            target_type: metric.semantics.target_type().to_owned(),
            direction: metric.direction.to_string(),
            range: metric.range,
            suggested_target: metric.target.as_ref().map(|target| target.value),
            window_seconds: metric.window().map(|window| window.as_secs()),
            hold_seconds: metric.hold.as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests;
