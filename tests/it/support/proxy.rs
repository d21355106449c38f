//! A TCP proxy whose network can be made to fail.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

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
}

pub(crate) struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (sender, mode) = watch::channel(Mode::Pass);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, port, mode.clone()));
            }
        });
        Self { address, mode: sender }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
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
        Mode::Pass => {}
    }
    let Ok(mut upstream) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let changed = tokio::select! {
        _ = copy_bidirectional(&mut stream, &mut upstream) => return,
        changed = mode.wait_for(|now| *now != current) => changed.map_or(Mode::Refuse, |mode| *mode),
    };
    drop(upstream);
    if changed == Mode::BlackHole {
        hold(stream, mode).await;
    }
}

/// Keeps the connection open and silent for as long as the hole is there.
async fn hold(stream: TcpStream, mut mode: watch::Receiver<Mode>) {
    let _ = mode.wait_for(|now| *now != Mode::BlackHole).await;
    drop(stream);
}
