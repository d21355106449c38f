//! The metrics of one autoscaler that are ours to answer. Its other fields are Kubernetes' business.

use super::of::{self, Of};
use super::{Names, selector, target};
use crate::config::decode::accept;
use crate::config::schema::start;
use crate::config::{Diagnostics, Node, Value, names};
use crate::core::metric::{Direction, Metric, Scope};
use crate::core::signal::Signal;

/// Checks an autoscaler and returns the metrics that it names and that exist.
pub(super) fn check(diags: &mut Diagnostics, node: &Node, names: &Names<'_>) -> Vec<Metric> {
    let Some(spec) = node.field("spec") else {
        diags.error_at(&start(node), "this autoscaler has no `spec`");
        return Vec::new();
    };
    let Some(Value::Sequence(metrics)) = spec.field("metrics").map(|metrics| &metrics.value) else {
        return Vec::new();
    };
    let checked = metrics.iter().filter_map(|metric| {
        let of = metric.field("type").and_then(Node::text).and_then(Of::parse)?;
        self::metric(diags, metric, of, names)
    });
    checked.collect()
}

fn metric(diags: &mut Diagnostics, node: &Node, of: Of, names: &Names<'_>) -> Option<Metric> {
    let source = needed(diags, node, &format!("a metric of type {of}"), of.field())?;
    let within = format!("`{}`", of.field());
    let target = needed(diags, source, &within, "target");
    let of = if of == Of::Object { object(diags, source) } else { of };
    let metric = needed(diags, source, &within, "metric")?;
    let name_node = needed(diags, metric, "`metric`", "name")?;
    let name = name_node.text()?;
    let selector = metric.field("selector");
    let selects = selector.is_some_and(|selector| selector::check(diags, selector));

    let Some(found) = names.resolve(name) else {
        if !names.is_partial {
            let own =
                names.configuration.iter().flat_map(|own| &own.metrics).map(|metric| metric.name.as_ref());
            accept::<()>(diags, name_node, Err(names::unknown(names.catalog, "metric", name, own)));
        }
        return None;
    };
    let reads_series = found.inputs.iter().any(|input| matches!(*input.signal, Signal::Series(_)));
    // A query of the user's own may well have its matchers in itself. Pods and objects are a choice.
    if of == Of::External && !selects && reads_series && found.scope == Scope::Namespace {
        diags
            .warning_at(&name_node.span, "without a selector, every series of the namespace counts")
            .hint("add a `selector`: for `deployment`, `model`, or another label of the pods or the series");
    }
    direction(diags, name_node, &found, names);
    if let Some(node) = target {
        target::check(diags, node, &found, of);
    }
    Some(found)
}

/// A field that must be there.
fn needed<'n>(diags: &mut Diagnostics, node: &'n Node, what: &str, name: &str) -> Option<&'n Node> {
    let found = node.field(name);
    if found.is_none() {
        diags.error_at(&start(node), format!("{what} needs the field `{name}`"));
    }
    found
}

fn object(diags: &mut Diagnostics, source: &Node) -> Of {
    let Some(described) = needed(diags, source, "`object`", "describedObject") else { return Of::Object };
    for name in ["kind", "name"] {
        needed(diags, described, "`describedObject`", name);
    }
    of::described(diags, described)
}

/// Says what load does to the metric, if it does not make it rise.
fn direction(diags: &mut Diagnostics, node: &Node, metric: &Metric, names: &Names<'_>) {
    let name = &*metric.name;
    match metric.direction {
        Direction::Rises => {}
        // A floor by the clock is not meant to follow load.
        Direction::Neither
            if metric.inputs.iter().any(|input| matches!(*input.signal, Signal::Schedule(_))) => {}
        Direction::Falls => {
            let message = format!("`{name}` falls under load: the HPA removes replicas as load rises");
            diags
                .warning_at(&node.span, message)
                .hint("pair it with a metric that rises, or invert it in a query");
        }
        Direction::Neither => {
            let remark = names.catalog.note(name);
            let problem = diags.warning_at(&node.span, format!("`{name}` does not follow load"));
            if let Some(remark) = remark {
                problem.hint(remark);
            }
        }
    }
}
