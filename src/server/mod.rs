//! Listeners, TLS, shutdown.
