//! Compiles a signal to one PromQL query for the whole cluster.
//!
//! A query is a union of parts, told apart by the label [`PART`]: the number of each term, the
//! buckets, sum and count of a histogram, and the time of each sample. So one round trip brings
//! numbers and their true age, and a series that has left (a stopped pod that only a range window
//! remembers) shows itself by having no time.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use promql_parser::label::Matchers;
use promql_parser::parser::token::T_COUNT_VALUES;
use promql_parser::parser::{AtModifier, Expr, VectorSelector, parse};

use super::series;
use crate::core::freshness::Coverage;
use crate::core::signal::{
    Fold, Join, Kind, LabelMatcher, MatchOp, PRESENT, QuerySignal, SeriesSignal, Signal, TARGET, Term,
};

/// The label that tells the parts of an answer apart.
pub const PART: &str = "_part";
/// The part that carries sample times.
pub const TIME: &str = "t";
/// The part that carries a histogram's buckets.
pub const BUCKET: &str = "b";
/// The part that carries a histogram's sum.
pub const SUM: &str = "s";
/// The part that carries a histogram's count.
pub const COUNT: &str = "c";

/// The query for `signal`, narrowed to `coverage`.
pub fn compile(signal: &Signal, coverage: &Coverage) -> String {
    match signal {
        Signal::Series(signal) => compile_series(signal, narrowing(coverage).as_ref()),
        Signal::Query(signal) => compile_query(signal),
        Signal::Presence(series) => part(&presence(series), "0"),
        // A server of PromQL is never asked for these.
        Signal::Schedule(_) | Signal::Redis(_) => String::new(),
    }
}

fn narrowing(coverage: &Coverage) -> Option<LabelMatcher> {
    let Coverage::Namespaces(names) = coverage else { return None };
    let mut names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    names.sort_unstable();
    let (op, value) = match names[..] {
        [one] => (MatchOp::Equal, one.to_owned()),
        _ => (MatchOp::Matches, names.iter().map(|name| regex::escape(name)).collect::<Vec<_>>().join("|")),
    };
    Some(LabelMatcher { name: "namespace".to_owned(), op, value })
}

fn compile_series(signal: &SeriesSignal, narrowed: Option<&LabelMatcher>) -> String {
    let window = signal.window.unwrap_or_default();
    let alternatives = |term: &Term, suffix: &str, wrap: &dyn Fn(String) -> String| {
        let one = |series| {
            let selector = wrap(series::selector(series, suffix, narrowed).to_string());
            if term.without.is_empty() {
                selector
            } else {
                let fold = match term.fold {
                    Fold::Sum => "sum",
                    Fold::Max => "max",
                };
                format!("{fold} without ({}) ({selector})", term.without.join(", "))
            }
        };
        let or = match term.join {
            Join::Series => " or ".to_owned(),
            Join::Target => format!(" or on ({}) ", TARGET.join(", ")),
        };
        let joined = term.series.iter().map(one).collect::<Vec<_>>().join(&or);
        match &term.factor {
            Some(factor) => {
                let (on, price) = (factor.on.join(", "), series::selector(&factor.series, "", None));
                format!("({joined}) * on ({on}) group_left () max by ({on}) ({price})")
            }
            None => joined,
        }
    };
    let rate = |selector: String| format!("rate({selector}[{}])", promql_duration(window));
    let slope = |selector: String| format!("deriv({selector}[{}])", promql_duration(window));
    let gauge = |selector: String| match signal.blank_from {
        Some(blank) => format!("({selector} < {blank})"),
        None => selector,
    };
    let mut parts = Vec::new();
    let mut times = Vec::new();
    for (index, term) in signal.terms.iter().enumerate() {
        let is_histogram = matches!(term.kind, Kind::Buckets | Kind::Mean);
        match term.kind {
            Kind::Gauge => parts.push(part(&alternatives(term, "", &gauge), &index.to_string())),
            Kind::Counter => parts.push(part(&alternatives(term, "", &rate), &index.to_string())),
            Kind::Slope => parts.push(part(&alternatives(term, "", &slope), &index.to_string())),
            Kind::Buckets => parts.push(part(&alternatives(term, "_bucket", &rate), BUCKET)),
            Kind::Mean => {
                parts.push(part(&alternatives(term, "_sum", &rate), SUM));
                parts.push(part(&alternatives(term, "_count", &rate), COUNT));
            }
        }
        let suffix = if is_histogram { "_count" } else { "" };
        // The oldest time stands where labels are summed away.
        let mut time = alternatives(
            &Term { join: term.join, ..Term::new(term.kind, term.series.clone()) },
            suffix,
            &|selector| match &term.without[..] {
                [] => format!("timestamp({selector})"),
                labels => format!("min without ({}) (timestamp({selector}))", labels.join(", ")),
            },
        );
        if term.join == Join::Target && signal.terms.len() > 1 {
            // Its alternatives give way to each other, not to other terms.
            time = format!("({time})");
        }
        if times.contains(&time) {
            time.clear();
        }
        times.push(time);
    }
    times.retain(|time| !time.is_empty());
    parts.push(part(&times.join(" or "), TIME));
    parts.join("\nor ")
}

