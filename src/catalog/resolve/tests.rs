use std::time::Duration;

use super::*;
use crate::core::metric::Scope;
use crate::core::signal::Element;

fn catalog() -> Catalog {
    Catalog::built_in().expect("loads")
}

fn resolve(name: &str) -> Metric {
    catalog().resolve(name).unwrap_or_else(|| panic!("{name} does not resolve"))
}

fn of<'a>(engine: &str, metric: &'a Metric) -> &'a Input {
    metric.inputs.iter().find(|input| &*input.engine == engine).expect("a provider")
}

#[test]
fn statistics_choose_what_is_read() {
    for (suffix, kind, formula) in [
        ("", Kind::Buckets, Formula::Quantile { q: 0.95, times: 1.0 }),
        ("_p50", Kind::Buckets, Formula::Quantile { q: 0.5, times: 1.0 }),
        ("_p90", Kind::Buckets, Formula::Quantile { q: 0.9, times: 1.0 }),
        ("_p95", Kind::Buckets, Formula::Quantile { q: 0.95, times: 1.0 }),
        ("_p99", Kind::Buckets, Formula::Quantile { q: 0.99, times: 1.0 }),
        ("_mean", Kind::Mean, Formula::Mean { times: 1.0 }),
    ] {
        let metric = resolve(&format!("inference_time_to_first_token_seconds{suffix}"));
        let input = of("vllm", &metric);
        let Signal::Series(signal) = input.signal.as_ref() else { panic!("series") };
        assert_eq!((signal.terms[0].kind, &input.formula), (kind, &formula), "{suffix}");
        assert_eq!(
            (metric.aggregate, metric.semantics),
            (Aggregate::Pooled, Semantics::Intensive),
            "{suffix}"
        );
        assert_eq!(metric.window(), Some(Duration::from_mins(2)), "{suffix}");
    }
    let default_mean = resolve("inference_tokens_per_engine_step");
    assert_eq!(default_mean.inputs[0].formula, Formula::Mean { times: 1.0 });
}

#[test]
fn aggregates_choose_the_fold_and_with_it_the_target_type() {
    let (sum, avg, max, min) = (Aggregate::Sum, Aggregate::Avg, Aggregate::Max, Aggregate::Min);
    let (extensive, intensive) = (Semantics::Extensive, Semantics::Intensive);
    for (name, aggregate, semantics) in [
        ("inference_requests_waiting", sum, extensive),
        ("inference_requests_waiting_sum", sum, extensive),
        ("inference_requests_waiting_avg", avg, intensive),
        ("inference_requests_waiting_max", max, intensive),
        ("inference_requests_waiting_min", min, intensive),
        ("inference_kv_cache_utilization", avg, intensive),
        ("inference_kv_cache_utilization_sum", sum, extensive),
        ("inference_kv_cache_utilization_max", max, intensive),
        ("inference_prefix_cache_hit_ratio", Aggregate::Pooled, intensive),
        ("inference_prefix_cache_hit_ratio_min", min, intensive),
        ("inference_time_to_first_token_seconds_max", max, intensive),
        ("inference_time_to_first_token_seconds_p99_max", max, intensive),
        ("inference_time_to_first_token_seconds_mean_avg", avg, intensive),
        ("gpu_temperature_celsius", max, intensive),
        ("gpu_temperature_celsius_avg", avg, intensive),
        ("gpu_count", Aggregate::Count, extensive),
        ("gpu_xid_errors_max", max, intensive),
    ] {
        let metric = resolve(name);
        assert_eq!((metric.aggregate, metric.semantics), (aggregate, semantics), "{name}");
        assert_eq!(metric.hold, semantics.default_hold(), "{name}");
        assert_eq!(&*metric.name, name);
    }
}

