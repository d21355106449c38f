//! Which part of a refused expression is to blame. The parser says what is wrong, but not where.

use std::ops::Range;

use promql_parser::parser::parse;

use super::outline::Outline;
use crate::config::source::quoted;
use crate::config::suggest::did_you_mean;
use crate::config::units::Refusal;

/// The parser's words for what it cannot explain.
const UNEXPLAINED: &str = "invalid promql query";

/// For suggestions: a test knows that the parser knows them.
const FUNCTIONS: [&str; 55] = [
    "abs",
    "absent",
    "absent_over_time",
    "avg",
    "avg_over_time",
    "ceil",
    "changes",
    "clamp",
    "clamp_max",
    "clamp_min",
    "count",
    "count_over_time",
    "day_of_month",
    "day_of_week",
    "delta",
    "deriv",
    "exp",
    "first_over_time",
    "floor",
    "group",
    "histogram_avg",
    "histogram_count",
    "histogram_fraction",
    "histogram_quantile",
    "histogram_sum",
    "hour",
    "idelta",
    "increase",
    "irate",
    "label_join",
    "label_replace",
    "last_over_time",
    "ln",
    "log10",
    "log2",
    "max",
    "max_over_time",
    "min",
    "min_over_time",
    "minute",
    "month",
    "predict_linear",
    "present_over_time",
    "quantile",
    "quantile_over_time",
    "rate",
    "resets",
    "round",
    "scalar",
    "sum",
    "sum_over_time",
    "time",
    "timestamp",
    "topk",
    "vector",
];

/// Explains why `text` was refused with `message`. The shortest part that is refused by itself is
/// to blame: whatever contains it is only refused for its sake.
pub(super) fn blame(text: &str, message: &str, outline: Outline) -> Refusal {
    let calls = outline.calls.iter().map(|part| (&part.whole, Some(&part.name)));
    let selectors = outline.selectors.iter().map(|part| (&part.whole, Some(&part.whole)));
    let groups = outline.groups.iter().map(|group| (group, None));
    let mut parts: Vec<(&Range<usize>, Option<&Range<usize>>)> =
        calls.chain(selectors).chain(groups).collect();
    parts.sort_by_key(|(whole, _)| whole.len());
    let found = parts.into_iter().find_map(|(whole, name)| {
        let message = parse(&text[whole.clone()]).err()?;
        Some((message, name.cloned()))
    });
    let (message, place) = found.unwrap_or_else(|| (message.to_owned(), None));
    if message == UNEXPLAINED
        && let Some(fault) = outline.fault
    {
        return fault;
    }
    let refusal = explain(&message);
    match place {
        Some(place) => refusal.over(place),
        None => refusal,
    }
}

/// The parser's message in words.
fn explain(message: &str) -> Refusal {
    let in_call = message.split_once("call to function '").and_then(|(_, rest)| rest.split('\'').next());
    if message == UNEXPLAINED {
        return Refusal::new("this is no PromQL expression");
    }
    if let Some(name) = message.strip_prefix("unknown function with name '") {
        let name = name.trim_end_matches('\'');
        let refusal = Refusal::new(format!("PromQL has no function {}", quoted(name)));
        return match did_you_mean(name, FUNCTIONS) {
            Some(known) => refusal.hint(format!("did you mean `{known}`?")),
            None => refusal,
        };
    }
    if let Some(name) = in_call {
        if message.starts_with("expected type matrix") {
            return Refusal::new(format!("`{name}` needs a range")).hint("add one, like `series[2m]`");
        }
        if message.starts_with("expected type vector") && message.ends_with("got matrix") {
            return Refusal::new(format!("`{name}` takes no range")).hint("remove the `[…]`");
        }
    }
    if message.starts_with("expected type vector in aggregation") && message.ends_with("got matrix") {
        return Refusal::new("an aggregation takes no range")
            .hint("take a `rate(…)` of it, or remove the `[…]`");
    }
    if message.contains("in label matching, expected string") {
        return Refusal::new("a label's value stands in quotes").hint("write it like `job=\"main\"`");
    }
    if let Some(regex) = message.strip_prefix("illegal regex for ") {
        return Refusal::new(format!("{} is no regular expression", quoted(regex)));
    }
    let words = message.replace('\'', "`").replace("BOOL", "`bool`");
    Refusal::new(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggested_functions_exist() {
        for name in FUNCTIONS {
            let error = parse(&format!("{name}()")).err().unwrap_or_default();
            assert!(!error.contains("unknown function"), "{name}: {error}");
        }
    }
}
