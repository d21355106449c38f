//! `budgets`, and the `budget` of one metric.

use std::sync::Arc;
use std::time::Duration;

use super::metric::Context;
use super::source::source_name;
use crate::config::decode::{accept, checked, duration, number, one_of, spanned, string};
use crate::config::promql;
use crate::config::units::Refusal;
use crate::config::{Diagnostics, MapDecoder, Node, Spanned, Value, lint, names};
use crate::core::budget::{Budget, Entry, Guarded, Price, Spend, WhenLost};
use crate::core::guard::Guards;
use crate::core::metric::{
    Aggregate, Direction, Formula, Input, Metric, Missing, Scope, Semantics, Weighted,
};
use crate::core::signal::{Element, QuerySignal, Signal};

/// The reset level of a budget that states none, as a part of its limit.
const RESET: f64 = 0.95;
const MINIMUM_OPEN: Duration = Duration::from_mins(5);
const LOST_AFTER: Duration = Duration::from_mins(5);
/// The longest name: it becomes a part of the names of Events.
const MAX_NAME: usize = 63;
/// Where the number comes from.
const VALUES: [&str; 3] = ["promql", "metric", "preset"];

/// Decodes one entry of `budgets`. `metrics` are those of the configuration.
pub(super) fn budget(
    diags: &mut Diagnostics,
    node: &Node,
    context: &Context<'_>,
    metrics: &[Metric],
) -> Option<(Option<Spanned<String>>, Option<Budget>)> {
    let mut map = node.mapping(diags, "a budget")?;
    let name = map.required("name", diags, spanned(checked(string, budget_name)));
    let own = name.as_ref().map_or_else(String::new, |name| name.value.clone());
    let terms = terms(diags, &mut map, &own, context, metrics);
    let guards = map.required("guards", diags, guards);
    map.finish(diags);
    let priced = guards.iter().flatten().find_map(|(_, price)| *price);
    if let (Some(Budget { spend: Spend::Metric(_), .. }), Some(price)) = (&terms, priced) {
        diags
            .error_at(&price.span, "a price of its own needs a spend that is counted by replicas")
            .hint("remove it, or write `spend: { pricePerReplica: … }`");
    }
    let entry = |(guarded, price): (Guarded, Option<Spanned<f64>>)| Entry {
        guarded,
        price: price.map(|price| price.value),
    };
    let budget = match (terms, guards) {
        (Some(terms), Some(guards)) => {
            Some(Budget { guards: guards.into_iter().map(entry).collect(), ..terms })
        }
        _ => None,
    };
    Some((name, budget))
}

/// Decodes the `budget` of the metric of this name, which guards all HPAs that name the metric.
pub(super) fn of_metric(
    diags: &mut Diagnostics,
    node: &Node,
    name: &str,
    context: &Context<'_>,
    metrics: &[Metric],
) -> Option<Budget> {
    let mut map = node.mapping(diags, "a metric's budget")?;
    let terms = terms(diags, &mut map, name, context, metrics);
    map.finish(diags);
    let guards = vec![Entry { guarded: Guarded::Metric(name.into()), price: None }];
    Some(Budget { guards, ..terms? })
}

/// All but the name and whom it guards.
fn terms(
    diags: &mut Diagnostics,
    map: &mut MapDecoder<'_>,
    name: &str,
    context: &Context<'_>,
    metrics: &[Metric],
) -> Option<Budget> {
    let spend = map.required("spend", diags, |diags, node| spend(diags, node, name, context, metrics));
    let limit = map.required("limit", diags, checked(number, above_zero));
    let reset = map.optional("resetBelow", diags, spanned(checked(number, above_zero)));
    let minimum_open = map.optional("minimumOpen", diags, duration);
    let lost = map.optional("lost", diags, lost);
    if let (Some(limit), Some(reset)) = (limit, reset.filter(|reset| limit.is_some_and(|l| reset.value > l)))
    {
        diags
            .error_at(&reset.span, format!("the reset level is at most the limit, {limit}"))
            .hint("a level below it keeps the budget from opening and closing all the time");
    }
    let (lost_after, when_lost) = lost.unwrap_or_default();
    let limit = limit?;
    Some(Budget {
        name: name.into(),
        spend: spend?,
        limit,
        reset_below: reset.map_or(limit * RESET, |reset| reset.value),
        minimum_open: minimum_open.unwrap_or(MINIMUM_OPEN),
        lost_after: lost_after.unwrap_or(LOST_AFTER),
        when_lost: when_lost.unwrap_or_default(),
        guards: Vec::new(),
    })
}

