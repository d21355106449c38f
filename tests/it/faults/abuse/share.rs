//! Whoever asks without a pause, within all bounds: the HPA keeps its share of the processor.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use crate::support::cluster::Aggregator;
use crate::support::{Caller, Client, Grant, Site, WAITING, value_path};

/// Requests that one HTTP/2 connection can have under way.
const STREAMS: usize = 100;

/// Asks on this many connections, on each with as many requests as it can have under way, until it is ended.
async fn busy(clients: &[Client], path: &str, end: &AtomicBool, answered: &AtomicUsize) {
    let loops =
        clients.iter().flat_map(|client| (0..STREAMS).map(move |_| client)).map(|client| async move {
            while !end.load(Ordering::Relaxed) {
                let reply = client.get(path).await;
                assert_eq!(reply.status, 200, "{}", reply.text());
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    join_all(loops).await;
}

/// How long the HPA controller's requests take one after the other, the shortest first.
async fn timed(hpa: &Client, path: &str, count: usize) -> Vec<Duration> {
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let reply = hpa.get(path).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        took.push(reply.took);
    }
    took.sort();
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_stranger_leaves_the_hpa_its_share() {
    let site = Site::start().await;
    site.cluster.api.grant(Grant::external("busy", "ai", WAITING));
    let path = value_path("ai", WAITING, "");
    let hpa = site.aggregator.hpa_controller();
    let alone = timed(&hpa, &path, 50).await;
    let connection = || {
        let connection = Aggregator::trusting_all(&site.server, Some(&site.cluster.front_proxy()));
        connection.on_behalf_of(&Caller::user("busy"))
    };
    for count in [1, 4] {
        let clients: Vec<_> = std::iter::repeat_with(connection).take(count).collect();
        let (end, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
        let beside = async {
            // Its decision is known from here on.
            assert_eq!(clients[0].get(&path).await.status, 200);
            let took = timed(&hpa, &path, 50).await;
            end.store(true, Ordering::Relaxed);
            took
        };
        let (took, ()) = tokio::join!(beside, busy(&clients, &path, &end, &answered));
        let answered = answered.load(Ordering::Relaxed);
        eprintln!(
            "{count} busy connections: {answered} answers for them; for the HPA p50 {:?}, most {:?}; alone {:?}, {:?}",
            took[25], took[49], alone[25], alone[49]
        );
        // Its turn comes after those of the other connections, not of all their requests.
        assert!(took[49] < Duration::from_secs(1), "{took:?}");
        assert!(answered > 50, "they were busy: {answered}");
    }
}
