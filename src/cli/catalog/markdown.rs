//! The reference of all metrics for people, docs/metrics.md.

use std::fmt::Write as _;

use super::entry::{Composite, Entry, GROUPS, Provider, entry};
use crate::catalog::Catalog;
use crate::cli::tree::number;

const HEAD: &str = "\
<!-- Made by `inferometer catalog --output markdown`. The facts are in catalog/, one file an engine. -->

# Metrics

Every metric of the built-in catalog: what it means, which engines provide it, and what is asked of
Prometheus for it. Nothing has to be configured to use one in an HPA.

**Names.** `inference_` is an engine's own number, whichever engine it is; `gateway_` that of something
that stands before engines and counts the same requests as they do; `gpu_` a device's. A metric that
several engines provide is answered from those that have series in the namespace: what is *extensive*
is added up over all of them, what is *intensive* is pooled. Select by `engine` to keep them apart.

**Suffixes** choose without configuration. `_p50`, `_p90`, `_p95`, `_p99` and `_mean` are the statistic of
a distribution; `_sum`, `_avg`, `_max` and `_min` aggregate over pods, devices or series. The statistic
comes first: `inference_time_to_first_token_seconds_p99_max`. With `_sum` a metric is extensive and goes
with `AverageValue`; with `_avg`, `_max` or `_min` it is intensive and goes with `Value`.

**Series by their own names** are metrics too: `vllm:num_requests_waiting`, `DCGM_FI_DEV_GPU_UTIL`. A gauge
is taken as it is, a counter as its rate, a histogram (without `_bucket`, `_sum` or `_count`) as its
statistic, each in the exporter's unit. All series listed below can be named so, but for error codes,
for prices and counts that others are multiplied by, and for what metrics tell apart by a label.

**Composites** are made of other metrics, by the lines of a configuration that stand below each: `each`
computes a number of every pod or device, which `aggregate` folds; `value` computes on the whole.
`replicas`, `ready`, `loading` and `target` are those of the workload and of the HPA that asks. Copy the
lines into a configuration to change a number in them; see [expressions.md](expressions.md).

**Suggested targets** are starting points. Nothing applies them.

