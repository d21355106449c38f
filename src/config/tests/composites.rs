//! Composites as they are written, and every mistake in one at its place.

use std::fmt::Write as _;

use crate::catalog::Catalog;
use crate::config::{Checked, Diagnostics, Report, check};
use crate::core::composite::WhenMissing;
use crate::core::metric::{Aggregate, Metric, Semantics};

const HEAD: &str = "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nmetrics:\n";
const PAGE: &str = include_str!("../../../docs/composites.md");

fn run(metrics: &str) -> (Checked, Report) {
    let catalog = Catalog::built_in().unwrap();
    let mut diags = Diagnostics::default();
    let checked = check("config.yaml", &format!("{HEAD}{metrics}"), &catalog, None, &mut diags);
    (checked, diags.finish())
}

fn accepted(metrics: &str) -> Vec<Metric> {
    let (checked, report) = run(metrics);
    assert_eq!(report.to_string(), "", "{metrics}");
    checked.configuration.unwrap().metrics
}

/// What is said: place, message and hint in a line each.
fn said(metrics: &str) -> String {
    let (_, report) = run(metrics);
    let mut said = String::new();
    for problem in &report.diagnostics {
        let (line, column, width) = (problem.line, problem.column, problem.width);
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        writeln!(said, "{line}:{column}+{width} {}{hint}", problem.message).unwrap();
    }
    said
}

/// A composite of a queue and a cache, its expressions to come.
fn of_two(rest: &str) -> String {
    format!(
        "- name: full\n  signals:\n    waiting: {{ preset: inference_requests_waiting }}\n    \
         kv: {{ preset: inference_kv_cache_utilization, optional: true }}\n  {rest}\n"
    )
}

#[test]
fn a_composite_is_what_it_says() {
    let metric = accepted(&of_two("value: waiting / 5")).remove(0);
    assert_eq!((metric.semantics, &*metric.unit), (Semantics::Extensive, "unspecified"));
    let composite = metric.composite.expect("a composite");
    let names: Vec<_> = composite.parts.iter().map(|part| (&*part.name, part.missing)).collect();
    assert_eq!(names, [("waiting", WhenMissing::Required), ("kv", WhenMissing::Optional)]);
    let metric = accepted(&of_two("each: waiting / 5 + default(kv, 0)\n  aggregate: max\n  type: intensive"))
        .remove(0);
    assert_eq!((metric.aggregate, metric.semantics), (Aggregate::Max, Semantics::Intensive));
}

#[test]
fn metrics_may_refer_to_others_in_any_order() {
    let refers = "- name: outer\n  signals: { inner: { metric: inner }, again: { metric: inner } }\n  value: inner + again\n";
    let inner =
        "- name: inner\n  preset: inference_requests_waiting\n  window: 1m\n".replace("  window: 1m\n", "");
    let metrics = accepted(&format!("{refers}{inner}"));
    let parts = &metrics[0].composite.as_ref().expect("a composite").parts;
    assert_eq!([&*parts[0].metric.name, &*parts[1].metric.name], ["inner", "inner"]);
    let (_, report) = run(&format!("{refers}- name: inner\n  promql: vector(1)\n"));
    assert_eq!(report.diagnostics.len(), 1, "a mistake in what is referred to is told once: {report}");
}

