//! Whose device is it: DCGM exporters scraped with and without `honor_labels`.

use crate::support::{Exposition, Prometheus, Server, Target, fixture, seconds, until};

/// A page of an exporter that watches the pods of `namespace`, beside its own labels.
fn exporter(pages: &Exposition, name: &str, namespace: &str, page: &str) -> Target {
    let path = format!("/{name}");
    pages.set(&path, fixture(page).replace("\"llm-prod\"", &format!("\"{namespace}\"")));
    pages.target(
        name,
        &path,
        &[("namespace", "gpu-operator"), ("pod", &format!("dcgm-{name}")), ("container", "exporter")],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_devices_belong_to_the_workload() {
    let pages = Exposition::start().await;
    let targets = [
        exporter(&pages, "honored", "honored", "dcgm-exporter-4.5.3-default.txt").honoring_labels(),
        exporter(&pages, "renamed", "renamed", "dcgm-exporter-4.5.3-default.txt"),
        exporter(&pages, "sliced", "sliced", "dcgm-exporter-4.4.2-time-sliced.txt").honoring_labels(),
        exporter(&pages, "process", "process", "dcgm-exporter-4.5.3-time-sliced-per-process.txt"),
        exporter(&pages, "mig", "mig", "dcgm-exporter-4.5.3-mig.txt"),
        exporter(&pages, "new", "new", "dcgm-exporter-4.6.0-new-names.txt"),
    ];
    let prometheus = Prometheus::start(&targets).await;
    let server = Server::of(prometheus.url()).await;
    let llama = "pod=llama-7c9d8b6f5-x2x4k";
    let qwen = "pod=qwen-66f4d9c7b-tt8zd";
    for (namespace, metric, selector, number) in [
        ("honored", "gpu_utilization", "", 0.97),
        ("honored", "gpu_utilization", llama, 0.97),
        ("honored", "gpu_utilization", "container=vllm,gpu=0,device in (nvidia0)", 0.97),
        ("honored", "gpu_count", "", 1.0),
        ("honored", "gpu_memory_used_ratio", "", 0.844),
        ("honored", "DCGM_FI_DEV_GPU_UTIL", "", 97.0),
        ("renamed", "gpu_utilization", "", 0.97),
        ("renamed", "gpu_utilization", llama, 0.97),
        ("renamed", "gpu_utilization", "container=vllm,pod notin (dcgm-renamed)", 0.97),
        ("renamed", "gpu_count", "", 1.0),
        ("new", "gpu_utilization", "", 0.97),
        ("new", "gpu_memory_used_ratio", "", 0.844),
        // One device seen through two pods is one device.
        ("sliced", "gpu_count", "", 1.0),
        ("sliced", "gpu_utilization", "", 0.97),
        ("sliced", "gpu_utilization", qwen, 0.97),
        ("sliced", "gpu_memory_used_bytes", "", 68421.0 * 1_048_576.0),
        ("process", "gpu_utilization", llama, 0.71),
        ("process", "gpu_utilization", qwen, 0.24),
        ("process", "gpu_count", "", 1.0),
        // Slices are devices of their own, of whoever has them.
        ("mig", "gpu_count", "", 1.0),
        ("llm-dev", "gpu_count", "", 1.0),
        ("mig", "gpu_engine_active_ratio", "", 0.413),
        ("llm-dev", "gpu_engine_active_ratio", "", 0.118),
    ] {
        let found = server.client.number(namespace, metric, selector).await;
        // Quantities are rounded up to thousandths or to the nearest: either is within one.
        assert!(
            (found - number).abs() <= 0.001,
            "{metric} in {namespace} with {selector:?}: {found}, not {number}"
        );
    }

    // An idle device is nobody's, least of all the exporter's that tells of it.
    let idle = server.client.problem("gpu-operator", "gpu_utilization", "pod=dcgm-renamed").await;
    assert_eq!(idle.code, 503, "{idle}");
    // A slice has no utilization: unknown, not 0.
    let slice = server.client.problem("mig", "gpu_utilization", "").await;
    assert!(slice.message.contains("exists") && slice.message.contains("not in namespace mig"), "{slice}");

    // The pod ends, the device is idle: its number leaves with it, held or zero it would be a lie.
    pages.set(
        "/renamed",
        fixture("dcgm-exporter-4.5.3-default.txt")
            .replace(",container=\"vllm\",namespace=\"llm-prod\",pod=\"llama-7c9d8b6f5-x2x4k\"", ""),
    );
    until("the device is nobody's", seconds(10), async || {
        match server.client.value("renamed", "gpu_utilization", "").await {
            Ok(value) => Err(value.text),
            Err(problem) => {
                assert!(problem.message.contains("no series"), "{problem}");
                Ok(())
            }
        }
    })
    .await;
}
