//! Abuse: what strangers on the network and tenants may try (R38 to R45, S1 to S22).

mod frames;
mod inputs;
mod queries;
mod share;
mod sockets;
mod starved;
mod supply;
mod tls;

use crate::support::front::{Answer, Front};
use crate::support::{Load, Server, WAITING, of_pod, seconds, until, value_path};

/// A server whose source has two pods in `ai`, with 3 and 4.5 requests waiting; it has been asked once.
async fn served() -> (Front, Server) {
    let series = vec![(of_pod("ai", "a"), 3.0), (of_pod("ai", "b"), 4.5)];
    let front = Front::start(None, Answer::Series(series)).await;
    let server = Server::of(&front.url()).await;
    until("it is answered", seconds(20), async || server.client.value("ai", WAITING, "").await).await;
    (front, server)
}

/// A right caller, who goes on asking on a connection of their own while others misbehave.
struct Victim(Load);

impl Victim {
    fn of(server: &Server) -> Self {
        Self(Load::start(server.client.clone(), &value_path("ai", WAITING, "")))
    }

    /// Fails if a single request was not answered, or none is any more.
    async fn was_served(self) {
        let failures = self.0.end().await;
        assert!(failures.is_empty(), "{failures:?}");
    }
}
