//! Whatever a handler does, the peer gets an answer and the connection stays of use.
use std::time::Instant;

use super::super::guard::URI_LIMIT;
use super::*;

#[tokio::test]
async fn a_panic_is_answered_and_the_connection_lives() {
    let server = Server::plain(Limits::default()).await;
    for version in VERSIONS {
        let client = client(version);
        let peer = async || body(client.get(server.url("/peer")).send().await.unwrap()).await;
        let before = peer().await;
        let response = client.get(server.url("/panic")).send().await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(reason(response).await, "InternalError");
        assert_eq!(peer().await, before, "{version:?}");
    }
}

#[tokio::test]
async fn a_handler_that_hangs_is_answered_within_a_second() {
    let server = Server::plain(Limits::default()).await;
    for version in VERSIONS {
        let client = client(version);
        let peer = async || body(client.get(server.url("/peer")).send().await.unwrap()).await;
        let before = peer().await;
        let begin = Instant::now();
        let response = client.get(server.url("/hang")).send().await.unwrap();
        assert!(begin.elapsed() < Duration::from_secs(1), "{version:?}: {:?}", begin.elapsed());
        assert_eq!(response.status(), 504);
        assert_eq!(reason(response).await, "Timeout");
        assert_eq!(peer().await, before, "{version:?}");
    }
}

#[tokio::test]
async fn long_uris_are_refused() {
    let server = Server::plain(Limits::default()).await;
    for version in VERSIONS {
        let client = client(version);
        for (length, expected) in [(URI_LIMIT, 200), (URI_LIMIT + 1, 414), (3 * URI_LIMIT, 414)] {
            let path = format!("/?{}", "q".repeat(length - 2));
            let response = client.get(server.url(&path)).send().await.unwrap();
            assert_eq!(response.status(), expected, "{length} bytes over {version:?}");
            if expected == 414 {
                assert_eq!(reason(response).await, "RequestURITooLong");
            }
        }
    }
}

#[tokio::test]
async fn upgrades_and_tunnels_are_refused_and_the_connection_lives() {
    let server = Server::plain(Limits::default()).await;
    let mut stream = server.connect().await;
    let requests = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\
                    CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n\
                    GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = exchange(&mut stream, requests.as_bytes()).await;
    let codes: Vec<&str> =
        answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
    assert_eq!(codes, ["400", "405", "200"], "{answers}");
}

#[tokio::test]
async fn unknown_paths_and_methods_go_through() {
    let server = Server::plain(Limits::default()).await;
    let client = client(Version::H2);
    assert_eq!(client.get(server.url("/none")).send().await.unwrap().status(), 404);
    assert_eq!(client.delete(server.url("/")).send().await.unwrap().status(), 405);
}
