//! What the README tells a newcomer to run.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::support::free_port;

/// A free port whose next one is free too: the quickstart takes both.
fn free_pair() -> u16 {
    std::iter::repeat_with(free_port)
        .find(|port| port.checked_add(1).is_some_and(|next| TcpListener::bind(("127.0.0.1", next)).is_ok()))
        .expect("some pair of ports is free")
}

#[test]
fn prometheus_quickstart_shows_an_answer_and_where_it_comes_from() {
    let bin_dir = Path::new(env!("CARGO_BIN_EXE_inferometer")).parent().expect("a binary is in a folder");
    let fleet = bin_dir.join("examples/fleet");
    assert!(fleet.exists(), "cargo builds {} unless it is told to build less than all", fleet.display());
    let [port, prometheus, fleet_port] = [free_pair(), free_port(), free_port()].map(|port| port.to_string());
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/quickstart"))
        .args([
            "--once",
            "--port",
            &port,
            "--prometheus-port",
            &prometheus,
            "--fleet-port",
            &fleet_port,
            "--bin-dir",
        ])
        .arg(bin_dir)
        .output()
        .expect("bash runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    // 7 and 12 wait at the two replicas: see tests/it/support/fleet.rs.
    assert!(out.contains(r#""value":"19""#), "{out}");
    assert!(out.contains("the HPA sees 19"), "{out}");
}
