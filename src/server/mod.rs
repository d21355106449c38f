//! Listeners, TLS, shutdown.
//!
//! This module owns the way from a TCP connection to one call of a `tower` service per request, and the
//! limits that keep a hostile or broken peer from starving the others. It knows nothing of Kubernetes
//! but the shape of an error (`guard::status`), and nothing of metrics.
//!
//! ```text
//! TcpListener → listener (cap, drain) → connection (handshake, HTTP, idle) → guard (panic, deadline) → router
//!                                          ↑ tls (certificate, replaced live)
//! ```
mod connection;
mod executor;
pub mod guard;
mod limits;
pub mod listener;
mod presented;
pub mod tls;

#[cfg(test)]
mod tests;

pub use connection::ConnectionInfo;
pub use limits::Limits;
pub use presented::Presented;
