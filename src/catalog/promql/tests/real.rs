//! The real Prometheus parser and engine, by way of promtool.

use std::process::Command;

use super::*;
use crate::core::signal::Element;

/// Runs promtool over a file of this content; JSON is YAML.
fn promtool(arguments: &[&str], files: &[(&str, serde_json::Value)]) {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content.to_string()).expect("written");
    }
    let output = Command::new("promtool")
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap_or_else(|error| panic!("promtool is needed (Debian package prometheus): {error}"));
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).join("\n");
    assert!(output.status.success(), "{said}");
}

fn rules<'a>(queries: impl Iterator<Item = &'a str>) -> serde_json::Value {
    let rule = |(index, query)| serde_json::json!({ "record": format!("query:{index}"), "expr": query });
    serde_json::json!({ "groups": [{ "name": "all", "rules": queries.enumerate().map(rule).collect::<Vec<_>>() }] })
}

#[test]
fn prometheus_parses_every_query_of_the_catalog() {
    let mut queries: Vec<String> = all_queries().into_iter().map(|(_, query)| query).collect();
    for promql in ["vector(1)", "sum by (namespace) (rate(a{b=\"\\\"\"}[5m]))", "a offset 1h"] {
        let signal = QuerySignal { promql: promql.into(), window: None, element: Element::Pod, timed: true };
        queries.push(compile(&Signal::Query(signal), &Coverage::Cluster));
    }
    let presence =
        Signal::Presence(["vllm:num_requests_running".into(), "DCGM_FI_DEV_FB_FREE".into()].into());
    queries.push(compile(&presence, &Coverage::Cluster));
    promtool(&["check", "rules", "rules.json"], &[("rules.json", rules(queries.iter().map(String::as_str)))]);
}

/// Samples of one query over these series at four minutes, in Prometheus's own engine.
fn evaluates(query: &str, series: &[(&str, &str)], expected: &[(&str, f64)]) {
    let series: Vec<_> = series
        .iter()
        .map(|(series, values)| serde_json::json!({ "series": series, "values": values }))
        .collect();
    let samples: Vec<_> = expected
        .iter()
        .map(|(labels, value)| serde_json::json!({ "labels": labels, "value": value }))
        .collect();
    let tests = serde_json::json!({
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "15s",
            "input_series": series,
            "promql_expr_test": [{ "expr": query, "eval_time": "4m", "exp_samples": samples }],
        }],
    });
    promtool(&["test", "rules", "test.json"], &[("test.json", tests)]);
}

#[test]
fn a_rollout_is_counted_right_and_a_stopped_pod_has_no_time() {
    evaluates(
        &compiled("inference_kv_cache_utilization", &Coverage::Cluster),
        &[
            ("vllm:kv_cache_usage_perc{pod=\"new\"}", "0.5x16"),
            ("vllm:kv_cache_usage_perc{pod=\"both\"}", "0.6x16"),
            ("vllm:gpu_cache_usage_perc{pod=\"both\"}", "0.6x16"),
            ("vllm:gpu_cache_usage_perc{pod=\"old\"}", "0.5x16"),
        ],
        &[
            ("vllm:kv_cache_usage_perc{pod=\"new\",_part=\"0\"}", 0.5),
            ("vllm:kv_cache_usage_perc{pod=\"both\",_part=\"0\"}", 0.6),
            ("vllm:gpu_cache_usage_perc{pod=\"old\",_part=\"0\"}", 0.5),
            ("{pod=\"new\",_part=\"t\"}", 240.0),
            ("{pod=\"both\",_part=\"t\"}", 240.0),
            ("{pod=\"old\",_part=\"t\"}", 240.0),
        ],
    );
    evaluates(
        &compiled("inference_generated_tokens_per_second", &Coverage::Cluster),
        &[
            ("vllm:generation_tokens_total{pod=\"here\"}", "0+30x16"),
            ("vllm:generation_tokens_total{pod=\"gone\"}", "30x14 stale"),
        ],
        &[
            ("{pod=\"here\",_part=\"0\"}", 2.0),
            ("{pod=\"gone\",_part=\"0\"}", 0.0),
            ("{pod=\"here\",_part=\"t\"}", 240.0),
        ],
    );
}

#[test]
fn the_routers_copy_and_blank_values_are_left_out() {
    evaluates(
        &compiled("inference_requests_waiting", &Coverage::Cluster),
        &[
            ("vllm:num_requests_waiting{pod=\"a\"}", "7x14 _x2"),
            ("vllm:num_requests_waiting{pod=\"router\",server=\"http://a\"}", "7x16"),
        ],
        &[("vllm:num_requests_waiting{pod=\"a\",_part=\"0\"}", 7.0), ("{pod=\"a\",_part=\"t\"}", 210.0)],
    );
    evaluates(
        &compiled("gpu_power_watts", &Coverage::Cluster),
        &[
            ("DCGM_FI_DEV_POWER_USAGE{UUID=\"1\"}", "300x16"),
            ("DCGM_FI_DEV_POWER_USAGE{UUID=\"2\"}", "9223372036854775794x16"),
        ],
        &[
            ("DCGM_FI_DEV_POWER_USAGE{UUID=\"1\",_part=\"0\"}", 300.0),
            ("{UUID=\"1\",_part=\"t\"}", 240.0),
            ("{UUID=\"2\",_part=\"t\"}", 240.0),
        ],
    );
}
