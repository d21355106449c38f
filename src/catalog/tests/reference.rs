//! Every preset of the reference lists, by the name that provides it here: what people know from
//! other recipes must be answerable.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::core::metric::Semantics::{self, Extensive, Intensive};
use crate::core::signal::Signal;

/// Reference name, our name, semantics, unit, and the series without which it could not be it.
type Row = (&'static str, &'static str, Semantics, &'static str, &'static [&'static str]);

/// The rows of each engine.
const REFERENCE: [(&str, &[Row]); 21] = [
    (
        "vllm",
        &[
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
                &[
                    "vllm:prompt_tokens_total",
                    "vllm:prompt_tokens_cached_total",
                    "vllm:prefix_cache_hits_total",
                ],
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
            (
                "vllm_awake_replicas",
                "inference_engines_awake",
                Extensive,
                "engines",
                &["vllm:engine_sleep_state"],
            ),
        ],
    ),
    (
        "sglang",
        &[
            (
                "sglang_requests_waiting",
                "inference_requests_waiting",
                Extensive,
                "requests",
                &["sglang:num_queue_reqs"],
            ),
            (
                "sglang_requests_running",
                "inference_requests_running",
                Extensive,
                "requests",
                &["sglang:num_running_reqs"],
            ),
            (
                "sglang_kv_usage",
                "inference_kv_cache_utilization",
                Intensive,
                "ratio",
                &["sglang:token_usage"],
            ),
            (
                "sglang_ttft_quantile",
                "inference_time_to_first_token_seconds",
                Intensive,
                "seconds",
                &["sglang:time_to_first_token_seconds"],
            ),
            (
                "sglang_itl_quantile",
                "inference_inter_token_latency_seconds",
                Intensive,
                "seconds",
                &["sglang:inter_token_latency_seconds", "sglang:time_per_output_token_seconds"],
            ),
            (
                "sglang_e2e_latency_quantile",
                "inference_request_duration_seconds",
                Intensive,
                "seconds",
                &["sglang:e2e_request_latency_seconds"],
            ),
            (
                "sglang_queue_time_quantile",
                "inference_queue_time_seconds",
                Intensive,
                "seconds",
                &["sglang:queue_time_seconds"],
            ),
            (
                "sglang_generation_tokens_per_second",
                "inference_generated_tokens_per_second",
                Extensive,
                "tokens/s",
                &["sglang:realtime_tokens_total", "sglang:generation_tokens_total"],
            ),
            (
                "sglang_prefill_tokens_per_second",
                "inference_prefill_computed_tokens_per_second",
                Extensive,
                "tokens/s",
                &["sglang:realtime_tokens_total"],
            ),
            (
                "sglang_gpu_busy_ratio",
                "inference_gpu_busy_ratio",
                Intensive,
                "ratio",
                &["sglang:forward_execution_seconds_total", "sglang:gpu_execution_seconds_total"],
            ),
            (
                "sglang_retractions_per_second",
                "inference_preemptions_per_second",
                Extensive,
                "preemptions/s",
                &["sglang:num_retracted_requests_total"],
            ),
            (
                "sglang_pd_prefill_queue",
                "inference_disaggregated_prefill_requests",
                Extensive,
                "requests",
                &[
                    "sglang:num_prefill_bootstrap_queue_reqs",
                    "sglang:num_prefill_prealloc_queue_reqs",
                    "sglang:num_prefill_inflight_queue_reqs",
                    "sglang:num_prefill_infight_queue_reqs",
                ],
            ),
            (
                "sglang_pd_decode_queue",
                "inference_disaggregated_decode_requests",
                Extensive,
                "requests",
                &["sglang:num_decode_prealloc_queue_reqs", "sglang:num_decode_transfer_queue_reqs"],
            ),
        ],
    ),
    (
        "tgi",
        &[
            ("tgi_queue_size", "inference_requests_waiting", Extensive, "requests", &["tgi_queue_size"]),
            (
                "tgi_batch_size",
                "inference_requests_running",
                Extensive,
                "requests",
                &["tgi_batch_current_size"],
            ),
            (
                "tgi_queue_time_quantile",
                "inference_queue_time_seconds",
                Intensive,
                "seconds",
                &["tgi_request_queue_duration"],
            ),
            (
                "tgi_e2e_latency_quantile",
                "inference_request_duration_seconds",
                Intensive,
                "seconds",
                &["tgi_request_duration"],
            ),
            (
                "tgi_tpot_quantile",
                "inference_time_per_output_token_seconds",
                Intensive,
                "seconds",
                &["tgi_request_mean_time_per_token_duration"],
            ),
            (
                "tgi_token_budget_fill",
                "inference_token_budget_utilization",
                Intensive,
                "ratio",
                &["tgi_batch_current_max_tokens", "tgi_batch_max_total_tokens"],
            ),
            (
                "tgi_requests_per_second",
                "inference_requests_per_second",
                Extensive,
                "requests/s",
                &["tgi_request_success"],
            ),
        ],
    ),
    (
        "tei",
        &[
            ("tei_queue_size", "inference_requests_waiting", Extensive, "requests", &["te_queue_size"]),
            (
                "tei_queue_time_quantile",
                "inference_queue_time_seconds",
                Intensive,
                "seconds",
                &["te_request_queue_duration"],
            ),
            (
                "tei_e2e_latency_quantile",
                "inference_request_duration_seconds",
                Intensive,
                "seconds",
                &["te_request_duration"],
            ),
            (
                "tei_requests_per_second",
                "inference_requests_per_second",
                Extensive,
                "requests/s",
                &["te_request_success"],
            ),
        ],
    ),
    (
        "triton",
        &[
            (
                "triton_pending_requests",
                "inference_requests_waiting",
                Extensive,
                "requests",
                &["nv_inference_pending_request_count"],
            ),
            (
                "triton_queue_time_avg_ms",
                "inference_mean_queue_time_seconds",
                Intensive,
                "seconds",
                &["nv_inference_queue_duration_us", "nv_inference_request_success"],
            ),
            (
                "triton_queue_fraction",
                "inference_queue_time_ratio",
                Intensive,
                "ratio",
                &["nv_inference_queue_duration_us", "nv_inference_request_duration_us"],
            ),
            (
                "triton_compute_time_avg_ms",
                "inference_mean_batch_compute_time_seconds",
                Intensive,
                "seconds",
                &["nv_inference_compute_infer_duration_us", "nv_inference_exec_count"],
            ),
            (
                "triton_avg_batch_size",
                "inference_mean_batch_size",
                Intensive,
                "inferences",
                &["nv_inference_count", "nv_inference_exec_count"],
            ),
            (
                "triton_requests_per_second",
                "inference_requests_per_second",
                Extensive,
                "requests/s",
                &["nv_inference_request_success"],
            ),
            (
                "triton_first_response_quantile_ms",
                "inference_time_to_first_response_seconds",
                Intensive,
                "seconds",
                &["nv_inference_first_response_histogram_ms"],
            ),
            ("triton_gpu_utilization", "server_gpu_utilization", Intensive, "ratio", &["nv_gpu_utilization"]),
            (
                "triton_gpu_memory_fraction",
                "server_gpu_memory_used_ratio",
                Intensive,
                "ratio",
                &["nv_gpu_memory_used_bytes", "nv_gpu_memory_total_bytes"],
            ),
            (
                "triton_gpu_power_fraction",
                "server_gpu_power_ratio",
                Intensive,
                "ratio",
                &["nv_gpu_power_usage", "nv_gpu_power_limit"],
            ),
            (
                "triton_trtllm_requests_waiting",
                "inference_requests_waiting",
                Extensive,
                "requests",
                &["nv_trt_llm_request_metrics"],
            ),
            (
                "triton_trtllm_slot_utilization",
                "inference_slot_utilization",
                Intensive,
                "ratio",
                &["nv_trt_llm_request_metrics"],
            ),
            (
                "triton_trtllm_kv_usage",
                "inference_kv_cache_utilization",
                Intensive,
                "ratio",
                &["nv_trt_llm_kv_cache_block_metrics"],
            ),
        ],
    ),
    (
        "trtllm",
        &[
            (
                "trtllm_requests_waiting",
                "inference_requests_waiting",
                Extensive,
                "requests",
                &["trtllm_num_requests_waiting"],
            ),
            (
                "trtllm_kv_usage",
                "inference_kv_cache_utilization",
                Intensive,
                "ratio",
                &["trtllm_kv_cache_utilization"],
            ),
            (
                "trtllm_slot_utilization",
                "inference_slot_utilization",
                Intensive,
                "ratio",
                &["trtllm_num_requests_running", "trtllm_max_num_active_requests"],
            ),
            (
                "trtllm_ttft_quantile",
                "inference_time_to_first_token_seconds",
                Intensive,
                "seconds",
                &["trtllm_time_to_first_token_seconds"],
            ),
            (
                "trtllm_tpot_quantile",
                "inference_time_per_output_token_seconds",
                Intensive,
                "seconds",
                &["trtllm_time_per_output_token_seconds"],
            ),
            (
                "trtllm_queue_time_quantile",
                "inference_queue_time_seconds",
                Intensive,
                "seconds",
                &["trtllm_request_queue_time_seconds"],
            ),
        ],
    ),
    (
        "nim",
        &[
            (
                "nim_requests_waiting",
                "inference_requests_waiting",
                Extensive,
                "requests",
                &["num_requests_waiting"],
            ),
            ("nim_kv_usage", "inference_kv_cache_utilization", Intensive, "ratio", &["gpu_cache_usage_perc"]),
            (
                "nim_slot_utilization",
                "inference_slot_utilization",
                Intensive,
                "ratio",
                &["num_requests_running", "num_request_max"],
            ),
            (
                "nim_ttft_quantile",
                "inference_time_to_first_token_seconds",
                Intensive,
                "seconds",
                &["time_to_first_token_seconds"],
            ),
        ],
    ),
    (
        "lmdeploy",
        &[
            (
                "lmdeploy_requests_waiting",
                "inference_requests_waiting",
                Extensive,
                "requests",
                &["lmdeploy:num_requests_waiting", "lmdeploy:num_api_requests_waiting"],
            ),
            (
                "lmdeploy_kv_usage",
                "inference_kv_cache_utilization",
                Intensive,
                "ratio",
                &["lmdeploy:gpu_cache_usage_perc"],
            ),
            (
                "lmdeploy_ttft_quantile",
                "inference_time_to_first_token_seconds",
                Intensive,
                "seconds",
                &["lmdeploy:time_to_first_token_seconds"],
            ),
        ],
    ),
    (
        "llamacpp",
        &[
            (
                "llamacpp_requests_deferred",
                "inference_requests_waiting",
                Extensive,
                "requests",
                &["llamacpp:requests_deferred"],
            ),
            (
                "llamacpp_requests_processing",
                "inference_requests_running",
                Extensive,
                "requests",
                &["llamacpp:requests_processing"],
            ),
            (
                "llamacpp_tokens_per_second",
                "inference_generated_tokens_per_second",
                Extensive,
                "tokens/s",
                &["llamacpp:tokens_predicted_total"],
            ),
            (
                "llamacpp_busy_slots",
                "inference_busy_slots_per_decode",
                Intensive,
                "slots",
                &["llamacpp:n_busy_slots_per_decode"],
            ),
        ],
    ),
    (
        "ray",
        &[
            (
                "ray_serve_queued",
                "gateway_requests_queued",
                Extensive,
                "requests",
                &["ray_serve_deployment_queued_queries"],
            ),
            (
                "ray_serve_ongoing",
                "gateway_requests_running",
                Extensive,
                "requests",
                &["ray_serve_replica_processing_queries"],
            ),
            (
                "ray_serve_latency_quantile_ms",
                "gateway_processing_time_seconds",
                Intensive,
                "seconds",
                &["ray_serve_deployment_processing_latency_ms"],
            ),
        ],
    ),
    (
        "ray_vllm",
        &[(
            "ray_vllm_requests_waiting",
            "inference_requests_waiting",
            Extensive,
            "requests",
            &["ray_vllm_num_requests_waiting", "ray_vllm:num_requests_waiting"],
        )],
    ),
    (
        "dynamo",
        &[
            (
                "dynamo_frontend_queued",
                "gateway_requests_before_first_token",
                Extensive,
                "requests",
                &["dynamo_frontend_queued_requests"],
            ),
            (
                "dynamo_frontend_active",
                "gateway_requests_in_flight",
                Extensive,
                "requests",
                &["dynamo_frontend_active_requests", "dynamo_frontend_inflight_requests"],
            ),
            (
                "dynamo_ttft_quantile",
                "gateway_time_to_first_token_seconds",
                Intensive,
                "seconds",
                &["dynamo_frontend_time_to_first_token_seconds"],
            ),
            (
                "dynamo_itl_quantile",
                "gateway_inter_token_latency_seconds",
                Intensive,
                "seconds",
                &["dynamo_frontend_inter_token_latency_seconds"],
            ),
            (
                "dynamo_kv_usage",
                "gateway_worker_kv_cache_utilization",
                Intensive,
                "ratio",
                &[
                    "dynamo_component_gpu_cache_usage_percent",
                    "dynamo_component_kvstats_gpu_cache_usage_percent",
                ],
            ),
            (
                "dynamo_router_pending",
                "gateway_requests_queued",
                Extensive,
                "requests",
                &["dynamo_frontend_router_queue_pending_requests"],
            ),
            (
                "dynamo_prefill_tokens",
                "gateway_worker_prefill_tokens",
                Extensive,
                "tokens",
                &["dynamo_frontend_worker_active_prefill_tokens"],
            ),
        ],
    ),
    (
        "kserve",
        &[(
            "kserve_predict_latency_quantile",
            "inference_predict_time_seconds",
            Intensive,
            "seconds",
            &["request_predict_seconds"],
        )],
    ),
    (
        "epp",
        &[
            (
                "epp_pool_saturation",
                "gateway_pool_saturation",
                Intensive,
                "saturation",
                &[
                    "llm_d_epp_flow_control_pool_saturation",
                    "inference_extension_flow_control_pool_saturation",
                ],
            ),
            (
                "epp_queue_avg",
                "gateway_pool_requests_waiting_per_pod",
                Intensive,
                "requests",
                &["llm_d_epp_average_queue_size", "inference_pool_average_queue_size"],
            ),
            (
                "epp_kv_avg",
                "gateway_pool_kv_cache_utilization",
                Intensive,
                "ratio",
                &["llm_d_epp_average_kv_cache_utilization", "inference_pool_average_kv_cache_utilization"],
            ),
            (
                "epp_flow_control_queue",
                "gateway_requests_queued",
                Extensive,
                "requests",
                &["llm_d_epp_flow_control_queue_size", "inference_extension_flow_control_queue_size"],
            ),
            (
                "epp_ttft_quantile",
                "gateway_time_to_first_token_seconds",
                Intensive,
                "seconds",
                &["llm_d_epp_request_ttft_seconds", "inference_objective_request_ttft_seconds"],
            ),
        ],
    ),
    (
        "wva",
        &[(
            "wva_desired_replicas",
            "replicas_desired_by_wva",
            Extensive,
            "replicas",
            &["wva_desired_replicas"],
        )],
    ),
    (
        "dcgm",
        &[
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
        ],
    ),
    (
        "amd",
        &[
            (
                "amd_gfx_activity",
                "gpu_utilization",
                Intensive,
                "ratio",
                &["gpu_gfx_activity", "amd_gpu_gfx_activity"],
            ),
            (
                "amd_vram_used_fraction",
                "gpu_memory_used_ratio",
                Intensive,
                "ratio",
                &["gpu_used_vram", "amd_gpu_used_vram", "gpu_total_vram", "amd_gpu_total_vram"],
            ),
            (
                "amd_power_watts",
                "gpu_power_watts",
                Extensive,
                "watts",
                &["gpu_package_power", "amd_gpu_package_power"],
            ),
        ],
    ),
    (
        "gaudi",
        &[
            ("gaudi_utilization", "gpu_utilization", Intensive, "ratio", &["habanalabs_utilization"]),
            (
                "gaudi_memory_used_fraction",
                "gpu_memory_used_ratio",
                Intensive,
                "ratio",
                &["habanalabs_memory_used_bytes", "habanalabs_memory_total_bytes"],
            ),
            (
                "gaudi_power_fraction",
                "gpu_power_ratio",
                Intensive,
                "ratio",
                &["habanalabs_power_mW", "habanalabs_power_default_limit_mW"],
            ),
        ],
    ),
    (
        "kube_state_metrics",
        &[
            (
                "ksm_deployment_ready_replicas",
                "replicas_ready",
                Extensive,
                "replicas",
                &["kube_deployment_status_replicas_ready"],
            ),
            (
                "ksm_deployment_pending_replicas",
                "replicas_pending",
                Extensive,
                "replicas",
                &["kube_deployment_spec_replicas", "kube_deployment_status_replicas_ready"],
            ),
            (
                "ksm_hpa_desired_replicas",
                "replicas_desired_by_hpa",
                Extensive,
                "replicas",
                &["kube_horizontalpodautoscaler_status_desired_replicas"],
            ),
        ],
    ),
    (
        "opencost",
        &[
            (
                "cost_gpu_hourly",
                "cost_gpus_usd_per_hour",
                Extensive,
                "USD/h",
                &["node_gpu_hourly_cost", "node_gpu_count"],
            ),
            (
                "cost_workload_hourly",
                "cost_workload_gpus_usd_per_hour",
                Extensive,
                "USD/h",
                &["container_gpu_allocation", "node_gpu_hourly_cost"],
            ),
        ],
    ),
    (
        "redis",
        &[
            ("redis_list_length", "redis_list_length", Extensive, "items", &["redis_key_size"]),
            (
                "redis_stream_lag",
                "redis_stream_backlog",
                Extensive,
                "messages",
                &["redis_stream_group_lag", "redis_stream_group_messages_pending"],
            ),
        ],
    ),
];

#[test]
fn every_reference_preset_is_provided() {
    let catalog = Catalog::built_in().expect("loads");
    let mut rows = 0;
    for (engine, (reference, name, semantics, unit, series)) in
        REFERENCE.iter().flat_map(|(engine, rows)| rows.iter().map(move |row| (engine, row)))
    {
        rows += 1;
        let metric = catalog.resolve(name).unwrap_or_else(|| panic!("{reference}: {name} does not resolve"));
        assert_eq!(metric.semantics, *semantics, "{reference}");
        assert_eq!(&*metric.unit, *unit, "{reference}");
        let input = metric.inputs.iter().find(|input| &*input.engine == *engine);
        let input = input.unwrap_or_else(|| panic!("{reference}: {engine} provides no {name}"));
        let Signal::Series(signal) = input.signal.as_ref() else { panic!("{reference}: no series") };
        let factors = signal.terms.iter().filter_map(|term| term.factor.as_ref());
        let own = signal.terms.iter().flat_map(|term| &term.series);
        let read: Vec<_> =
            own.chain(factors.map(|factor| &factor.series)).map(|series| series.name.as_str()).collect();
        for one in *series {
            assert!(read.contains(one), "{reference}: {name} does not read {one} but {read:?}");
        }
    }
    assert_eq!(rows, 127, "the reference has as many");
}

/// Metrics that are asked for by this name though no reference lists them among its presets.
const WELL_KNOWN: [&str; 3] = [
    "triton_queue_compute_input_duration_us",
    "inference_requests_in_system_change_per_second",
    "gpu_memory_used_of_board_ratio",
];

#[test]
fn nothing_is_in_a_file_of_which_the_reference_lists_do_not_know() {
    let catalog = Catalog::built_in().expect("loads");
    for engine in catalog.engines() {
        assert!(REFERENCE.iter().any(|(name, _)| *name == &*engine.name), "{} is not checked", engine.name);
    }
    // Composites are checked by themselves.
    let is_read = |name: &&Arc<str>| catalog.resolve(name).is_some_and(|metric| metric.composite.is_none());
    for name in catalog.names().filter(is_read) {
        let is_listed = |row: &Row| row.1.starts_with(&**name);
        let mut rows = REFERENCE.iter().flat_map(|(_, rows)| *rows);
        assert!(rows.any(is_listed) || WELL_KNOWN.contains(&&**name), "{name} is not checked");
    }
}
