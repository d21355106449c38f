//! Alerts that can be read and that tell what to do. That they ask for what is there is for `crate::dashboard` to see.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value as Json;

use super::render::{list, only, overlay, text};
use crate::support::command::output;

pub(crate) fn alerts() -> Vec<Json> {
    let objects = overlay("monitoring");
    list(only(&objects, "PrometheusRule"), "/spec/groups")
        .iter()
        .flat_map(|group| list(group, "/rules"))
        .cloned()
        .collect()
}

#[test]
fn prometheus_can_read_the_rules() {
    let objects = overlay("monitoring");
    let rules = &only(&objects, "PrometheusRule")["spec"];
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("rules.yaml");
    std::fs::write(&file, rules.to_string()).expect("it can be written");
    let said = output(Command::new("promtool").args(["check", "rules"]).arg(&file));
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(String::from_utf8_lossy(&said.stdout).contains(&format!("{} rules found", alerts().len())));
}

#[test]
fn every_alert_has_a_runbook() {
    let operations = include_str!("../../../docs/operations.md");
    let sections: BTreeSet<String> = operations
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .map(|title| title.trim_matches('`').to_lowercase())
        .collect();
    let alerts = alerts();
    assert!(alerts.len() > 10);
    for alert in &alerts {
        let name = text(alert, "/alert");
        let url = text(alert, "/annotations/runbook_url");
        assert_eq!(url, format!("docs/operations.md#{}", name.to_lowercase()));
        assert!(sections.contains(&name.to_lowercase()), "{name} has no section in docs/operations.md");
        assert!(["critical", "warning"].contains(&text(alert, "/labels/severity")), "{name}");
        assert!(!text(alert, "/annotations/summary").is_empty(), "{name}");
        assert!(!text(alert, "/annotations/description").is_empty(), "{name}");
    }
    // And no section is about an alert that is gone.
    for section in sections.iter().filter(|section| section.starts_with("inferometer")) {
        assert!(alerts.iter().any(|alert| text(alert, "/alert").to_lowercase() == *section), "{section}");
    }
}
