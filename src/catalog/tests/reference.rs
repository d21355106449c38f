//! Every preset of the reference lists, by the name that provides it here: what people know from
//! other recipes must be answerable.

use crate::catalog::Catalog;
use crate::core::metric::Semantics::{self, Extensive, Intensive};

type Row = (&'static str, &'static str, Semantics, &'static str, &'static [&'static str]);

/// Reference name, our name, semantics, unit, and the series without which it could not be it.
const VLLM: [Row; 26] = [
    (
        "vllm_requests_waiting",
        "inference_requests_waiting",
        Extensive,
        "requests",
        &["vllm:num_requests_waiting"],
    ),
    (
        "vllm_requests_waiting_capacity",
        "inference_requests_waiting_for_capacity",
        Extensive,
        "requests",
        &["vllm:num_requests_waiting_by_reason", "vllm:num_requests_waiting"],
    ),
    (
        "vllm_requests_running",
        "inference_requests_running",
        Extensive,
        "requests",
        &["vllm:num_requests_running"],
    ),
    (
        "vllm_requests_in_system",
        "inference_requests_in_system",
        Extensive,
        "requests",
        &["vllm:num_requests_running", "vllm:num_requests_waiting"],
    ),
    (
        "vllm_kv_cache_usage",
        "inference_kv_cache_utilization",
        Intensive,
        "ratio",
        &["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"],
    ),
    (
        "vllm_kv_cache_usage_max",
        "inference_kv_cache_utilization_max",
        Intensive,
        "ratio",
        &["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"],
    ),
    (
        "vllm_kv_cache_load",
        "inference_kv_cache_utilization_sum",
        Extensive,
        "ratio",
        &["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"],
    ),
    (
        "vllm_ttft_quantile",
        "inference_time_to_first_token_seconds_p99",
        Intensive,
        "seconds",
        &["vllm:time_to_first_token_seconds"],
    ),
    (
        "vllm_ttft_avg",
        "inference_time_to_first_token_seconds_mean",
        Intensive,
        "seconds",
        &["vllm:time_to_first_token_seconds"],
    ),
    (
        "vllm_itl_quantile",
        "inference_inter_token_latency_seconds",
        Intensive,
        "seconds",
        &["vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"],
    ),
    (
        "vllm_tpot_quantile",
        "inference_time_per_output_token_seconds",
        Intensive,
        "seconds",
        &["vllm:request_time_per_output_token_seconds"],
    ),
    (
        "vllm_e2e_latency_quantile",
        "inference_request_duration_seconds",
        Intensive,
        "seconds",
        &["vllm:e2e_request_latency_seconds"],
    ),
    (
        "vllm_queue_time_quantile",
        "inference_queue_time_seconds",
        Intensive,
        "seconds",
        &["vllm:request_queue_time_seconds", "vllm:time_in_queue_requests"],
    ),
    (
        "vllm_queue_time_avg",
        "inference_queue_time_seconds_mean",
        Intensive,
        "seconds",
        &["vllm:request_queue_time_seconds", "vllm:time_in_queue_requests"],
    ),
    (
        "vllm_prefill_time_avg",
        "inference_prefill_time_seconds",
        Intensive,
        "seconds",
        &["vllm:request_prefill_time_seconds"],
    ),
    (
        "vllm_decode_time_avg",
        "inference_decode_time_seconds",
        Intensive,
        "seconds",
        &["vllm:request_decode_time_seconds"],
    ),
    (
        "vllm_prompt_tokens_per_second",
        "inference_prompt_tokens_per_second",
        Extensive,
        "tokens/s",
        &["vllm:prompt_tokens_total"],
    ),
    (
        "vllm_prefill_computed_tokens_per_second",
        "inference_prefill_computed_tokens_per_second",
        Extensive,
        "tokens/s",
        &["vllm:prompt_tokens_total", "vllm:prompt_tokens_cached_total", "vllm:prefix_cache_hits_total"],
    ),
    (
        "vllm_generation_tokens_per_second",
        "inference_generated_tokens_per_second",
        Extensive,
        "tokens/s",
        &["vllm:generation_tokens_total"],
    ),
    (
        "vllm_requests_per_second",
        "inference_requests_per_second",
        Extensive,
        "requests/s",
        &["vllm:request_success_total"],
    ),
    (
        "vllm_preemptions_per_second",
        "inference_preemptions_per_second",
        Extensive,
        "preemptions/s",
        &["vllm:num_preemptions_total"],
    ),
    (
        "vllm_prefix_cache_hit_ratio",
        "inference_prefix_cache_hit_ratio",
        Intensive,
        "ratio",
        &[
            "vllm:prefix_cache_hits_total",
            "vllm:gpu_prefix_cache_hits_total",
            "vllm:prefix_cache_queries_total",
            "vllm:gpu_prefix_cache_queries_total",
        ],
    ),
    (
        "vllm_tokens_per_engine_step",
        "inference_tokens_per_engine_step",
        Intensive,
        "tokens",
        &["vllm:iteration_tokens_total"],
    ),
    (
        "vllm_spec_decode_acceptance",
        "inference_speculative_acceptance_ratio",
        Intensive,
        "ratio",
        &["vllm:spec_decode_num_accepted_tokens_total", "vllm:spec_decode_num_draft_tokens_total"],
    ),
    (
        "vllm_admission_rejections_per_second",
        "inference_admission_rejections_per_second",
        Extensive,
        "requests/s",
        &["vllm:admission_rejections_total"],
    ),
    ("vllm_awake_replicas", "inference_engines_awake", Extensive, "engines", &["vllm:engine_sleep_state"]),
];

const DCGM: [Row; 16] = [
    (
        "dcgm_gpu_utilization",
        "gpu_utilization",
        Intensive,
        "ratio",
        &["DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_DEV_GPU_UTIL_RATIO"],
    ),
    (
        "dcgm_gr_engine_active",
        "gpu_engine_active_ratio",
        Intensive,
        "ratio",
        &["DCGM_FI_PROF_GR_ENGINE_ACTIVE", "DCGM_FI_PROF_GR_ENGINE_UTIL_RATIO"],
    ),
    (
        "dcgm_sm_active",
        "gpu_sm_active_ratio",
        Intensive,
        "ratio",
        &["DCGM_FI_PROF_SM_ACTIVE", "DCGM_FI_PROF_SM_UTIL_RATIO"],
    ),
    (
        "dcgm_tensor_active",
        "gpu_tensor_active_ratio",
        Intensive,
        "ratio",
        &["DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "DCGM_FI_PROF_TENSOR_UTIL_RATIO"],
    ),
    (
        "dcgm_dram_active",
        "gpu_memory_bandwidth_utilization",
        Intensive,
        "ratio",
        &["DCGM_FI_PROF_DRAM_ACTIVE", "DCGM_FI_PROF_DRAM_UTIL_RATIO"],
    ),
    (
        "dcgm_mem_copy_utilization",
        "gpu_memory_copy_utilization",
        Intensive,
        "ratio",
        &["DCGM_FI_DEV_MEM_COPY_UTIL"],
    ),
    (
        "dcgm_memory_used_fraction",
        "gpu_memory_used_ratio",
        Intensive,
        "ratio",
        &["DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE"],
    ),
    ("dcgm_memory_used_bytes", "gpu_memory_used_bytes", Extensive, "bytes", &["DCGM_FI_DEV_FB_USED"]),
    (
        "dcgm_power_watts",
        "gpu_power_watts",
        Extensive,
        "watts",
        &["DCGM_FI_DEV_POWER_USAGE", "DCGM_FI_DEV_BOARD_POWER_WATTS"],
    ),
    (
        "dcgm_power_fraction",
        "gpu_power_ratio",
        Intensive,
        "ratio",
        &[
            "DCGM_FI_DEV_ENFORCED_POWER_LIMIT",
            "DCGM_FI_DEV_POWER_MGMT_LIMIT",
            "DCGM_FI_DEV_BOARD_POWER_LIMIT_ENFORCED_WATTS",
        ],
    ),
    (
        "dcgm_energy_watts_avg",
        "gpu_average_power_watts",
        Extensive,
        "watts",
        &["DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"],
    ),
    (
        "dcgm_gpu_temp_max",
        "gpu_temperature_celsius",
        Intensive,
        "celsius",
        &["DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_GPU_TEMP_CELSIUS"],
    ),
    (
        "dcgm_pcie_bytes_per_second",
        "gpu_pcie_bytes_per_second",
        Extensive,
        "bytes/s",
        &["DCGM_FI_PROF_PCIE_TX_BYTES", "DCGM_FI_PROF_PCIE_RX_BYTES"],
    ),
    (
        "dcgm_clock_throttle_events",
        "gpu_clock_throttle_events",
        Extensive,
        "events",
        &["DCGM_EXP_CLOCK_EVENTS_COUNT", "DCGM_FI_EXP_CLOCK_THROTTLE_REASONS_COUNT"],
    ),
    (
        "dcgm_xid_present",
        "gpu_xid_errors",
        Extensive,
        "devices",
        &["DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_XID_ERROR"],
    ),
    ("dcgm_gpu_count", "gpu_count", Extensive, "devices", &["DCGM_FI_DEV_FB_FREE"]),
];

#[test]
fn every_reference_preset_is_provided() {
    let catalog = Catalog::built_in().expect("loads");
    for (engine, rows) in [("vllm", &VLLM[..]), ("dcgm", &DCGM[..])] {
        for (reference, name, semantics, unit, series) in rows {
            let metric =
                catalog.resolve(name).unwrap_or_else(|| panic!("{reference}: {name} does not resolve"));
            assert_eq!(metric.semantics, *semantics, "{reference}");
            assert_eq!(&*metric.unit, *unit, "{reference}");
            let input = metric.inputs.iter().find(|input| &*input.engine == engine);
            let signal = input
                .unwrap_or_else(|| panic!("{reference}: {engine} provides no {name}"))
                .signal
                .to_string();
            let read: Vec<_> = signal
                .split(" + ")
                .flat_map(|term| term.split(" or "))
                .map(|one| one.trim_end_matches("{_sum,_count}"))
                .collect();
            for one in *series {
                assert!(read.contains(one), "{reference}: {name} does not read {one} but {read:?}");
            }
        }
    }
}

#[test]
fn nothing_is_in_a_file_that_the_reference_lists_do_not_have() {
    let catalog = Catalog::built_in().expect("loads");
    let listed: Vec<&str> = VLLM.iter().chain(&DCGM).map(|row| row.1).collect();
    for name in catalog.names() {
        let by_these = catalog
            .presets(name)
            .iter()
            .any(|preset| ["vllm", "dcgm"].contains(&&*catalog.engine_of(preset).name));
        assert!(!by_these || listed.iter().any(|one| one.starts_with(&**name)), "{name} is not checked");
    }
}
