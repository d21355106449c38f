//! What the tests share: a real Prometheus, pages for it to scrape, faults between, and our own binary.

pub(crate) mod client;
pub(crate) mod command;
pub(crate) mod exposition;
pub(crate) mod fleet;
pub(crate) mod front;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod server;
pub(crate) mod wait;

pub(crate) use client::{Client, EXTERNAL, Problem, Reply, Value, value_path};
pub(crate) use exposition::{Exposition, Target, fixture};
pub(crate) use prometheus::Prometheus;
pub(crate) use server::Server;
pub(crate) use wait::{seconds, until};

/// The source that `--prometheus-url` configures.
pub(crate) const SOURCE: &str = "prometheus";

/// A local port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Writes a file as a mounted ConfigMap changes: at once, never half.
pub(crate) fn replace_file(path: &std::path::Path, content: impl AsRef<[u8]>) {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, content).expect("a temporary file can be written");
    std::fs::rename(&beside, path).expect("a temporary file can be renamed");
}
