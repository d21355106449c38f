//! Draws an explanation as a tree.

use std::fmt::Write as _;

use crate::api::explain::{AnswerFacts, AutoscalerFacts, Explanation, MetricFacts};

mod steps;

/// The explanation for people; `colour` for a terminal.
pub(super) fn draw(explanation: &Explanation, colour: bool) -> String {
    let paint = |code: &str, text: &str| {
        if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    };
    let Explanation { metric, namespace, selector, source, derivation, .. } = explanation;
    let mut out = String::new();
    let selection =
        if selector.is_empty() { "every series".to_owned() } else { format!("selector {selector}") };
    let _ = writeln!(out, "{} in namespace {namespace}, {selection}", paint("1", &metric.name));
    let _ = writeln!(out, "│  {}", metric.help);
    let _ = writeln!(out, "│  {}", describe(metric));
    if !source.is_empty() {
        let _ = writeln!(out, "├─ source {source}");
    }
    steps::draw(&mut out, "", derivation, &paint);
    for one in &explanation.autoscalers {
        let _ = writeln!(out, "├─ autoscaler {} of {}: {}", one.name, one.scales, replicas(one));
        let selection = match one.selector.as_str() {
            "" => "every series".to_owned(),
            selector => format!("selector {selector}"),
        };
        let _ = writeln!(out, "│  asks as {}, target {}, {selection}", one.of, one.target);
    }
    match (&explanation.answer, &explanation.refusal) {
        (Some(answer), _) => {
            let _ = writeln!(out, "└─ the HPA sees {}", paint("1;32", &answer.value));
            let _ = writeln!(
                out,
                "   exactly {} {}; oldest sample {}, {:.1}s old{}",
                number(answer.exact),
                metric.unit,
                answer.timestamp,
                answer.age_seconds,
                if answer.held { "; held in place of a new one" } else { "" }
            );
            if let Some(advice) = advice(metric, answer) {
                let _ = writeln!(out, "   {advice}");
            }
        }
        (None, Some(refusal)) => {
            let _ = writeln!(
                out,
                "└─ the HPA sees an {} and holds still: {}",
                paint("1;31", "error"),
                refusal.message
            );
        }
        (None, None) => {}
    }
    out
}

/// What a metric is, in one line.
pub(super) fn describe(metric: &MetricFacts) -> String {
    let range = metric.range.map(|(low, high)| format!(" {low}..{high}")).unwrap_or_default();
    let window = metric.window_seconds.map(|seconds| format!(", over {seconds}s")).unwrap_or_default();
    format!(
        "{}{range}, {}{window}, {}: use target type {}",
        metric.unit, metric.semantics, metric.direction, metric.target_type
    )
}

/// How many replicas an autoscaler has and wants.
fn replicas(one: &AutoscalerFacts) -> String {
    let known = |count: Option<u32>| count.map_or("?".to_owned(), |count| count.to_string());
    format!(
        "{} replicas, {} wanted, {} to {} allowed",
        known(one.current_replicas),
        known(one.desired_replicas),
        one.min_replicas,
        one.max_replicas
    )
}

/// What the suggested target would make of it.
fn advice(metric: &MetricFacts, answer: &AnswerFacts) -> Option<String> {
    let target = metric.suggested_target.filter(|target| *target > 0.0)?;
    let ratio = answer.exact / target;
    Some(if metric.target_type == "AverageValue" {
        format!("with AverageValue {} it asks for {} replicas", number(target), ratio.ceil())
    } else {
        format!("with Value {} it asks for {ratio:.2} times the ready replicas", number(target))
    })
}

/// A number as people write it: no more digits than they read.
pub(super) fn number(value: f64) -> String {
    let text = if value.abs() >= 1000.0 { format!("{value:.0}") } else { format!("{value:.4}") };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.to_owned()
}

/// Seconds, with a fraction where they are few.
fn seconds(seconds: f64) -> String {
    if seconds < 10.0 && seconds.fract() > 0.0 { format!("{seconds:.1}s") } else { format!("{seconds:.0}s") }
}

#[cfg(test)]
mod tests;
