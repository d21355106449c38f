//! `inferometer catalog`

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use serde::Serialize;

use super::tree::{describe, number};
use super::{Output, colour, print};
use crate::api::explain::MetricFacts;
use crate::catalog::{Catalog, Preset, STATISTICS, promql};
use crate::config::did_you_mean;
use crate::core::freshness::Coverage;

/// Flags of `catalog`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A metric, with a suffix if wanted, or a series by its own name.
    #[arg(conflicts_with = "engine")]
    name: Option<String>,
    /// Only what this engine or exporter provides.
    #[arg(long, value_name = "ENGINE")]
    engine: Option<String>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// One metric as the catalog prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(flatten)]
    facts: MetricFacts,
    aggregate: String,
    providers: Vec<Provider>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    suffixes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Provider {
    engine: String,
    series: Vec<String>,
    promql: String,
}

/// Prints the catalog, or one metric of it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let catalog = Catalog::built_in()?;
    if let Some(name) = &args.name {
        let Some(entry) = entry(&catalog, name) else { bail!("{}", unknown(&catalog, name)) };
        match args.output {
            Output::Json => print(&(serde_json::to_string_pretty(&entry)? + "\n")),
            Output::Text => print(&page(&entry)),
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(engine) = &args.engine
        && !catalog.engines().iter().any(|known| known.name.as_ref() == engine)
    {
        let known: Vec<_> = catalog.engines().iter().map(|engine| engine.name.to_string()).collect();
        bail!("no engine {engine:?} in the catalog; there are {}", known.join(", "));
    }
    let is_wanted = |preset: &Preset| {
        args.engine.as_ref().is_none_or(|engine| catalog.engine_of(preset).name.as_ref() == engine)
    };
    let names = catalog.names().filter(|name| catalog.presets(name).iter().any(is_wanted));
    let entries: Vec<Entry> = names.filter_map(|name| entry(&catalog, name)).collect();
    match args.output {
        Output::Json => print(&(serde_json::to_string_pretty(&entries)? + "\n")),
        Output::Text => print(&list(&entries)),
    }
    Ok(ExitCode::SUCCESS)
}

/// What to say about a name that nobody has.
pub(super) fn unknown(catalog: &Catalog, name: &str) -> String {
    let known = catalog.names().map(AsRef::as_ref).chain(catalog.raw_names());
    let hint = did_you_mean(name, known).map_or_else(
        || "`inferometer catalog` lists the metrics".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    format!("no metric {name:?}: {hint}")
}

fn entry(catalog: &Catalog, name: &str) -> Option<Entry> {
    let metric = catalog.resolve(name)?;
    let presets = catalog.presets(name);
    let providers = metric
        .inputs
        .iter()
        .map(|input| Provider {
            engine: input.engine.to_string(),
            series: input
                .signal
                .to_string()
                .split(" + ")
                .flat_map(|term| term.split(" or "))
                .map(str::to_owned)
                .collect(),
            promql: promql::compile(&input.signal, &Coverage::Cluster),
        })
        .collect();
    let suffixes = match presets.first() {
        None => Vec::new(),
        Some(preset) if preset.is_distribution() => STATISTICS
            .iter()
            .map(|(suffix, _)| (*suffix).to_owned())
            .chain(["_avg", "_max", "_min"].map(str::to_owned))
            .collect(),
        Some(_) => ["_sum", "_avg", "_max", "_min"].map(str::to_owned).to_vec(),
    };
    Some(Entry {
        aggregate: metric.aggregate.to_string(),
        target_reason: metric.target.as_ref().and_then(|target| target.why.clone()),
        note: presets.first().and_then(|preset| preset.note.clone()),
        facts: MetricFacts::new(&metric),
        providers,
        suffixes,
    })
}

fn list(entries: &[Entry]) -> String {
    let bold = |text: &str| if colour() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
    let width = entries.iter().map(|entry| entry.facts.name.len()).max().unwrap_or_default();
    let mut out =
        bold(&format!("{:width$}  {:14} {:12} {:16} ENGINES\n", "METRIC", "UNIT", "TARGET TYPE", "TARGET"));
    for entry in entries {
        let facts = &entry.facts;
        let target = facts.suggested_target.map_or("-".to_owned(), number);
        let engines: Vec<_> = entry.providers.iter().map(|provider| provider.engine.as_str()).collect();
        let _ = writeln!(
            out,
            "{:width$}  {:14} {:12} {target:16} {}",
            facts.name,
            facts.unit,
            facts.target_type,
            engines.join(", ")
        );
    }
    out.push_str("\n`inferometer catalog NAME` shows one; distributions take _p50 _p90 _p95 _p99 _mean, all take _sum _avg _max _min.\n");
    out
}

fn page(entry: &Entry) -> String {
    let facts = &entry.facts;
    let mut out = String::new();
    let _ = writeln!(out, "{}\n  {}\n  {}", facts.name, facts.help, describe(facts));
    let _ = writeln!(out, "  aggregate  {}", entry.aggregate);
    if let Some(target) = facts.suggested_target {
        let why = entry.target_reason.as_deref().unwrap_or("a starting point");
        let _ = writeln!(out, "  target     {} {}: {why}", facts.target_type, number(target));
    }
    if let Some(note) = &entry.note {
        let _ = writeln!(out, "  note       {note}");
    }
    if !entry.suffixes.is_empty() {
        let _ = writeln!(out, "  suffixes   {}", entry.suffixes.join(" "));
    }
    for provider in &entry.providers {
        let _ = writeln!(out, "  {}", provider.engine);
        let _ = writeln!(out, "    series   {}", provider.series.join(", "));
        let _ = writeln!(out, "    promql   {}", provider.promql.replace('\n', "\n             "));
    }
    out
}
