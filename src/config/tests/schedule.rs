//! Schedules, right and wrong.

use std::fmt::Write as _;

use crate::catalog::Catalog;
use crate::config::{Checked, Diagnostics, Report, check};
use crate::core::metric::{Metric, Scope, Semantics};
use crate::core::schedule::Schedule;
use crate::core::signal::Signal;

const HEAD: &str = "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nmetrics:\n- name: floor\n";

fn run(metric: &str) -> (Checked, Report) {
    let catalog = Catalog::built_in().unwrap();
    let mut diags = Diagnostics::default();
    let checked = check("config.yaml", &format!("{HEAD}{metric}"), &catalog, None, &mut diags);
    (checked, diags.finish())
}

fn accepted(metric: &str) -> Metric {
    let (checked, report) = run(metric);
    assert_eq!(report.to_string(), "");
    checked.configuration.unwrap().metrics.remove(0)
}

fn schedule(metric: &Metric) -> &Schedule {
    let [input] = &metric.inputs[..] else { panic!("{metric:?}") };
    let Signal::Schedule(schedule) = &*input.signal else { panic!("{metric:?}") };
    schedule
}

/// What is said: place, message and hint in a line each.
fn refused(metric: &str) -> String {
    let (checked, report) = run(metric);
    assert!(checked.configuration.is_none(), "{report}");
    let mut said = String::new();
    for problem in &report.diagnostics {
        let (line, column, width) = (problem.line, problem.column, problem.width);
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        writeln!(said, "{line}:{column}+{width} {}{hint}", problem.message).unwrap();
    }
    said
}

/// A schedule in the short form with one of its fields in other words.
fn with(field: &str, other: &str) -> String {
    let fields = [
        ("timezone", "timezone: Europe/Amsterdam"),
        ("start", "start: 30 7 * * 1-5"),
        ("end", "end: 0 20 * * 1-5"),
        ("replicas", "replicas: 3"),
        ("more", ""),
    ];
    let lines = fields.map(|(name, text)| format!("    {}\n", if name == field { other } else { text }));
    format!("  schedule:\n{}", lines.concat())
}

#[test]
fn the_short_form() {
    let metric = accepted(
        "  schedule: { timezone: Europe/Amsterdam, start: \"30 7 * * 1-5\", end: \"0 20 * * 1-5\", replicas: 3 }\n",
    );
    assert_eq!(
        schedule(&metric).to_string(),
        "3 from `30 7 * * 1-5` to `0 20 * * 1-5`, otherwise 0, in Europe/Amsterdam"
    );
    assert_eq!(
        (&*metric.unit, metric.semantics, metric.scope),
        ("replicas", Semantics::Extensive, Scope::Cluster)
    );
    assert_eq!((metric.hold.as_secs(), metric.target.as_ref().map(|target| target.value)), (60, Some(1.0)));
    assert_eq!(accepted(&with("", "")).inputs[0].signal, metric.inputs[0].signal);
    let own = accepted(&format!("  description: Office hours\n  hold: 2m\n{}", with("", "")));
    assert_eq!((&*own.help, own.hold.as_secs()), ("Office hours", 120));
}

#[test]
fn the_long_form() {
    let metric = accepted(
        "  schedule:\n    timezone: europe/amsterdam\n    exceptDates: [12-25..12-26, 2026-12-31]\n    otherwise: 1\n    \
         windows:\n    - { start: 0 8 * * 1-5, end: 0 20 * * 1-5, replicas: 6, ramp: 15m }\n    \
         - { start: 0 10 * * *, end: 0 14 * * *, replicas: 8, onlyDates: [12-25, 11-27..11-30] }\n",
    );
    assert_eq!(
        schedule(&metric).to_string(),
        "6 from `0 8 * * 1-5` to `0 20 * * 1-5` growing for 15m before except on 12-25..12-26, 2026-12-31, \
         8 from `0 10 * * *` to `0 14 * * *` only on 12-25, 11-27..11-30, otherwise 1, in Europe/Amsterdam"
    );
    assert_eq!(&*metric.unit, "replicas");
}

#[test]
fn a_value_of_another_kind() {
    let metric = accepted(&format!("  type: intensive\n  unit: ratio\n{}", with("replicas", "value: 0.85")));
    assert_eq!((&*metric.unit, metric.semantics), ("ratio", Semantics::Intensive));
    assert_eq!(metric.target, None);
    assert!(schedule(&metric).to_string().starts_with("0.85 from"));
    assert_eq!(&*accepted(&with("replicas", "value: 2")).unit, "unspecified");
}

