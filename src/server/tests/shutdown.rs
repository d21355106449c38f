//! The end of a listener.
use std::time::Instant;

use super::*;

#[tokio::test]
async fn requests_in_flight_finish_and_new_connections_are_refused() {
    for version in VERSIONS {
        let server = Server::encrypted(Limits::default()).await;
        let (address, url) = (server.address, server.url("/slow"));
        let client = client(version);
        let slow = tokio::spawn(async move { body(client.get(url).send().await.unwrap()).await });
        sleep(Duration::from_millis(150)).await;
        let begin = Instant::now();
        let stopping = tokio::spawn(server.stop());
        sleep(Duration::from_millis(50)).await;
        assert!(TcpStream::connect(address).await.is_err(), "{version:?}");
        assert_eq!(slow.await.unwrap(), "slow", "{version:?}");
        assert_eq!(stopping.await.unwrap(), Drained { open: 1, cut: 0 }, "{version:?}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{version:?}");
    }
}

#[tokio::test]
async fn idle_connections_do_not_delay_the_shutdown() {
    let server = Server::plain(Limits::default()).await;
    let clients = VERSIONS.map(client);
    for client in &clients {
        assert_eq!(body(client.get(server.url("/")).send().await.unwrap()).await, "hello");
    }
    let begin = Instant::now();
    assert_eq!(server.stop().await.cut, 0);
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_cut() {
    let drain = Duration::from_millis(200);
    let server = Server::encrypted(Limits { drain, ..Limits::default() }).await;
    // Stays in its handshake.
    let _silent = server.connect().await;
    sleep(Duration::from_millis(100)).await;
    let begin = Instant::now();
    assert_eq!(server.stop().await, Drained { open: 1, cut: 1 });
    assert!(begin.elapsed() >= drain && begin.elapsed() < Duration::from_secs(5));
}
