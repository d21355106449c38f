//! A TCP proxy whose network can be made to fail.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// How often a throttled connection gets its share.
const TICK: Duration = Duration::from_millis(20);

/// What happens to connections, those that are open included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// Closed as soon as it is accepted.
    Refuse,
    /// Accepted, and never a byte comes back.
    BlackHole,
    /// Passed on after a while.
    Delay(Duration),
    /// Reset after so many bytes of the answer.
    ResetAfter(usize),
    /// Ended, as if all had been said, after so many bytes of the first answer's body.
    CutBody(usize),
    /// So many bytes of the answer a second.
    Throttle(usize),
    /// The request is taken in, and our side of the connection ended without an answer.
    HalfClose,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        Self::among(vec![port]).await
    }

    /// Connections go to these in turn, as a load balancer's do.
    pub(crate) async fn among(ports: Vec<u16>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (sender, mode) = watch::channel(Mode::Pass);
        tokio::spawn(async move {
            let mut turns = ports.into_iter().cycle();
            while let Ok((stream, _)) = listener.accept().await {
                let port = turns.next().expect("at least one");
                tokio::spawn(serve(stream, port, mode.clone()));
            }
        });
        Self { address, mode: sender }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn serve(mut stream: TcpStream, port: u16, mut mode: watch::Receiver<Mode>) {
    let current = *mode.borrow_and_update();
    match current {
        Mode::Refuse => return,
        Mode::BlackHole => return hold(stream, mode).await,
        Mode::Delay(delay) => sleep(delay).await,
        _ => {}
    }
    let Ok(mut upstream) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let changed = tokio::select! {
        () = relay(&mut stream, &mut upstream, current) => return,
        changed = mode.wait_for(|now| *now != current) => changed.map_or(Mode::Refuse, |mode| *mode),
    };
    drop(upstream);
    if changed == Mode::BlackHole {
        hold(stream, mode).await;
    }
}

/// Passes on what both sides say, as the mode has it, to the end of the connection.
async fn relay(stream: &mut TcpStream, upstream: &mut TcpStream, mode: Mode) {
    let (most, pace) = match mode {
        Mode::ResetAfter(bytes) | Mode::CutBody(bytes) => (bytes, None),
        Mode::Throttle(a_second) => (usize::MAX, Some(a_second)),
        Mode::HalfClose => {
            // Not before there is a request.
            let mut request = [0; 4096];
            if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                let _ = stream.shutdown().await;
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
            }
            return;
        }
        _ => return drop(copy_bidirectional(stream, upstream).await),
    };
    let (mut from_client, mut to_client) = stream.split();
    let (mut from_server, mut to_server) = upstream.split();
    tokio::select! {
        _ = copy(&mut from_client, &mut to_server) => {}
        () = async {
            let mut left = most;
            // Of a body that is cut, the head counts for nothing.
            let mut head = (mode == Mode::CutBody(most)).then(Vec::new);
            let mut chunk = vec![0; pace.map_or(16 << 10, |a_second| a_second.div_ceil(50).max(1))];
            while (left > 0 || head.is_some()) && let Ok(read @ 1..) = from_server.read(&mut chunk).await {
                let mut ends = read.min(left);
                if let Some(seen) = &mut head {
                    let before = seen.len();
                    seen.extend_from_slice(&chunk[..read]);
                    let body = seen.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4 - before);
                    ends = body.map_or(read, |body| read.min(body + left));
                    left -= body.map_or(0, |body| ends - body);
                    head = head.filter(|_| body.is_none());
                } else {
                    left -= ends;
                }
                if to_client.write_all(&chunk[..ends]).await.is_err() {
                    return;
                }
                if pace.is_some() {
                    sleep(TICK).await;
                }
            }
        } => {}
    }
    if matches!(mode, Mode::ResetAfter(_)) {
        let _ = stream.set_zero_linger();
    }
}

/// Keeps the connection open and silent for as long as the hole is there.
async fn hold(stream: TcpStream, mut mode: watch::Receiver<Mode>) {
    let _ = mode.wait_for(|now| *now != Mode::BlackHole).await;
    drop(stream);
}
