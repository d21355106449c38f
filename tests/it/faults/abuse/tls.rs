//! Handshakes that are none (S7).

use std::sync::Arc;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Victim, served};
use crate::support::frames::{Memory, client_config, tcp};
use crate::support::seconds;

/// Numbers that look like chance and are the same each time.
fn numbers(seed: u64) -> impl FnMut() -> usize {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits")
    }
}

/// The first words of a handshake as our own client says them.
fn hello() -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a name");
    let config = Arc::new(client_config(&["h2", "http/1.1"]));
    let mut connection = ClientConnection::new(config, name).expect("a client");
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).expect("it can be written");
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn distorted_handshakes_end_and_harm_nobody() {
    let (_front, server) = served().await;
    let victim = Victim::of(&server);
    let memory = Memory::watch(server.process.id());
    let hello = hello();
    let mut next = numbers(7);
    for round in 0..300 {
        let mut distorted = hello.clone();
        match round % 4 {
            // Some bytes are others.
            0 => (0..=next() % 8).for_each(|_| {
                let at = next() % distorted.len();
                distorted[at] = next().to_le_bytes()[0];
            }),
            // It breaks off.
            1 => distorted.truncate(next() % distorted.len()),
            // A piece comes twice.
            2 => {
                let at = next() % distorted.len();
                let piece = distorted[at..].to_vec();
                distorted.extend(piece);
            }
            // It is no handshake at all.
            _ => distorted.iter_mut().for_each(|byte| *byte = next().to_le_bytes()[0]),
        }
        let mut socket = tcp(&server, [127, 0, 0, 2]).await.expect("a connection");
        let _ = socket.write_all(&distorted).await;
        let _ = socket.shutdown().await;
        let end = timeout(seconds(20), socket.read_to_end(&mut Vec::new())).await;
        assert!(end.is_ok(), "round {round} was left open");
    }
    victim.was_served().await;
    memory.assert_within(10.0, "distorted handshakes");
    let log = server.log();
    assert!(!log.iter().any(|line| line.contains("panic")), "{log:#?}");
}
