//! Serves metrics pages as a fleet of inference engines would, for a real Prometheus to scrape.
//!
//! ```text
//! cargo run --example fleet -- --listen 127.0.0.1:9100 --namespaces 1000 --pods 4
//! ```
//!
//! - `/metrics`: one page for the whole fleet. Its series carry `namespace` and `pod` themselves, so scrape it with
//!   `honor_labels: true`. How its values are made: `tests/it/support/fleet.rs`.
//! - `/file/{name}`: a page of `tests/fixtures/expositions/`, as the engine or exporter of that name serves it.
//! - `/healthz`.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use axum::Router;
use axum::extract::{Path as Segment, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use clap::Parser;
use clap::builder::RangedU64ValueParser;

#[path = "../tests/it/support/fleet.rs"]
mod fleet;

use fleet::Fleet;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/expositions");
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves metrics pages as a fleet of inference engines would.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; port 0 takes a free one and prints it.
    #[arg(long, default_value = "127.0.0.1:9100")]
    listen: SocketAddr,
    /// How many namespaces: ai, ai-1, ai-2 …
    #[arg(long, default_value_t = 2, value_parser = RangedU64ValueParser::<u32>::new().range(1..=10_000))]
    namespaces: u32,
    /// How many pods in each: vllm-0, vllm-1 …
    #[arg(long, default_value_t = 3, value_parser = RangedU64ValueParser::<u32>::new().range(1..=10_000))]
    pods: u32,
    /// Serve counters, histograms and GPUs too, not only the three gauges.
    #[arg(long)]
    full: bool,
    /// Let the gauges rise by 5 and fall back, one step a minute.
    #[arg(long)]
    drift: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { listen, namespaces, pods, full, drift } = Args::parse();
    let fleet = Fleet { namespaces, pods, full, drift };
    let app = Router::new()
        .route("/metrics", get(metrics))
        .route("/file/{name}", get(file))
        .route("/healthz", get(async || "ok\n"))
        .with_state((fleet, Instant::now()));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("{namespaces} namespaces of {pods} pods on http://{}/metrics", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn metrics(State((fleet, start)): State<(Fleet, Instant)>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT)], fleet.page(start.elapsed().as_secs_f64()))
}

async fn file(Segment(name): Segment<String>) -> Result<impl IntoResponse, StatusCode> {
    // A name, not a way out of the folder: `%2F` arrives here decoded.
    if name.contains('/') {
        return Err(StatusCode::NOT_FOUND);
    }
    let page = tokio::fs::read(Path::new(PAGES).join(&name)).await.map_err(|_| StatusCode::NOT_FOUND)?;
    let kind = if name.starts_with("openmetrics") { OPENMETRICS } else { TEXT };
    Ok(([(header::CONTENT_TYPE, kind)], page))
}
