//! What guards mean as they are written.

use std::time::Duration;

use crate::catalog::Catalog;
use crate::config::{Configuration, Diagnostics, Report, check, load};
use crate::core::guard::{Activation, Clamp, Fallback, Guards, Slew, Speed, Substitute};

const DOCS: &str = include_str!("../../../docs/guards.md");
const HEAD: &str = "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n";

fn read(text: &str) -> (Option<Configuration>, Report) {
    let catalog = Catalog::built_in().unwrap();
    let mut diags = Diagnostics::default();
    let configuration = load("config.yaml", text, &catalog, &mut diags);
    (configuration, diags.finish())
}

/// The guards of a metric with these fields.
#[track_caller]
fn guards(fields: &str) -> Guards {
    let text = format!("{HEAD}metrics:\n- {{ name: a, preset: inference_requests_waiting, {fields} }}\n");
    let (configuration, report) = read(&text);
    assert_eq!(report.to_string(), "");
    configuration.unwrap().metrics[0].guards.clone()
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn without_fields_there_is_no_guard() {
    assert!(guards("hold: 1m").is_empty());
}

#[test]
fn an_activation_is_a_number_or_more() {
    let short = Activation { threshold: 0.2, reset_below: 0.2, hold: Duration::ZERO };
    assert_eq!(guards("activation: 0.2").activation, Some(short));
    assert_eq!(guards("activation: 200m").activation, Some(short));
    assert_eq!(guards("activation: { above: 0.2 }").activation, Some(short));
    let long = Activation { threshold: 2000.0, reset_below: 0.1, hold: seconds(120) };
    assert_eq!(guards("activation: { above: 2k, resetBelow: 100m, hold: 2m }").activation, Some(long));
}

#[test]
fn bounds_and_speeds_are_read() {
    assert_eq!(guards("clamp: { min: 0, max: 50 }").clamp, Some(Clamp { min: Some(0.0), max: Some(50.0) }));
    assert_eq!(guards("clamp: { max: 1500m }").clamp, Some(Clamp { min: None, max: Some(1.5) }));
    let speed = |by, per| Some(Speed { by, per: seconds(per) });
    let both = Slew { rise: speed(10.0, 60), fall: speed(0.5, 30) };
    assert_eq!(guards("slew: { rise: 10 per 1m, fall: 500m per 30s }").slew, Some(both));
    assert_eq!(guards("slew: { fall: '1 per 1h' }").slew, Some(Slew { rise: None, fall: speed(1.0, 3600) }));
}

#[test]
fn fallbacks_have_their_defaults() {
    let of = |fields: &str| guards(&format!("fallback: {{ {fields} }}")).fallback.unwrap();
    let expected = |after, failures, until, with| Fallback {
        after: seconds(after),
        failures,
        until: seconds(until),
        with,
    };
    let four = Substitute::Replicas(4);
    assert_eq!(of("replicas: 4"), expected(120, None, 60, four));
    assert_eq!(of("replicas: 4, after: 45s"), expected(45, None, 45, four));
    assert_eq!(of("replicas: 4, after: 0s"), expected(0, None, 30, four), "one good answer ends none");
    assert_eq!(of("replicas: 4, after: 1h, failures: 3, until: 2m"), expected(3600, Some(3), 120, four));
    assert_eq!(of("value: 2k"), expected(120, None, 60, Substitute::Value(2000.0)));
    assert_eq!(of("last: 5m"), expected(120, None, 60, Substitute::Last(seconds(300))));
}

#[test]
fn a_built_in_metric_is_guarded_under_its_own_name() {
    let (configuration, report) = read(&format!(
        "{HEAD}metrics:\n- name: inference_requests_waiting\n  preset: inference_requests_waiting\n  activation: 1\n"
    ));
    assert_eq!(report.to_string(), "");
    let configuration = configuration.unwrap();
    let guarded = configuration.metric("inference_requests_waiting").unwrap();
    let built_in = Catalog::built_in().unwrap().resolve("inference_requests_waiting").unwrap();
    assert!(guarded.guards.activation.is_some() && built_in.guards.is_empty());
    let facts = |metric: &crate::core::metric::Metric| {
        let engines: Vec<_> = metric.inputs.iter().map(|input| input.engine.clone()).collect();
        (engines, metric.help.clone(), metric.aggregate, metric.hold, metric.target.clone())
    };
    assert_eq!(facts(guarded), facts(&built_in), "all else is as it was");
}

#[test]
fn every_documented_example_is_accepted_without_a_word() {
    let examples: Vec<&str> =
        DOCS.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() > 4);
    let catalog = Catalog::built_in().unwrap();
    for example in examples {
        let mut diags = Diagnostics::default();
        check("guards.md", &format!("{HEAD}{example}"), &catalog, None, &mut diags);
        assert_eq!(diags.finish().to_string(), "", "{example}");
    }
}

#[test]
fn every_field_is_documented_and_no_other() {
    let (_, report) = read(&format!(
        "{HEAD}metrics:\n- {{ name: a, preset: gpu_utilization, activation: {{ above: 1, q: 1 }}, fallback: {{ value: 1, q: 1 }} }}\n"
    ));
    let lists =
        report.diagnostics.iter().filter_map(|problem| problem.hint.as_ref()?.strip_prefix("valid fields: "));
    let mut fields: Vec<&str> = lists.flat_map(|list| list.split(", ")).collect();
    let rows = DOCS.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let mut documented: Vec<&str> = rows.map(|(name, _)| name).collect();
    fields.sort_unstable();
    documented.sort_unstable();
    assert_eq!(documented, fields);
}
