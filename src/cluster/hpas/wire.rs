//! Autoscalers as the API server sends them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use crate::cluster::object::{Body, Meta};
use crate::cluster::pool::Pool;
use crate::core::autoscaler::{Autoscaler, Goal, Of, Want};
use crate::core::selector::Selector;
use crate::core::workload::Owner;

/// An autoscaler of autoscaling/v2, as far as it concerns us.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::cluster) struct AutoscalerObject {
    metadata: Meta,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

impl Body for AutoscalerObject {
    fn meta(&self) -> &Meta {
        &self.metadata
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    scale_target_ref: Reference,
    min_replicas: Option<u32>,
    max_replicas: u32,
    metrics: Option<Vec<Metric>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    current_replicas: Option<u32>,
    desired_replicas: Option<u32>,
    conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Condition {
    #[serde(rename = "type", default)]
    kind: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Reference {
    kind: String,
    name: String,
}

/// One of the metrics. Those of resources are not ours to answer.
#[derive(Debug, Clone, Deserialize)]
struct Metric {
    #[serde(default)]
    external: Option<Named>,
    #[serde(default)]
    pods: Option<Named>,
    #[serde(default)]
    object: Option<Named>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    metric: Identifier,
    target: Target,
    described_object: Option<Reference>,
}

#[derive(Debug, Clone, Deserialize)]
struct Identifier {
    name: String,
    selector: Option<LabelSelector>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LabelSelector {
    match_labels: Option<BTreeMap<String, String>>,
    match_expressions: Option<Vec<Expression>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Expression {
    key: String,
    operator: String,
    values: Option<Vec<String>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    #[serde(default, rename = "type")]
    kind: String,
    value: Option<String>,
    average_value: Option<String>,
}

impl AutoscalerObject {
    /// What is kept of it, and how many of its metrics are left out because their selector is none.
    pub(super) fn trimmed(&self, texts: &mut Pool<Arc<str>>) -> (Autoscaler, usize) {
        let Self { metadata, spec, status } = self;
        let metrics: Vec<&Metric> = spec.metrics.iter().flatten().collect();
        let mut bad = 0;
        let mut wants = Vec::new();
        for Metric { external, pods, object } in metrics {
            let external = external.iter().map(|named| (named, Of::External));
            let pods = pods.iter().map(|named| (named, Of::Pods));
            let object = object.iter().filter_map(|named| {
                let described = named.described_object.as_ref()?;
                Some((named, Of::Object(owner(texts, described))))
            });
            let all: Vec<(&Named, Of)> = external.chain(pods).chain(object).collect();
            for (named, of) in all {
                let Some(target) = goal(texts, &named.target, &of) else { continue };
                match named.metric.selector.as_ref().map_or(Some(Selector::everything()), selector) {
                    Some(selector) => {
                        wants.push(Want { of, metric: texts.text(&named.metric.name), selector, target });
                    }
                    None => bad += 1,
                }
            }
        }
        let (current_replicas, desired_replicas) = status.replicas(spec.min_replicas.unwrap_or(1));
        let autoscaler = Autoscaler {
            namespace: texts.text(&metadata.namespace),
            name: texts.text(&metadata.name),
            scales: owner(texts, &spec.scale_target_ref),
            min_replicas: spec.min_replicas.unwrap_or(1),
            max_replicas: spec.max_replicas,
            current_replicas,
            desired_replicas,
            wants: wants.into(),
        };
        (autoscaler, bad)
    }
}

impl Status {
    /// The replicas that the controller has found, and those that it has decided on.
    fn replicas(&self, min: u32) -> (Option<u32>, Option<u32>) {
        let conditions = self.conditions.as_deref().unwrap_or_default();
        // Before the controller has looked, the server shows a count of 0 that nobody counted.
        let has_looked = !conditions.is_empty();
        let current = has_looked.then(|| self.current_replicas.unwrap_or(0));
        let desired = has_looked.then(|| self.desired_replicas.unwrap_or(0));
        // And while it has looked but could not decide, a wish for 0 that nobody had. With each decision
        // it notes whether its bounds limited it.
        let may_want_none = min == 0 && conditions.iter().any(|one| one.kind == "ScalingLimited");
        (current, desired.filter(|wanted| *wanted > 0 || current == Some(0) || may_want_none))
    }
}

fn owner(texts: &mut Pool<Arc<str>>, Reference { kind, name }: &Reference) -> Owner {
    Owner { kind: texts.text(&kind.to_ascii_lowercase()), name: texts.text(name) }
}

/// What the controller compares with: of pods always the mean, of others what the target's type says. Where
/// both fields are there, the API server lets the other one stand.
fn goal(texts: &mut Pool<Arc<str>>, target: &Target, of: &Of) -> Option<Goal> {
    let is_mean = *of == Of::Pods || target.kind == "AverageValue" || target.value.is_none();
    if is_mean {
        Some(Goal::AverageValue(texts.text(target.average_value.as_deref()?)))
    } else {
        Some(Goal::Value(texts.text(target.value.as_deref()?)))
    }
}

/// The selector that the controller sends for this one; `None` if it is none.
fn selector(given: &LabelSelector) -> Option<Selector> {
    let mut requirements = Vec::new();
    for (key, value) in given.match_labels.iter().flatten() {
        if !is_plain(key) || !is_plain(value) {
            return None;
        }
        requirements.push(format!("{key}={value}"));
    }
    for Expression { key, operator, values } in given.match_expressions.iter().flatten() {
        let values = values.as_deref().unwrap_or_default();
        if !is_plain(key) || !values.iter().all(|value| is_plain(value)) {
            return None;
        }
        requirements.push(match (operator.as_str(), values) {
            ("In", [_, ..]) => format!("{key} in ({})", values.join(",")),
            ("NotIn", [_, ..]) => format!("{key} notin ({})", values.join(",")),
            ("Exists", []) => key.clone(),
            ("DoesNotExist", []) => format!("!{key}"),
            _ => return None,
        });
    }
    Selector::parse(&requirements.join(",")).ok()
}

/// Whether a key or value means in the selector's text what it means by itself.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
}
