//! The recipe that is replaced, asked of the same Prometheus: what KEDA would tell the HPA that it makes.

use inferometer::core::hpa::{Behavior, Observation, Spec, Target};
use serde_json::Value as Json;

use super::autoscaler::Autoscaler;
use crate::support::Prometheus;

/// What comes of the usual recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usual {
    /// Its HPA wants so many replicas.
    Wants(u32),
    /// KEDA refuses what Prometheus answers.
    Fails,
}

/// The ScaledObject on a recipe's page.
pub(crate) struct ScaledObject {
    queries: Vec<String>,
    autoscaler: Autoscaler,
}

impl ScaledObject {
    /// Triggers that are no queries are left out.
    pub(crate) fn of(slug: &str) -> Self {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/recipes/{slug}.md"));
        let page = std::fs::read_to_string(path).expect("a recipe has a page");
        let block = page.rsplit("```yaml\n").next().and_then(|rest| rest.split("```").next());
        let object: Json = serde_saphyr::from_str(block.expect("a block")).expect("a ScaledObject");
        let spec = &object["spec"];
        let triggers = spec["triggers"].as_array().expect("triggers").iter();
        let triggers: Vec<&Json> = triggers.filter(|trigger| trigger["type"] == "prometheus").collect();
        let queries = triggers.iter().map(|trigger| text(&trigger["metadata"]["query"]).to_owned()).collect();
        let replicas = |field: &str| spec[field].as_u64().and_then(|count| count.try_into().ok());
        let spec = Spec {
            min_replicas: replicas("minReplicaCount").expect("a minimum"),
            max_replicas: replicas("maxReplicaCount").expect("a maximum"),
            metrics: triggers.iter().map(|trigger| target(trigger)).collect(),
            behavior: Behavior::default(),
        };
        Self { queries, autoscaler: Autoscaler::of(spec) }
    }

    /// Asks as KEDA does, in this namespace instead of `ai`; `None` without a query.
    pub(crate) async fn ask(&self, prometheus: &Prometheus, namespace: &str, replicas: u32) -> Option<Usual> {
        let mut seen = Vec::new();
        for query in &self.queries {
            let query = query.replace("namespace=\"ai\"", &format!("namespace=\"{namespace}\""));
            let found: Vec<f64> = prometheus.query(&query).await.iter().map(|sample| sample.value).collect();
            // With `ignoreNullValues`, which is on by default, nothing and what is no number are 0.
            seen.push(match found[..] {
                [value] if value.is_finite() => Observation::Value(value),
                [] | [_] => Observation::Value(0.0),
                _ => Observation::Unknown("several elements".to_owned()),
            });
        }
        let decision = self.autoscaler.decide(replicas, &seen).decision;
        let usual = if decision.failures.is_empty() { Usual::Wants(decision.desired) } else { Usual::Fails };
        (!self.queries.is_empty()).then_some(usual)
    }
}

/// KEDA's default is `AverageValue`.
fn target(trigger: &Json) -> Target {
    let threshold = text(&trigger["metadata"]["threshold"]).parse().expect("a number");
    if trigger["metricType"] == "Value" { Target::Value(threshold) } else { Target::AverageValue(threshold) }
}

fn text(value: &Json) -> &str {
    value.as_str().expect("a text")
}
