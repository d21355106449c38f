//! Targets read directly by the built binary: no Prometheus anywhere.

use crate::support::{Exposition, Server, fixture, seconds, until};

/// Flags that read these pages as targets in the namespace `ai`.
fn flags(pages: &Exposition, paths: &[&str]) -> Vec<String> {
    let target = |path: &&str| {
        let address = pages.target("pods", path, &[]).address;
        ["--scrape".to_owned(), format!("ai=http://{address}{path}")]
    };
    paths.iter().flat_map(target).collect()
}

async fn serve(pages: &Exposition, paths: &[&str]) -> Server {
    let flags = flags(pages, paths);
    Server::start(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_are_read_without_a_prometheus() {
    let pages = Exposition::start().await;
    pages.set("/a/metrics", fixture("vllm-0.33.0.txt"));
    pages.set("/b/metrics", fixture("sglang-0.5.23.txt"));
    let server = serve(&pages, &["/a/metrics", "/b/metrics"]).await;
    // The very first answer waits for the first pages, and for no more.
    let first = server.client.value("ai", "inference_requests_waiting", "").await.expect("the first answer");
    assert_eq!(first.text, "14", "7 and 7");
    assert_eq!(server.client.quantity("ai", "inference_requests_waiting", "engine=sglang").await, "7");
    assert_eq!(server.client.quantity("ai", "inference_kv_cache_utilization", "engine=vllm").await, "830m");
    let problem = server.client.problem("other", "inference_requests_waiting", "").await;
    assert!(problem.message.contains("not in namespace other"), "{}", problem.message);
    let problem = server.client.problem("ai", "inference_requests_per_second", "engine=vllm").await;
    assert!(problem.message.contains("2m window"), "a window that is not full: {}", problem.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_shows_at_once_and_a_silent_target_is_named() {
    let pages = Exposition::start().await;
    let waiting = |count: u32| {
        format!(
            "vllm:num_requests_running 1\nvllm:num_requests_waiting {count}\nvllm:kv_cache_usage_perc 0.5\n"
        )
    };
    pages.set("/a", waiting(1));
    pages.set("/b", waiting(2));
    let server = serve(&pages, &["/a", "/b"]).await;
    assert_eq!(server.client.quantity("ai", "inference_requests_waiting", "").await, "3");
    assert_eq!(server.client.quantity("ai", "inference_kv_cache_utilization", "").await, "500m");
    pages.set("/a", waiting(10));
    until("the jump shows", seconds(8), async || {
        match server.client.quantity("ai", "inference_requests_waiting", "").await.as_str() {
            "12" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;

    // The sum is held with its true time; it never becomes that of the other target alone.
    pages.remove("/b");
    let gone = tokio::time::Instant::now();
    until("the ratio is refused", seconds(60), async || {
        assert_eq!(server.client.quantity("ai", "inference_requests_waiting", "").await, "12");
        match server.client.value("ai", "inference_kv_cache_utilization", "").await {
            Ok(value) => Err(value.text),
            Err(problem) => {
                assert!(
                    problem.message.contains("404") && problem.message.contains("old"),
                    "{}",
                    problem.message
                );
                Ok(())
            }
        }
    })
    .await;
    assert!(gone.elapsed() >= seconds(12), "a ratio is held for 15 s after it should have been renewed");
    pages.set("/b", waiting(3));
    until("it is back", seconds(8), async || {
        let value = server.client.value("ai", "inference_kv_cache_utilization", "").await;
        value.map(drop).map_err(|problem| problem.message)
    })
    .await;
    until("and counts", seconds(8), async || {
        match server.client.quantity("ai", "inference_requests_waiting", "").await.as_str() {
            "13" => Ok(()),
            other => Err(other.to_owned()),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_never_answered_is_not_left_out() {
    let pages = Exposition::start().await;
    pages.set("/a", "vllm:num_requests_running 1\nvllm:num_requests_waiting 4\n");
    let server = serve(&pages, &["/a", "/missing"]).await;
    let problem = server.client.problem("ai", "inference_requests_waiting", "").await;
    assert_eq!(problem.code, 503);
    assert!(
        problem.message.contains("gives no metrics") && problem.message.contains("/missing"),
        "{}",
        problem.message
    );
    pages.set("/missing", "vllm:num_requests_running 1\nvllm:num_requests_waiting 5\n");
    until("it counts", seconds(8), async || {
        let value = server.client.value("ai", "inference_requests_waiting", "").await;
        value.map(|value| assert_eq!(value.text, "9")).map_err(|problem| problem.message)
    })
    .await;
}
