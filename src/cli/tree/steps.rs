//! The steps of a derivation; those of a composite's parts further in.

use std::fmt::Write as _;

use super::{number, seconds};
use crate::core::guard::GuardStep;
use crate::core::reading::{Derivation, ExpressionStep, InputStep};

/// Paints a text in a terminal's colour.
pub(super) type Paint<'a> = &'a dyn Fn(&str, &str) -> String;

/// Draws the steps, every line behind `stem`.
pub(super) fn draw(out: &mut String, stem: &str, derivation: &Derivation, paint: Paint<'_>) {
    for part in &derivation.parts {
        let missing = if part.missing == "required" { String::new() } else { format!(", {}", part.missing) };
        let value = match (&part.value, &part.refusal) {
            (Some(value), _) => format!(" = {}", paint("1", &number(*value))),
            (None, Some(refusal)) => format!(": {}", paint("31", refusal)),
            (None, None) => String::new(),
        };
        let _ = writeln!(out, "{stem}├─ {}{value}  ({}{missing})", part.name, part.metric);
        draw(out, &format!("{stem}│  "), &part.derivation, paint);
    }
    derivation.inputs.iter().for_each(|one| input(out, stem, one, paint));
    let is_of_parts = derivation.expression.as_ref().is_some_and(|expression| expression.each.is_none());
    // A part that is joined pod by pod has no pods of its own.
    let is_joined = derivation.elements.is_empty() && !stem.is_empty();
    if !is_of_parts && !is_joined {
        elements(out, stem, derivation);
    }
    match &derivation.expression {
        None if is_joined => {}
        None => {
            let _ = writeln!(out, "{stem}├─ aggregate {}", derivation.aggregate);
        }
        Some(expression) => computed(out, stem, expression, &derivation.aggregate),
    }
    for GuardStep { guard, acts, before, after, why } in &derivation.guards {
        let value = |value: &Option<f64>| value.map_or("no value".to_owned(), number);
        let change = if *acts {
            paint("33", &format!("{} becomes {}", value(before), value(after)))
        } else {
            "lets it pass".to_owned()
        };
        let _ = writeln!(out, "{stem}├─ {guard} {change}: {why}");
    }
}

fn input(out: &mut String, stem: &str, input: &InputStep, paint: Paint<'_>) {
    let _ = writeln!(out, "{stem}│  ├─ {}: {}", input.engine, input.signal);
    let query = input.query.replace('\n', &format!("\n{stem}│  │           "));
    let _ = writeln!(out, "{stem}│  │  query    {query}");
    let gone = match input.gone {
        0 => String::new(),
        gone => format!("{gone} of pods that are gone, "),
    };
    let _ = writeln!(
        out,
        "{stem}│  │  series   {} in the cluster, {} in the namespace, {gone}{} selected",
        input.series, input.in_namespace, input.selected
    );
    let read = input.read_seconds_ago.map_or("never".to_owned(), |ago| format!("{ago:.1}s ago"));
    let renewed = input.sample_interval_seconds;
    let renewed =
        renewed.map(|every| format!(", renewed there every {}", seconds(every))).unwrap_or_default();
    let _ = writeln!(
        out,
        "{stem}│  │  read     {read}, every {}{renewed}; served up to {:.0}s old",
        seconds(input.interval_seconds),
        input.limit_seconds
    );
    if let Some(failure) = &input.failure {
        let _ = writeln!(out, "{stem}│  │  {}  {failure}", paint("31", "failure"));
    }
    for warning in input.warnings.iter() {
        let _ = writeln!(out, "{stem}│  │  {}  {warning}", paint("33", "warning"));
    }
    for change in &input.next {
        let (local, at, value) = (&change.local, &change.at, number(change.value));
        let _ = writeln!(out, "{stem}│  │  next     {value} from {local} on ({at})");
    }
    let _ = writeln!(out, "{stem}│  │  formula  {}", input.formula);
}

fn elements(out: &mut String, stem: &str, derivation: &Derivation) {
    let width = derivation.elements.iter().map(|element| element.name.len()).max().unwrap_or_default();
    let _ = writeln!(out, "{stem}├─ {} pods or devices", derivation.elements.len());
    for element in &derivation.elements {
        let value = element.value.map_or("idle".to_owned(), number);
        let _ = writeln!(
            out,
            "{stem}│  ├─ {:width$}  {value:>12}   {:.1}s old",
            element.name, element.age_seconds
        );
    }
}

fn computed(out: &mut String, stem: &str, expression: &ExpressionStep, aggregate: &str) {
    let one_line = |source: &String| source.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(each) = &expression.each {
        let _ = writeln!(out, "{stem}├─ each {}, aggregate {aggregate}", one_line(each));
    }
    for (fact, value) in &expression.facts {
        let _ = writeln!(out, "{stem}├─ {fact} = {}", number(*value));
    }
    if let Some(value) = &expression.value {
        let _ = writeln!(out, "{stem}├─ value {}", one_line(value));
    }
}
