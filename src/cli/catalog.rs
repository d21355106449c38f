//! `inferometer catalog`

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::ValueEnum;

use self::entry::{Entry, GROUPS, entry};
use super::tree::{describe, number};
use super::{colour, print};
use crate::catalog::{Catalog, Preset};
use crate::config::did_you_mean;

mod entry;
mod markdown;

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
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// How the catalog is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// The reference of all metrics: docs/metrics.md.
    Markdown,
}

/// Prints the catalog, or one metric of it.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let catalog = Catalog::built_in()?;
    if args.output == Format::Markdown {
        if args.name.is_some() || args.engine.is_some() {
            bail!("the reference in Markdown is of the whole catalog");
        }
        print(&markdown::reference(&catalog));
        return Ok(ExitCode::SUCCESS);
    }
    let json = args.output == Format::Json;
    if let Some(name) = &args.name {
        let Some(entry) = entry(&catalog, name) else { bail!("{}", unknown(&catalog, name)) };
        print(&if json { serde_json::to_string_pretty(&entry)? + "\n" } else { page(&entry) });
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
    let is_composite = |name: &str| catalog.presets(name).is_empty() && args.engine.is_none();
    let names =
        catalog.names().filter(|name| is_composite(name) || catalog.presets(name).iter().any(is_wanted));
    let entries: Vec<Entry> = names.filter_map(|name| entry(&catalog, name)).collect();
    print(&if json { serde_json::to_string_pretty(&entries)? + "\n" } else { list(&entries) });
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

fn list(entries: &[Entry]) -> String {
    let bold = |text: &str| if colour() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
    let widest = |length: fn(&Entry) -> usize| entries.iter().map(length).max().unwrap_or_default();
    let name = widest(|entry| entry.facts.name.len());
    let unit = widest(|entry| entry.facts.unit.len());
    let row = |cells: [&str; 5]| {
        let [metric, of, kind, target, engines] = cells;
        format!("{metric:name$}  {of:unit$}  {kind:12}  {target:6}  {engines}\n")
    };
    let mut out = bold(&row(["METRIC", "UNIT", "TARGET TYPE", "TARGET", "ENGINES"]));
    for (prefix, title) in GROUPS {
        let mut group = entries.iter().filter(|entry| entry.facts.name.starts_with(prefix)).peekable();
        if group.peek().is_some() {
            let _ = write!(out, "\n{}\n", bold(title));
        }
        for entry in group {
            let facts = &entry.facts;
            let target = facts.suggested_target.map_or("-".to_owned(), number);
            let engines: Vec<_> = entry.providers.iter().map(|provider| provider.engine.as_str()).collect();
            let engines = if entry.composite.is_some() { vec!["(composite)"] } else { engines };
            out += &row([&facts.name, &facts.unit, &facts.target_type, &target, &engines.join(" ")]);
        }
    }
    out.push_str("\n`inferometer catalog NAME` shows one; distributions take _p50 _p90 _p95 _p99 _mean, most take _avg _max _min or _sum: its last line tells.\n");
    out
}

fn page(entry: &Entry) -> String {
    let facts = &entry.facts;
    let mut out = String::new();
    let _ = writeln!(out, "{}\n  {}\n  {}", facts.name, facts.help, describe(facts));
    if entry.composite.as_ref().is_none_or(|composite| composite.each.is_some()) {
        let _ = writeln!(out, "  aggregate  {}", entry.aggregate);
    }
    if entry.scope == "cluster" {
        let _ = writeln!(out, "  scope      cluster: every namespace reads all series");
    }
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
    if let Some(composite) = &entry.composite {
        let width = composite.signals.iter().map(|part| part.name.len()).max().unwrap_or_default();
        for part in &composite.signals {
            let _ = writeln!(out, "  signal     {:width$}  {}", part.name, part.settings());
        }
        for (head, text) in [("each", &composite.each), ("value", &composite.value)] {
            if let Some(text) = text {
                let _ = writeln!(out, "  {head:9}  {text}");
            }
        }
    }
    for provider in &entry.providers {
        let _ = writeln!(out, "  {}", provider.engine);
        if let Some(caveat) = &provider.caveat {
            let _ = writeln!(out, "    note     {caveat}");
        }
        let _ = writeln!(out, "    series   {}", provider.series.join(", "));
        let _ = writeln!(out, "    promql   {}", provider.promql.replace('\n', "\n             "));
    }
    out
}
