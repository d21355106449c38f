//! Every alert fires when it should, says so in words, and is silent otherwise: by promtool, on made-up series.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::alerts::alerts;
use super::render::text;
use crate::support::command::{self, output};

/// Series with their values, as promtool writes them.
type Series = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    alert: String,
    /// When to look.
    at: Option<String>,
    fires: Series,
    labels: BTreeMap<String, String>,
    says: String,
    quiet: Vec<Series>,
}

/// One of promtool's tests.
fn test(case: &Case, series: &Series, expected: &Json) -> Json {
    let input: Vec<Json> =
        series.iter().map(|(series, values)| json!({ "series": series, "values": values })).collect();
    json!({
        "interval": "1m",
        "input_series": input,
        "alert_rule_test": [{
            "alertname": case.alert, "eval_time": case.at.as_deref().unwrap_or("30m"), "exp_alerts": expected,
        }],
    })
}

#[test]
fn every_alert_fires_when_it_should_and_only_then() {
    let cases: Vec<Case> = serde_saphyr::from_str(include_str!("firing.yaml")).expect("a list of cases");
    let mut rules = alerts();
    let named = |rule: &Json| cases.iter().filter(|case| case.alert == text(rule, "/alert")).count();
    for rule in &mut rules {
        assert_eq!(named(rule), 1, "{} has one case", text(rule, "/alert"));
        // What is no sentence of its own is compared elsewhere.
        let annotations = rule["annotations"].as_object_mut().expect("annotations");
        annotations.retain(|name, _| name == "summary");
    }
    assert_eq!(cases.len(), rules.len());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, content: &Json| {
        // JSON is YAML.
        std::fs::write(folder.path().join(name), content.to_string()).expect("it can be written");
    };
    // A file each: promtool evaluates all rules of a file for each of its tests.
    let mut files = Vec::new();
    for case in &cases {
        let rule = rules.iter().find(|rule| text(rule, "/alert") == case.alert).expect("it is there");
        let mut labels = json!(case.labels);
        labels["severity"] = rule["labels"]["severity"].clone();
        let alert = json!([{ "exp_labels": labels, "exp_annotations": { "summary": case.says } }]);
        assert!(!case.quiet.is_empty(), "{}", case.alert);
        let quiet = case.quiet.iter().map(|series| test(case, series, &json!([])));
        let tests: Vec<Json> = std::iter::once(test(case, &case.fires, &alert)).chain(quiet).collect();
        let (of_rules, of_tests) = (format!("{}.rules", case.alert), format!("{}.yaml", case.alert));
        write(&of_rules, &json!({ "groups": [{ "name": "inferometer", "rules": [rule] }] }));
        let content = json!({ "rule_files": [of_rules], "evaluation_interval": "1m", "tests": tests });
        write(&of_tests, &content);
        files.push(of_tests);
    }
    let said =
        output(Command::new("promtool").current_dir(folder.path()).args(["test", "rules"]).args(files));
    assert!(said.status.success(), "{}{}", command::text(&said.stdout), command::text(&said.stderr));
}
