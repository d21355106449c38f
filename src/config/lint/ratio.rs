//! Rules on ratios: means of them, and percents declared as shares of 1.

use promql_parser::parser::{Expr, NumberLiteral};

use super::Linter;
use super::expression::{any, is_rate, series_name};
use crate::config::promql::Tree;

pub(super) fn check(linter: &mut Linter<'_>, tree: &Tree<'_>) {
    let mut means = Vec::new();
    let mut ones = Vec::new();
    tree.walk(&mut |node, above| {
        let Expr::Binary(binary) = node.expr else { return };
        if binary.op.to_string() != "/" {
            return;
        }
        let rates = |side: &Tree<'_>| {
            any(side, is_rate) && !any(side, |node| matches!(node.expr, Expr::Aggregate(_)))
        };
        if let Some(mean) = above.last().filter(|node| is_mean(node))
            && node.children.iter().all(rates)
        {
            means.push(mean.at.clone());
        }
        let is_selection = any(node, |node| series_name(node).is_some());
        if is_selection && binary.lhs == binary.rhs {
            ones.push(node.at.clone());
        }
    });
    for at in means {
        linter.warn(
            at.as_ref(),
            "a mean of ratios weights an idle pod like a busy one, and is NaN as soon as one is idle",
            "divide the sums: `sum(rate(…)) / sum(rate(…))`",
        );
    }
    for at in ones {
        linter.warn(
            at.as_ref(),
            "both sides are the same, so this is always 1",
            "divide `…_sum` by `…_count`",
        );
    }
    percent(linter, tree);
}

fn is_mean(node: &Tree<'_>) -> bool {
    matches!(node.expr, Expr::Aggregate(aggregate) if aggregate.op.to_string() == "avg")
}

/// Percents where shares of 1 are declared.
fn percent(linter: &mut Linter<'_>, tree: &Tree<'_>) {
    let is_share =
        linter.metric.unit.as_ref() == "ratio" || linter.metric.range.is_some_and(|(_, high)| high <= 1.0);
    if !is_share {
        return;
    }
    if let Expr::Binary(binary) = tree.expr
        && binary.op.to_string() == "*"
        && tree.children.iter().any(|side| is_number(side, &[100.0]))
    {
        linter.warn(
            tree.at.as_ref(),
            "this makes percents, but the metric is declared to lie between 0 and 1",
            "leave the factor out, or declare `unit: percent` and `range: [0, 100]`",
        );
        return;
    }
    let mut percents = Vec::new();
    let mut others = 0;
    tree.walk(&mut |node, _| {
        let Some(name) = series_name(node) else { return };
        match linter.catalog.known_series(name) {
            Some(known) if known.unit == "percent" => {
                percents.push((node.at.clone(), known.preset.to_owned()));
            }
            _ => others += 1,
        }
    });
    let is_scaled = any(tree, |node| is_number(node, &[100.0, 0.01]));
    if let ([(at, preset), ..], 0, false) = (&percents[..], others, is_scaled) {
        linter.warn(
            at.as_ref(),
            "this series is in percent, but the metric is declared to lie between 0 and 1",
            format!("divide by 100, or use `preset: {preset}`"),
        );
    }
}

fn is_number(node: &Tree<'_>, wanted: &[f64]) -> bool {
    let Expr::NumberLiteral(NumberLiteral { val }) = node.expr else { return false };
    wanted.iter().any(|wanted| (wanted - val).abs() < 1e-9)
}
