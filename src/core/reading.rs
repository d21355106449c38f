//! Readings: the final value, and how it came about.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::guard::GuardStep;
use super::quantity::Quantity;
use super::schedule::Transition;
use super::series::Labels;
use super::signal::{Element, Signal};
use super::time::Timestamp;

/// So many changes of a schedule are told beforehand.
const TRANSITIONS: usize = 4;

/// What the HPA gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The value in the metric's unit, as it was computed.
    pub value: f64,
    /// The same as it is told to the HPA.
    pub quantity: Quantity,
    /// When the oldest sample behind it was taken, by the source's clock.
    pub at: Timestamp,
    /// The same by our clock, for ages.
    pub sampled_at: Timestamp,
    /// The window of the rates behind it.
    pub window: Option<Duration>,
    /// Whether its source has fallen silent, so that the value is the last known one or a fallback's.
    pub held: bool,
    /// When it ceases to be servable unless something new is read.
    pub expires: Timestamp,
    /// How many pods or devices it was folded from.
    pub elements: usize,
}

impl Reading {
    /// The same for what goes on from the number that the HPA is told: a negative one that is told as zero is zero.
    #[must_use]
    pub fn as_told(self) -> Self {
        Self { value: self.value.max(0.0), ..self }
    }

    /// The window as the APIs write it, in seconds.
    pub fn window_seconds(&self) -> Option<i64> {
        self.window.map(|window| i64::try_from(window.as_secs()).unwrap_or(i64::MAX))
    }
}

/// Every step that led to a reading or a refusal, for people.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Derivation {
    /// One for each engine or query that was looked at.
    pub inputs: Vec<InputStep>,
    /// The pods or devices with their own values, after duplicates were joined.
    pub elements: Vec<ElementStep>,
    /// How they were folded.
    pub aggregate: String,
    /// What a composite is made of, each part as if it had been asked for alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartStep>,
    /// What is computed from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expression: Option<ExpressionStep>,
    /// What guards made of the value, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<GuardStep>,
}

/// A part of a composite in a derivation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartStep {
    /// What the expressions call it.
    pub name: String,
    /// The metric that it is.
    pub metric: String,
    /// Its value; `None` for what is joined pod by pod, and for what is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Why it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// What it means that it is missing: `required`, `optional` or `default 0`.
    pub missing: String,
    /// How it came about.
    pub derivation: Derivation,
}

/// What a composite computes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpressionStep {
    /// For each pod or device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<String>,
    /// From what was folded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What of the workload went into it: `ready`, `loading` and so on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, f64>,
}

/// What one input contributed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InputStep {
    /// The engine, or the source's name for a user's query.
    pub engine: Arc<str>,
    /// The signal by the names of its series.
    pub signal: String,
    /// What was asked of the source.
    pub query: Arc<str>,
    /// The formula in words.
    pub formula: String,
    /// Series found in the whole cluster.
    pub series: usize,
    /// Of those, in the namespace.
    pub in_namespace: usize,
    /// Of those, of pods that are gone, ending or not in this cluster, and therefore left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gone: usize,
    /// Of the rest, matching the selector.
    pub selected: usize,
    /// How long ago the source was last read, in seconds.
    pub read_seconds_ago: Option<f64>,
    /// How often it is read, in seconds.
    pub interval_seconds: f64,
    /// How often the source renews its samples, in seconds, once seen.
    pub sample_interval_seconds: Option<f64>,
    /// The age up to which a sample is served, in seconds.
    pub limit_seconds: f64,
    /// What went wrong at the latest attempt.
    pub failure: Option<Arc<str>>,
    /// What the source remarked on its answer.
    pub warnings: Arc<[String]>,
    /// What comes next, of a schedule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<TransitionStep>,
}

/// A change of a schedule's value that is to come.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransitionStep {
    /// When, in UTC, in RFC 3339.
    pub at: String,
    /// The same as the clocks of the schedule's time zone show it.
    pub local: String,
    /// The value from then on.
    pub value: f64,
}

impl TransitionStep {
    /// The next changes of `signal` after `now`, if it is a schedule.
    pub fn next(signal: &Signal, now: Timestamp) -> Vec<Self> {
        let Signal::Schedule(schedule) = signal else { return Vec::new() };
        let step = |Transition { at, value }| Self { at: utc(at), local: schedule.local(at), value };
        schedule.next(now, TRANSITIONS).into_iter().map(step).collect()
    }
}

/// A time in RFC 3339.
fn utc(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default().to_string()
}

// serde hands over a reference, whatever the size of the field.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One pod or device in a derivation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ElementStep {
    /// The pod, or the device and its pod.
    pub name: String,
    /// Its own value; `None` when it is idle (a ratio of nothing).
    pub value: Option<f64>,
    /// The age of its oldest sample in seconds.
    pub age_seconds: f64,
}

impl ElementStep {
    /// The name a person knows an element by.
    pub fn name_of(labels: &Labels, element: &Element) -> String {
        let pod = labels.get("pod");
        let device = match element {
            Element::Device(names) => {
                let known: Vec<&str> = names.iter().filter_map(|name| labels.get(name)).collect();
                // Old exporters tell devices apart by their index alone.
                (!known.is_empty()).then(|| known.join("/")).or_else(|| labels.get("gpu").map(str::to_owned))
            }
            Element::Pod | Element::Series => None,
        };
        // A pod's name stands for all its engines.
        let index = labels.get("engine_index").filter(|_| *element != Element::Pod);
        let index = index.map(|index| format!(" engine {index}")).unwrap_or_default();
        match (pod, device) {
            (Some(pod), Some(device)) => format!("{pod} {device}"),
            (Some(pod), None) => format!("{pod}{index}"),
            (None, Some(device)) => device,
            (None, None) => labels.get("instance").map_or_else(
                || labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(","),
                str::to_owned,
            ),
        }
    }
}
