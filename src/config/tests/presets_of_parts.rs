//! What is said of a composite of the catalog is meant of all that it reads.

use std::time::Duration;

use crate::catalog::Catalog;
use crate::config::{Diagnostics, check};
use crate::core::metric::Metric;

const SOURCES: &str = "sources:\n- { name: main, prometheus: { url: 'http://a' } }\n\
                       - { name: second, prometheus: { url: 'http://b' } }\n";

fn metric(entry: &str) -> Metric {
    let head = "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n";
    let text = format!("{head}{SOURCES}metrics:\n- {{ name: n, {entry} }}\n");
    let mut diags = Diagnostics::default();
    let checked = check("composites.yaml", &text, &Catalog::built_in().unwrap(), None, &mut diags);
    let report = diags.finish();
    assert_eq!(report.errors, 0, "{report}");
    checked.metrics[0].metric.clone()
}

/// Source, window, hold and refresh of a metric that reads something.
type Read = (Option<String>, Option<u64>, u64, Option<u64>);

fn reads(metric: &Metric) -> Vec<Read> {
    let Some(composite) = &metric.composite else {
        let source = metric.source.as_ref().map(ToString::to_string);
        let window = metric.window().map(|window| window.as_secs());
        return vec![(source, window, metric.hold.as_secs(), metric.refresh.map(|every| every.as_secs()))];
    };
    composite.parts.iter().flat_map(|part| reads(&part.metric)).collect()
}

#[test]
fn what_is_said_of_a_composite_reaches_what_it_reads() {
    let said =
        metric("preset: inference_queue_drain_seconds, source: second, window: 5m, hold: 20s, refresh: 30s");
    let second = || Some("second".to_owned());
    assert_eq!(reads(&said), [(second(), Some(300), 20, Some(30)), (second(), None, 20, Some(30))]);
    assert_eq!((said.window(), said.hold), (Some(Duration::from_mins(5)), Duration::from_secs(20)));
    // One within another too.
    let nested = metric("preset: inference_demand_replicas, source: second");
    assert!(reads(&nested).iter().all(|(source, ..)| *source == second()));
    assert_eq!(reads(&nested).len(), 2);
}

#[test]
fn what_is_not_said_stays_as_it_is() {
    let plain = Catalog::built_in().unwrap().resolve("inference_queue_drain_seconds").unwrap();
    assert_eq!(reads(&metric("preset: inference_queue_drain_seconds")), reads(&plain));
}
