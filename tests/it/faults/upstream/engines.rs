//! Engines and exporters that are read directly: they hang, restart, lose a device.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{HEAD, SIGNAL};
use crate::support::proxy::{Mode, Proxy};
use crate::support::{Exposition, Server, seconds, until};

/// Serves with these targets, each of a pod in `ai`, and these metrics.
async fn server(targets: &[(&str, String)], metrics: &str) -> Server {
    let target = |(pod, url): &(&str, String)| {
        format!("    - {{ url: \"{url}\", namespace: ai, labels: {{ pod: {pod} }} }}\n")
    };
    let targets: String = targets.iter().map(target).collect();
    Server::configured(&format!(
        "{HEAD}sources:\n- name: engines\n  scrape:\n    interval: 500ms\n    targets:\n{targets}metrics:\n{metrics}"
    ))
    .await
}

/// Of three engines one hangs: their sum is held and then not known, and who asks for the others is not
/// concerned.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_hangs() {
    let pages = Exposition::start().await;
    let address = pages.target("pods", "/a", &[]).address;
    for (path, waiting) in [("/a", 1), ("/b", 2), ("/c", 4)] {
        pages.set(path, format!("{SIGNAL} {waiting}\nvllm:num_requests_running 1\n"));
    }
    let proxy = Proxy::to(address.port()).await;
    let targets = [
        ("a", format!("http://{address}/a")),
        ("b", format!("http://{address}/b")),
        ("c", format!("{}/c", proxy.url())),
    ];
    let metrics = format!("- {{ name: waiting, preset: \"{SIGNAL}\", hold: 2s }}\n");
    let server = server(&targets, &metrics).await;
    let client = &server.client;
    until("all are known", seconds(10), async || match client.value("ai", "waiting", "").await {
        Ok(value) if value.text == "7" => Ok(()),
        Ok(value) => panic!("a part of the sum is {}", value.text),
        Err(problem) => Err(problem.to_string()),
    })
    .await;
    until("their pace is known", seconds(10), async || {
        let input = super::input(&server, "waiting").await;
        if input["sampleIntervalSeconds"].is_number() { Ok(()) } else { Err(input.to_string()) }
    })
    .await;

    proxy.set(Mode::BlackHole);
    let refusal =
        until("it is refused", seconds(20), async || match client.value("ai", "waiting", "").await {
            Ok(value) if value.text == "7" => Err("held"),
            Ok(value) => panic!("a part of the sum is {}", value.text),
            Err(problem) => Ok(problem),
        })
        .await;
    assert!(refusal.message.contains("no answer within"), "{refusal}");
    let target = proxy.address().to_string();
    let named = server.log().iter().any(|line| line.contains("gives no metrics") && line.contains(&target));
    assert!(named, "{target} is not in {:#?}", server.log());
    // Of the others, new numbers.
    pages.set("/a", format!("{SIGNAL} 10\nvllm:num_requests_running 1\n"));
    until("the others go on", seconds(10), async || {
        let value =
            client.value("ai", "waiting", "pod in (a,b)").await.map_err(|problem| problem.to_string())?;
        if value.text == "12" { Ok(()) } else { Err(value.text) }
    })
    .await;
    assert_eq!(client.problem("ai", "waiting", "pod=c").await.code, 503, "it is not 0");
    proxy.set(Mode::Pass);
    until("it is back", seconds(10), async || match client.value("ai", "waiting", "").await {
        Ok(value) if value.text == "16" => Ok(()),
        Ok(value) => panic!("a part of the sum is {}", value.text),
        Err(problem) => Err(problem.to_string()),
    })
    .await;
}

