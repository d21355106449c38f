//! What an HPA reads, against recorded pages of real engines scraped by a real Prometheus.

use std::fmt::Write as _;

use crate::support::{Client, Exposition, Prometheus, SOURCE, Server, Target, fixture, seconds, until};

/// The page with other values for these series.
fn with(page: &str, values: &[(&str, f64)]) -> String {
    let mut out = String::new();
    for line in page.lines() {
        let known = values
            .iter()
            .find(|(name, _)| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        match (known, line.rsplit_once(' ')) {
            (Some((_, value)), Some((series, _))) => writeln!(out, "{series} {value}").expect("memory"),
            _ => writeln!(out, "{line}").expect("memory"),
        }
    }
    out
}

fn vllm(name: &str, waiting: f64, running: f64, kv: f64) -> String {
    let values = [
        ("vllm:num_requests_waiting", waiting),
        ("vllm:num_requests_running", running),
        ("vllm:kv_cache_usage_perc", kv),
        // Where both names are there, the new one counts, and counts once.
        ("vllm:gpu_cache_usage_perc", if name == "vllm-0.10.0.txt" { 0.95 } else { kv }),
    ];
    with(&fixture(name), &values)
}

/// Five pods of as many releases in `ai`, a router beside them, two in `other`, each with its own numbers.
fn fleet(pages: &Exposition) -> Vec<Target> {
    vec![
        pages.pod("ai", "v0-6", vllm("vllm-0.6.3-v0.txt", 1.0, 100.0, 0.1)),
        pages.pod("ai", "v0-8", vllm("vllm-0.8.5-v1.txt", 2.0, 200.0, 0.2)),
        pages.pod("ai", "v0-10", vllm("vllm-0.10.0.txt", 4.0, 300.0, 0.3)),
        pages.pod("ai", "v0-20", vllm("vllm-0.20.0.txt", 8.0, 400.0, 0.4)),
        pages.pod("ai", "v0-33", vllm("vllm-0.33.0.txt", 16.0, 500.0, 0.5)),
        pages.pod("ai", "router", fixture("production-stack-router-waiting.txt")),
        pages.pod("other", "dp", fixture("vllm-0.33.0-dp2-custom-buckets.txt")),
        pages.pod("other", "v0-33", vllm("vllm-0.33.0.txt", 32.0, 600.0, 0.6)),
    ]
}

async fn assert_numbers(client: &Client, expected: &[(&str, &str, &str, f64)]) {
    for (namespace, metric, selector, number) in expected {
        let found = client.number(namespace, metric, selector).await;
        let close = (found - number).abs() < 0.001;
        assert!(close, "{metric} in {namespace} with {selector:?}: {found}, not {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_values_across_releases() {
    let pages = Exposition::start().await;
    let prometheus = Prometheus::start(&fleet(&pages)).await;
    let server = Server::of(prometheus.url()).await;
    assert_numbers(
        &server.client,
        &[
            // The router's copy of the series has a label `server` and counts for nobody.
            ("ai", "inference_requests_waiting", "", 31.0),
            ("ai", "inference_requests_running", "", 1500.0),
            ("ai", "inference_requests_in_system", "", 1531.0),
            ("ai", "inference_requests_in_system", "pod=v0-6", 101.0),
            // By reason where the release tells it (5 each), the plain gauge where not.
            ("ai", "inference_requests_waiting_for_capacity", "", 1.0 + 2.0 + 4.0 + 5.0 + 5.0),
            // Two names in v0-10: one pod, one number, the new name's.
            ("ai", "inference_kv_cache_utilization", "", 0.3),
            ("ai", "inference_kv_cache_utilization_sum", "", 1.5),
            ("ai", "inference_kv_cache_utilization_max", "", 0.5),
            ("ai", "inference_kv_cache_utilization_min", "", 0.1),
            ("ai", "inference_kv_cache_utilization", "pod=v0-10", 0.3),
            // Suffixes on a sum.
            ("ai", "inference_requests_waiting_avg", "", 6.2),
            ("ai", "inference_requests_waiting_max", "", 16.0),
            ("ai", "inference_requests_waiting_min", "", 1.0),
            ("ai", "inference_requests_waiting_sum", "", 31.0),
            // Series by their own names, the two generations apart.
            ("ai", "vllm:num_requests_waiting", "", 31.0),
            ("ai", "vllm%3Anum_requests_running", "", 1500.0),
            ("ai", "vllm:kv_cache_usage_perc", "", 0.4),
            ("ai", "vllm:kv_cache_usage_perc_max", "", 0.5),
            // Data parallel: ranks of one pod add up where adding makes sense.
            ("other", "inference_requests_waiting", "pod=dp", 8.0),
            ("other", "inference_requests_waiting_max", "", 32.0),
            ("other", "inference_requests_in_system", "", 8.0 + 43.0 + 632.0),
            ("other", "inference_kv_cache_utilization", "pod=dp", 0.62),
            ("other", "inference_kv_cache_utilization_max", "pod=dp", 0.83),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_selectors() {
    let pages = Exposition::start().await;
    let prometheus = Prometheus::start(&fleet(&pages)).await;
    let server = Server::of(prometheus.url()).await;
    let waiting: &[(&str, f64)] = &[
        ("", 31.0),
        // Own labels and neutral ones.
        ("pod=v0-33", 16.0),
        ("pod==v0-33", 16.0),
        ("model_name=llama-3.1-8b", 24.0),
        ("model=llama-3.1-8b", 24.0),
        ("model!=llama-3.1-8b", 7.0),
        ("engine=vllm", 31.0),
        // The engine's own `engine` label, which the oldest release does not have.
        ("engine_index=0", 30.0),
        ("engine_index!=0", 1.0),
        ("engine_index", 30.0),
        ("!engine_index", 1.0),
        ("pod in (v0-6, v0-8)", 3.0),
        ("pod notin (v0-6,v0-8)", 28.0),
        ("nothing notin (a,b)", 31.0),
        ("!nothing", 31.0),
        ("nothing!=x", 31.0),
        ("namespace=ai", 31.0),
        ("engine=vllm,engine_index=0,model=llama-3.1-8b,pod!=v0-20", 16.0),
    ];
    for (selector, number) in waiting {
        assert_numbers(&server.client, &[("ai", "inference_requests_waiting", selector, *number)]).await;
    }
    assert_numbers(
        &server.client,
        &[
            ("other", "inference_requests_waiting", "engine_index=1", 1.0),
            ("other", "inference_requests_waiting", "pod=dp,engine_index in (0)", 7.0),
            // A selector never opens another namespace.
            ("other", "inference_requests_waiting", "pod=v0-33", 32.0),
        ],
    )
    .await;
    let foreign = server.client.problem("other", "inference_requests_waiting", "namespace=ai").await;
    assert_eq!(foreign.code, 503, "{foreign}");
    assert!(
        foreign.message.contains(
            "none of the 3 series of vllm:num_requests_waiting in namespace other matches namespace=ai"
        ),
        "{foreign}"
    );
    // Text that would end a quote in PromQL is a value like any other, or no selector at all.
    for hostile in [r#"pod="v0-6""#, r#"model in (",} or up{)"#, "pod=~v0.*", "a=b,", "pod>1"] {
        let problem = server.client.problem("ai", "inference_requests_waiting", hostile).await;
        assert!(matches!(problem.code, 400 | 503), "{hostile}: {problem}");
    }
    let demand = server.client.quantity("ai", "inference_requests_in_system", "model=llama-3.1-8b").await;
    assert_eq!(demand, "924");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_absence_is_explained() {
    let pages = Exposition::start().await;
    let prometheus = Prometheus::start(&fleet(&pages)).await;
    let server = Server::of(prometheus.url()).await;
    let signal = "vllm:num_requests_waiting";
    let refused = [
        (
            "ai",
            "inference_request_waiting",
            "",
            404,
            "NotFound",
            "the server could not find the metric inference_request_waiting for namespaces ai".to_owned(),
        ),
        (
            "ai",
            "up",
            "",
            404,
            "NotFound",
            "the server could not find the metric up for namespaces ai".to_owned(),
        ),
        (
            "nobody",
            "inference_requests_waiting",
            "",
            503,
            "ServiceUnavailable",
            format!(
                "inference_requests_waiting: no series: {signal} exists (8 series), but not in namespace nobody"
            ),
        ),
        (
            "ai",
            "inference_requests_waiting",
            "model=mistral",
            503,
            "ServiceUnavailable",
            format!(
                "inference_requests_waiting: no series: none of the 5 series of {signal} in namespace ai matches model=mistral; one of them has "
            ),
        ),
        (
            "ai",
            "gpu_utilization",
            "",
            503,
            "ServiceUnavailable",
            format!(
                "gpu_utilization: no series: source {SOURCE} has none of DCGM_FI_DEV_GPU_UTIL or DCGM_FI_DEV_GPU_UTIL_RATIO"
            ),
        ),
    ];
    for (namespace, metric, selector, code, reason, message) in refused {
        let problem = server.client.problem(namespace, metric, selector).await;
        assert_eq!((problem.code, problem.reason.as_str()), (code, reason), "{problem}");
        assert!(problem.message.starts_with(&message), "{problem}\nnot {message}");
    }
    // One pod goes: its number leaves the sum with it, and is not taken for 0 or kept.
    assert_numbers(&server.client, &[("ai", "inference_requests_waiting_min", "", 1.0)]).await;
    pages.remove("/ai/v0-6");
    until("the pod that left is not counted", seconds(10), async || {
        let minimum = server.client.quantity("ai", "inference_requests_waiting_min", "").await;
        if minimum == "2" { Ok(()) } else { Err(minimum) }
    })
    .await;
    assert_numbers(&server.client, &[("ai", "inference_requests_waiting", "", 30.0)]).await;
}
