//! What one listener grants to its peers.
use std::time::Duration;

use super::guard::HEADER_LIMIT;

/// The bounds of one listener. The defaults suit a port that kube-apiserver talks to: one long-lived
/// HTTP/2 connection per kube-apiserver, requests without bodies, a few kilobytes per answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once, handshakes included (1024, about 70 KiB each over TLS). When all are
    /// taken, with `only_known` the oldest without a known caller is closed; else no more are accepted: a waiting peer stays in the kernel's backlog instead of being closed
    /// without an answer, which kube-apiserver would answer with an endless re-send.
    pub connections: usize,
    /// Connections open at once from one address (256), so that one peer cannot take them all. A kube-apiserver
    /// has one or two.
    pub per_peer: usize,
    /// Whether a connection is closed after `header` unless one of its requests was of a caller that is known
    /// (false): so who has no credentials cannot keep connections open.
    pub only_known: bool,
    /// The longest a TLS handshake may take (10 s).
    pub handshake: Duration,
    /// The longest from the start of a connection to its first complete request head, and on HTTP/1 also
    /// from one answer to the next request head (10 s). Must be shorter than `idle`.
    pub header: Duration,
    /// How long a connection may stay without any request before it is closed with GOAWAY (90 s). Checked
    /// in quarters, so the close comes up to a quarter late. HTTP/1 keep-alive ends earlier, see `header`.
    pub idle: Duration,
    /// How long requests in flight may take once the listener shuts down (10 s).
    pub drain: Duration,
    /// Bytes of one request's headers (128 KiB): a user's groups travel in them, one header each, and each
    /// counts 32 bytes more than it has, as HTTP/2 defines. On HTTP/1 it sizes the read buffer only, and
    /// the guard enforces `HEADER_LIMIT`.
    pub header_bytes: u32,
    /// Headers of one request on HTTP/1 (2048). HTTP/2 has only the limit in bytes.
    pub header_count: usize,
    /// Requests in flight on one HTTP/2 connection (100).
    pub streams: u32,
    /// Time between the PINGs that find out whether an HTTP/2 peer is still there (30 s).
    pub ping_interval: Duration,
    /// How long the answer to such a PING may take before the connection is dropped (15 s).
    pub ping_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            per_peer: 256,
            only_known: false,
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            idle: Duration::from_secs(90),
            drain: Duration::from_secs(10),
            header_bytes: HEADER_LIMIT as u32,
            header_count: 2048,
            streams: 100,
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(15),
        }
    }
}
