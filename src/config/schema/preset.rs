//! A metric that takes a preset of the catalog and changes something about it.

use super::metric::{Context, Fields};
use super::share;
use crate::catalog::{AGGREGATES, Catalog};
use crate::config::decode::{accept, string};
use crate::config::units::Refusal;
use crate::config::{Diagnostics, Node, Spanned, names};
use crate::core::metric::{Aggregate, Direction, Metric, Semantics};
use crate::core::signal::Element;

pub(super) fn metric(
    diags: &mut Diagnostics,
    fields: &Fields<'_>,
    node: &Node,
    context: &Context<'_>,
) -> Option<Metric> {
    let name = string(diags, node)?;
    let Some(base) = context.catalog.resolve(&name) else {
        let refusal = names::unknown(context.catalog, "preset", &name, std::iter::empty());
        return accept(diags, node, Err(refusal));
    };
    let (mut metric, upto) = match &fields.share {
        Some(share) => {
            let (metric, upto) = share::of(diags, context.catalog, fields, (&name, &base), share)?;
            (metric, Some(upto))
        }
        None => (base, None),
    };
    if let Some(wanted) = fields.aggregate {
        match aggregated(context.catalog, upto, &name, metric, wanted.value) {
            Ok(aggregated) => metric = aggregated,
            Err(refusal) => {
                report(diags, &wanted, refusal);
                return None;
            }
        }
    }
    facts(diags, fields, &metric);
    if let Some(range) = fields.range {
        let (low, high) = range.value;
        match metric.range {
            Some((least, most)) if low < least || high > most => {
                let message = format!("the values of `{name}` lie within [{least}, {most}]");
                report(diags, &range, Refusal::new(message));
            }
            _ => metric.range = Some(range.value),
        }
    }
    if let Some(window) = fields.window {
        if metric.window().is_some() {
            metric = metric.over(window.value);
        } else {
            let message = format!("`{name}` reads gauges, which have no window");
            report(diags, &window, Refusal::new(message).hint("remove `window`"));
        }
    }
    Some(metric)
}

fn report<T>(diags: &mut Diagnostics, field: &Spanned<T>, refusal: Refusal) {
    let problem = diags.error_at(&field.span, refusal.message);
    if let Some(hint) = refusal.hint {
        problem.hint(hint);
    }
}

/// The preset `name`, or its share up to so much, with another aggregate, by the rule for suffixes of names.
fn aggregated(
    catalog: &Catalog,
    upto: Option<f64>,
    name: &str,
    base: Metric,
    wanted: Aggregate,
) -> Result<Metric, Refusal> {
    if wanted == base.aggregate {
        return Ok(base);
    }
    let suffix = AGGREGATES.iter().find(|(_, aggregate)| *aggregate == wanted).map(|(suffix, _)| *suffix);
    let own = AGGREGATES.iter().find(|(suffix, _)| {
        name.strip_suffix(suffix)
            .is_some_and(|rest| catalog.presets(name).is_empty() && catalog.resolve(rest).is_some())
    });
    if let Some((own, _)) = own {
        let message = format!("`{name}` already says how pods are aggregated");
        return Err(
            Refusal::new(message).hint(format!("leave `{own}` out of the preset's name, or `aggregate`"))
        );
    }
    if let Some(suffix) = suffix {
        let name = format!("{name}{suffix}");
        let metric = upto.map_or_else(|| catalog.resolve(&name), |upto| catalog.share(&name, upto));
        return metric.ok_or_else(|| {
            Refusal::new("a sum of ratios or quantiles means nothing")
                .hint("leave `aggregate` out to pool all pods")
        });
    }
    let counts = wanted == Aggregate::Count;
    let semantics = if counts { Semantics::Extensive } else { Semantics::Intensive };
    let element = base.inputs.first().map(|input| input.signal.element());
    let counted = match element {
        Some(Element::Device(_)) => "devices",
        Some(Element::Series) => "series",
        _ => "pods",
    };
    Ok(Metric {
        aggregate: wanted,
        unit: if counts { counted.into() } else { base.unit },
        direction: if counts { Direction::Neither } else { base.direction },
        range: base.range.filter(|_| !counts && semantics == base.semantics),
        semantics,
        hold: semantics.default_hold(),
        target: None,
        ..base
    })
}

/// A preset's facts may be repeated, not changed: declaring seconds does not convert anything.
fn facts(diags: &mut Diagnostics, fields: &Fields<'_>, metric: &Metric) {
    if let Some(unit) = fields.unit.as_ref().filter(|unit| unit.value != *metric.unit) {
        let message = format!("the unit of this preset is `{}`", metric.unit);
        report(diags, unit, Refusal::new(message).hint("remove `unit`"));
    }
    if let Some(semantics) = fields.semantics.filter(|semantics| semantics.value != metric.semantics) {
        let message = format!("with the aggregate {} this preset is {}", metric.aggregate, metric.semantics);
        report(diags, &semantics, Refusal::new(message).hint("remove `type`, or choose another `aggregate`"));
    }
    if let Some(direction) = fields.direction.filter(|direction| direction.value != metric.direction) {
        let message = format!("this preset {}", metric.direction);
        report(diags, &direction, Refusal::new(message).hint("remove `direction`"));
    }
}
