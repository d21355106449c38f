//! Shares of distributions: what is made of them.

use crate::catalog::Catalog;
use crate::config::{Diagnostics, check};
use crate::core::metric::{Aggregate, Formula, Metric};

/// The metric of this entry, and how often it was remarked upon.
fn metric(entry: &str) -> (Metric, usize) {
    let text = format!("apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nmetrics:\n- {entry}\n");
    let mut diags = Diagnostics::default();
    let checked = check("shares.yaml", &text, &Catalog::built_in().unwrap(), None, &mut diags);
    let report = diags.finish();
    assert_eq!(report.errors, 0, "{report}");
    (checked.metrics[0].metric.clone(), report.warnings)
}

#[test]
fn a_bound_is_a_time_or_a_number_in_the_presets_unit() {
    let first_token = "inference_time_to_first_token_seconds";
    for (preset, below, upto) in [
        (first_token, "500ms", 0.5),
        (first_token, "0.5", 0.5),
        (first_token, "1m30s", 90.0),
        (first_token, "'2'", 2.0),
        ("vllm:time_to_first_token_seconds", "1s", 1.0),
        ("nv_inference_first_response_histogram_ms", "2s", 2000.0),
        ("nv_inference_first_response_histogram_ms", "250", 250.0),
        ("inference_tokens_per_engine_step", "512", 512.0),
    ] {
        let (metric, warnings) =
            metric(&format!("{{ name: n, preset: {preset}, share: {{ below: {below} }} }}"));
        for input in &metric.inputs {
            assert!(
                matches!(input.formula, Formula::Share { upto: found, .. } if (found - upto).abs() < 1e-12),
                "{preset} below {below}: {}",
                input.formula
            );
        }
        assert_eq!((&*metric.name, &*metric.unit, metric.aggregate), ("n", "ratio", Aggregate::Pooled));
        assert_eq!(warnings, 1, "it falls under load");
    }
}

#[test]
fn aggregates_and_windows_go_with_it() {
    let share = "preset: inference_time_to_first_token_seconds, share: { below: 1s }";
    for (aggregate, expected) in
        [("min", Aggregate::Min), ("avg", Aggregate::Avg), ("p10", Aggregate::Quantile(0.1))]
    {
        let (metric, _) = metric(&format!("{{ name: n, {share}, aggregate: {aggregate}, window: 5m }}"));
        assert_eq!((metric.aggregate, &*metric.unit), (expected, "ratio"));
        assert_eq!(metric.window().map(|window| window.as_secs()), Some(300));
        assert!(metric.inputs.iter().all(|input| matches!(input.formula, Formula::Share { .. })));
    }
    let suffix = "preset: inference_time_to_first_token_seconds_min, share: { below: 1s }, target: 0.9";
    assert_eq!(metric(&format!("{{ name: n, {suffix} }}")).0.aggregate, Aggregate::Min);
}
