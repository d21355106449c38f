//! One connection: handshake, HTTP, and the ways it ends (the peer, idleness, shutdown, or an answer that
//! says `connection: close`).
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::response::Response;
use http::header::CONNECTION;
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::executor::{self, FirstAtOnce};
use super::limits::Limits;
use super::presented::Presented;
use super::tls::Tls;

/// Bytes of answer that one HTTP/2 stream may buffer before its body is no longer polled. With 100
/// streams on each of 1024 connections hyper's 400 KiB would be 40 GiB; our answers are a few KiB.
const SEND_BUFFER: usize = 64 * 1024;

/// HTTP/2 receive window in bytes, per stream and per connection: the protocol's own default. Request
/// bodies are dropped unread, so hyper's 1 MiB would only let a peer park more data here.
const RECEIVE_WINDOW: u32 = 65_535;

/// Bytes of an HTTP/1 request head beyond its headers: the request line, which may hold the longest URI.
const REQUEST_LINE: usize = 16 * 1024;

/// The fraction of the idle time after which a connection's activity is looked at.
const IDLE_CHECKS: u32 = 4;

/// What is known of a request's connection. Every request carries it as an extension.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The address the TCP connection came from. In a cluster this may be a node's or a proxy's.
    pub peer: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// The certificates of a peer that has any and proved that it holds the key. Nobody has looked yet who
    /// issued them.
    pub presented: Option<Arc<Presented>>,
    /// Set once a caller was recognised on it.
    known: Arc<AtomicBool>,
}

impl ConnectionInfo {
    /// One of a peer that has not yet said anything.
    pub fn new(peer: SocketAddr, tls: bool) -> Self {
        Self { peer, tls, presented: None, known: Arc::default() }
    }

    /// One over TLS, of a peer that presented these certificates.
    pub fn presenting(peer: SocketAddr, presented: Option<Arc<Presented>>) -> Self {
        Self { presented, ..Self::new(peer, true) }
    }

    /// A caller was recognised: the connection may stay open.
    pub fn is_of_someone_known(&self) {
        self.known.store(true, Ordering::Relaxed);
    }
}

/// HTTP as this listener speaks it, built once and lent to every connection.
pub(super) struct Http {
    either: auto::Builder<FirstAtOnce>,
    h1: auto::Builder<FirstAtOnce>,
    h2: auto::Builder<FirstAtOnce>,
    limits: Limits,
}