#[test]
fn nonsense_does_not_resolve() {
    let catalog = catalog();
    for name in [
        "",
        "_max",
        "_p99",
        "inference",
        "inference_requests",
        "inference_requests_waiting_",
        "inference_requests_waiting_p99",
        "inference_requests_waiting_mean",
        "inference_requests_waiting_count",
        "inference_requests_waiting_max_max",
        "inference_requests_waiting_sum_avg",
        "inference_time_to_first_token_seconds_sum",
        "inference_time_to_first_token_seconds_p95_sum",
        "inference_time_to_first_token_seconds_max_p99",
        "inference_time_to_first_token_seconds_p42",
        "inference_time_to_first_token_seconds_p50_p99",
        "inference_prefix_cache_hit_ratio_sum",
        "inference_prefix_cache_hit_ratio_p95",
        "gpu_memory_used_ratio_sum",
        // The sum of what is counted is free memory, not devices.
        "gpu_count_sum",
        "gpu_count_avg",
        "gpu_count_max",
        "INFERENCE_REQUESTS_WAITING",
        "vllm:nothing",
        "vllm:time_to_first_token_seconds_bucket",
        "vllm:time_to_first_token_seconds_sum",
        "vllm:iteration_tokens_total_sum",
        "vllm:num_requests_waiting_p99",
        // Codes must never be added up.
        "DCGM_FI_DEV_XID_ERRORS",
        "DCGM_FI_DEV_XID_ERRORS_sum",
        "DCGM_FI_DEV_XID_ERROR",
        // Prefill and decode in one, waiting and active in one.
        "sglang:realtime_tokens_total",
        "nv_trt_llm_request_metrics",
        // What others are multiplied by.
        "node_gpu_count",
    ] {
        assert!(catalog.resolve(name).is_none(), "{name}");
    }
}

#[test]
fn raw_names_answer_in_their_own_unit() {
    let (extensive, intensive) = (Semantics::Extensive, Semantics::Intensive);
    for (name, unit, semantics, aggregate) in [
        ("vllm:num_requests_waiting", "requests", extensive, Aggregate::Sum),
        ("vllm:num_requests_waiting_max", "requests", intensive, Aggregate::Max),
        ("vllm:gpu_cache_usage_perc", "ratio", intensive, Aggregate::Avg),
        ("vllm:kv_cache_usage_perc_max", "ratio", intensive, Aggregate::Max),
        ("vllm:generation_tokens_total", "tokens/s", extensive, Aggregate::Sum),
        ("vllm:prefix_cache_hits_total", "tokens/s", extensive, Aggregate::Sum),
        ("vllm:prefix_cache_queries_total", "tokens/s", extensive, Aggregate::Sum),
        ("vllm:time_to_first_token_seconds", "seconds", intensive, Aggregate::Pooled),
        ("vllm:time_to_first_token_seconds_p99", "seconds", intensive, Aggregate::Pooled),
        ("vllm:time_per_output_token_seconds_mean", "seconds", intensive, Aggregate::Pooled),
        ("vllm:iteration_tokens_total", "tokens", intensive, Aggregate::Pooled),
        ("DCGM_FI_DEV_GPU_UTIL", "percent", intensive, Aggregate::Avg),
        ("DCGM_FI_DEV_FB_USED", "MiB", extensive, Aggregate::Sum),
        ("DCGM_FI_DEV_FB_FREE", "MiB", extensive, Aggregate::Sum),
        ("DCGM_FI_DEV_POWER_USAGE", "watts", extensive, Aggregate::Sum),
        ("DCGM_FI_DEV_ENFORCED_POWER_LIMIT", "watts", extensive, Aggregate::Sum),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", "milliwatts", extensive, Aggregate::Sum),
        ("DCGM_FI_DEV_GPU_TEMP", "celsius", intensive, Aggregate::Max),
        ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "ratio", intensive, Aggregate::Avg),
        ("sglang:num_queue_reqs", "requests", extensive, Aggregate::Sum),
        ("tgi_request_success", "requests/s", extensive, Aggregate::Sum),
        ("nv_inference_queue_duration_us", "microseconds/s", extensive, Aggregate::Sum),
        ("nv_inference_first_response_histogram_ms_p99", "milliseconds", intensive, Aggregate::Pooled),
        ("ray_serve_deployment_processing_latency_ms_mean", "milliseconds", intensive, Aggregate::Pooled),
        ("gpu_gfx_activity", "percent", intensive, Aggregate::Avg),
        ("habanalabs_power_mW", "milliwatts", extensive, Aggregate::Sum),
        ("container_gpu_allocation", "GPUs", extensive, Aggregate::Sum),
    ] {
        let metric = resolve(name);
        assert_eq!(
            (&*metric.unit, metric.semantics, metric.aggregate),
            (unit, semantics, aggregate),
            "{name}"
        );
        let [input] = &metric.inputs[..] else { panic!("{name} has one input") };
        let base = name.trim_end_matches("_max").trim_end_matches("_p99").trim_end_matches("_mean");
        assert_eq!(
            input.signal.to_string().trim_end_matches("{_sum,_count}"),
            base,
            "{name} reads itself alone"
        );
        if let Formula::Linear(terms) = &input.formula {
            assert!(
                matches!(&terms[..], [one] if (one.weight - 1.0).abs() < f64::EPSILON),
                "{name} is not scaled"
            );
        }
        if let Formula::Quantile { times, .. } | Formula::Mean { times } = input.formula {
            assert!((times - 1.0).abs() < f64::EPSILON, "{name} is not scaled");
        }
    }
}

