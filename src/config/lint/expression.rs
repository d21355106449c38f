//! Rules on the shape of an expression alone.

use promql_parser::label::MatchOp;
use promql_parser::parser::{AggregateExpr, BinaryExpr, Expr, LabelModifier};

use super::{Linter, SHORT_WINDOW, is_zero_when_absent, short_window};
use crate::config::promql::Tree;

/// Functions that take the change over a range of samples.
const RATES: [&str; 3] = ["rate", "increase", "irate"];

/// The name of the function that this calls.
pub(super) fn function<'e>(tree: &Tree<'e>) -> Option<&'e str> {
    if let Expr::Call(call) = tree.expr { Some(call.func.name) } else { None }
}

pub(super) fn is_rate(tree: &Tree<'_>) -> bool {
    function(tree).is_some_and(|name| RATES.contains(&name))
}

/// Whether any node below, or this one, is wanted.
pub(super) fn any(tree: &Tree<'_>, wanted: impl Fn(&Tree<'_>) -> bool) -> bool {
    let mut found = false;
    tree.walk(&mut |node, _| found |= wanted(node));
    found
}

/// The name of the series that this selects.
pub(super) fn series_name<'e>(tree: &Tree<'e>) -> Option<&'e str> {
    match tree.expr {
        Expr::VectorSelector(selector) => selector.name.as_deref(),
        Expr::MatrixSelector(matrix) => matrix.vs.name.as_deref(),
        _ => None,
    }
}

pub(super) fn check(linter: &mut Linter<'_>, tree: &Tree<'_>) {
    filter(linter, tree);
    let mut quantiles = Vec::new();
    let mut ranges = Vec::new();
    let mut regexes = Vec::new();
    tree.walk(&mut |node, above| {
        if function(node) == Some("histogram_quantile") {
            quantiles.push(node);
        }
        if let Expr::MatrixSelector(matrix) = node.expr
            && above.last().is_some_and(|call| is_rate(call))
            && matrix.range < SHORT_WINDOW
        {
            ranges.push((node, matrix.range));
        }
        let matchers = match node.expr {
            Expr::VectorSelector(selector) => Some(&selector.matchers),
            Expr::MatrixSelector(matrix) => Some(&matrix.vs.matchers),
            _ => None,
        };
        let mut names =
            matchers.map(|matchers| matchers.find_matchers("__name__")).unwrap_or_default().into_iter();
        if names.any(|matcher| matches!(matcher.op, MatchOp::Re(_) | MatchOp::NotRe(_))) {
            regexes.push(node);
        }
    });
    for node in quantiles {
        quantile(linter, node);
    }
    for (node, range) in ranges {
        let span = linter.span(node.at.as_ref());
        short_window(linter.diags, &span, range);
    }
    for node in regexes {
        linter.warn(
            node.at.as_ref(),
            "names by regular expression count a pod twice that exports both",
            "join series by series: `new_name or old_name`",
        );
    }
}

/// A comparison at the top passes some values on and drops the others.
fn filter(linter: &mut Linter<'_>, tree: &Tree<'_>) {
    let Expr::Binary(binary) = tree.expr else { return };
    if is_zero_when_absent(linter.metric) {
        return;
    }
    if is_filter(binary) {
        linter.warn(
            tree.at.as_ref(),
            "this comparison drops what does not fulfil it: there is no value then, and the HPA holds still",
            format!("write `{} bool` for 1 or 0, or say `absent: zero`", binary.op),
        );
    } else if binary.op.to_string() == "and"
        && matches!(tree.children[1].expr, Expr::Binary(condition) if is_filter(condition))
    {
        linter.warn(
            tree.at.as_ref(),
            "there is no value while this condition is false, so the HPA holds still rather than scale down",
            "say `absent: zero`, or make the condition a factor: `… * (… < bool …)`",
        );
    }
}

fn is_filter(binary: &BinaryExpr) -> bool {
    binary.op.is_comparison_operator() && !binary.return_bool()
}

fn quantile(linter: &mut Linter<'_>, call: &Tree<'_>) {
    let Some(argument) = call.children.get(1) else { return };
    let is_bucket = |node: &Tree<'_>| series_name(node).is_some_and(|name| name.ends_with("_bucket"));
    // A native histogram has no `le` and no buckets by name.
    if !any(argument, is_bucket) {
        return;
    }
    match by_le(argument) {
        ByLe::Dropped(at) => linter.error(
            at.as_ref(),
            "this drops the label `le`, without which there are no buckets to take a quantile of",
            "aggregate with `sum by (namespace, pod, le) (…)`",
        ),
        ByLe::Missing => linter.warn(
            call.at.as_ref(),
            "this takes a quantile of each series by itself",
            "add the buckets up first: `sum by (namespace, pod, le) (rate(…))`",
        ),
        ByLe::Kept => {}
    }
    let mut raw = Vec::new();
    argument.walk(&mut |node, above| {
        let is_ranged = above.iter().any(|node| is_rate(node));
        if is_bucket(node) && matches!(node.expr, Expr::VectorSelector(_)) && !is_ranged {
            raw.push(node.at.clone());
        }
    });
    for at in raw {
        linter.warn(
            at.as_ref(),
            "without a rate this is the quantile of everything since the process started",
            "write `rate(…_bucket[2m])`",
        );
    }
}

enum ByLe {
    /// Buckets are added up by `le`.
    Kept,
    /// Nothing is added up.
    Missing,
    /// Buckets are added up across `le`.
    Dropped(Option<std::ops::Range<usize>>),
}

fn by_le(tree: &Tree<'_>) -> ByLe {
    match tree.expr {
        Expr::Aggregate(AggregateExpr { modifier, .. }) => {
            let keeps = match modifier {
                Some(LabelModifier::Include(labels)) => labels.labels.iter().any(|label| label == "le"),
                Some(LabelModifier::Exclude(labels)) => !labels.labels.iter().any(|label| label == "le"),
                None => false,
            };
            if keeps { ByLe::Kept } else { ByLe::Dropped(tree.at.clone()) }
        }
        // A correction on the way (a scalar factor, `or`, a renamed label) changes nothing of it;
        // the worst of both sides counts.
        _ if is_rate(tree) => ByLe::Missing,
        _ => {
            let vectors = tree.children.iter().filter(|child| child.place().is_some());
            vectors.map(by_le).fold(ByLe::Kept, |worst, one| match (worst, one) {
                (ByLe::Dropped(at), _) | (_, ByLe::Dropped(at)) => ByLe::Dropped(at),
                (ByLe::Missing, _) | (_, ByLe::Missing) => ByLe::Missing,
                (ByLe::Kept, ByLe::Kept) => ByLe::Kept,
            })
        }
    }
}
