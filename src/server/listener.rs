//! The accept loop: a capped number of connections, and a shutdown that lets requests finish.
//!
//! `axum::serve` has no handshake, header or idle limits and does not hand out the TLS connection, and
//! later the client's certificate is needed: hence a loop of our own.
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::response::Response;
use http::Request;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tower::Service;

use super::connection::Http;
use super::limits::Limits;
use super::tls::Tls;

/// Pause after a failed accept. Without it a process out of file descriptors would spin: the connection
/// that cannot be accepted stays ready.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the connections of a listener ended after its shutdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were open when the shutdown began.
    pub open: usize,
    /// Those of them that had not finished within `Limits::drain` and were cut.
    pub cut: usize,
}

/// Serves connections until `shutdown` resolves; then stops accepting, tells every connection to close
/// (GOAWAY, or `connection: close`), waits up to `limits.drain` for the requests in flight and cuts what
/// is left. `open` is told how many connections there are.
///
/// Speaks TLS if `tls` is given, with HTTP/2 or HTTP/1.1 as the peer prefers, and plain HTTP otherwise.
/// Each request is answered by a clone of `service`, which finds a [`ConnectionInfo`] in the extensions. It is
/// not waited for until it is ready: it has to be, always.
/// A `Router` will do; wrap it in a [`Guard`] so that nothing it does leaves a request unanswered.
///
/// [`ConnectionInfo`]: super::ConnectionInfo
/// [`Guard`]: super::guard::Guard
pub async fn serve<S>(
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    service: S,
    limits: Limits,
    open: impl Fn(usize),
    shutdown: impl Future<Output = ()>,
) -> Drained
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let http = Arc::new(Http::new(limits));
    let (drain, draining) = watch::channel(());
    let mut connections = JoinSet::new();
    let seats = Seats::default();
    let mut newcomers = Newcomers::default();
    let mut shutdown = std::pin::pin!(shutdown);
    // Failures come in streaks: the first one is logged, the rest of the streak is not.
    let mut failing = false;
    loop {
        open(connections.len());
        if limits.only_known && connections.len() >= limits.connections {
            newcomers.end_oldest();
        }
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = listener.accept(), if connections.len() < limits.connections => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                failing = false;
                let Some(seat) = seats.take(peer.ip(), limits.per_peer) else {
                    tracing::debug!(%peer, "closing a connection: its peer has too many");
                    continue;
                };
                let (http, tls, service, draining) =
                    (http.clone(), tls.clone(), service.clone(), draining.clone());
                let known = Arc::<AtomicBool>::default();
                let task = connections.spawn({
                    let known = Arc::clone(&known);
                    async move {
                        let _seat = seat;
                        http.serve(stream, peer, tls.as_deref(), service, draining, known).await;
                    }
                });
                if limits.only_known {
                    newcomers.add(task, known, limits.connections);
                }
            }
            Err(error) => {
                if !failing {
                    tracing::warn!(%error, "failed to accept a connection");
                }
                failing = true;
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    // Closed first: from here on new connections are refused and go to another replica.
    drop(listener);
    let left = connections.len();
    // Fails only if no connection is left to hear it.
    let _ = drain.send(());
    let finished = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    let _ = timeout(limits.drain, finished).await;
    let cut = connections.len();
    connections.shutdown().await;
    open(0);
    Drained { open: left, cut }
}

/// How many connections each peer has.
#[derive(Clone, Default)]
struct Seats(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection's, until it is dropped.
struct Seat(Seats, IpAddr);

impl Seats {
    fn take(&self, peer: IpAddr, most: usize) -> Option<Seat> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(peer).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Seat(self.clone(), peer))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = taken.entry(self.1) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// Connections without a known caller, oldest first. When all places are taken the oldest makes room: who is
/// served on a connection never loses it to those who only hold one, and a new peer need not wait for them.
#[derive(Default)]
struct Newcomers(VecDeque<(AbortHandle, Arc<AtomicBool>)>);

impl Newcomers {
    fn add(&mut self, task: AbortHandle, known: Arc<AtomicBool>, most: usize) {
        // Now and then, so that it costs nothing on average.
        if self.0.len() >= 2 * most {
            self.0.retain(|(task, known)| !task.is_finished() && !known.load(Ordering::Relaxed));
        }
        self.0.push_back((task, known));
    }

    fn end_oldest(&mut self) {
        while let Some((task, known)) = self.0.pop_front() {
            if !task.is_finished() && !known.load(Ordering::Relaxed) {
                task.abort();
                return;
            }
        }
    }
}

/// Logs a connection task that panicked: a fault of this program, since handlers are guarded.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection ended by a panic");
    }
}
