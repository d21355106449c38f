//! One metric as the catalog prints it.

use serde::Serialize;

use crate::api::explain::MetricFacts;
use crate::catalog::{AGGREGATES, Catalog, STATISTICS, promql};
use crate::core::composite;
use crate::core::expression::Expression;
use crate::core::freshness::Coverage;
use crate::core::metric::{Formula, Input, Scope};
use crate::core::signal::{Kind, Signal};
use crate::core::time::Human;

/// How names begin, and what those metrics have in common.
pub(super) const GROUPS: [(&str, &str); 8] = [
    ("inference_", "Inference engines"),
    ("gateway_", "Gateways, routers and serving layers before engines"),
    ("gpu_", "Devices"),
    ("server_gpu_", "Devices as an inference server sees them"),
    ("replicas_", "Replicas"),
    ("cost_", "Cost"),
    ("redis_", "Redis"),
    ("triton_", "Triton, by the names that its users know"),
];

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    #[serde(flatten)]
    pub(super) facts: MetricFacts,
    pub(super) aggregate: String,
    pub(super) scope: &'static str,
    pub(super) providers: Vec<Provider>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) composite: Option<Composite>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) suffixes: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Provider {
    pub(super) engine: String,
    pub(super) title: String,
    pub(super) series: Vec<String>,
    pub(super) promql: String,
    /// What is made of the query's parts: `$1` is part 0, `$2` part 1, and so on.
    pub(super) formula: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) caveat: Option<String>,
}

/// How a metric is made of others.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Composite {
    pub(super) signals: Vec<Part>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) each: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
}

/// A signal of a composite.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) metric: String,
    /// Of a distribution, the share up to here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) share_below: Option<f64>,
    /// Where it is not the metric's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window: Option<String>,
    pub(super) missing: String,
}

impl Composite {
    fn new(composite: &composite::Composite, catalog: &Catalog) -> Self {
        let source = |one: &Option<Expression>| {
            one.as_ref().map(|one| one.source().split_whitespace().collect::<Vec<_>>().join(" "))
        };
        let part = |part: &composite::Part| {
            let own = catalog.resolve(&part.metric.name).and_then(|metric| metric.window());
            let window =
                part.metric.window().filter(|window| Some(*window) != own && !part.metric.inputs.is_empty());
            Part {
                name: part.name.to_string(),
                metric: part.metric.name.to_string(),
                share_below: part.metric.inputs.first().and_then(|input| match input.formula {
                    Formula::Share { upto, .. } => Some(upto),
                    _ => None,
                }),
                window: window.map(|window| Human(window).to_string()),
                missing: part.missing.to_string(),
            }
        };
        Self {
            signals: composite.parts.iter().map(part).collect(),
            each: source(&composite.each),
            value: source(&composite.value),
        }
    }
}

impl Part {
    /// As a configuration says it.
    pub(super) fn settings(&self) -> String {
        let share = self.share_below.map(|below| format!(", share: {{ below: {below} }}"));
        let window = self.window.as_ref().map(|window| format!(", window: {window}"));
        let missing = match self.missing.as_str() {
            "required" => None,
            "optional" => Some(", optional: true".to_owned()),
            default => Some(format!(", {}", default.replacen(' ', ": ", 1))),
        };
        let rest = [share, window, missing].map(Option::unwrap_or_default).concat();
        format!("{{ preset: {}{rest} }}", self.metric)
    }
}

/// The metric of this name, if there is one.
pub(super) fn entry(catalog: &Catalog, name: &str) -> Option<Entry> {
    let metric = catalog.resolve(name)?;
    let presets = catalog.presets(name);
    let provider = |input: &Input| {
        let preset = presets.iter().find(|preset| catalog.engine_of(preset).name == input.engine);
        let engine = catalog.engines().iter().find(|engine| engine.name == input.engine);
        Provider {
            engine: input.engine.to_string(),
            title: engine.map(|engine| engine.title.clone()).unwrap_or_default(),
            series: series(&input.signal),
            promql: promql::compile(&input.signal, &Coverage::Cluster),
            formula: input.formula.to_string(),
            caveat: preset.and_then(|preset| preset.caveat.clone()),
        }
    };
    let statistics = STATISTICS.iter().map(|(suffix, _)| *suffix);
    let aggregates = AGGREGATES.iter().map(|(suffix, _)| *suffix);
    let all = statistics.chain(aggregates).filter(|_| !presets.is_empty() || metric.composite.is_some());
    let suffixes = all.filter(|suffix| catalog.resolve(&format!("{name}{suffix}")).is_some()).collect();
    Some(Entry {
        aggregate: metric.aggregate.to_string(),
        scope: match metric.scope {
            Scope::Namespace => "namespace",
            Scope::Cluster => "cluster",
        },
        target_reason: metric.target.as_ref().and_then(|target| target.why.clone()),
        note: catalog.note(name).map(str::to_owned),
        composite: metric.composite.as_ref().map(|composite| Composite::new(composite, catalog)),
        providers: metric.inputs.iter().map(provider).collect(),
        suffixes,
        facts: MetricFacts::new(&metric),
    })
}

/// What is read, each series by its name.
fn series(signal: &Signal) -> Vec<String> {
    let Signal::Series(signal) = signal else { return vec![signal.to_string()] };
    let term_series = signal.terms.iter().flat_map(|term| {
        let parts = if term.kind == Kind::Mean { "{_sum,_count}" } else { "" };
        let own = term.series.iter().map(move |series| format!("{}{parts}", series.name));
        own.chain(term.factor.iter().map(|factor| factor.series.name.clone()))
    });
    term_series.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_in_one_group() {
        let catalog = Catalog::built_in().expect("loads");
        for name in catalog.names() {
            let groups = GROUPS.iter().filter(|(prefix, _)| name.starts_with(prefix)).count();
            assert_eq!(groups, 1, "{name}");
        }
    }
}
