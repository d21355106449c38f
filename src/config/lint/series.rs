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
    // A second colon makes it the name of somebody's recording rule.
    if is_other || name[prefix.len()..].contains(':') {
        return;
    }
    let total = format!("{name}_total");
    if catalog.known_series(&total).is_some() {
        linter.warn(
            at,
            format!("nothing exports `{name}`"),
            format!("counters end in `_total`: use `{total}`"),
        );
        return;
    }
    let near = did_you_mean(base, catalog.raw_names().filter(|known| known.starts_with(prefix)));
    // Where not every series is known, only near misses are worth a word.
    if engine.others().is_empty() && !near.is_some_and(|near| is_near(base, near)) {
        return;
    }
    let suffix = &name[base.len()..];
    let hint = match near {
        Some(near) => format!("did you mean `{near}{suffix}`?"),
        None => "look it up on the engine's metrics page".to_owned(),
    };
    linter.warn(at, format!("the catalog knows no series `{name}`"), hint);
}
