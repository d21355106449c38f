//! The derivation of a number, for people: what `explain=true` and `inferometer explain` show.

use serde::{Deserialize, Serialize};

use super::types::rfc3339_seconds;
use crate::core::metric::Metric;
use crate::core::reading::Derivation;
use crate::core::selector::Selector;
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
        Self {
            kind: "MetricExplanation".to_owned(),
            api_version: "inferometer.dev/v1alpha1".to_owned(),
            metric: MetricFacts::new(&explained.binding.metric),
            namespace: namespace.to_owned(),
            selector: selector.to_string(),
            source: explained.binding.source_name.clone(),
            answer,
            refusal,
            derivation: explained.derivation.clone(),
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