impl Http {
    /// Prepares HTTP/1 and HTTP/2 with these limits.
    pub(super) fn new(limits: Limits) -> Self {
        let mut http = auto::Builder::new(FirstAtOnce);
        http.http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header)
            .max_headers(limits.header_count)
            .max_buf_size(limits.header_bytes as usize + REQUEST_LINE);
        // The limits on reset streams stay at h2's defaults (20 pending, 1024 local), its answer to the
        // rapid-reset attacks.
        http.http2()
            .timer(TokioTimer::new())
            .max_header_list_size(limits.header_bytes)
            .max_concurrent_streams(limits.streams)
            .keep_alive_interval(limits.ping_interval)
            .keep_alive_timeout(limits.ping_timeout)
            .initial_stream_window_size(RECEIVE_WINDOW)
            .initial_connection_window_size(RECEIVE_WINDOW)
            .max_send_buf_size(SEND_BUFFER);
        Self { h1: http.clone().http1_only(), h2: http.clone().http2_only(), either: http, limits }
    }

    /// Serves one connection to its end. `drain` changes once, when the listener shuts down; `known` is set once a
    /// caller was recognised.
    pub(super) async fn serve<S>(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<&Tls>,
        service: S,
        drain: watch::Receiver<()>,
        known: Arc<AtomicBool>,
    ) where
        S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        // Answers are small and written whole: waiting to fill a packet would only add delay.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "failed to set TCP_NODELAY");
        }
        let mut info = ConnectionInfo { known, ..ConnectionInfo::new(peer, tls.is_some()) };
        let Some(tls) = tls else {
            return self.drive(&self.either, stream, info, service, drain).await;
        };
        // Not cut short by a shutdown: a peer in its handshake has a request to send, and gets its answer.
        match timeout(self.limits.handshake, TlsAcceptor::from(tls.config()).accept(stream)).await {
            Ok(Ok(stream)) => {
                // The protocol is agreed on: no need to guess it from the first bytes.
                let session = stream.get_ref().1;
                let h2 = session.alpn_protocol() == Some(b"h2");
                info.presented = session.peer_certificates().and_then(Presented::new).map(Arc::new);
                let http = if h2 { &self.h2 } else { &self.h1 };
                self.drive(http, stream, info, service, drain).await;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
        }
    }

    async fn drive<I, S>(
        &self,
        http: &auto::Builder<FirstAtOnce>,
        stream: I,
        info: ConnectionInfo,
        service: S,
        mut drain: watch::Receiver<()>,
    ) where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
    {
        let (peer, known) = (info.peer, Arc::clone(&info.known));
        let requests = Arc::new(Requests::default());
        let counted = requests.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let in_flight = counted.begin();
            request.extensions_mut().insert(info.clone());
            let version = request.version();
            let answer = service.clone().call(request);
            async move {
                let mut answer = answer.await;
                // HTTP/1 obeys this header by itself; HTTP/2 has a GOAWAY for it and no such header.
                if version == Version::HTTP_2
                    && let Ok(answer) = &mut answer
                    && answer.headers_mut().remove(CONNECTION).is_some_and(|value| value == "close")
                {
                    in_flight.last.notify_one();
                }
                drop(in_flight);
                answer
            }
        });
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        let end = tokio::select! {
            biased;
            end = poll_fn(|context| executor::poll(connection.as_mut(), context)) => Ok(end),
            // An error means that the listener is gone, which is a shutdown too.
            _ = drain.changed() => Err("shutdown"),
            () = requests.last.notified() => Err("the last answer"),
            () = requests.idle(&self.limits, &known) => Err("idle"),
        };
        let end = match end {
            Ok(end) => end,
            Err(reason) => {
                tracing::debug!(%peer, reason, "closing the connection");
                connection.as_mut().graceful_shutdown();
                // Bounded, because a peer may never answer the PING that precedes the last GOAWAY.
                timeout(self.limits.drain, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = end {
            tracing::debug!(%peer, %error, "the connection failed");
        }
    }
}

/// Counts the requests of one connection, without reading a clock for any of them.
#[derive(Debug, Default)]
struct Requests {
    begun: AtomicU64,
    /// Told of an answer after which the connection ends.
    last: Notify,
}

impl Requests {
    /// Counts a request as begun, and as in flight for as long as the result lives. The references
    /// themselves are the count: a second counter would cost each request two more atomic operations.
    fn begin(self: &Arc<Self>) -> Arc<Self> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.clone()
    }

    /// True while any request is in flight. Two references live as long as the connection: its task's
    /// and its service's.
    fn in_flight(self: &Arc<Self>) -> bool {
        Arc::strong_count(self) > 2
    }

    /// Returns when the connection has no further right to be open: without a first request after
    /// `limits.header` (hyper times HTTP/1 heads only, neither the HTTP/2 preface nor the bytes that tell
    /// the two apart) or without one of a known caller if that is demanded, or without any for `limits.idle`.
    async fn idle(self: &Arc<Self>, limits: &Limits, known: &AtomicBool) {
        sleep(limits.header).await;
        let mut seen = self.begun.load(Ordering::Relaxed);
        if seen == 0 || (limits.only_known && !known.load(Ordering::Relaxed)) {
            return;
        }
        let mut quiet = 0;
        while quiet < IDLE_CHECKS {
            sleep(limits.idle / IDLE_CHECKS).await;
            let begun = self.begun.load(Ordering::Relaxed);
            quiet = if begun == seen && !self.in_flight() { quiet + 1 } else { 0 };
            seen = begun;
        }
    }
}
