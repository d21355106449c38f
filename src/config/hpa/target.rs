//! Whether an autoscaler's target goes with its metric.

use super::of::Of;
use crate::config::lint::{percent, unreachable};
use crate::config::schema::start;
use crate::config::source::quoted;
use crate::config::{Diagnostics, Node};
use crate::core::metric::{Metric, Semantics};
use crate::core::quantity::Quantity;

pub(super) fn check(diags: &mut Diagnostics, node: &Node, metric: &Metric, of: Of) {
    let Some(kind_node) = node.field("type") else {
        diags.error_at(&start(node), "`target` needs the field `type`");
        return;
    };
    let Some(kind) = kind_node.text() else { return };
    let field = match kind {
        "Value" if of != Of::Pods => "value",
        "AverageValue" => "averageValue",
        _ => {
            diags
                .error_at(
                    &kind_node.span,
                    format!("a metric of type {of} has no target of type {}", quoted(kind)),
                )
                .hint(format!("use `{}`", of.target_type(metric.semantics)));
            return;
        }
    };
    let Some(value_node) = node.field(field) else {
        diags.error_at(&kind_node.span, format!("a target of type {kind} needs the field `{field}`"));
        return;
    };
    let Some(text) = value_node.text() else { return };
    let value = match Quantity::parse(text) {
        Ok(value) if value.milli() > 0 => value,
        Ok(_) => {
            diags.error_at(&value_node.span, "a target is greater than 0");
            return;
        }
        Err(error) => {
            diags.error_at(&value_node.span, error.to_string());
            return;
        }
    };
    let fits = of.suits(metric.semantics, kind);
    if !fits {
        mismatch(diags, kind_node, metric, value);
    }
    let is_one = (value.as_f64() - 1.0).abs() < f64::EPSILON;
    if fits && kind == "AverageValue" && *metric.unit == *"replicas" && !is_one {
        let message = format!("`{}` is in replicas already, and the HPA divides it by {value}", metric.name);
        diags.warning_at(&value_node.span, message).hint("use `averageValue: \"1\"`");
    }
    // A sum's range says nothing of its share for each replica.
    if let (Some((low, high)), true) = (metric.range, fits || kind == "Value") {
        outside(diags, value_node, metric, value.as_f64(), low, high);
    }
}

fn mismatch(diags: &mut Diagnostics, node: &Node, metric: &Metric, value: Quantity) {
    let name = &metric.name;
    let (message, hint) = match metric.semantics {
        Semantics::Extensive => (
            format!(
                "`{name}` grows with the replicas: with `Value` the HPA multiplies it by their number once more"
            ),
            "use `type: AverageValue`, with the target for one replica",
        ),
        Semantics::Intensive => {
            let wanted = match metric.range {
                Some((_, high)) => format!(
                    "ceil(value / {value}) replicas, at most {}, however many run",
                    (high / value.as_f64()).ceil()
                ),
                None => format!("ceil(value / {value}) replicas, however many run"),
            };
            (
                format!(
                    "`{name}` does not grow with the replicas: with `AverageValue` the HPA asks for {wanted}"
                ),
                "use `type: Value`",
            )
        }
    };
    diags.warning_at(&node.span, message).hint(hint);
}

fn outside(diags: &mut Diagnostics, node: &Node, metric: &Metric, value: f64, low: f64, high: f64) {
    if unreachable(value, low, high).is_none() {
        return;
    }
    let name = &metric.name;
    let shown = node.text().unwrap_or_default();
    let message = if value <= low {
        format!("{} is never undercut: `{name}` is {low}..{high}", quoted(shown))
    } else {
        format!("{} can never be exceeded: `{name}` is {low}..{high}", quoted(shown))
    };
    let problem = diags.warning_at(&node.span, message);
    if let Some(meant) = percent(value, low, high).and_then(|meant| Quantity::from_f64(meant).ok()) {
        problem.hint(format!("did you mean \"{meant}\"?"));
    }
}
