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
        let signal = QuerySignal {
            promql: promql.into(),
            window: None,
            element: Element::Pod,
            timed: true,
            of_samples: false,
        };
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

#[test]
fn ranks_that_repeat_a_number_count_once() {
    evaluates(
        &of("sglang", "inference_requests_waiting", &Coverage::Cluster),
        &[
            ("sglang:num_queue_reqs{pod=\"a\",dp_rank=\"0\",tp_rank=\"0\",priority=\"\"}", "7x16"),
            ("sglang:num_queue_reqs{pod=\"a\",dp_rank=\"0\",tp_rank=\"1\",priority=\"\"}", "7x16"),
            ("sglang:num_queue_reqs{pod=\"a\",dp_rank=\"1\",tp_rank=\"2\",priority=\"\"}", "1x16"),
            ("sglang:num_queue_reqs{pod=\"a\",dp_rank=\"0\",tp_rank=\"0\",priority=\"5\"}", "6x16"),
            ("sglang:num_queue_reqs{pod=\"b\"}", "2x16"),
        ],
        &[
            ("{pod=\"a\",dp_rank=\"0\",_part=\"0\"}", 7.0),
            ("{pod=\"a\",dp_rank=\"1\",_part=\"0\"}", 1.0),
            ("{pod=\"b\",_part=\"0\"}", 2.0),
            ("{pod=\"a\",dp_rank=\"0\",_part=\"t\"}", 240.0),
            ("{pod=\"a\",dp_rank=\"1\",_part=\"t\"}", 240.0),
            ("{pod=\"b\",_part=\"t\"}", 240.0),
        ],
    );
}

#[test]
fn a_target_that_exports_old_and_new_counts_once_whatever_the_labels() {
    evaluates(
        &of("sglang", "inference_generated_tokens_per_second", &Coverage::Cluster),
        &[
            (
                "sglang:realtime_tokens_total{pod=\"new\",mode=\"decode\",dp_rank=\"0\",tp_rank=\"0\"}",
                "0+30x16",
            ),
            (
                "sglang:realtime_tokens_total{pod=\"new\",mode=\"decode\",dp_rank=\"1\",tp_rank=\"1\"}",
                "0+60x16",
            ),
            ("sglang:generation_tokens_total{pod=\"new\",is_streaming=\"true\"}", "0+90x16"),
            ("sglang:generation_tokens_total{pod=\"old\"}", "0+15x16"),
        ],
        &[
            ("{pod=\"new\",mode=\"decode\",dp_rank=\"0\",_part=\"0\"}", 2.0),
            ("{pod=\"new\",mode=\"decode\",dp_rank=\"1\",_part=\"0\"}", 4.0),
            ("{pod=\"old\",_part=\"0\"}", 1.0),
            ("{pod=\"new\",mode=\"decode\",dp_rank=\"0\",_part=\"t\"}", 240.0),
            ("{pod=\"new\",mode=\"decode\",dp_rank=\"1\",_part=\"t\"}", 240.0),
            ("{pod=\"old\",_part=\"t\"}", 240.0),
        ],
    );
}

#[test]
fn a_price_is_joined_by_node_and_seen_through_two_exporters_it_counts_once() {
    evaluates(
        &of("opencost", "cost_gpus_usd_per_hour", &Coverage::Cluster),
        &[
            ("node_gpu_hourly_cost{node=\"n1\",pod=\"cost-1\",instance=\"a\"}", "4x16"),
            ("node_gpu_hourly_cost{node=\"n1\",pod=\"cost-2\",instance=\"b\"}", "4x16"),
            ("node_gpu_hourly_cost{node=\"n2\",pod=\"cost-1\",instance=\"a\"}", "2x16"),
            ("node_gpu_hourly_cost{node=\"n3\",pod=\"cost-1\",instance=\"a\"}", "9x16"),
            ("node_gpu_count{node=\"n1\",pod=\"cost-1\"}", "8x16"),
            ("node_gpu_count{node=\"n1\",pod=\"cost-2\"}", "8x16"),
            ("node_gpu_count{node=\"n2\",pod=\"cost-1\"}", "1x16"),
        ],
        &[
            ("{node=\"n1\",_part=\"0\"}", 32.0),
            ("{node=\"n2\",_part=\"0\"}", 2.0),
            ("{node=\"n1\",_part=\"t\"}", 240.0),
            ("{node=\"n2\",_part=\"t\"}", 240.0),
            ("{node=\"n3\",_part=\"t\"}", 240.0),
        ],
    );
    evaluates(
        &of("opencost", "cost_workload_gpus_usd_per_hour", &Coverage::Cluster),
        &[
            ("container_gpu_allocation{namespace=\"ml\",pod=\"a\",container=\"x\",node=\"n1\"}", "2x16"),
            ("container_gpu_allocation{namespace=\"ml\",pod=\"a\",container=\"y\",node=\"n1\"}", "1x16"),
            ("node_gpu_hourly_cost{node=\"n1\"}", "4x16"),
        ],
        &[
            ("{namespace=\"ml\",pod=\"a\",node=\"n1\",_part=\"0\"}", 12.0),
            ("{namespace=\"ml\",pod=\"a\",node=\"n1\",_part=\"t\"}", 240.0),
        ],
    );
}