#[test]
fn range_and_target_follow_what_they_were_stated_for() {
    assert_eq!(resolve("inference_kv_cache_utilization").range, Some((0.0, 1.0)));
    assert_eq!(resolve("inference_kv_cache_utilization_max").range, Some((0.0, 1.0)));
    assert_eq!(resolve("inference_kv_cache_utilization_sum").range, None);
    assert_eq!(resolve("DCGM_FI_DEV_GPU_UTIL").range, None, "percent, not a ratio");
    assert_eq!(resolve("vllm:kv_cache_usage_perc").range, Some((0.0, 1.0)));
    assert_eq!(resolve("inference_requests_waiting").target.map(|target| target.value), Some(5.0));
    assert!(resolve("inference_requests_waiting_max").target.is_none());
    assert!(resolve("DCGM_FI_DEV_ENFORCED_POWER_LIMIT").target.is_none());
}

#[test]
fn only_differences_may_fall_below_zero() {
    assert_eq!(resolve("inference_prefill_computed_tokens_per_second").negative, Missing::Zero);
    assert_eq!(resolve("vllm:prefix_cache_hits_total").negative, Missing::Error);
    assert_eq!(resolve("inference_requests_waiting").negative, Missing::Error);
}

#[test]
fn a_share_is_a_ratio_of_the_buckets_that_quantiles_read() {
    let catalog = catalog();
    let name = "inference_time_to_first_token_seconds";
    let (share, quantile) = (catalog.share(name, 0.5).expect("a share"), resolve(name));
    assert_eq!(
        (&*share.unit, share.semantics, share.direction),
        ("ratio", Semantics::Intensive, Direction::Falls)
    );
    assert_eq!((share.range, share.aggregate), (Some((0.0, 1.0)), Aggregate::Pooled));
    assert!(share.target.is_none() && share.help.starts_with("The share up to 0.5 seconds of: "));
    assert_eq!(share.inputs.len(), quantile.inputs.len());
    for (share, quantile) in share.inputs.iter().zip(&quantile.inputs) {
        assert_eq!(share.signal, quantile.signal, "{}: one query for both", share.engine);
        let Formula::Quantile { times, .. } = quantile.formula else { panic!("a quantile") };
        assert_eq!(share.formula, Formula::Share { upto: 0.5, times }, "{}", share.engine);
    }
    let max = catalog.share(&format!("{name}_max"), 0.5).expect("a share");
    assert_eq!(max.aggregate, Aggregate::Max);
    let raw = catalog.share("nv_inference_first_response_histogram_ms", 250.0).expect("a share");
    assert_eq!(raw.inputs[0].formula.to_string(), "share of the merged buckets up to 250");
    let by_default_a_mean = catalog.share("inference_tokens_per_engine_step", 512.0).expect("a share");
    let Signal::Series(signal) = by_default_a_mean.inputs[0].signal.as_ref() else { panic!("series") };
    assert_eq!(signal.terms[0].kind, Kind::Buckets);
    for none in
        ["inference_requests_waiting", "gpu_utilization", "inference_prefix_cache_hit_ratio", "nothing"]
    {
        assert!(catalog.share(none, 0.5).is_none(), "{none}");
    }
    for suffix in ["_p95", "_mean", "_p95_max", "_sum"] {
        assert!(catalog.share(&format!("{name}{suffix}"), 0.5).is_none(), "{suffix}");
    }
}

