//! Between the text of a series (`vllm:num_requests_waiting{server=""}`) and the core's types.

use promql_parser::label::{MatchOp as PromMatchOp, Matcher, Matchers};
use promql_parser::parser::{Expr, VectorSelector, parse};

use crate::core::signal::{LabelMatcher, MatchOp, SeriesRef};

/// Reads a series name with optional matchers.
///
/// # Errors
/// The parser's message, or that it is more than a plain series.
pub fn parse_series(text: &str) -> Result<SeriesRef, String> {
    let Expr::VectorSelector(selector) = parse(text)? else {
        return Err(format!("`{text}` is not a plain series"));
    };
    if selector.offset.is_some() || selector.at.is_some() || !selector.matchers.or_matchers.is_empty() {
        return Err(format!("`{text}` is not a plain series"));
    }
    let name = selector.name.ok_or_else(|| format!("`{text}` has no name"))?;
    let matchers = selector
        .matchers
        .matchers
        .into_iter()
        .map(|matcher| LabelMatcher {
            op: match matcher.op {
                PromMatchOp::Equal => MatchOp::Equal,
                PromMatchOp::NotEqual => MatchOp::NotEqual,
                PromMatchOp::Re(_) => MatchOp::Matches,
                PromMatchOp::NotRe(_) => MatchOp::MatchesNot,
            },
            name: matcher.name,
            value: matcher.value,
        })
        .collect();
    Ok(SeriesRef { name, matchers })
}

/// The PromQL selector of a series, its name ending in `suffix`, with one more matcher if given.
/// Built as a tree, so that no value can end its quotes.
pub(super) fn selector(series: &SeriesRef, suffix: &str, narrowed: Option<&LabelMatcher>) -> VectorSelector {
    let matchers = series.matchers.iter().chain(narrowed).map(matcher).collect();
    VectorSelector::new(Some(format!("{}{suffix}", series.name)), Matchers::new(matchers))
}

pub(super) fn matcher(from: &LabelMatcher) -> Matcher {
    // The tree prints the operator and the value; the compiled expression it wants is never run.
    let any = || regex::Regex::new("").expect("the empty expression compiles");
    let op = match from.op {
        MatchOp::Equal => PromMatchOp::Equal,
        MatchOp::NotEqual => PromMatchOp::NotEqual,
        MatchOp::Matches => PromMatchOp::Re(any()),
        MatchOp::MatchesNot => PromMatchOp::NotRe(any()),
    };
    Matcher::new(op, &from.name, &from.value)
}
