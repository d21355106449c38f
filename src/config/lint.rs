//! Advice on definitions that are valid and probably wrong.
//!
//! What is certain to be wrong is an error. What the catalog says of an exporter is only ever a
//! warning: exporters change, and a configuration that served yesterday must load today.

use std::ops::Range;
use std::time::Duration;

use super::promql::{Query, Tree};
use super::schema::metric::Fields;
use super::{Diagnostics, Node, Span};
use crate::catalog::Catalog;
use crate::core::metric::{Aggregate, Direction, Metric, Missing, Scope, Semantics};
use crate::core::time::Human;

mod expression;
mod labels;
mod ratio;
mod series;

/// Four samples at the usual interval of 15 s: fewer make a rate of noise.
const SHORT_WINDOW: Duration = Duration::from_mins(1);
/// Four syncs of the HPA. A stale ratio above its target multiplies the fleet at each of them.
const LONG_HOLD: Duration = Duration::from_mins(1);

/// A query under inspection.
struct Linter<'a> {
    diags: &'a mut Diagnostics,
    node: &'a Node,
    metric: &'a Metric,
    catalog: &'a Catalog,
}

impl Linter<'_> {
    fn span(&self, at: Option<&Range<usize>>) -> Span {
        at.map_or(self.node.span, |at| self.node.part(at))
    }

    fn warn(&mut self, at: Option<&Range<usize>>, message: impl Into<String>, hint: impl Into<String>) {
        let span = self.span(at);
        self.diags.warning_at(&span, message).hint(hint);
    }

    fn error(&mut self, at: Option<&Range<usize>>, message: impl Into<String>, hint: impl Into<String>) {
        let span = self.span(at);
        self.diags.error_at(&span, message).hint(hint);
    }
}

/// Inspects a user's query.
pub(super) fn query(diags: &mut Diagnostics, node: &Node, query: &Query, metric: &Metric, catalog: &Catalog) {
    let tree: Tree<'_> = query.tree();
    let mut linter = Linter { diags, node, metric, catalog };
    expression::check(&mut linter, &tree);
    ratio::check(&mut linter, &tree);
    series::check(&mut linter, &tree);
    if metric.scope == Scope::Namespace {
        labels::check(&mut linter, &tree);
    }
}

/// Inspects what a definition says beside its query.
pub(super) fn metric(diags: &mut Diagnostics, fields: &Fields<'_>, metric: &Metric) {
    let value = fields.value.map(|(_, node)| node.span);
    let is_query = fields.value.is_some_and(|(what, _)| what == "promql");
    if let (Some(window), Some(_)) = (fields.window, metric.window())
        && window.value < SHORT_WINDOW
    {
        short_window(diags, &window.span, window.value);
    }
    if let Some(hold) = fields.hold
        && metric.semantics == Semantics::Intensive
        && hold.value > LONG_HOLD
    {
        diags
            .warning_at(
                &hold.span,
                "a stale ratio or latency above its target multiplies the fleet at every sync",
            )
            .hint("hold an intensive metric for a minute at most");
    }
    // A signal of a composite has no name, and no HPA asks for it.
    if metric.direction == Direction::Falls
        && fields.name.is_some()
        && let Some(span) = fields.direction.map(|direction| direction.span).or(value)
    {
        let hint = if is_query {
            "invert it, like `target / (…)`, and let it rise"
        } else {
            "pair it with a metric that rises, or invert it in a query"
        };
        diags
            .warning_at(&span, "this falls under load: the HPA would remove replicas as load rises")
            .hint(hint);
    }
    if is_query {
        semantics(diags, fields, metric);
    }
    if let (Some(target), Some((low, high))) = (fields.target, metric.range)
        && let Some(message) = unreachable(target.value, low, high)
    {
        let problem = diags.warning_at(&target.span, message);
        if let Some(meant) = percent(target.value, low, high) {
            problem.hint(format!("did you mean {meant}?"));
        }
    }
}

/// Whether a query's type goes with how its series are folded.
fn semantics(diags: &mut Diagnostics, fields: &Fields<'_>, metric: &Metric) {
    let grows = matches!(metric.aggregate, Aggregate::Sum | Aggregate::Count);
    let is_ratio = metric.unit.as_ref() == "ratio";
    let Some(declared) = fields.semantics else { return };
    match (metric.semantics, fields.aggregate) {
        (Semantics::Extensive, Some(aggregate)) if !grows => {
            diags
                .warning_at(
                    &aggregate.span,
                    "this does not grow with the number of replicas, an extensive metric does",
                )
                .hint("use `type: intensive`, or `aggregate: sum`");
        }
        (Semantics::Intensive, Some(aggregate)) if grows => {
            diags
                .warning_at(
                    &aggregate.span,
                    "this grows with the number of replicas, an intensive metric does not",
                )
                .hint("use `type: extensive`, or `aggregate: avg`");
        }
        (Semantics::Extensive, _) if is_ratio => {
            diags
                .warning_at(&declared.span, "a ratio does not grow with the number of replicas")
                .hint("use `type: intensive`; for a sum of ratios, name another unit");
        }
        _ => {}
    }
}

fn short_window(diags: &mut Diagnostics, span: &Span, window: Duration) {
    let window = Human(window);
    diags
        .warning_at(
            span,
            format!("{window} may hold fewer than four samples, which makes a rate noise or nothing"),
        )
        .hint("use `2m`, or at least four scrape intervals");
}

/// Why a target makes no sense for values within bounds.
pub(super) fn unreachable(target: f64, low: f64, high: f64) -> Option<String> {
    if target >= high {
        Some(format!("the values lie within [{low}, {high}], so they never exceed this target"))
    } else if target <= low {
        Some(format!("the values lie within [{low}, {high}], so they never fall below this target"))
    } else {
        None
    }
}

/// The target in the metric's own measure, if it was given in percent.
pub(super) fn percent(target: f64, low: f64, high: f64) -> Option<f64> {
    let meant = target / 100.0;
    (target > 1.0 && meant > low && meant < high).then_some(meant)
}

/// Whether the metric reads zero where there is nothing, by choice.
fn is_zero_when_absent(metric: &Metric) -> bool {
    metric.absent == Missing::Zero
}
