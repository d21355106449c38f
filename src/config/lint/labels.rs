//! Whether a result keeps the label `namespace`, without which it answers in no namespace.

use std::ops::Range;

use promql_parser::label::MatchOp;
use promql_parser::parser::{AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality};

use super::Linter;
use crate::config::promql::Tree;

const LABEL: &str = "namespace";

/// Where the label is lost, and how.
struct Lost {
    at: Option<Range<usize>>,
    why: &'static str,
    hint: &'static str,
}

pub(super) fn check(linter: &mut Linter<'_>, tree: &Tree<'_>) {
    if let Err(lost) = keeps(tree) {
        let message = format!("{} no label `{LABEL}`, so it answers in no namespace", lost.why);
        linter.warn(lost.at.as_ref(), message, lost.hint);
    }
}

fn lost(tree: &Tree<'_>, why: &'static str, hint: &'static str) -> Result<(), Lost> {
    Err(Lost { at: tree.place(), why, hint })
}

fn keeps(tree: &Tree<'_>) -> Result<(), Lost> {
    match tree.expr {
        Expr::Aggregate(aggregate) => aggregation(tree, aggregate),
        Expr::Binary(binary) => operation(tree, binary),
        Expr::Call(call) => function(tree, call),
        Expr::Unary(_) | Expr::Subquery(_) => tree.children.first().map_or(Ok(()), keeps),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => lost(tree, "a number has", "say `scope: cluster`"),
        // Paren nodes are not in the tree; a series carries the labels of its target.
        _ => Ok(()),
    }
}

fn aggregation(tree: &Tree<'_>, aggregate: &AggregateExpr) -> Result<(), Lost> {
    let inner = || tree.children.last().map_or(Ok(()), keeps);
    let has = |labels: &[String]| labels.iter().any(|label| label == LABEL);
    let dropped =
        || lost(tree, "this aggregation leaves", "aggregate `by (namespace, pod)`, or say `scope: cluster`");
    match &aggregate.modifier {
        Some(LabelModifier::Include(labels)) if has(&labels.labels) => inner(),
        Some(LabelModifier::Exclude(labels)) if !has(&labels.labels) => inner(),
        // These choose among series and keep the labels of those they choose.
        None if ["topk", "bottomk", "limitk", "limit_ratio"].contains(&aggregate.op.to_string().as_str()) => {
            inner()
        }
        _ => dropped(),
    }
}

fn operation(tree: &Tree<'_>, binary: &BinaryExpr) -> Result<(), Lost> {
    let [left, right] = &tree.children[..] else { return Ok(()) };
    let is_number = |side: &Expr| side.value_type() == promql_parser::parser::value::ValueType::Scalar;
    match (is_number(&binary.lhs), is_number(&binary.rhs)) {
        (true, true) => return lost(tree, "a number has", "say `scope: cluster`"),
        (true, false) => return keeps(right),
        (false, true) => return keeps(left),
        (false, false) => {}
    }
    let matching = binary.modifier.as_ref();
    match binary.op.to_string().as_str() {
        "and" | "unless" => return keeps(left),
        "or" => {
            keeps(left)?;
            return keeps(right).map_err(|lost| Lost {
                why: "this alternative has",
                hint: "for zero when there is nothing, say `absent: zero`",
                ..lost
            });
        }
        _ => {}
    }
    let has = |labels: &[String]| labels.iter().any(|label| label == LABEL);
    let carried = |labels: &promql_parser::label::Labels| has(&labels.labels);
    match matching.map(|matching| (&matching.card, &matching.matching)) {
        Some((VectorMatchCardinality::ManyToOne(labels), _)) => {
            if carried(labels) {
                Ok(())
            } else {
                keeps(left)
            }
        }
        Some((VectorMatchCardinality::OneToMany(labels), _)) => {
            if carried(labels) {
                Ok(())
            } else {
                keeps(right)
            }
        }
        Some((_, Some(LabelModifier::Include(labels)))) if !has(&labels.labels) => lost(
            tree,
            "what `on (…)` leaves has",
            "add `namespace` to it, or `group_left`, or say `scope: cluster`",
        ),
        Some((_, Some(LabelModifier::Exclude(labels)))) if has(&labels.labels) => {
            lost(tree, "what `ignoring (…)` leaves has", "say `scope: cluster`, or use `group_left`")
        }
        _ => keeps(left).and_then(|()| keeps(right)),
    }
}

fn function(tree: &Tree<'_>, call: &Call) -> Result<(), Lost> {
    let argument = |index: usize| tree.children.get(index).map_or(Ok(()), keeps);
    match call.func.name {
        "vector" | "scalar" | "time" | "pi" => lost(tree, "a number has", "say `scope: cluster`"),
        "absent" | "absent_over_time" => {
            let matchers = match tree.children.first().map(|child| child.expr) {
                Some(Expr::VectorSelector(selector)) => selector.matchers.find_matchers(LABEL),
                Some(Expr::MatrixSelector(matrix)) => matrix.vs.matchers.find_matchers(LABEL),
                _ => Vec::new(),
            };
            if matchers.iter().any(|matcher| matches!(matcher.op, MatchOp::Equal)) {
                return Ok(());
            }
            lost(tree, "what is absent has", "match `namespace=\"…\"`, or say `scope: cluster`")
        }
        "label_replace" | "label_join" => {
            let sets = matches!(tree.children.get(1).map(|child| child.expr), Some(Expr::StringLiteral(to)) if to.val == LABEL);
            if sets { Ok(()) } else { argument(0) }
        }
        "histogram_quantile" | "quantile_over_time" => argument(1),
        "histogram_fraction" => argument(2),
        _ if tree.children.is_empty() => lost(tree, "a number has", "say `scope: cluster`"),
        _ => argument(0),
    }
}
