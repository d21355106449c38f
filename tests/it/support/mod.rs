//! What the tests share: a real Prometheus, pages for it to scrape, faults between, and our own binary.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

mod anyone;
pub(crate) mod apiserver;
pub(crate) mod caller;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod command;
pub(crate) mod exposition;
pub(crate) mod fleet;
pub(crate) mod flood;
pub(crate) mod frames;
pub(crate) mod front;
pub(crate) mod load;
pub(crate) mod memory;
pub(crate) mod monitor;
pub(crate) mod objects;
pub(crate) mod pki;
pub(crate) mod prometheus;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod secure;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod site;
pub(crate) mod wait;

pub(crate) use apiserver::{ApiServer, Fault, Grant};
pub(crate) use caller::Caller;
pub(crate) use client::{Client, EXTERNAL, Problem, Reply, Value, value_path};
pub(crate) use cluster::Cluster;
pub(crate) use exposition::{Exposition, Target, fixture};
pub(crate) use load::Load;
pub(crate) use monitor::{CANARY, Monitor};
pub(crate) use prometheus::Prometheus;
pub(crate) use server::Server;
pub(crate) use service::Service;
pub(crate) use site::{Site, WAITING, of_pod};
pub(crate) use wait::{seconds, until};

/// The source that `--prometheus-url` configures.
pub(crate) const SOURCE: &str = "prometheus";

/// A local port that was free a moment ago. Below those that the system hands out, so that no test
/// beside this one gets it by chance.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let from = std::process::id().wrapping_mul(97);
    // Not one after the other: the quickstart takes the next one as well.
    let ports = std::iter::repeat_with(|| 20_000 + from.wrapping_add(NEXT.fetch_add(7, Relaxed)) % 12_000);
    ports
        .take(1_000)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// Writes a file as a mounted ConfigMap changes: at once, never half.
pub(crate) fn replace_file(path: &std::path::Path, content: impl AsRef<[u8]>) {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, content).expect("a temporary file can be written");
    std::fs::rename(&beside, path).expect("a temporary file can be renamed");
}
