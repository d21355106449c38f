//! Rules on series that the catalog knows.

use promql_parser::parser::Expr;

use super::Linter;
use super::expression::{function, is_rate, series_name};
use crate::catalog::{Catalog, KnownKind};
use crate::config::promql::Tree;
use crate::config::suggest::{did_you_mean, is_near};

/// Series of the engines that have no preset: right, though the catalog does not know them.
const OTHERS: [&str; 40] = [
    "vllm:avg_decoding_length",
    "vllm:avg_generation_throughput_toks_per_s",
    "vllm:avg_itl",
    "vllm:avg_latency",
    "vllm:avg_prompt_throughput_toks_per_s",
    "vllm:cache_config_info",
    "vllm:corrupted_requests_total",
    "vllm:cpu_cache_usage_perc",
    "vllm:cpu_prefix_cache_hit_rate",
    "vllm:current_qps",
    "vllm:external_prefix_cache_hits_total",
    "vllm:external_prefix_cache_queries_total",
    "vllm:gpu_prefix_cache_hit_rate",
    "vllm:healthy_pods_total",
    "vllm:input_tokens_total",
    "vllm:lora_requests_info",
    "vllm:mm_cache_hits_total",
    "vllm:mm_cache_queries_total",
    "vllm:num_decoding_requests",
    "vllm:num_incoming_requests_total",
    "vllm:num_prefill_requests",
    "vllm:num_requests_swapped",
    "vllm:output_tokens_total",
    "vllm:prompt_tokens_by_source_total",
    "vllm:prompt_tokens_cached_by_source_total",
    "vllm:request_errors_total",
    "vllm:request_generation_tokens",
    "vllm:request_inference_time_seconds",
    "vllm:request_latency_seconds",
    "vllm:request_max_num_generation_tokens",
    "vllm:request_num_preemptions",
    "vllm:request_params_max_tokens",
    "vllm:request_params_n",
    "vllm:request_prefill_kv_computed_tokens",
    "vllm:request_prompt_tokens",
    "vllm:spec_decode_draft_acceptance_rate",
    "vllm:spec_decode_efficiency",
    "vllm:spec_decode_num_accepted_tokens_per_pos_total",
    "vllm:spec_decode_num_drafts_total",
    "vllm:spec_decode_num_emitted_tokens_total",
];

/// The exporter's fields are chosen by its user, so that only near misses are worth a word.
const OPEN_PREFIX: &str = "DCGM_";
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];
/// Functions to which it does not matter that a counter only grows.
const INDIFFERENT: [&str; 6] =
    ["absent", "absent_over_time", "changes", "resets", "timestamp", "present_over_time"];

pub(super) fn check(linter: &mut Linter<'_>, tree: &Tree<'_>) {
    let mut used = Vec::new();
    tree.walk(&mut |node, above| {
        if let Some(name) = series_name(node) {
            used.push((name, node, above.to_vec()));
        }
    });
    let names: Vec<&str> = used.iter().map(|(name, ..)| *name).collect();
    for (name, node, above) in &used {
        let place = node.at.as_ref().map(|at| at.start..at.start + name.len());
        let at = place.as_ref();
        let (base, part) = PARTS
            .iter()
            .find_map(|part| name.strip_suffix(part).map(|base| (base, *part)))
            .filter(|(base, _)| linter.catalog.known_series(base).is_some())
            .unwrap_or((name, ""));
        let catalog = linter.catalog;
        let Some(known) = catalog.known_series(base) else {
            unknown(linter, name, at);
            if name.ends_with("_total") {
                growing(linter, node, above, at);
            }
            continue;
        };
        match (known.kind, part) {
            (KnownKind::Histogram, "") => linter.warn(
                at,
                format!("`{base}` is a histogram, which has no series of its own name"),
                format!("use `{base}_bucket`, `{base}_sum` or `{base}_count`"),
            ),
            // What takes quantiles of buckets has its own rule.
            (KnownKind::Histogram, "_bucket") => {}
            (KnownKind::Histogram | KnownKind::Counter, _) => growing(linter, node, above, at),
            (KnownKind::Gauge, _) => {
                if let Some(rate) = above.iter().find(|node| is_rate(node)) {
                    let rate = function(rate).unwrap_or_default();
                    let hint = format!(
                        "use it as it is, or `deriv(…)` for its slope; see `preset: {}`",
                        known.preset
                    );
                    linter.warn(at, format!("`{name}` is a gauge, whose `{rate}` is noise"), hint);
                }
            }
        }
        if let Some((preferred, _)) = known.names.split_first()
            && *preferred != base
            && !names.iter().any(|name| name.starts_with(preferred))
        {
            linter.warn(
                at,
                format!("`{base}` is called `{preferred}` in other versions"),
                format!("use `preset: {}`, which reads both, or join them with `or`", known.preset),
            );
        }
    }
}

/// A counter that is read as it stands.
fn growing(
    linter: &mut Linter<'_>,
    node: &Tree<'_>,
    above: &[&Tree<'_>],
    at: Option<&std::ops::Range<usize>>,
) {
    let is_handled = |node: &&Tree<'_>| match node.expr {
        Expr::Aggregate(aggregate) => ["count", "group"].contains(&aggregate.op.to_string().as_str()),
        _ => is_rate(node) || function(node).is_some_and(|name| INDIFFERENT.contains(&name)),
    };
    if matches!(node.expr, Expr::VectorSelector(_)) && !above.iter().any(is_handled) {
        linter.warn(at, "this is a counter, which only ever grows", "take its `rate(…[2m])`");
    }
}

fn unknown(linter: &mut Linter<'_>, name: &str, at: Option<&std::ops::Range<usize>>) {
    let Some(prefix) = prefix(name).filter(|prefix| is_an_engines(linter.catalog, prefix)) else { return };
    let base = PARTS.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
    // A second colon makes it the name of somebody's recording rule.
    if OTHERS.contains(&base) || name.trim_start_matches(prefix).contains(':') {
        return;
    }
    let known = || linter.catalog.raw_names().filter(|known| known.starts_with(prefix));
    let total = format!("{name}_total");
    if linter.catalog.known_series(&total).is_some() {
        linter.warn(
            at,
            format!("nothing exports `{name}`"),
            format!("counters end in `_total`: use `{total}`"),
        );
        return;
    }
    let near = did_you_mean(base, known());
    if prefix == OPEN_PREFIX && !near.is_some_and(|near| is_near(base, near)) {
        return;
    }
    let suffix = &name[base.len()..];
    let hint = match near {
        Some(near) => format!("did you mean `{near}{suffix}`?"),
        None => "look it up on the engine's metrics page".to_owned(),
    };
    linter.warn(at, format!("the catalog knows no series `{name}`"), hint);
}

fn prefix(name: &str) -> Option<&str> {
    if name.starts_with(OPEN_PREFIX) { Some(OPEN_PREFIX) } else { Some(&name[..=name.find(':')?]) }
}

fn is_an_engines(catalog: &Catalog, prefix: &str) -> bool {
    catalog.raw_names().any(|known| known.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_not_in_the_catalog() {
        let catalog = Catalog::built_in().unwrap();
        for name in OTHERS {
            assert!(catalog.known_series(name).is_none(), "{name}");
        }
        assert!(OTHERS.is_sorted());
    }
}
