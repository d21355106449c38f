//! What is asked of Prometheus, word for word: a change here is a change of load and of meaning.

use super::*;

fn cluster(name: &str) -> String {
    compiled(name, &Coverage::Cluster)
}

#[test]
fn a_gauge() {
    insta::assert_snapshot!(cluster("inference_requests_waiting"), @r#"
    label_replace(vllm:num_requests_waiting{server=""}, "_part", "0", "", "")
    or label_replace(timestamp(vllm:num_requests_waiting{server=""}), "_part", "t", "", "")
    "#);
}

#[test]
fn a_sum_of_gauges() {
    insta::assert_snapshot!(cluster("inference_requests_in_system"), @r#"
    label_replace(vllm:num_requests_running{server=""}, "_part", "0", "", "")
    or label_replace(vllm:num_requests_waiting{server=""}, "_part", "1", "", "")
    or label_replace(timestamp(vllm:num_requests_running{server=""}) or timestamp(vllm:num_requests_waiting{server=""}), "_part", "t", "", "")
    "#);
}

#[test]
fn a_sum_of_slopes() {
    insta::assert_snapshot!(cluster("inference_requests_in_system_change_per_second"), @r#"
    label_replace(deriv(vllm:num_requests_running{server=""}[1m]), "_part", "0", "", "")
    or label_replace(deriv(vllm:num_requests_waiting{server=""}[1m]), "_part", "1", "", "")
    or label_replace(timestamp(vllm:num_requests_running{server=""}) or timestamp(vllm:num_requests_waiting{server=""}), "_part", "t", "", "")
    "#);
    let ray = of("ray_vllm", "inference_requests_in_system_change_per_second", &Coverage::Cluster);
    insta::assert_snapshot!(ray.lines().next().expect("a line"), @r#"label_replace(deriv(ray_vllm_num_requests_running[1m]) or deriv(ray_vllm:num_requests_running[1m]), "_part", "0", "", "")"#);
    let sglang = of("sglang", "inference_requests_in_system_change_per_second", &Coverage::Cluster);
    insta::assert_snapshot!(sglang.lines().next().expect("a line"), @r#"label_replace(max without (tp_rank, pp_rank, moe_ep_rank) (deriv(sglang:num_running_reqs{priority=""}[1m])), "_part", "0", "", "")"#);
}

#[test]
fn alternatives_are_joined_series_by_series() {
    insta::assert_snapshot!(cluster("inference_kv_cache_utilization"), @r#"
    label_replace(vllm:kv_cache_usage_perc or vllm:gpu_cache_usage_perc, "_part", "0", "", "")
    or label_replace(timestamp(vllm:kv_cache_usage_perc) or timestamp(vllm:gpu_cache_usage_perc), "_part", "t", "", "")
    "#);
}

#[test]
fn labels_that_only_some_alternatives_have_are_summed_away_first() {
    insta::assert_snapshot!(cluster("inference_requests_waiting_for_capacity"), @r#"
    label_replace(sum without (reason) (vllm:num_requests_waiting_by_reason{reason="capacity"}) or sum without (reason) (vllm:num_requests_waiting{server=""}), "_part", "0", "", "")
    or label_replace(min without (reason) (timestamp(vllm:num_requests_waiting_by_reason{reason="capacity"})) or min without (reason) (timestamp(vllm:num_requests_waiting{server=""})), "_part", "t", "", "")
    "#);
}

#[test]
fn a_distributions_buckets() {
    insta::assert_snapshot!(cluster("inference_time_to_first_token_seconds_p99"), @r#"
    label_replace(rate(vllm:time_to_first_token_seconds_bucket[2m]), "_part", "b", "", "")
    or label_replace(timestamp(vllm:time_to_first_token_seconds_count), "_part", "t", "", "")
    "#);
}

#[test]
fn a_distributions_mean() {
    insta::assert_snapshot!(cluster("inference_inter_token_latency_seconds_mean"), @r#"
    label_replace(rate(vllm:inter_token_latency_seconds_sum[2m]) or rate(vllm:time_per_output_token_seconds_sum[2m]), "_part", "s", "", "")
    or label_replace(rate(vllm:inter_token_latency_seconds_count[2m]) or rate(vllm:time_per_output_token_seconds_count[2m]), "_part", "c", "", "")
    or label_replace(timestamp(vllm:inter_token_latency_seconds_count) or timestamp(vllm:time_per_output_token_seconds_count), "_part", "t", "", "")
    "#);
}

#[test]
fn a_difference_of_rates() {
    insta::assert_snapshot!(cluster("inference_prefill_computed_tokens_per_second"), @r#"
    label_replace(rate(vllm:prompt_tokens_total[2m]), "_part", "0", "", "")
    or label_replace(rate(vllm:prompt_tokens_cached_total[2m]) or rate(vllm:prefix_cache_hits_total[2m]), "_part", "1", "", "")
    or label_replace(timestamp(vllm:prompt_tokens_total) or timestamp(vllm:prompt_tokens_cached_total) or timestamp(vllm:prefix_cache_hits_total), "_part", "t", "", "")
    "#);
}

#[test]
fn blank_values_are_dropped_and_their_times_are_not() {
    insta::assert_snapshot!(cluster("gpu_clock_throttle_events"), @r#"
    label_replace(sum without (clock_event) ((DCGM_EXP_CLOCK_EVENTS_COUNT{clock_event=~"hw_slowdown|hw_thermal|hw_power_brake|sw_thermal|power_cap"} < 100000000000000)) or sum without (clock_event) ((DCGM_FI_EXP_CLOCK_THROTTLE_REASONS_COUNT{clock_event=~"hw_slowdown|hw_thermal|hw_power_brake|sw_thermal|power_cap"} < 100000000000000)), "_part", "0", "", "")
    or label_replace(min without (clock_event) (timestamp(DCGM_EXP_CLOCK_EVENTS_COUNT{clock_event=~"hw_slowdown|hw_thermal|hw_power_brake|sw_thermal|power_cap"})) or min without (clock_event) (timestamp(DCGM_FI_EXP_CLOCK_THROTTLE_REASONS_COUNT{clock_event=~"hw_slowdown|hw_thermal|hw_power_brake|sw_thermal|power_cap"})), "_part", "t", "", "")
    "#);
}

#[test]
fn a_ratio_reads_each_series_once() {
    insta::assert_snapshot!(cluster("gpu_memory_used_ratio"), @r#"
    label_replace((DCGM_FI_DEV_FB_USED < 100000000000000), "_part", "0", "", "")
    or label_replace((DCGM_FI_DEV_FB_FREE < 100000000000000), "_part", "1", "", "")
    or label_replace(timestamp(DCGM_FI_DEV_FB_USED) or timestamp(DCGM_FI_DEV_FB_FREE), "_part", "t", "", "")
    "#);
}

#[test]
fn what_is_dear_is_narrowed_and_names_cannot_end_their_quotes() {
    let query = |names| compiled("inference_time_to_first_token_seconds", &narrowed(names));
    insta::assert_snapshot!(query(&HOSTILE[1..2]), @r#"
    label_replace(rate(vllm:time_to_first_token_seconds_bucket{namespace="x\"} or vector(1e9) #"}[2m]), "_part", "b", "", "")
    or label_replace(timestamp(vllm:time_to_first_token_seconds_count{namespace="x\"} or vector(1e9) #"}), "_part", "t", "", "")
    "#);
    insta::assert_snapshot!(query(&["team-a", "team.b"]), @r#"
    label_replace(rate(vllm:time_to_first_token_seconds_bucket{namespace=~"team\\-a|team\\.b"}[2m]), "_part", "b", "", "")
    or label_replace(timestamp(vllm:time_to_first_token_seconds_count{namespace=~"team\\-a|team\\.b"}), "_part", "t", "", "")
    "#);
}

#[test]
fn repeats_of_one_number_are_folded_to_the_largest() {
    insta::assert_snapshot!(of("sglang", "inference_requests_waiting", &Coverage::Cluster), @r#"
    label_replace(max without (tp_rank, pp_rank, moe_ep_rank) (sglang:num_queue_reqs{priority=""}), "_part", "0", "", "")
    or label_replace(min without (tp_rank, pp_rank, moe_ep_rank) (timestamp(sglang:num_queue_reqs{priority=""})), "_part", "t", "", "")
    "#);
}

#[test]
fn alternatives_whose_labels_differ_give_way_by_target() {
    insta::assert_snapshot!(of("sglang", "inference_generated_tokens_per_second", &Coverage::Cluster), @r#"
    label_replace(max without (tp_rank, pp_rank, moe_ep_rank) (rate(sglang:realtime_tokens_total{mode="decode"}[2m])) or on (instance, job, namespace, pod) max without (tp_rank, pp_rank, moe_ep_rank) (rate(sglang:generation_tokens_total[2m])), "_part", "0", "", "")
    or label_replace(min without (tp_rank, pp_rank, moe_ep_rank) (timestamp(sglang:realtime_tokens_total{mode="decode"})) or on (instance, job, namespace, pod) min without (tp_rank, pp_rank, moe_ep_rank) (timestamp(sglang:generation_tokens_total)), "_part", "t", "", "")
    "#);
    insta::assert_snapshot!(of("epp", "gateway_time_to_first_token_seconds_mean", &Coverage::Cluster), @r#"
    label_replace(rate(llm_d_epp_request_ttft_seconds_sum[2m]) or on (instance, job, namespace, pod) rate(inference_objective_request_ttft_seconds_sum[2m]), "_part", "s", "", "")
    or label_replace(rate(llm_d_epp_request_ttft_seconds_count[2m]) or on (instance, job, namespace, pod) rate(inference_objective_request_ttft_seconds_count[2m]), "_part", "c", "", "")
    or label_replace(timestamp(llm_d_epp_request_ttft_seconds_count) or on (instance, job, namespace, pod) timestamp(inference_objective_request_ttft_seconds_count), "_part", "t", "", "")
    "#);
}

#[test]
fn a_product_with_another_exporters_series() {
    insta::assert_snapshot!(of("opencost", "cost_gpus_usd_per_hour", &Coverage::Cluster), @r#"
    label_replace((max without (instance, pod) (node_gpu_hourly_cost)) * on (node) group_left () max by (node) (node_gpu_count), "_part", "0", "", "")
    or label_replace(min without (instance, pod) (timestamp(node_gpu_hourly_cost)), "_part", "t", "", "")
    "#);
    insta::assert_snapshot!(of("opencost", "cost_workload_gpus_usd_per_hour", &narrowed(&["ml"])), @r#"
    label_replace((sum without (container, exported_container) (container_gpu_allocation{namespace="ml"})) * on (node) group_left () max by (node) (node_gpu_hourly_cost), "_part", "0", "", "")
    or label_replace(min without (container, exported_container) (timestamp(container_gpu_allocation{namespace="ml"})), "_part", "t", "", "")
    "#);
}

#[test]
fn which_engines_are_there() {
    let presence = Signal::Presence(["vllm:num_requests_running".into(), "DCGM.x".into()].into());
    insta::assert_snapshot!(compile(&presence, &Coverage::Cluster), @r#"label_replace(label_replace(group by (__name__) ({__name__=~"vllm:num_requests_running|DCGM\\.x"}), "series", "$1", "__name__", "(.+)"), "_part", "0", "", "")"#);
}