/// A counter begins anew with its engine: the rate is neither negative nor that of all it ever counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_engine_counts_from_zero() {
    let pages = Exposition::start().await;
    let restarted = Arc::new(AtomicBool::new(false));
    let (is_restarted, began) = (Arc::clone(&restarted), Instant::now());
    let again = std::sync::Mutex::new(None);
    pages.render("/a", move || {
        let since = is_restarted
            .load(Ordering::Relaxed)
            .then(|| *again.lock().expect("no panic").get_or_insert_with(Instant::now));
        // Ten a second, after a million.
        let count = since.map_or_else(
            || 1e6 + began.elapsed().as_secs_f64() * 10.0,
            |at| at.elapsed().as_secs_f64() * 10.0,
        );
        format!("vllm:request_success_total{{finished_reason=\"stop\"}} {count}\n")
    });
    let address = pages.target("pods", "/a", &[]).address;
    let metrics = "- { name: rate, preset: \"vllm:request_success_total\", window: 2s }\n";
    let server = server(&[("a", format!("http://{address}/a"))], metrics).await;
    until("there is a rate", seconds(20), async || server.client.value("ai", "rate", "").await).await;
    restarted.store(true, Ordering::Relaxed);
    let restart = Instant::now();
    while restart.elapsed() < seconds(3) {
        let value = server.client.value("ai", "rate", "").await.unwrap_or_else(|problem| panic!("{problem}"));
        // What was counted between the last page before and the restart is lost.
        assert!((5.0..15.0).contains(&value.number), "{} after {:?}", value.text, restart.elapsed());
        sleep(Duration::from_millis(50)).await;
    }
}

/// The series of a device, as its exporter tells it.
fn device(index: usize, uuid: &str, driver: &str, percent: f64) -> String {
    let labels = format!(
        "{{gpu=\"{index}\",UUID=\"{uuid}\",device=\"nvidia{index}\",modelName=\"NVIDIA H100\",Hostname=\"node\",\
         DCGM_FI_DRIVER_VERSION=\"{driver}\",container=\"vllm\",namespace=\"ai\",pod=\"llm\"}}"
    );
    format!("DCGM_FI_DEV_GPU_UTIL{labels} {percent}\nDCGM_FI_DEV_FB_FREE{labels} 1000\n")
}

/// What is left is told, with other labels too; where nothing is left, nothing is told, and not 0.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_disappears() {
    let pages = Exposition::start().await;
    let page = |devices: &[String]| format!("{}up_and_running 1\n", devices.concat());
    pages.set("/gpu", page(&[device(0, "GPU-a", "570", 90.0), device(1, "GPU-b", "570", 30.0)]));
    pages.set("/llm", format!("{SIGNAL} 1\nvllm:num_requests_running 1\n"));
    let address = pages.target("pods", "/gpu", &[]).address;
    let targets = [("dcgm", format!("http://{address}/gpu")), ("llm", format!("http://{address}/llm"))];
    let both =
        "signals: { gpu: { preset: gpu_utilization }, waiting: { preset: inference_requests_waiting } }";
    let metrics = format!(
        "- {{ name: load, type: intensive, unit: load, {both}, value: \"max(gpu, waiting / 10)\" }}\n"
    );
    let server = server(&targets, &metrics).await;
    let reads = async |metric: &str, expected: &str| {
        until(&format!("{metric} is {expected}"), seconds(15), async || {
            match server.client.value("ai", metric, "").await {
                Ok(value) if value.text == expected => Ok(()),
                Ok(value) => {
                    assert!(value.number > 0.2, "{metric} is {}", value.text);
                    Err(value.text)
                }
                Err(problem) => Err(problem.to_string()),
            }
        })
        .await;
    };
    reads("gpu_utilization", "600m").await;
    reads("load", "600m").await;
    reads("gpu_count", "2").await;

    // An upgrade of the driver and a new order: the same devices.
    pages.set("/gpu", page(&[device(1, "GPU-a", "580", 80.0), device(0, "GPU-b", "580", 30.0)]));
    reads("gpu_utilization", "550m").await;
    reads("gpu_count", "2").await;
    // One has fallen off the bus.
    pages.set("/gpu", page(&[device(1, "GPU-a", "580", 80.0)]));
    reads("gpu_utilization", "800m").await;
    reads("gpu_count", "1").await;
    reads("load", "800m").await;
    // And the other.
    pages.set("/gpu", page(&[]));
    for metric in ["gpu_utilization", "gpu_count", "load"] {
        let problem = until(&format!("{metric} is not known"), seconds(15), async || {
            match server.client.value("ai", metric, "").await {
                Ok(value) => {
                    assert!(value.number > 0.2, "{metric} is {}", value.text);
                    Err(value.text)
                }
                Err(problem) => Ok(problem),
            }
        })
        .await;
        assert_eq!(problem.code, 503, "{problem}");
    }
    assert_eq!(server.client.quantity("ai", "inference_requests_waiting", "").await, "1");
}
