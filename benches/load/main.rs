//! Measures the API under load as the HPA controller makes it, beside nginx and whatever else is given.
//!
//! ```text
//! cargo bench --bench load                                    # some minutes
//! cargo bench --bench load -- --full --svg docs/load.svg      # all sizes
//! ```
//!
//! Needs nothing but what is in this repository; `nginx` and `taskset` where they are. Prints Markdown.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};

use world::World;

#[path = "../../tests/it/support/anyone.rs"]
mod anyone;
mod apiserver;
#[expect(dead_code, reason = "made for tests, of which this needs a part")]
#[path = "../../tests/it/support/caller.rs"]
mod caller;
mod compare;
mod drive;
mod lag;
mod measure;
mod nginx;
mod parts;
#[expect(dead_code, reason = "made for tests, of which this needs a part")]
#[path = "../../tests/it/support/pki.rs"]
mod pki;
mod plot;
mod process;
mod report;
mod source;
mod stage;
mod tls;
mod world;

/// Measures the API under load, and prints tables in Markdown.
#[derive(Debug, Parser)]
struct Args {
    /// All sizes of clusters, not only some: half an hour.
    #[arg(long)]
    full: bool,
    /// Clusters of these sizes and nothing else: HPAS,PODS,SIGNALS, for each of them.
    #[arg(long, value_name = "HPAS,PODS,SIGNALS", conflicts_with_all = ["full", "only"])]
    size: Vec<World>,
    /// Only these parts.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// How long each figure is measured, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How many connections, as from so many kube-apiservers.
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// How many requests are under way at once, where as many are asked as can be answered.
    #[arg(long, default_value_t = 32)]
    in_flight: usize,
    /// The limit of requests a second that the HPA controller has for each API; 0 is none.
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// The server to measure, instead of the one that was built with this.
    #[arg(long, value_name = "FILE", default_value = env!("CARGO_BIN_EXE_inferometer"))]
    bin: PathBuf,
    /// Servers share all processors with whoever asks them, instead of having one to themselves.
    #[arg(long)]
    no_pinning: bool,
    #[command(flatten)]
    compare: compare::Others,
    /// Writes the figures to this file.
    #[arg(long, value_name = "FILE.json")]
    json: Option<PathBuf>,
    /// Draws throughput and latency by the size of the cluster.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// How many jumps signal lag is measured with; 20 with --full.
    #[arg(long)]
    jumps: Option<u32>,
    /// Draws the jumps.
    #[arg(long, value_name = "FILE.svg")]
    lag_svg: Option<PathBuf>,
    /// What cargo says to everything that it runs.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What there is to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// As many answers as possible, beside others.
    Throughput,
    /// 1,000 questions a second about 5,000 metrics, and the HPA controller's own pace.
    Latency,
    /// One signal of 100,000 series, and nothing at all.
    Series,
    /// Clusters of many sizes.
    Sizes,
    /// From a jump in a queue to the answer that shows it.
    Lag,
}

fn main() -> Result<()> {
    let args = Args::parse();
    // The library may bring more than one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(parts::run(&args))
}
