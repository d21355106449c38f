//! The commands, one file each.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

mod adapter;
mod catalog;
mod check;
mod cluster;
mod definitions;
mod demo;
mod encode;
mod explain;
mod reload;
mod serve;
mod tree;

/// The metrics API that lets plain HorizontalPodAutoscalers scale GPU inference.
#[derive(Debug, Parser)]
#[command(name = "inferometer", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve external.metrics.k8s.io to the HorizontalPodAutoscaler.
    Serve(serve::Args),
    /// Play a day of a simulated fleet: engines, exporters, this adapter and an HPA, with nothing to
    /// install.
    Demo(Box<demo::Args>),
    /// Check configurations and HPA manifests: every problem at once, with its place.
    Check(check::Args),
    /// Explain a metric's value: every step from the source to what the HPA sees.
    Explain(explain::Args),
    /// List the built-in metrics, or show one.
    Catalog(catalog::Args),
    /// Write a name that no label can hold, such as a model's with a slash, as the value of a selector.
    Encode(encode::Args),
}

/// How a command prints its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Runs the command that the process was started with.
///
/// The exit code is 0 when it did what was asked, 1 when it could not, and 2 for a wrong command
/// line.
pub fn run() -> ExitCode {
    let Cli { command } = Cli::parse();
    let result = match command {
        Command::Serve(args) => serve::run(args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Catalog(args) => catalog::run(&args),
        Command::Encode(args) => encode::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether to colour what goes to standard output.
fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Prints to standard output; a reader that has gone away (`| head`) is not an error.
fn print(text: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}