#[test]
fn mistakes_are_told_with_their_places() {
    for (field, other, said) in [
        (
            "timezone",
            "timezone: Europe/Amsterdm",
            "6:15+15 no time zone is called `Europe/Amsterdm` (did you mean `Europe/Amsterdam`?)\n",
        ),
        (
            "timezone",
            "timezone: Amsterdam",
            "6:15+9 no time zone is called `Amsterdam` (did you mean `Europe/Amsterdam`?)\n",
        ),
        (
            "timezone",
            "timezone: Middle-earth",
            "6:15+12 no time zone is called `Middle-earth` (write a name of the IANA database, like `Europe/Amsterdam` or `UTC`)\n",
        ),
        ("timezone", "", "7:5+5 a schedule needs the field `timezone`\n"),
        (
            "start",
            "start: 30 25 * * 1-5",
            "7:15+2 `25` is no hour (write 0 to 23; also `*`, lists, ranges and steps like `*/5`)\n",
        ),
        ("start", "start: \"30 7 * * 1-8\"", "7:22+3 `1-8` is no day of the week"),
        (
            "start",
            "start: 7:30",
            "7:12+4 a pattern has five fields, not 1 (they are minute, hour, day of the month, month and day of the week, like `30 7 * * 1-5`)\n",
        ),
        (
            "start",
            "start: 0 0 30 2 *",
            "7:12+10 `0 0 30 2 *` never comes: no day is like that (see the day of the month, the month and the day of the week)\n",
        ),
        ("end", "end: 0 0 31 4 *", "8:10+10 `0 0 31 4 *` never comes"),
        (
            "end",
            "end: 30 07 * * MON-FRI",
            "8:10+17 start and end are the same times (for a value at all times, write it as `otherwise`)\n",
        ),
        ("replicas", "", "6:5+8 a schedule needs the field `replicas` or `value`\n"),
        ("replicas", "replicas: 2.5", "9:15+3 expected a whole number, found `2.5`\n"),
        ("replicas", "value: -1", "9:12+2 a schedule's value is between 0 and 1e12\n"),
        ("more", "value: 1", "10:5+5 `replicas` and `value` exclude each other (remove one of them)\n"),
        (
            "more",
            "ramp: 12h",
            "10:11+3 the ramp is longer than the shortest time between two windows, 11h30m (use `11h30m` at most)\n",
        ),
        (
            "more",
            "exceptDates: [12-25, 25-12]",
            "10:26+5 `25-12` is no date (write `2026-12-25`, `12-25` for every year, or a range of them like `12-24..01-01`)\n",
        ),
        ("start", "start: \"*/5 * * * *\"", "7:12+13 a pattern comes 288 times a day, more than 96"),
        ("more", "onlyDates: []", "10:16+2 `onlyDates` has 1 to 366 dates\n"),
        (
            "more",
            "onlyDates: [2026-12-26]",
            "7:12+12 its start falls on none of these dates (see `onlyDates` and `exceptDates`)\n",
        ),
        ("more", "exceptDate: [12-25]", "10:5+10 unknown field `exceptDate` (did you mean `exceptDates`?)\n"),
    ] {
        let found = refused(&with(field, other));
        assert!(found.starts_with(said), "{other}:\n{found}\nnot\n{said}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
}

#[test]
fn one_window_and_several_exclude_each_other() {
    let said = refused(&with("more", "windows: []"));
    for words in [
        "7:5+5 `windows` and `start` exclude each other (write it in each of the windows)",
        "`windows` and `replicas` exclude",
        "10:14+2 a schedule has 1 to 16 windows",
    ] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
}

#[test]
fn every_mistake_of_every_window_is_told() {
    let said = refused(
        "  schedule:\n    timezone: UTC\n    windows:\n    - { start: 0 8 * * *, end: 0 24 * * *, replicas: 1 }\n    \
         - { start: 61 8 * * *, end: 0 9 * * *, replicas: 1, rmap: 5m }\n    - 5\n",
    );
    let places: Vec<&str> = said.lines().map(|line| line.split_once(' ').unwrap().0).collect();
    assert_eq!(places, ["8:34+2", "9:16+2", "9:57+4", "10:7+1"], "{said}");
}

#[test]
fn what_means_nothing_to_a_schedule_is_refused() {
    for (field, message) in [
        ("source: prometheus", "a schedule is read by the clock and from no source"),
        ("window: 2m", "`window` is for rates"),
        ("aggregate: count", "a schedule is one number already"),
        ("scope: namespace", "a schedule belongs to no namespace"),
        ("type: intensive", "replicas are an extensive number"),
        ("unit: requests", "the unit of `replicas` is replicas"),
        ("preset: gpu_utilization", "exclude each other"),
    ] {
        let said = refused(&format!("  {field}\n{}", with("", "")));
        assert!(said.contains(message), "{field}: {said}");
    }
    accepted(&format!("  scope: cluster\n  type: extensive\n  unit: replicas\n{}", with("", "")));
}

#[test]
fn an_autoscaler_with_a_floor_by_the_clock_is_as_it_should_be() {
    let autoscaler = |kind: &str, field: &str| {
        format!(
            "{}---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{ name: llama }}\nspec:\n  \
             scaleTargetRef: {{ apiVersion: apps/v1, kind: Deployment, name: llama }}\n  maxReplicas: 8\n  metrics:\n  \
             - type: External\n    external:\n      metric: {{ name: floor }}\n      target: {{ type: {kind}, {field}: \"1\" }}\n",
            with("", "")
        )
    };
    let (checked, report) = run(&autoscaler("AverageValue", "averageValue"));
    assert_eq!((report.to_string().as_str(), checked.autoscalers), ("", 1));
    assert_eq!(checked.metrics[0].queries, []);
    let (_, report) = run(&autoscaler("Value", "value"));
    assert!(report.to_string().contains("multiplies"), "{report}");
}

#[test]
fn the_page_about_schedules_says_what_is_so() {
    let page = include_str!("../../../docs/schedules.md");
    let examples: Vec<&str> =
        page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() > 2);
    let catalog = Catalog::built_in().unwrap();
    let head = "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n";
    let mut known = None;
    for example in examples {
        let text =
            if example.contains("apiVersion:") { example.to_owned() } else { format!("{head}{example}") };
        let mut diags = Diagnostics::default();
        let checked = check("schedules.md", &text, &catalog, known.as_ref(), &mut diags);
        assert_eq!(diags.finish().to_string(), "", "{example}");
        known = known.or(checked.configuration);
    }
}