fn spend(
    diags: &mut Diagnostics,
    node: &Node,
    budget: &str,
    context: &Context<'_>,
    metrics: &[Metric],
) -> Option<Spend> {
    let mut map = node.mapping(diags, "a spend")?;
    let kinds = [VALUES[0], VALUES[1], VALUES[2], "pricePerReplica"];
    let value = map.choice(&kinds, true, diags);
    let source = map.optional("source", diags, spanned(source_name));
    map.finish(diags);
    match value? {
        ("pricePerReplica", node) => price(diags, node, budget, context, metrics).map(Spend::Replicas),
        (what, node) => {
            let named = Named { name: format!("budget {budget}"), aggregate: Aggregate::Sum };
            metric(diags, (what, node), source, named, context, metrics).map(Spend::Metric)
        }
    }
}

/// A number, or a mapping that says where it comes from.
fn price(
    diags: &mut Diagnostics,
    node: &Node,
    budget: &str,
    context: &Context<'_>,
    metrics: &[Metric],
) -> Option<Price> {
    if !matches!(node.value, Value::Mapping(_)) {
        return checked(number, above_zero)(diags, node).map(Price::Fixed);
    }
    let mut map = node.mapping(diags, "a price")?;
    let value = map.choice(&VALUES, true, diags);
    let source = map.optional("source", diags, spanned(source_name));
    map.finish(diags);
    // Of several prices the highest is the careful one.
    let named = Named { name: format!("price of budget {budget}"), aggregate: Aggregate::Max };
    metric(diags, value?, source, named, context, metrics).map(Price::Metric)
}

/// What a metric that only a budget reads is called, and how its series become one number.
struct Named {
    name: String,
    aggregate: Aggregate,
}

/// The metric to read, over the whole cluster and without guards of its own. It is never taken for zero
/// because its source is silent.
fn metric(
    diags: &mut Diagnostics,
    (what, node): (&str, &Node),
    source: Option<Spanned<String>>,
    Named { name, aggregate }: Named,
    context: &Context<'_>,
    metrics: &[Metric],
) -> Option<Arc<Metric>> {
    if let (Some(source), Some(sources)) = (&source, context.sources) {
        sources.check(diags, "source", source);
    }
    let metric = if what == "promql" {
        query(diags, node, aggregate, source.as_ref(), context)?
    } else {
        let wanted = string(diags, node)?;
        let own = metrics.iter().find(|metric| what == "metric" && *metric.name == *wanted);
        let Some(found) = own.cloned().or_else(|| context.catalog.resolve(&wanted)) else {
            let own = metrics.iter().map(|metric| metric.name.as_ref()).filter(|_| what == "metric");
            let refusal = names::unknown(context.catalog, what, &wanted, own);
            return accept(diags, node, Err(refusal));
        };
        let source = source.map(|source| source.value.into()).or(found.source);
        Metric { source, ..found }
    };
    Some(Arc::new(Metric {
        name: name.into(),
        scope: Scope::Cluster,
        absent: Missing::Error,
        guards: Guards::default(),
        ..metric
    }))
}