#[test]
fn elements_are_pods_series_or_devices() {
    let known_by =
        |labels: &[&str]| Element::Device(labels.iter().map(|label| (*label).to_owned()).collect());
    for (engine, name, element) in [
        ("vllm", "inference_requests_waiting_max", Element::Pod),
        ("vllm", "inference_kv_cache_utilization", Element::Series),
        ("vllm", "inference_time_to_first_token_seconds", Element::Pod),
        ("vllm", "inference_prefix_cache_hit_ratio", Element::Pod),
        ("sglang", "inference_gpu_busy_ratio", Element::Series),
        ("dcgm", "gpu_power_ratio", known_by(&["UUID", "GPU_I_ID"])),
        ("amd", "gpu_power_watts", known_by(&["hostname", "gpu_id", "gpu_partition_id"])),
        ("triton", "server_gpu_power_ratio", known_by(&["gpu_uuid"])),
        ("triton", "inference_queue_time_ratio", Element::Pod),
        ("kube_state_metrics", "replicas_ready", known_by(&["namespace", "deployment"])),
        (
            "kube_state_metrics",
            "replicas_desired_by_hpa",
            known_by(&["namespace", "horizontalpodautoscaler"]),
        ),
        ("redis", "redis_stream_backlog", known_by(&["instance", "db", "stream", "group"])),
    ] {
        let metric = resolve(name);
        let input = of(engine, &metric);
        assert_eq!(*input.signal.element(), element, "{name}");
        // What tells of others is no engine of theirs.
        let is_exporter = !["vllm", "sglang", "triton"].contains(&engine);
        assert_eq!(input.signal.labels().engine.is_none(), is_exporter, "{name}");
    }
}

#[test]
fn whatever_is_listed_resolves_and_safely() {
    let catalog = catalog();
    let names: Vec<String> =
        catalog.names().map(ToString::to_string).chain(catalog.raw_names().map(str::to_owned)).collect();
    let cluster = |name: &&String| catalog.resolve(name).is_some_and(|metric| metric.scope == Scope::Cluster);
    assert_eq!(
        names.iter().filter(cluster).collect::<Vec<_>>(),
        ["cost_gpus_usd_per_hour", "replicas_desired_by_wva", "node_gpu_hourly_cost", "wva_desired_replicas"],
        "nothing else may be read from every namespace"
    );
    for name in &names {
        let metric = catalog.resolve(name).unwrap_or_else(|| panic!("{name} does not resolve"));
        assert_eq!(metric.absent, Missing::Error, "{name}");
        assert_eq!(metric.idle, Missing::Error, "{name}");
        for (suffix, _) in STATISTICS {
            let is_distribution = metric.composite.is_none()
                && metric
                    .inputs
                    .iter()
                    .all(|input| matches!(input.formula, Formula::Quantile { .. } | Formula::Mean { .. }));
            assert_eq!(
                catalog.resolve(&format!("{name}{suffix}")).is_some(),
                is_distribution,
                "{name}{suffix}"
            );
        }
    }
}