#[test]
fn mistakes_are_told_where_they_are() {
    let mut wrong = String::new();
    for (metrics, expected) in [
        (of_two("value: wating / 5"), "8:10+6 `wating` is unknown (did you mean `waiting`?)"),
        (of_two("value: waiting + kv"), "8:20+2 "),
        (of_two("value: waiting / ready"), "8:20+5 `ready` may be 0, and it is divided by here"),
        (of_two("value: waiting +"), "8:"),
        (of_two("each: waiting / 5"), "8:9+11 what is computed for each pod or device has to be folded (write `aggregate: avg`"),
        (of_two("value: waiting\n  aggregate: avg"), "9:14+3 `aggregate` folds what `each` computes, and there is none (say it in the signals)"),
        (of_two("unit: ratio"), "6:5+47 nothing is computed from these signals (write `value: …`"),
        (of_two("value: waiting + default(kv, 0)"), "6:5+47 it does not follow from the signals whether this grows with the replicas"),
        (of_two("value: waiting\n  window: 1m"), "9:11+2 `window` says nothing of a composite (say it in the signal that it is about)"),
        (of_two("value: waiting\n  type: intensive"), "9:9+9 by its signals this is extensive, not intensive"),
        (
            "- name: one\n  signals: { Waiting: { preset: inference_requests_waiting } }\n  value: '1.0'\n".to_owned(),
            "5:14+7 a signal cannot be called `Waiting` (use a-z, 0-9 and _, a letter first)",
        ),
        (
            "- name: one\n  signals: { ready: { preset: inference_requests_waiting } }\n  value: '1.0'\n".to_owned(),
            "5:14+5 `ready` has a meaning of its own in expressions",
        ),
        (
            "- name: one\n  signals: { max: { preset: inference_requests_waiting } }\n  value: '1.0'\n".to_owned(),
            "5:14+3 `max` is a word of the expression language",
        ),
        (
            "- name: one\n  signals: { a: { metric: two } }\n  value: a\n- name: two\n  signals: { b: { metric: one } }\n  value: b\n".to_owned(),
            "8:27+3 `one` is made of itself",
        ),
        (
            "- name: one\n  signals: { a: { metric: inference_requests_waiting } }\n  value: a\n".to_owned(),
            "5:27+26 no metric of this configuration is called `inference_requests_waiting` (it is a built-in one: write `preset: inference_requests_waiting`)",
        ),
        (
            "- name: one\n  signals: { a: { metric: two, window: 1m } }\n  value: a\n- name: two\n  preset: inference_requests_waiting\n".to_owned(),
            "5:40+2 `window` cannot be said of another metric",
        ),
        (
            "- name: one\n  signals: { a: { preset: inference_requests_waiting, optional: true, default: 1 } }\n  value: default(a, 1)\n".to_owned(),
            "5:80+1 `optional` and `default` exclude each other",
        ),
        (
            "- name: one\n  signals: { a: { preset: inference_requests_waiting, activation: 1 } }\n  value: a\n".to_owned(),
            "5:55+10 unknown field `activation`",
        ),
        (
            "- name: one\n  signals: { a: { preset: inference_requests_waiting }, b: { preset: gpu_utilization } }\n  each: a + b\n  aggregate: avg\n".to_owned(),
            "6:9+5 the numbers of `a` are of each pod, those of `b` are of each UUID and GPU_I_ID: they cannot be joined",
        ),
        (
            "- name: one\n  preset: inference_saturation\n  idle: zero\n".to_owned(),
            "6:9+4 `idle` says nothing of a composite",
        ),
        (
            "- name: one\n  preset: inference_saturation\n  absent: zero\n".to_owned(),
            "5:11+20 `absent` says nothing of a composite",
        ),
        (
            "- name: one\n  preset: inference_requests_waiting\n  value: '1.0'\n".to_owned(),
            "6:10+5 there are no `signals` to compute this from",
        ),
        (
            "- name: one\n  signals: { a: { preset: inference_requests_waiting }, b: { promql: vector(1), type: extensive, scope: cluster } }\n  each: a + b\n  aggregate: avg\n".to_owned(),
            "6:9+5 of `a` and `b` only one is of the whole cluster",
        ),
    ] {
        let found = said(&metrics);
        if !found.starts_with(expected) || found.lines().count() != 1 {
            write!(wrong, "{metrics}\n{found}not\n{expected}\n\n").unwrap();
        }
    }
    assert_eq!(wrong, "");
}

#[test]
fn a_composite_has_an_end() {
    let signals: Vec<String> =
        (0..33).map(|n| format!("s{n}: {{ promql: vector({n}), type: extensive }}")).collect();
    let found = said(&format!("- name: one\n  signals: {{ {} }}\n  value: s0\n", signals.join(", ")));
    assert!(found.contains("this reads 33 signals, more than 32"), "{found}");
    // Each in the one before it: what is asked goes down all of them.
    let mut chain = String::new();
    for n in 0..2000 {
        write!(chain, "- name: m{n}\n  signals: {{ a: {{ metric: m{} }} }}\n  value: a\n", n + 1).unwrap();
    }
    let found = said(&format!("{chain}- name: m2000\n  preset: inference_requests_waiting\n"));
    assert!(found.contains("more than 8 within one another"), "{found}");
}

#[test]
fn the_pages_examples_are_accepted_without_a_word() {
    let examples: Vec<&str> =
        PAGE.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        accepted(example.strip_prefix("metrics:\n").expect("metrics"));
    }
}