fn query(
    diags: &mut Diagnostics,
    node: &Node,
    aggregate: Aggregate,
    source: Option<&Spanned<String>>,
    context: &Context<'_>,
) -> Option<Metric> {
    if let Some(source) = source.filter(|source| context.no_promql.contains(&source.value)) {
        diags
            .error_at(&source.span, "this source reads targets directly and knows no PromQL")
            .hint("name a source of kind `prometheus`");
    }
    let text = string(diags, node)?;
    let query = accept(diags, node, promql::parse(&text))?;
    let source: Option<Arc<str>> = source.map(|source| source.value.as_str().into());
    let signal = QuerySignal {
        promql: query.text.clone(),
        window: query.window,
        element: Element::Series,
        timed: true,
        // What was spent stays spent, whoever is gone.
        of_samples: false,
    };
    let metric = Metric {
        name: "".into(),
        help: "A query of a budget.".into(),
        unit: "money".into(),
        semantics: Semantics::Extensive,
        direction: Direction::Neither,
        range: None,
        aggregate,
        inputs: vec![Input {
            engine: source.clone().unwrap_or_else(|| "promql".into()),
            detect: Arc::default(),
            signal: Arc::new(Signal::Query(signal)),
            formula: Formula::Linear(vec![Weighted {
                term: 0,
                weight: 1.0,
                optional: false,
                nonzero: false,
            }]),
        }],
        composite: None,
        source,
        scope: Scope::Cluster,
        hold: Semantics::Extensive.default_hold(),
        refresh: None,
        absent: Missing::Error,
        idle: Missing::Error,
        negative: Missing::Error,
        target: None,
        guards: Guards::default(),
    };
    lint::query(diags, node, &query, &metric, context.catalog);
    Some(metric)
}

/// After how long, and what then.
type Lost = (Option<Duration>, Option<WhenLost>);

fn lost(diags: &mut Diagnostics, node: &Node) -> Option<Lost> {
    let mut map = node.mapping(diags, "`lost`")?;
    let after = map.optional("after", diags, duration);
    let then = one_of(&[("hold", WhenLost::Hold), ("release", WhenLost::Release)]);
    let then = map.optional("then", diags, then);
    map.finish(diags);
    Some((after, then))
}

/// Who is guarded, with prices of their own.
fn guards(diags: &mut Diagnostics, node: &Node) -> Option<Vec<(Guarded, Option<Spanned<f64>>)>> {
    let items = node.items(diags, "a list of HPAs, workloads or namespaces")?;
    if items.is_empty() {
        diags.error_at(&node.span, "a budget that guards nobody").hint("write `- { namespace: … }`");
        return None;
    }
    let all: Vec<_> = items.iter().map(|item| guard(diags, item)).collect();
    all.into_iter().collect()
}

fn guard(diags: &mut Diagnostics, node: &Node) -> Option<(Guarded, Option<Spanned<f64>>)> {
    let mut map = node.mapping(diags, "one that is guarded")?;
    let namespace = map.required("namespace", diags, string);
    let who = map.choice(&["autoscaler", "workload"], false, diags);
    let price = map.optional("price", diags, spanned(checked(number, above_zero)));
    map.finish(diags);
    let who = match who {
        Some(("autoscaler", node)) => Some((None, string(diags, node)?)),
        Some((_, node)) => {
            let text = string(diags, node)?;
            let (kind, name) = accept(diags, node, workload(&text))?;
            Some((Some(kind), name))
        }
        None => None,
    };
    let namespace = namespace?.into();
    let guarded = match who {
        None => Guarded::Namespace(namespace),
        Some((None, name)) => Guarded::Autoscaler { namespace, name: name.into() },
        Some((Some(kind), name)) => Guarded::Workload { namespace, kind: kind.into(), name: name.into() },
    };
    Some((guarded, price))
}

/// `deployment/llama`, as kubectl writes it.
fn workload(text: &str) -> Result<(String, String), Refusal> {
    let parts = text.split_once('/').filter(|(kind, name)| {
        let is_kind = |c: char| c.is_ascii_alphanumeric();
        !kind.is_empty() && kind.chars().all(is_kind) && !name.is_empty() && !name.contains('/')
    });
    let (kind, name) = parts.ok_or_else(|| {
        Refusal::new("expected a workload by its kind and name").hint("write it like `deployment/llama`")
    })?;
    Ok((kind.to_ascii_lowercase(), name.to_owned()))
}

fn budget_name(name: String) -> Result<String, Refusal> {
    let within = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.len() <= MAX_NAME && name.chars().all(within) && !name.starts_with('-') && !name.ends_with('-') {
        return Ok(name);
    }
    Err(Refusal::new("a budget's name has at most 63 of a-z, 0-9 and `-`, and no `-` at its ends"))
}

fn above_zero(value: f64) -> Result<f64, Refusal> {
    if value > 0.0 { Ok(value) } else { Err(Refusal::new("this must be greater than 0")) }
}
