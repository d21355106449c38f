//! Round trips and the limits of a connection.
use std::time::Instant;

use super::*;

const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn answers_in_both_versions_plain_and_encrypted() {
    for server in [Server::plain(Limits::default()).await, Server::encrypted(Limits::default()).await] {
        for version in VERSIONS {
            let response = client(version).get(server.url("/peer")).send().await.unwrap();
            assert_eq!(response.version() == http::Version::HTTP_2, version == Version::H2);
            assert!(body(response).await.starts_with("127.0.0.1:"), "{version:?}");
        }
    }
}

#[tokio::test]
async fn negotiates_http2_when_the_client_leaves_the_choice() {
    install_crypto_provider();
    let server = Server::encrypted(Limits::default()).await;
    let client = reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().build().unwrap();
    let response = client.get(server.url("/")).send().await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
}

#[tokio::test]
async fn a_silent_handshake_is_closed() {
    let server = Server::encrypted(Limits { handshake: SHORT, ..Limits::default() }).await;
    assert_eq!(read_to_close(&mut server.connect().await).await, "");
}

#[tokio::test]
async fn heads_that_never_end_are_closed() {
    let server = Server::plain(Limits { header: SHORT, drain: SHORT, ..Limits::default() }).await;
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // HTTP/1 without an end, a version that cannot be told, HTTP/2 without settings, nothing at all.
    for bytes in ["GET / HTTP/1.1\r\nhost: x\r\nx-slow: ", "PRI", preface, ""] {
        let mut stream = server.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let begin = Instant::now();
        read_to_close(&mut stream).await;
        assert!(begin.elapsed() < Duration::from_secs(5), "{bytes:?}");
    }
}

#[tokio::test]
async fn a_head_that_trickles_is_closed() {
    let server = Server::plain(Limits { header: SHORT, ..Limits::default() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let trickle = async {
        while stream.write_all(b"a").await.is_ok() {
            sleep(SHORT / 10).await;
        }
    };
    timeout(PATIENCE, trickle).await.unwrap();
}

#[tokio::test]
async fn many_groups_are_accepted_and_too_many_refused() {
    let server = Server::encrypted(Limits::default()).await;
    // Padded with a letter that HTTP/2's compression cannot shorten.
    let group = |index: usize, length: usize| format!("{:Z<length$}", format!("oidc:{index}:"));
    for version in VERSIONS {
        let client = client(version);
        let cases = [
            (600, 86, 200),
            (100, 1_200, 200),
            (2_000, 86, 431),
            (150, 1_200, 431),
            (6_000, 86, 431),
            (1, 86, 200),
        ];
        for (groups, length, expected) in cases {
            let mut request = client.get(server.url("/"));
            for index in 0..groups {
                request = request.header("x-remote-group", group(index, length));
            }
            match request.send().await {
                Ok(response) => assert_eq!(response.status(), expected, "{groups} groups over {version:?}"),
                // What is far too long costs the connection, as a flood of CONTINUATION frames must.
                Err(error) => assert!(groups == 6_000, "{groups} groups over {version:?}: {error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn idle_connections_are_closed_but_not_busy_ones() {
    let limits = Limits { idle: SHORT, header: SHORT / 2, ..Limits::default() };
    let server = Server::plain(limits).await;
    let client = client(Version::H2);
    let peer = async || body(client.get(server.url("/peer")).send().await.unwrap()).await;
    let first = peer().await;
    // The handler takes longer than the idle time.
    assert_eq!(body(client.get(server.url("/slow")).send().await.unwrap()).await, "slow");
    assert_eq!(peer().await, first);
    sleep(SHORT * 4).await;
    assert_ne!(peer().await, first);
}

/// A peer behind a network that swallows everything answers no PING. Nothing else would end its
/// connection for a minute and a half.
#[tokio::test]
async fn a_peer_that_answers_no_ping_is_dropped() {
    let limits = Limits { ping_interval: SHORT, ping_timeout: SHORT, drain: SHORT, ..Limits::default() };
    let server = Server::plain(limits).await;
    let mut stream = server.connect().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // GET http://x/ as a whole: HEADERS with END_STREAM and END_HEADERS on stream 1.
    let request = [0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'x'];
    stream.write_all(&[&preface[..], &settings, &request].concat()).await.unwrap();
    let begin = Instant::now();
    let mut said = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut said)).await.unwrap();
    assert!(said.windows(5).any(|bytes| bytes == b"hello"), "the request was answered first: {said:?}");
    assert!(begin.elapsed() >= SHORT * 2, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn who_is_not_known_keeps_no_connection() {
    let limits = Limits { header: SHORT, only_known: true, ..Limits::default() };
    let server = Server::plain(limits).await;
    let client = client(Version::H2);
    let ask = async |path: &str| body(client.get(server.url(path)).send().await.unwrap()).await;
    let first = ask("/peer").await;
    sleep(SHORT * 2).await;
    let second = ask("/peer").await;
    assert_ne!(second, first, "it asked, and nobody knows it");
    assert_eq!(ask("/known").await, "welcome");
    sleep(SHORT * 2).await;
    assert_eq!(ask("/peer").await, second, "someone known stays");
}

#[tokio::test]
async fn one_peer_cannot_take_all_places() {
    let server = Server::plain(Limits { per_peer: 2, ..Limits::default() }).await;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let (first, _second) = (server.connect().await, server.connect().await);
    // They are counted once they were accepted, which the third's turn shows.
    assert_eq!(exchange(&mut server.connect().await, request).await, "", "closed without a word");
    drop(first);
    let mut answer = String::new();
    for _ in 0..100 {
        answer = exchange(&mut server.connect().await, request).await;
        if !answer.is_empty() {
            break;
        }
        sleep(SHORT / 10).await;
    }
    assert!(answer.ends_with("hello"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_cap_wait_for_a_place() {
    let server = Server::plain(Limits { connections: 1, ..Limits::default() }).await;
    let first = server.connect().await;
    let mut second = server.connect().await;
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut waiting = std::pin::pin!(exchange(&mut second, request));
    assert!(timeout(SHORT, waiting.as_mut()).await.is_err());
    drop(first);
    assert!(waiting.await.ends_with("hello"));
}

#[tokio::test]
async fn when_all_places_are_taken_the_oldest_unknown_peer_makes_room() {
    let server = Server::plain(Limits { connections: 3, only_known: true, ..Limits::default() }).await;
    let known = client(Version::H2);
    let ask = async |path: &str| body(known.get(server.url(path)).send().await.unwrap()).await;
    assert_eq!(ask("/known").await, "welcome");
    let before = ask("/peer").await;
    let mut strangers = Vec::new();
    for _ in 0..10 {
        strangers.push(server.connect().await);
    }
    let request = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(exchange(&mut server.connect().await, request).await.ends_with("hello"), "there is room");
    assert_eq!(ask("/peer").await, before, "someone known stays");
    for stranger in &mut strangers[..8] {
        assert_eq!(read_to_close(stranger).await, "");
    }
}

#[tokio::test]
async fn bodies_are_not_read() {
    let server = Server::encrypted(Limits::default()).await;
    let client = client(Version::H2);
    for _ in 0..3 {
        let response = client.post(server.url("/")).body(vec![0; 1 << 20]).send().await.unwrap();
        assert_eq!(body(response).await, "posted");
    }
}
