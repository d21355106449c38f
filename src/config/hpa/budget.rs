//! Whether the budgets can hold the autoscalers that they guard.

use std::fmt::Write as _;
use std::sync::Arc;

use super::Names;
use super::of::Of;
use crate::config::schema::start;
use crate::config::source::quoted;
use crate::config::{Diagnostics, Node, Value};
use crate::core::autoscaler::{Autoscaler, Goal, Of as Asked, Want};
use crate::core::budget::{Budget, Guarded};
use crate::core::selector::Selector;
use crate::core::workload::Owner;

/// Warns of metrics that a budget cannot hold, and of those that it cannot hold for two at once.
pub(super) fn check(diags: &mut Diagnostics, autoscalers: &[&Node], names: &Names<'_>) {
    let budgets = names.configuration.map(|configuration| configuration.budgets.as_slice());
    for budget in budgets.unwrap_or_default() {
        let mut asked: Vec<(String, String)> = Vec::new();
        for node in autoscalers.iter().filter(|node| guards(budget, node)) {
            let name = text(node, &["metadata", "name"]).unwrap_or_default();
            others(diags, node, budget);
            for (question, place) in questions(node) {
                match asked.iter().find(|(known, _)| *known == question) {
                    Some((_, first)) if *first != name => {
                        let message = format!(
                            "the budget {} holds {} as well, which asks just this: one value cannot tell each of \
                             them how many replicas it may have",
                            quoted(&budget.name),
                            quoted(first)
                        );
                        diags.warning_at(&place.span, message).hint("give each a `selector` of its own");
                    }
                    _ => asked.push((question, name.to_owned())),
                }
            }
        }
    }
}

fn text<'n>(node: &'n Node, path: &[&str]) -> Option<&'n str> {
    path.iter().try_fold(node, |node, name| node.field(name))?.text()
}

fn metrics(node: &Node) -> &[Node] {
    match node.field("spec").and_then(|spec| spec.field("metrics")).map(|metrics| &metrics.value) {
        Some(Value::Sequence(metrics)) => metrics,
        _ => &[],
    }
}

/// Whether the budget will guard this one. Where the manifest names no namespace, it may be any.
fn guards(budget: &Budget, node: &Node) -> bool {
    let namespace = text(node, &["metadata", "namespace"]);
    let arc = |path: &[&str]| Arc::<str>::from(text(node, path).unwrap_or_default());
    let want = |metric: &Node| {
        let of = metric.field("type").and_then(Node::text).and_then(Of::parse)?;
        let name = text(metric, &[of.field(), "metric", "name"])?;
        Some(Want {
            of: Asked::External,
            metric: name.into(),
            selector: Selector::everything(),
            target: Goal::Value("1".into()),
        })
    };
    let kind: Arc<str> = arc(&["spec", "scaleTargetRef", "kind"]).to_ascii_lowercase().into();
    let one = |namespace: &str| Autoscaler {
        namespace: namespace.into(),
        name: arc(&["metadata", "name"]),
        scales: Owner { kind: Arc::clone(&kind), name: arc(&["spec", "scaleTargetRef", "name"]) },
        min_replicas: 0,
        max_replicas: 0,
        current_replicas: None,
        desired_replicas: None,
        wants: metrics(node).iter().filter_map(want).collect(),
    };
    match namespace {
        Some(namespace) => budget.guards(&one(namespace)),
        None => budget.guards.iter().any(|entry| match &entry.guarded {
            Guarded::Autoscaler { namespace, .. }
            | Guarded::Workload { namespace, .. }
            | Guarded::Namespace(namespace) => entry.guarded.is(&one(namespace)),
            Guarded::Metric(_) => entry.guarded.is(&one("")),
        }),
    }
}

/// Warns of metrics that others answer. A name that nobody here knows is an error already.
fn others(diags: &mut Diagnostics, node: &Node, budget: &Budget) {
    let cannot = |what: &str| {
        let budget = quoted(&budget.name);
        format!("the budget {budget} cannot hold {what}: the HPA takes the largest of its metrics")
    };
    let hint = "leave it out, or replace it by a metric that this server answers";
    if metrics(node).is_empty() {
        let message = cannot("the CPU, which an HPA without `metrics` scales on");
        diags.warning_at(&start(node), message).hint("name a metric that this server answers");
    }
    for metric in metrics(node) {
        let Some(kind) = metric.field("type") else { continue };
        let Some(text) = kind.text().filter(|text| Of::parse(text).is_none()) else { continue };
        diags.warning_at(&kind.span, cannot(&format!("a metric of type {}", quoted(text)))).hint(hint);
    }
}

/// What an autoscaler asks that another may ask just so, and where. Questions about pods are always its
/// own, since it selects the pods of its target.
fn questions(node: &Node) -> Vec<(String, &Node)> {
    let namespace = text(node, &["metadata", "namespace"]).unwrap_or_default();
    let question = |metric| {
        let metric: &Node = metric;
        let of = metric.field("type").and_then(Node::text).and_then(Of::parse)?;
        let source = metric.field(of.field()).filter(|_| of != Of::Pods)?;
        let name = source.field("metric")?.field("name")?;
        let mut question = format!("{namespace} {of} ");
        written(source.field("metric")?, &mut question);
        if let Some(object) = source.field("describedObject") {
            written(object, &mut question);
        }
        Some((question, name))
    };
    metrics(node).iter().filter_map(question).collect()
}

/// What a node says, wherever it stands and in whatever order.
fn written(node: &Node, out: &mut String) {
    match &node.value {
        Value::Mapping(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.text.cmp(&b.text));
            for (key, value) in entries {
                let _ = write!(out, "{{{:?}:", key.text);
                written(value, out);
                out.push('}');
            }
        }
        Value::Sequence(items) => items.iter().for_each(|item| {
            out.push('[');
            written(item, out);
            out.push(']');
        }),
        _ => {
            let _ = write!(out, "{:?}", node.text());
        }
    }
}
