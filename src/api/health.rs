//! `/healthz`, `/livez`, `/readyz`: whether this process can answer, never whether a source can.
//!
//! An unavailable APIService blocks the deletion of every namespace of the cluster, so a Prometheus
//! that is down makes metrics refuse and leaves the server ready. Only at the start it is waited for what
//! the replica that is being replaced has: a certificate and trust anchors, without which no API server could
//! use us, and for the list of pods, though not for long.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;

use super::respond::text;
use super::{Api, Gate};

/// `/livez` and `/healthz`
pub(super) async fn live(request: Request) -> Response {
    report(&request, &[("ping", true)])
}

/// `/readyz`
pub(super) async fn ready(State(api): State<Arc<Api>>, request: Request) -> Response {
    let configured = api.engine.generation().number() > 0;
    let stays = !api.draining.load(Ordering::Relaxed);
    let mut checks = vec![("ping", true), ("configuration", configured)];
    let gates = Gate::ALL.into_iter().zip(&api.closed);
    checks.extend(gates.map(|(gate, closed)| (gate.name(), !closed.load(Ordering::Relaxed))));
    checks.push(("shutdown", stays));
    report(&request, &checks)
}

/// In the form of kube-apiserver: `ok`, or with `verbose` or on failure a line for each check.
fn report(request: &Request, checks: &[(&str, bool)]) -> Response {
    let path = request.uri().path().trim_matches('/');
    let passed = checks.iter().all(|(_, good)| *good);
    let verbose = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
        .any(|(name, value)| name == "verbose" && value != "false");
    if passed && !verbose {
        return text(StatusCode::OK, "ok".to_owned());
    }
    let mut lines = String::new();
    for (name, good) in checks {
        let _ =
            writeln!(lines, "{}", if *good { format!("[+]{name} ok") } else { format!("[-]{name} failed") });
    }
    let (code, verdict) =
        if passed { (StatusCode::OK, "passed") } else { (StatusCode::SERVICE_UNAVAILABLE, "failed") };
    let _ = writeln!(lines, "{path} check {verdict}");
    text(code, lines)
}
