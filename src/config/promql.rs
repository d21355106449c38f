//! PromQL as configuration needs it: parsed, with the place of every part and of every mistake.

use std::time::Duration;

use promql_parser::parser::value::ValueType;
use promql_parser::parser::{Expr, parse as parse_expr};

use super::units::Refusal;

mod blame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod outline;
mod token;
mod tree;

pub(super) use tree::Tree;

/// Bounds the work that a single expression can cause.
const MAX_BYTES: usize = 16 * 1024;

/// A parsed expression that yields a vector.
#[derive(Debug)]
pub(super) struct Query {
    /// What to send: without comments, which would swallow whatever is put behind them, and a
    /// scalar made a vector.
    pub(super) text: String,
    /// The longest range in it.
    pub(super) window: Option<Duration>,
    expr: Expr,
    outline: outline::Outline,
}

/// Parses an expression.
pub(super) fn parse(text: &str) -> Result<Query, Refusal> {
    if text.len() > MAX_BYTES {
        return Err(Refusal::new(format!("the expression has {} bytes, more than 16 KiB", text.len())));
    }
    let tokens = token::tokens(text)?;
    if tokens.all.is_empty() {
        return Err(Refusal::new("the expression is empty"));
    }
    let outline = outline::outline(&tokens);
    let expr = match parse_expr(text) {
        Ok(expr) => expr,
        Err(message) => return Err(blame::blame(text, &message, outline)),
    };
    let mut clean = without(text, &tokens.comments);
    match expr.value_type() {
        ValueType::Vector => {}
        ValueType::Scalar => clean = format!("vector({clean})"),
        ValueType::Matrix => {
            return Err(Refusal::new("this yields a range of samples, not a number")
                .hint("take a `rate(…)` or `max_over_time(…)` of it"));
        }
        ValueType::String => return Err(Refusal::new("this yields a string, not a number")),
    }
    let mut query = Query { text: clean, window: None, expr, outline };
    query.window = query.longest_range();
    Ok(query)
}

/// The text without its comments.
fn without(text: &str, comments: &[std::ops::Range<usize>]) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut from = 0;
    for comment in comments {
        clean.push_str(&text[from..comment.start]);
        from = comment.end;
    }
    clean.push_str(&text[from..]);
    clean.trim().to_owned()
}

impl Query {
    /// The expression with the places of its parts.
    pub(super) fn tree(&self) -> Tree<'_> {
        Tree::new(&self.expr, &self.outline)
    }

    fn longest_range(&self) -> Option<Duration> {
        let mut longest = None;
        self.tree().walk(&mut |node, _| {
            let range = match node.expr {
                Expr::MatrixSelector(matrix) => Some(matrix.range),
                Expr::Subquery(query) => Some(query.range),
                _ => None,
            };
            longest = longest.max(range);
        });
        longest
    }
}
