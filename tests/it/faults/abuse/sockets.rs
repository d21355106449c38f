//! Sockets that are held and not used (R38, S8): in the handshake, in a head that never ends, in silence.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Victim, served};
use crate::support::frames::{Memory, tcp, tls};
use crate::support::{Client, Load, Server, Site, WAITING, seconds, until, value_path};

/// Connections that one address may have open.
const OF_ONE_PEER: usize = 256;

/// Sends the bytes one by one and slowly, again and again, until the server has enough; or says nothing more.
async fn trickle(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) {
    for byte in bytes.iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        // A closed connection is noticed by reading.
        let mut answer = [0; 64];
        if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_millis(100), stream.read(&mut answer)).await {
            return;
        }
    }
}

/// Peers of four addresses, each with this many sockets of each kind: what they are, they stay until the server
/// ends them.
async fn besiege(server: &Server, each: usize) -> JoinSet<()> {
    let mut siege = JoinSet::new();
    for host in 2..6 {
        let from = [127, 0, 0, host];
        for _ in 0..each {
            // A record's head, and of its 512 bytes one at a time.
            let half = tcp(server, from).await.expect("a connection");
            siege.spawn(async move { trickle(half, &[22, 3, 1, 2, 0]).await });
            let mut silent = tcp(server, from).await.expect("a connection");
            siege.spawn(async move {
                let _ = silent.read(&mut [0; 1]).await;
            });
        }
        for (protocol, bytes) in [
            ("http/1.1", "GET /livez HTTP/1.1\r\nhost: x\r\nx-slow: "),
            ("h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ] {
            for _ in 0..each.div_ceil(20) {
                let mut stream = tls(server, from, &[protocol]).await.expect("a TLS connection");
                siege.spawn(async move {
                    let _ = stream.write_all(bytes.as_bytes()).await;
                    trickle(stream, b"\0").await;
                });
            }
        }
    }
    siege
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_trickle_leave_the_hpa_alone() {
    let site = Site::start().await;
    let hpa = Load::start(site.aggregator.hpa_controller(), &value_path("ai", WAITING, ""));
    let memory = Memory::watch(site.server.process.id());
    let siege = besiege(&site.server, 60).await;
    sleep(Duration::from_millis(500)).await;
    // Whoever is new gets in as well.
    let new = Client::unpooled(site.server.client.base().to_owned());
    assert_eq!(new.get_as("/livez", "*/*").await.status, 200);
    assert_eq!(hpa.end().await, Vec::<String>::new());
    // Half a thousand sockets, most of them in the handshake.
    memory.assert_within(40.0, "sockets that trickle");
    drop(siege);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_cannot_have_every_socket() {
    let (_front, server) = served().await;
    let victim = Victim::of(&server);
    let mut sockets = Vec::new();
    for _ in 0..OF_ONE_PEER + 50 {
        sockets.push(tcp(&server, [127, 0, 0, 2]).await.expect("a connection"));
    }
    until("those beyond the bound are closed", seconds(20), async || {
        let mut closed = 0;
        for socket in &sockets {
            // Readable without a byte is the end.
            closed += usize::from(matches!(socket.try_read(&mut [0; 1]), Ok(0)));
        }
        if closed == 50 { Ok(()) } else { Err(closed) }
    })
    .await;
    let elsewhere = tls(&server, [127, 0, 0, 3], &["h2"]).await;
    assert!(elsewhere.is_ok(), "another address has room");
    victim.was_served().await;
}

/// Five thousand idle connections; all places are taken, and after ten seconds, by their time limits, none.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute"]
async fn soak_of_five_thousand_sockets() {
    let site = Site::start().await;
    let hpa = Load::start(site.aggregator.hpa_controller(), &value_path("ai", WAITING, ""));
    let memory = Memory::watch(site.server.process.id());
    let mut sockets = Vec::new();
    for host in 2..22 {
        for _ in 0..250 {
            // The kernel's backlog may be full while all places are taken.
            if let Ok(Ok(socket)) = timeout(seconds(1), tcp(&site.server, [127, 0, 0, host])).await {
                sockets.push(socket);
            }
        }
    }
    assert!(sockets.len() > 1_024, "{} sockets", sockets.len());
    let siege = besiege(&site.server, 10).await;
    let new = Client::unpooled(site.server.client.base().to_owned());
    until("whoever is new gets in", seconds(90), async || {
        let reply = timeout(seconds(5), new.try_send(http::Method::GET, "/livez", &[])).await;
        if matches!(reply, Ok(Ok(reply)) if reply.status == 200) { Ok(()) } else { Err("not yet") }
    })
    .await;
    assert_eq!(hpa.end().await, Vec::<String>::new());
    memory.assert_within(100.0, "five thousand sockets");
    drop(siege);
}
