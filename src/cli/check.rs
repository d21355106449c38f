//! `inferometer check`

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::tree::describe;
use super::{Output, colour, print};
use crate::api::explain::MetricFacts;
use crate::catalog::Catalog;
use crate::config::{self, Checked, CheckedMetric, Configuration, Diagnostic, Diagnostics, Report};

/// Flags of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Configurations and HPA manifests. An HPA may name metrics of a configuration given before it.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Fail on warnings too.
    #[arg(long)]
    strict: bool,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    diagnostics: &'a [Diagnostic],
    errors: usize,
    warnings: usize,
    metrics: Vec<Metric>,
}

#[derive(Debug, Serialize)]
struct Metric {
    #[serde(flatten)]
    facts: MetricFacts,
    queries: Vec<Query>,
}

#[derive(Debug, Serialize)]
struct Query {
    source: String,
    promql: String,
}

/// Prints every problem with its place, and the queries that the metrics compile to. Fails when there
/// is an error.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let catalog = Catalog::built_in()?;
    let mut diagnostics = Diagnostics::default();
    let mut configuration: Option<Configuration> = None;
    let mut all = Vec::new();
    for path in &args.files {
        let Some(text) = config::read(path, &mut diagnostics) else { continue };
        let file = path.display().to_string();
        let mut checked = config::check(&file, &text, &catalog, configuration.as_ref(), &mut diagnostics);
        configuration = checked.configuration.take().or(configuration);
        all.push((file, checked));
    }
    let report = diagnostics.finish();
    match args.output {
        Output::Text => {
            print(&listing(&all));
            eprint!("{}", report.render(colour()));
        }
        Output::Json => {
            let metrics = all.iter().flat_map(|(_, checked)| &checked.metrics).map(metric).collect();
            let Report { diagnostics, errors, warnings, .. } = &report;
            let result = Outcome { diagnostics, errors: *errors, warnings: *warnings, metrics };
            print(&(serde_json::to_string_pretty(&result)? + "\n"));
        }
    }
    let failed = report.has_errors() || (args.strict && report.warnings > 0);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn listing(all: &[(String, Checked)]) -> String {
    let mut out = String::new();
    for (file, checked) in all {
        let Checked { metrics, autoscalers, ignored, .. } = checked;
        let _ = writeln!(out, "{file}: {} metrics, {autoscalers} autoscalers", metrics.len());
        for (kind, line) in ignored {
            let _ = writeln!(out, "  line {line}: {kind} is not looked at");
        }
        for CheckedMetric { metric, queries } in metrics {
            let _ = writeln!(out, "  {}\n    {}", metric.name, describe(&MetricFacts::new(metric)));
            for (from, query) in queries {
                let _ = writeln!(out, "    {from}: {}", query.replace('\n', "\n      "));
            }
        }
    }
    out
}

fn metric(checked: &CheckedMetric) -> Metric {
    let query = |(source, promql): &(std::sync::Arc<str>, String)| Query {
        source: source.to_string(),
        promql: promql.clone(),
    };
    Metric { facts: MetricFacts::new(&checked.metric), queries: checked.queries.iter().map(query).collect() }
}