**Nothing observed.** A ratio, mean or quantile of nothing has no value. It is an error, by which an HPA
does not shrink, unless a configured metric says `idle: zero`; see
[configuration.md](configuration.md#nothing-observed).

**PromQL.** The parts of one query are told apart by the label `_part`: `0`, `1` … are the numbers that a
formula joins, `b` the buckets, `s` and `c` sum and count of a distribution, `t` the times of the samples.
Histograms are asked for in the namespaces that ask only. What is made of the parts stands above each
query: `$1` is the part `0`, `$2` the part `1`, and so on; `($1 != 0)` is 1 where it is not 0. It is worked
out in memory for each pod or device, or on their sums where the aggregate is `pooled` (a ratio of sums, a
quantile of merged buckets), and a change of units is part of it. `< 100000000000000` leaves out the
exporter's blank values, `{server=\"\"}` a router's copies, `{priority=\"\"}` repeats by priority, and
`or on (instance, job, namespace, pod)` takes the second of two series only where a target lacks the first.

Directly scraped targets need no query: the same series are read from their pages, and the same is made
of them.

## Which one

| for | take | as | begin with |
|---|---|---|---|
| any LLM server whose replicas take long to start | `inference_demand_requests_per_second` | `AverageValue` | half of the requests per second that one replica serves within its latency target |
| any LLM server, unprofiled | `inference_saturation` | `Value` | 0.8 |
| any LLM server, by its batch limit | `inference_requests_in_system` | `AverageValue` | 0.5 to 0.8 of the engine's batch limit (`max_num_seqs` and its like) |
| throughput, latency second | `inference_requests_waiting` | `AverageValue` | 5; it moves only once replicas are full |
| long contexts, full caches | `inference_kv_cache_utilization` | `Value` | 0.7, beside the first |
| a latency promise | `inference_time_to_first_token_seconds_p95` | `Value` | the promise, beside the first and never alone |
| embeddings and classifiers | `inference_requests_waiting` | `AverageValue` | what one replica clears in the time allowed |
| a classic model server | `inference_queue_time_ratio`, `inference_mean_queue_time_seconds` | `Value` | 0.2 to 0.5 of the time; 5 to 50 ms |
| a gateway before scaled-to-zero engines | `gateway_requests_queued` | `AverageValue` | 1, beside the first |
| engines that export nothing | `gpu_effective_utilization`, or without profiling fields `gpu_engine_active_ratio` | `Value` | 0.7; 0.8 |
| a backlog | `redis_list_length`, `redis_stream_backlog` | `AverageValue` | what one replica clears in the time allowed |

Not `gpu_utilization`, which is near 1 with one active sequence, nor memory in use, which most engines
reserve when they start, nor tokens per second alone, which stop rising exactly when more replicas are
needed.
";

/// The whole reference.
pub(super) fn reference(catalog: &Catalog) -> String {
    let entries: Vec<Entry> = catalog.names().filter_map(|name| entry(catalog, name)).collect();
    let of = |prefix: &'static str| entries.iter().filter(move |one| one.facts.name.starts_with(prefix));
    let mut out = HEAD.to_owned();
    out.push_str("\n## Contents\n");
    for (prefix, title) in GROUPS {
        let _ = write!(out, "\n{title}:\n\n");
        for entry in of(prefix) {
            let name = &entry.facts.name;
            let _ = writeln!(out, "- [`{name}`](#{name}): {}", entry.facts.help);
        }
    }
    engines(&mut out, catalog);
    for (prefix, title) in GROUPS {
        let _ = write!(out, "\n## {title}\n");
        of(prefix).for_each(|entry| section(&mut out, entry));
    }
    out
}

fn engines(out: &mut String, catalog: &Catalog) {
    out.push_str("\n## Engines and exporters\n\n");
    out.push_str("| name | what it is | detected by | source |\n|---|---|---|---|\n");
    for engine in catalog.engines() {
        let detect: Vec<_> = engine.detect.iter().map(|series| format!("`{series}`")).collect();
        let (name, title, source) = (&engine.name, &engine.title, &engine.source);
        let _ = writeln!(out, "| `{name}` | {title} | {} | {source} |", detect.join(", "));
    }
}

fn section(out: &mut String, entry: &Entry) {
    let facts = &entry.facts;
    let _ = write!(out, "\n### `{}`\n\n{}\n\n", facts.name, facts.help);
    let range = facts.range.map_or("not bounded".to_owned(), |(low, high)| format!("{low} to {high}"));
    let target = facts.suggested_target.map_or("none".to_owned(), number);
    let mut row = |head: &str, cell: &str| {
        let _ = writeln!(out, "| {head} | {cell} |");
    };
    row("unit", &facts.unit);
    row("---", "---");
    row("range", &range);
    row("under load", facts.direction.strip_suffix(" under load").unwrap_or("does not follow it"));
    row("HPA target type", &format!("`{}` ({})", facts.target_type, facts.semantics));
    row(
        "suggested target",
        &entry.target_reason.as_ref().map_or(target.clone(), |why| format!("{target}: {why}")),
    );
    if entry.composite.as_ref().is_none_or(|composite| composite.each.is_some()) {
        row("aggregate", &entry.aggregate);
    }
    if let Some(window) = facts.window_seconds {
        row("window", &format!("{window} s"));
    }
    row("scope", entry.scope);
    row("suffixes", &entry.suffixes.iter().map(|suffix| format!("`{suffix}`")).collect::<Vec<_>>().join(" "));
    if let Some(note) = &entry.note {
        let _ = write!(out, "\n{}\n", sentence(note));
    }
    if let Some(one) = &entry.composite {
        composite(out, entry, one);
    }
    entry.providers.iter().for_each(|one| provider(out, one));
}

fn composite(out: &mut String, entry: &Entry, composite: &Composite) {
    out.push_str("\n```yaml\nsignals:\n");
    for part in &composite.signals {
        let _ = writeln!(out, "  {}: {}", part.name, part.settings());
    }
    if composite.each.is_some() {
        let _ = writeln!(out, "aggregate: {}", entry.aggregate);
    }
    for (head, text) in [("each", &composite.each), ("value", &composite.value)] {
        if let Some(text) = text {
            // A plain text ends at a colon.
            let quote = if text.contains(": ") { "\"" } else { "" };
            let _ = writeln!(out, "{head}: {quote}{text}{quote}");
        }
    }
    out.push_str("```\n");
}

fn provider(out: &mut String, provider: &Provider) {
    let series: Vec<_> = provider.series.iter().map(|name| format!("`{name}`")).collect();
    let _ = write!(out, "\n**{}** (`{}`): {}.", provider.title, provider.engine, series.join(", "));
    if let Some(caveat) = &provider.caveat {
        let _ = write!(out, " {}", sentence(caveat));
    }
    let _ = write!(out, "\n\nValue: `{}`\n\n```promql\n{}\n```\n", provider.formula, provider.promql);
}

/// The text with a full stop at its end.
fn sentence(text: &str) -> String {
    if text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Diagnostics, check};
    use crate::core::expression::Expression;
    use crate::core::metric::Metric;

    /// The lines of a composite are those of a configuration, and make the same of it.
    #[test]
    fn composites_can_be_copied() {
        let catalog = Catalog::built_in().expect("loads");
        let entries = catalog.names().filter_map(|name| entry(&catalog, name));
        let mut copied = 0;
        for one in entries {
            let Some(lines) = &one.composite else { continue };
            let mut block = String::new();
            composite(&mut block, &one, lines);
            let lines = block.trim().trim_matches('`').trim_start_matches("yaml").trim();
            let (name, unit, semantics) = (&one.facts.name, &one.facts.unit, &one.facts.semantics);
            let text = format!(
                "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nmetrics:\n- name: copy\n  \
                 unit: {unit}\n  type: {semantics}\n  {}\n",
                lines.replace('\n', "\n  ")
            );
            let mut diags = Diagnostics::default();
            let checked = check("copy.yaml", &text, &catalog, None, &mut diags);
            let report = diags.finish();
            assert_eq!(report.errors, 0, "{name}: {report}\n{text}");
            let copy = checked.metrics[0].metric.composite.clone().expect("a composite");
            let own = catalog.resolve(name).and_then(|metric| metric.composite).expect("a composite");
            let source = |one: &Option<Expression>| {
                one.as_ref().map(|one| one.source().split_whitespace().collect::<Vec<_>>().join(" "))
            };
            assert_eq!((source(&copy.each), source(&copy.value)), (source(&own.each), source(&own.value)));
            for part in &own.parts {
                let same = copy.parts.iter().find(|other| other.name == part.name).expect(&part.name);
                assert_eq!(same.missing, part.missing, "{name}: {}", part.name);
                let reads = |metric: &Metric| {
                    let inputs = metric.inputs.iter();
                    inputs.map(|one| (one.signal.clone(), one.formula.clone())).collect::<Vec<_>>()
                };
                assert_eq!(reads(&same.metric), reads(&part.metric), "{name}: {}", part.name);
            }
            copied += 1;
        }
        assert_eq!(copied, 18);
    }

    #[test]
    fn docs_metrics_md_is_what_the_catalog_says() {
        let catalog = Catalog::built_in().expect("loads");
        let written = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md"));
        // Whole texts in a failed assertion would be unreadable.
        let differs = written.lines().zip(reference(&catalog).lines()).position(|(old, new)| old != new);
        let is_same = written == reference(&catalog);
        let again = "cargo run -- catalog --output markdown > docs/metrics.md";
        assert!(is_same, "docs/metrics.md is out of date from line {differs:?} on (0 is the first): {again}");
    }
}
