//! The time of a sample is Prometheus's own, to the second, and never moves forward by itself.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{Exposition, Prometheus, Server, seconds, until};

fn page(waiting: u32) -> String {
    format!(
        "vllm:num_requests_waiting{{model_name=\"m\"}} {waiting}\nvllm:num_requests_running{{model_name=\"m\"}} 0\n"
    )
}

/// The same as told by an exporter with a clock of its own.
fn dated(waiting: u32, at: i64) -> String {
    page(waiting).replace('\n', &format!(" {at}\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_sample_times_are_served() {
    let started = jiff::Timestamp::now();
    let old = started - jiff::SignedDuration::from_millis(20_400);
    let pages = Exposition::start().await;
    let targets = [
        pages.pod("ai", "fresh", page(1)),
        pages.pod("ai", "slow", page(2)).every(4),
        pages.pod("ai", "old", dated(4, old.as_millisecond())),
    ];
    let prometheus = Prometheus::start(&targets).await;
    let server = Server::of(prometheus.url()).await;
    let metric = "inference_requests_waiting";

    // To the second of the exporter's own time, and the oldest stands for all.
    let until_instant = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until_instant {
        for selector in ["pod=old", ""] {
            let value = server.client.value("ai", metric, selector).await.expect("a value");
            assert_eq!(value.timestamp.as_second(), old.as_second(), "{selector:?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(server.client.quantity("ai", metric, "").await, "7");

    // The slow pod's time is what Prometheus says it is.
    let mut scraped = Vec::new();
    until("two scrapes of the slow pod are served with their times", seconds(20), async || {
        let query = "timestamp(vllm:num_requests_waiting{pod=\"slow\"})";
        let value = server.client.value("ai", metric, "pod=slow").await.expect("a value");
        let theirs = prometheus.scalar(query).await as i64;
        let last = scraped.last().copied().unwrap_or(0);
        let second = value.timestamp.as_second();
        assert!(second >= last, "time went back from {last} to {second}");
        assert!(second <= theirs, "the sample of {theirs} is served as of {second}");
        if second == theirs && second > last {
            scraped.push(second);
        }
        if scraped.len() < 2 { Err(format!("{scraped:?}")) } else { Ok(()) }
    })
    .await;
    let gap = scraped[1] - scraped[0];
    assert!((gap + 1) % 4 <= 2, "scraped every 4 s, served {scraped:?}");
    let fresh = server.client.value("ai", metric, "pod=fresh").await.expect("a value");
    let age = jiff::Timestamp::now().duration_since(fresh.timestamp);
    assert!(age < jiff::SignedDuration::from_secs(6), "{age:?}");
}
