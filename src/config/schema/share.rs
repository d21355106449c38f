//! `share` of a preset: how many of a distribution's observations are at most so much.

use std::time::Duration;

use super::metric::Fields;
use crate::catalog::Catalog;
use crate::config::units::{Refusal, parse_duration};
use crate::config::{Diagnostics, Node, Spanned, decode};
use crate::core::metric::{Formula, Metric, Missing};

/// The most that counts, as written.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) enum Below {
    /// A time, whichever unit of time the preset has.
    Time(Duration),
    /// A number in the preset's unit.
    Number(f64),
}

pub(super) fn share(diags: &mut Diagnostics, node: &Node) -> Option<Below> {
    let mut map = node.mapping(diags, "a share")?;
    let below = map.required("below", diags, |diags, node| {
        let (text, _) = node.scalar(diags, "a number or a duration")?;
        decode::accept(diags, node, below(text))
    });
    map.finish(diags);
    below
}

fn below(text: &str) -> Result<Below, Refusal> {
    let number = text.parse::<serde_json::Number>().ok().and_then(|number| number.as_f64());
    match number {
        Some(number) if number.is_finite() && number > 0.0 => Ok(Below::Number(number)),
        Some(_) => Err(Refusal::new("a share is of what is at most a number greater than 0")),
        None => parse_duration(text).map(Below::Time),
    }
}

/// The metric `share` makes of the preset `name`, which is `base` without it, and its bound in the unit of
/// `base`.
pub(super) fn of(
    diags: &mut Diagnostics,
    catalog: &Catalog,
    fields: &Fields<'_>,
    (name, base): (&str, &Metric),
    share: &Spanned<Below>,
) -> Option<(Metric, f64)> {
    let refuse = |diags: &mut Diagnostics, message: String, hint: String| {
        diags.error_at(&share.span, message).hint(hint);
    };
    let unit = &*base.unit;
    let upto = match (share.value, unit) {
        (Below::Number(number), _) => number,
        (Below::Time(time), "seconds") => time.as_secs_f64(),
        (Below::Time(time), "milliseconds") => time.as_secs_f64() * 1e3,
        (Below::Time(_), _) => {
            let message = format!("`{name}` is no time: its unit is `{unit}`");
            refuse(diags, message, "write a number in that unit".to_owned());
            return None;
        }
    };
    let metric = catalog.share(name, upto);
    if metric.is_none() {
        let is_linear = |formula: &Formula| matches!(formula, Formula::Linear(_) | Formula::Ratio { .. });
        if base.inputs.iter().any(|input| is_linear(&input.formula)) {
            let message = format!("`{name}` is no distribution, so it has no share");
            refuse(diags, message, "remove `share`".to_owned());
        } else {
            let message = format!("`{name}` already says which statistic it is");
            refuse(diags, message, "leave it out of the preset's name, or `share`".to_owned());
        }
    }
    if let Some(idle) = fields.idle.filter(|idle| idle.value == Missing::Zero) {
        diags
            .warning_at(&idle.span, "where nothing is observed, this reads as if all of it were too much")
            .hint("leave `idle` out");
    }
    Some((metric?, upto))
}
