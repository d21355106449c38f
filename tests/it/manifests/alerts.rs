//! Alerts that can be read, that ask for what is there, and that tell what to do.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value as Json;

use super::render::{list, only, overlay, text};
use crate::support::command::output;
use crate::support::{Server, replace_file, seconds, until};

/// Metrics of others: of Prometheus itself, and of the API servers.
const FOREIGN: [&str; 2] = ["up", "aggregator_unavailable_apiservice"];

/// Ours, exported where there is a cluster to speak to and a certificate to manage, which there is not here.
const IN_A_CLUSTER: [&str; 6] = [
    // And where a guard acts.
    "inferometer_guard_acting",
    "inferometer_budget_lost",
    "inferometer_cluster_watch_errors_total",
    "inferometer_api_service_registered",
    "inferometer_access_reviews_total",
    "inferometer_front_proxy_refused",
];

fn alerts() -> Vec<Json> {
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

/// The names of what a server exports that has seen a little of everything.
async fn exported() -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(path("tls.crt"), made.cert.pem()).expect("it can be written");
    std::fs::write(path("tls.key"), made.signing_key.serialize_pem()).expect("it can be written");
    std::fs::write(path("config.yaml"), "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n")
        .expect("it can be written");
    let (certificate, key, configuration) = (path("tls.crt"), path("tls.key"), path("config.yaml"));
    let text = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let server = Server::start(&[
        "--scrape=ai=http://127.0.0.1:1/metrics",
        &format!("--config={}", text(&configuration)),
        &format!("--tls-cert-file={}", text(&certificate)),
        &format!("--tls-private-key-file={}", text(&key)),
    ])
    .await;
    replace_file(&configuration, "neither");
    replace_file(&certificate, "neither");
    server.client.get("/apis/external.metrics.k8s.io/v1beta1/namespaces/ai/inference_requests_waiting").await;
    until("everything was seen once", seconds(20), async || {
        let page = String::from_utf8_lossy(&server.own.get("/metrics").await.body).into_owned();
        let names: BTreeSet<String> = page
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.split(['{', ' ']).next())
            .map(str::to_owned)
            .collect();
        let wanted = [
            "inferometer_configuration_reloads_total",
            "inferometer_certificate_reloads_total",
            "inferometer_source_refreshes_total",
            "inferometer_signal_up",
        ];
        match wanted.iter().find(|name| !names.contains(**name)) {
            None => Ok(names),
            Some(name) => Err(format!("no {name}: {names:?}")),
        }
    })
    .await
}

/// Words of an expression that could be metrics: not a function, not a label, not within a text.
fn metrics(expression: &str) -> BTreeSet<String> {
    let mut bare = String::new();
    let mut depth = (0, false);
    for character in expression.chars() {
        match character {
            '"' => depth.1 = !depth.1,
            _ if depth.1 => {}
            '{' | '[' => depth.0 += 1,
            '}' | ']' => depth.0 -= 1,
            _ if depth.0 == 0 => bare.push(character),
            _ => {}
        }
    }
    let bare =
        regex::Regex::new(r"\bby \([^)]*\)").expect("an expression").replace_all(&bare, "").into_owned();
    let word = regex::Regex::new(r"[a-z_]+[( ]?").expect("an expression");
    let known = ["unless", "and", "or", "for"];
    word.find_iter(&bare)
        .map(|found| found.as_str())
        .filter(|found| !found.ends_with('('))
        .map(|found| found.trim().to_owned())
        .filter(|found| {
            !known.contains(&found.as_str()) && !["sum", "max", "min", "count"].contains(&found.as_str())
        })
        .collect()
}

fn known(metric: &str) -> bool {
    FOREIGN.contains(&metric) || IN_A_CLUSTER.contains(&metric)
}

#[tokio::test]
async fn alerts_ask_for_metrics_that_are_there() {
    let exported = exported().await;
    for alert in alerts() {
        let asked = metrics(text(&alert, "/expr"));
        assert!(!asked.is_empty(), "{alert}");
        for metric in asked {
            assert!(
                known(&metric) || exported.contains(&metric),
                "{}: {metric} is not exported",
                text(&alert, "/alert")
            );
        }
    }
    assert_eq!(
        metrics("max by (a) (b{c=\"d\"}) > 0 unless sum(rate(e_total[5m]))"),
        ["b", "e_total"].map(str::to_owned).into()
    );
}
