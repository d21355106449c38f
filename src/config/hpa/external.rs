//! The External metrics of one autoscaler. Its other fields are Kubernetes' business.

use super::{Names, selector, target};
use crate::config::decode::accept;
use crate::config::schema::start;
use crate::config::{Diagnostics, Node, Value, names};
use crate::core::metric::{Direction, Metric, Scope};
use crate::core::signal::Signal;

/// Checks an autoscaler and returns the metrics that it names and that exist.
pub(super) fn autoscaler(diags: &mut Diagnostics, node: &Node, names: &Names<'_>) -> Vec<Metric> {
    let Some(spec) = node.field("spec") else {
        diags.error_at(&start(node), "this autoscaler has no `spec`");
        return Vec::new();
    };
    let Some(Value::Sequence(metrics)) = spec.field("metrics").map(|metrics| &metrics.value) else {
        return Vec::new();
    };
    let external =
        metrics.iter().filter(|metric| metric.field("type").and_then(Node::text) == Some("External"));
    external.filter_map(|metric| self::external(diags, metric, names)).collect()
}

fn external(diags: &mut Diagnostics, node: &Node, names: &Names<'_>) -> Option<Metric> {
    let part = |diags: &mut Diagnostics, node: &Node, of: &str, name: &str| {
        if node.field(name).is_none() {
            diags.error_at(&start(node), format!("{of} needs the field `{name}`"));
        }
    };
    let Some(external) = node.field("external") else {
        part(diags, node, "a metric of type External", "external");
        return None;
    };
    part(diags, external, "`external`", "target");
    let Some(metric) = external.field("metric") else {
        part(diags, external, "`external`", "metric");
        return None;
    };
    part(diags, metric, "`metric`", "name");
    let name_node = metric.field("name")?;
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
    // A query of the user's own may well have its matchers in itself.
    if !selects && reads_series && found.scope == Scope::Namespace {
        diags
            .warning_at(&name_node.span, "without a selector, every series of the namespace counts")
            .hint("add a `selector` for `engine`, `model`, `pod` or a label of the series themselves");
    }
    match found.direction {
        Direction::Rises => {}
        Direction::Falls => {
            let message = format!("`{name}` falls under load: the HPA removes replicas as load rises");
            diags
                .warning_at(&name_node.span, message)
                .hint("pair it with a metric that rises, or invert it in a query");
        }
        Direction::Neither => {
            let remark = names.catalog.presets(name).first().and_then(|preset| preset.facts.note.clone());
            let problem = diags.warning_at(&name_node.span, format!("`{name}` does not follow load"));
            if let Some(remark) = remark {
                problem.hint(remark);
            }
        }
    }
    if let Some(node) = external.field("target") {
        target::check(diags, node, &found);
    }
    Some(found)
}
