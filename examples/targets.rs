//! Serves many targets for direct scraping, each a page of so many series whose counters grow.
//!
//! ```text
//! cargo run --release --example targets -- --listen 127.0.0.1:9200 --series 300
//! ```
//!
//! Every path has a page: `/0/metrics`, `/1/metrics` and so on are as many targets as are asked for. The series
//! are those of a recorded vLLM page; where it has too few, those of further ranks are added.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use clap::Parser;

const PAGE: &str = include_str!("../tests/fixtures/expositions/vllm-0.33.0.txt");
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Serves many targets for direct scraping.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:9200")]
    listen: SocketAddr,
    /// Series on each page.
    #[arg(long, default_value_t = 300)]
    series: usize,
}

/// A line of the page: as it is, or a series with its first value and whether it grows.
enum Line {
    Comment(String),
    Series(String, f64, bool),
}

fn lines(series: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut count = 0;
    for rank in 0.. {
        for line in PAGE.lines() {
            if line.starts_with('#') {
                if rank == 0 {
                    lines.push(Line::Comment(line.to_owned()));
                }
                continue;
            }
            if count == series {
                return lines;
            }
            let Some((name, value)) = line.rsplit_once(' ') else { continue };
            let grows = ["_total{", "_bucket{", "_sum{", "_count{"].iter().any(|part| name.contains(part));
            let name = name.replace("engine=\"0\"", &format!("engine=\"{rank}\""));
            lines.push(Line::Series(name, value.parse().unwrap_or_default(), grows));
            count += 1;
        }
    }
    lines
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Args { listen, series } = Args::parse();
    let state = Arc::new((lines(series), Instant::now()));
    let app = Router::new().fallback(page).with_state(state);
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("targets of {series} series on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn page(State(state): State<Arc<(Vec<Line>, Instant)>>) -> impl IntoResponse {
    let (lines, began) = &*state;
    let growth = 1.0 + began.elapsed().as_secs_f64() / 100.0;
    let mut page = String::with_capacity(64 << 10);
    for line in lines {
        match line {
            Line::Comment(text) => writeln!(page, "{text}"),
            Line::Series(name, value, true) => writeln!(page, "{name} {}", value * growth),
            Line::Series(name, value, false) => writeln!(page, "{name} {value}"),
        }
        .expect("a string takes any text");
    }
    ([(header::CONTENT_TYPE, TEXT)], page)
}
