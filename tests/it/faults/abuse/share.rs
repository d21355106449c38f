//! Whoever asks without a pause, within all bounds: the HPA keeps its share of the processor.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use futures_util::future::join_all;

use crate::support::cluster::Aggregator;
use crate::support::{Caller, Client, Grant, Site, WAITING, seconds, until, value_path};

/// Requests that one HTTP/2 connection can have under way.
const STREAMS: usize = 100;

/// Answers that the HPA waits for.
const TURNS: usize = 4;

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

/// Times are the machine's, shares are ours: between two of the HPA's answers each of the stranger's requests has
/// its turn, once or a few times, and nobody has to wait for a connection to fall silent.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_stranger_leaves_the_hpa_its_share() {
    let site = Site::start().await;
    site.cluster.api.grant(Grant::external("busy", "ai", WAITING));
    let path = value_path("ai", WAITING, "");
    let hpa = site.aggregator.hpa_controller();
    let clients = [(); 2].map(|()| {
        let connection = Aggregator::trusting_all(&site.server, Some(&site.cluster.front_proxy()));
        connection.on_behalf_of(&Caller::user("busy"))
    });
    // Their decisions are known from here on.
    for client in [&hpa, &clients[0], &clients[1]] {
        assert_eq!(client.get(&path).await.status, 200);
    }
    let (end, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let beside = async {
        until("they are busy", seconds(20), async || {
            let answered = answered.load(Ordering::Relaxed);
            if answered > 2 * STREAMS { Ok(()) } else { Err(answered) }
        })
        .await;
        let before = answered.load(Ordering::Relaxed);
        for _ in 0..TURNS {
            let reply = hpa.get(&path).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        end.store(true, Ordering::Relaxed);
        answered.load(Ordering::Relaxed) - before
    };
    let (theirs, ()) = tokio::join!(beside, busy(&clients, &path, &end, &answered));
    let fair = TURNS * STREAMS * clients.len();
    assert!(theirs < 4 * fair, "{theirs} answers for them beside {TURNS} for the HPA");
}
