//! Rules on series that the catalog knows.

use promql_parser::parser::Expr;

use super::Linter;
use super::expression::{function, is_rate, series_name};
use crate::catalog::KnownKind;
use crate::config::promql::Tree;
use crate::config::suggest::{did_you_mean, is_near};

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
    let catalog = linter.catalog;
    let Some((engine, prefix)) = catalog.owner(name) else { return };
    let base = PARTS.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
    let is_other = engine.others().iter().any(|other| other == base);
    // A second colon makes it the name of somebody's recording rule. The time of creation comes with
    // any counter and histogram.
    if is_other || name[prefix.len()..].contains(':') || name.ends_with("_created") {
        return;
    }
    let total = format!("{name}_total");
    let short = name.strip_suffix("_total").filter(|short| catalog.known_series(short).is_some());
    let counter = if catalog.known_series(&total).is_some() {
        Some(format!("counters end in `_total`: use `{total}`"))
    } else {
        short.map(|short| format!("here counters do not end in `_total`: use `{short}`"))
    };
    if let Some(hint) = counter {
        linter.warn(at, format!("nothing exports `{name}`"), hint);
        return;
    }
    let nearest = |word| did_you_mean(word, catalog.raw_names().filter(|known| known.starts_with(prefix)));
    // What looks like a histogram's count may be a name in its own right.
    let whole = nearest(name).filter(|near| is_near(name, near));
    let near = whole.or_else(|| nearest(base));
    // Where not every series is known, only near misses are worth a word.
    if !engine.is_complete() && whole.is_none() && !near.is_some_and(|near| is_near(base, near)) {
        return;
    }
    let suffix = if whole.is_some() { "" } else { &name[base.len()..] };
    let hint = match near {
        Some(near) => format!("did you mean `{near}{suffix}`?"),
        None => "look it up on the engine's metrics page".to_owned(),
    };
    linter.warn(at, format!("the catalog knows no series `{name}`"), hint);
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use crate::catalog::Catalog;
    use crate::config::{Diagnostic, Diagnostics, check};

    static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::built_in().unwrap());

    /// What is said of a query of this series.
    fn said(series: &str) -> String {
        let text = format!(
            "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nmetrics:\n- {{ name: a, type: extensive, \
             promql: 'sum by (namespace) ({series})' }}\n"
        );
        let mut diags = Diagnostics::default();
        check("a.yaml", &text, &CATALOG, None, &mut diags);
        let report = diags.finish();
        let one = |problem: &Diagnostic| {
            format!("{}; {}", problem.message, problem.hint.clone().unwrap_or_default())
        };
        report.diagnostics.iter().map(one).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn names_that_are_right_pass_in_silence() {
        for series in [
            "vllm:num_requests_swapped",
            "sglang:gen_throughput",
            "rate(sglang:num_so_requests_total[2m])",
            "rate(tgi_request_count[2m])",
            "rate(te_embed_count[2m])",
            "rate(nv_inference_request_failure[2m])",
            "nv_cpu_utilization",
            "trtllm_num_context_requests",
            "lmdeploy:prefix_cache_hit_rate",
            "llamacpp:n_tokens_max",
            "ray_serve_deployment_replica_healthy",
            "dynamo_frontend_model_context_length",
            "rate(inference_objective_request_tpot_seconds_sum[2m])",
            "habanalabs_temperature_onchip",
            "kube_deployment_status_replicas",
            "llamacpp:tokens_created",
            // Nobody's prefix.
            "num_requests_waitin",
            "gpu_used_vrom",
            "node_gpu_hourly_costs",
        ] {
            assert_eq!(said(series), "", "{series}");
        }
    }

    #[test]
    fn slips_are_told_and_of_engines_known_in_full_every_unknown_name() {
        for (series, expected) in [
            (
                "sglang:num_queue_req",
                "the catalog knows no series `sglang:num_queue_req`; did you mean `sglang:num_queue_reqs`?",
            ),
            (
                "nv_inference_pending_requests_count",
                "the catalog knows no series `nv_inference_pending_requests_count`; did you mean \
                 `nv_inference_pending_request_count`?",
            ),
            (
                "rate(trtllm_request_success[2m])",
                "nothing exports `trtllm_request_success`; counters end in `_total`: use `trtllm_request_success_total`",
            ),
            (
                "rate(tgi_request_success_total[2m])",
                "nothing exports `tgi_request_success_total`; here counters do not end in `_total`: use \
                 `tgi_request_success`",
            ),
            (
                "vllm:made_up",
                "the catalog knows no series `vllm:made_up`; look it up on the engine's metrics page",
            ),
        ] {
            assert_eq!(said(series), expected, "{series}");
        }
    }

    #[test]
    fn only_another_name_of_the_same_series_is_a_rename() {
        let renamed = said("sglang:num_prefill_prealloc_queue_reqs{priority=\"\"}");
        assert!(renamed.starts_with("`sglang:num_prefill_prealloc_queue_reqs` is called"), "{renamed}");
        // By request in place of by step: other labels, another moment.
        assert_eq!(said("rate(sglang:generation_tokens_total[2m])"), "");
    }
}