fn part(expression: &str, name: &str) -> String {
    format!("label_replace({expression}, \"{PART}\", \"{name}\", \"\", \"\")")
}

/// A user's query as it is, with the oldest sample time of each namespace beside it.
fn compile_query(signal: &QuerySignal) -> String {
    let mut query = part(&format!("({})", signal.promql), "0");
    let selectors = if signal.timed { selectors(&signal.promql) } else { Vec::new() };
    let times: Vec<_> = selectors.iter().map(|selector| format!("timestamp({selector})")).collect();
    let times = times.join(" or ");
    if !times.is_empty() {
        let _ = write!(query, "\nor {}", part(&format!("min by (namespace) ({times})"), TIME));
    }
    query
}

/// What makes numbers of nothing, or namespaces of other labels.
const MAKERS: [&str; 5] = ["absent", "absent_over_time", "label_join", "label_replace", "vector"];

/// Whether every number of a query comes from samples whose times are asked for, of the namespace that it names.
pub fn is_of_samples(promql: &str) -> bool {
    fn is_so(expr: &Expr) -> bool {
        match expr {
            Expr::VectorSelector(selector) => is_timed(selector),
            Expr::MatrixSelector(matrix) => is_timed(&matrix.vs),
            Expr::Subquery(subquery) => {
                subquery.offset.is_none() && subquery.at.is_none() && is_so(&subquery.expr)
            }
            Expr::Aggregate(aggregate) => aggregate.op.id() != T_COUNT_VALUES && is_so(&aggregate.expr),
            Expr::Unary(unary) => is_so(&unary.expr),
            Expr::Paren(paren) => is_so(&paren.expr),
            Expr::Binary(binary) => is_so(&binary.lhs) && is_so(&binary.rhs),
            Expr::Call(call) => {
                !MAKERS.contains(&call.func.name) && call.args.args.iter().all(|argument| is_so(argument))
            }
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => true,
            Expr::Extension(_) => false,
        }
    }
    parse(promql).is_ok_and(|expr| is_so(&expr))
}

/// Whether the time of its samples can be asked for, and tells how fresh the source is. Of several names at once,
/// `timestamp` would make series that nothing tells apart.
fn is_timed(selector: &VectorSelector) -> bool {
    selector.offset.is_none() && selector.at.is_none() && selector.name.is_some()
}

/// The instant selectors behind an expression, each once. Those that look elsewhere in time
/// (`offset`, `@`) say nothing of how fresh the source is and are left out.
fn selectors(promql: &str) -> Vec<String> {
    fn collect<'a>(expr: &'a Expr, found: &mut Vec<&'a VectorSelector>) {
        match expr {
            Expr::VectorSelector(selector) => found.push(selector),
            Expr::MatrixSelector(matrix) => found.push(&matrix.vs),
            Expr::Subquery(subquery) => {
                // `@ start()` and `@ end()` of an instant query are now.
                let is_elsewhere =
                    subquery.offset.is_some() || matches!(subquery.at, Some(AtModifier::At(_)));
                if !is_elsewhere {
                    collect(&subquery.expr, found);
                }
            }
            Expr::Aggregate(aggregate) => collect(&aggregate.expr, found),
            Expr::Unary(unary) => collect(&unary.expr, found),
            Expr::Paren(paren) => collect(&paren.expr, found),
            Expr::Binary(binary) => {
                collect(&binary.lhs, found);
                collect(&binary.rhs, found);
            }
            Expr::Call(call) => call.args.args.iter().for_each(|argument| collect(argument, found)),
            _ => {}
        }
    }
    let Ok(expr) = parse(promql) else { return Vec::new() };
    let mut found = Vec::new();
    collect(&expr, &mut found);
    let mut seen = HashSet::new();
    found
        .into_iter()
        .filter(|selector| is_timed(selector))
        .map(ToString::to_string)
        .filter(|text| seen.insert(text.clone()))
        .collect()
}

/// A query that tells which of `series` exist anywhere, in the label [`PRESENT`].
fn presence(series: &[Arc<str>]) -> String {
    let names = series.iter().map(|name| regex::escape(name)).collect::<Vec<_>>().join("|");
    let matcher =
        series::matcher(&LabelMatcher { name: "__name__".into(), op: MatchOp::Matches, value: names });
    let selector = VectorSelector::new(None, Matchers::one(matcher));
    format!("label_replace(group by (__name__) ({selector}), \"{PRESENT}\", \"$1\", \"__name__\", \"(.+)\")")
}

/// A duration as PromQL writes it.
pub fn promql_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if duration.subsec_millis() > 0 {
        format!("{}ms", duration.as_millis())
    } else if seconds > 0 && seconds.is_multiple_of(60) {
        format!("{}m", seconds / 60)
    } else {
        format!("{seconds}s")
    }
}

#[cfg(test)]
mod tests;
