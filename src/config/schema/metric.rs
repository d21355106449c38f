//! One entry of `metrics`: its fields, and what is common to presets and queries.

use std::time::Duration;

use super::others::{self, Others};
use super::share::{Below, share};
use super::source::source_name;
use super::{Names, composite, guards, preset, query, redis, schedule};
use crate::catalog::Catalog;
use crate::config::decode::{checked, duration, metric_name, one_of, spanned, string};
use crate::config::source::quoted;
use crate::config::suggest::did_you_mean;
use crate::config::units::Refusal;
use crate::config::{Diagnostics, MapDecoder, Node, Span, Spanned, decode, lint};
use crate::core::composite::WhenMissing;
use crate::core::guard::Guards;
use crate::core::metric::{Aggregate, Direction, Formula, Metric, Missing, Scope, Semantics, Target};
use crate::core::quantity::Quantity;

/// Longer than this, the last value says nothing of now.
const MAX_HOLD: Duration = Duration::from_mins(10);
const MIN_REFRESH: Duration = Duration::from_secs(1);
const MAX_REFRESH: Duration = Duration::from_mins(5);

/// What a metric may refer to.
pub(super) struct Context<'c> {
    pub(super) catalog: &'c Catalog,
    /// `None` if the sources could not be read, so that nothing can be said of their names.
    pub(super) sources: Option<&'c Names>,
    /// The sources that know no PromQL.
    pub(super) no_promql: &'c [String],
    /// The sources that are a Redis.
    pub(super) redis: &'c [redis::Known],
    /// The other metrics of the configuration.
    pub(super) others: &'c Others<'c>,
}

/// The fields as written.
pub(in crate::config) struct Fields<'n> {
    pub(in crate::config) name: Option<Spanned<String>>,
    /// What it is made of, and the value: `preset`, `promql`, `schedule`, `redis`, `signals`, `metric`.
    pub(in crate::config) value: Option<(&'static str, &'n Node)>,
    pub(in crate::config) description: Option<String>,
    pub(in crate::config) source: Option<Spanned<String>>,
    pub(in crate::config) unit: Option<Spanned<String>>,
    pub(in crate::config) semantics: Option<Spanned<Semantics>>,
    pub(in crate::config) direction: Option<Spanned<Direction>>,
    pub(in crate::config) range: Option<Spanned<(f64, f64)>>,
    pub(in crate::config) aggregate: Option<Spanned<Aggregate>>,
    pub(in crate::config) window: Option<Spanned<Duration>>,
    pub(in crate::config) share: Option<Spanned<Below>>,
    pub(in crate::config) scope: Option<Spanned<Scope>>,
    pub(in crate::config) hold: Option<Spanned<Duration>>,
    pub(in crate::config) refresh: Option<Duration>,
    pub(in crate::config) absent: Option<Missing>,
    pub(in crate::config) idle: Option<Spanned<Missing>>,
    pub(in crate::config) negative: Option<Missing>,
    pub(in crate::config) target: Option<Spanned<f64>>,
    pub(in crate::config) expressions: composite::Expressions<'n>,
    pub(in crate::config) guards: Guards,
}

impl Fields<'_> {
    /// Those that say how the number is made, with their places.
    pub(super) fn stated(&self) -> impl Iterator<Item = (&'static str, Span)> {
        fn at<T>(name: &'static str, field: Option<&Spanned<T>>) -> Option<(&'static str, Span)> {
            field.map(|field| (name, field.span))
        }
        [
            at("source", self.source.as_ref()),
            at("unit", self.unit.as_ref()),
            at("type", self.semantics.as_ref()),
            at("direction", self.direction.as_ref()),
            at("range", self.range.as_ref()),
            at("aggregate", self.aggregate.as_ref()),
            at("window", self.window.as_ref()),
            at("scope", self.scope.as_ref()),
            at("hold", self.hold.as_ref()),
            at("idle", self.idle.as_ref()),
            at("target", self.target.as_ref()),
        ]
        .into_iter()
        .flatten()
    }
}

/// Decodes a metric, whose name serves to find duplicates even if the rest is wrong.
pub(super) fn metric(
    diags: &mut Diagnostics,
    node: &Node,
    context: &Context<'_>,
) -> Option<(Option<Spanned<String>>, Option<Metric>)> {
    let mut map = node.mapping(diags, "a metric")?;
    let name = map.required("name", diags, spanned(metric_name));
    let mut fields = fields(diags, &mut map, name, METRIC);
    fields.guards = guards::guards(diags, &mut map);
    // A budget is about HPAs: it is read once all metrics are known.
    map.get("budget");
    map.finish(diags);
    let name = fields.name.clone();
    let metric = built(diags, &fields, context);
    Some((name, metric))
}

/// Decodes a signal of a composite. Its name is of use in messages only.
pub(super) fn signal(
    diags: &mut Diagnostics,
    node: &Node,
    name: &str,
    context: &Context<'_>,
) -> Option<(Metric, WhenMissing)> {
    let mut map = node.mapping(diags, "a signal")?;
    let mut fields = fields(diags, &mut map, None, SIGNAL);
    let missing = composite::missing(diags, &mut map);
    map.finish(diags);
    fields.name = None;
    let metric = built(diags, &fields, context)?;
    let metric = if metric.name.is_empty() { Metric { name: name.into(), ..metric } } else { metric };
    Some((metric, missing))
}

/// What a metric may be made of, and a signal of a composite.
const METRIC: &[&str] = &["preset", "promql", "schedule", "redis", "signals"];
const SIGNAL: &[&str] = &["preset", "promql", "schedule", "redis", "metric"];

/// What the fields mean; `None` if that is wrong, which has been reported.
fn built(diags: &mut Diagnostics, fields: &Fields<'_>, context: &Context<'_>) -> Option<Metric> {
    if let (Some(name), Some(sources)) = (&fields.source, context.sources) {
        sources.check(diags, "source", name);
    }
    if let (Some(name), Some(("promql", _))) = (&fields.source, &fields.value)
        && context.no_promql.contains(&name.value)
    {
        diags
            .error_at(&name.span, "this source knows no PromQL")
            .hint("name a source of kind `prometheus`, or a preset");
    }
    redis::check_source(diags, fields, context);
    if !matches!(fields.value, None | Some(("signals", _))) {
        fields.expressions.refuse(diags);
    }
    let (metric, query) = match fields.value? {
        ("preset", node) => (preset::metric(diags, fields, node, context)?, None),
        ("metric", node) => return others::metric(diags, fields, node, context),
        ("redis", node) => (redis::metric(diags, fields, node)?, None),
        ("schedule", node) => (schedule::metric(diags, fields, node)?, None),
        ("signals", node) => (composite::metric(diags, fields, node, context)?, None),
        (_, node) => {
            let (metric, query) = query::metric(diags, fields, node)?;
            (metric, Some((node, query)))
        }
    };
    if metric.composite.is_some() {
        composite::refuse_absence(diags, fields);
    }
    let metric = common(metric, fields);
    warn(diags, fields, &metric, context.catalog);
    lint::metric(diags, fields, &metric);
    guards::suit(diags, fields, &metric);
    if let Some((node, query)) = query {
        lint::query(diags, node, &query, &metric, context.catalog);
    }
    Some(metric)
}

fn fields<'n>(
    diags: &mut Diagnostics,
    map: &mut MapDecoder<'n>,
    name: Option<Spanned<String>>,
    kinds: &[&'static str],
) -> Fields<'n> {
    let semantics = one_of(&[("extensive", Semantics::Extensive), ("intensive", Semantics::Intensive)]);
    let direction =
        one_of(&[("rises", Direction::Rises), ("falls", Direction::Falls), ("neither", Direction::Neither)]);
    let scope = one_of(&[("namespace", Scope::Namespace), ("cluster", Scope::Cluster)]);
    let missing = one_of(&[("error", Missing::Error), ("zero", Missing::Zero)]);

    let description = map.optional("description", diags, string);
    let source = map.optional("source", diags, spanned(source_name));
    let value = map.choice(kinds, true, diags);
    let unit = map.optional("unit", diags, spanned(string));
    let semantics = if value.is_some_and(|(what, _)| what == "promql") {
        map.required("type", diags, spanned(semantics))
    } else {
        map.optional("type", diags, spanned(semantics))
    };
    let direction = map.optional("direction", diags, spanned(direction));
    let range = map.optional("range", diags, spanned(range));
    let aggregate = map.optional("aggregate", diags, spanned(scalar("an aggregate", aggregate)));
    let window = map.optional("window", diags, spanned(duration));
    let share = map.optional("share", diags, spanned(share));
    let scope = map.optional("scope", diags, spanned(scope));
    let hold = map.optional("hold", diags, spanned(checked(duration, hold)));
    let refresh = map.optional("refresh", diags, checked(duration, refresh));
    let absent = map.optional("absent", diags, &missing);
    let idle = map.optional("idle", diags, spanned(&missing));
    let negative = map.optional("negative", diags, &missing);
    let target = map.optional("target", diags, spanned(scalar("a number", target)));
    let expressions = composite::expressions(diags, map);
    Fields {
        name,
        value,
        description,
        source,
        unit,
        semantics,
        direction,
        range,
        aggregate,
        window,
        share,
        scope,
        hold,
        refresh,
        absent,
        idle,
        negative,
        target,
        expressions,
        guards: Guards::default(),
    }
}

/// Reads a scalar in any notation.
fn scalar<T>(
    what: &str,
    parse: impl Fn(&str) -> Result<T, Refusal>,
) -> impl Fn(&mut Diagnostics, &Node) -> Option<T> {
    move |diags, node| {
        let (text, _) = node.scalar(diags, what)?;
        decode::accept(diags, node, parse(text))
    }
}

fn range(diags: &mut Diagnostics, node: &Node) -> Option<(f64, f64)> {
    let bounds = decode::list(decode::number)(diags, node)?;
    match bounds[..] {
        [low, high] if low < high => Some((low, high)),
        _ => {
            diags
                .error_at(&node.span, "a range is two numbers, the lower one first")
                .hint("write it like `[0, 1]`");
            None
        }
    }
}

fn aggregate(text: &str) -> Result<Aggregate, Refusal> {
    const NAMES: [(&str, Aggregate); 5] = [
        ("sum", Aggregate::Sum),
        ("avg", Aggregate::Avg),
        ("max", Aggregate::Max),
        ("min", Aggregate::Min),
        ("count", Aggregate::Count),
    ];
    if let Some((_, aggregate)) = NAMES.iter().find(|(name, _)| *name == text) {
        return Ok(*aggregate);
    }
    if let Some(percent) = text.strip_prefix('p').and_then(|percent| percent.parse::<f64>().ok())
        && percent > 0.0
        && percent < 100.0
    {
        return Ok(Aggregate::Quantile(percent / 100.0));
    }
    let message =
        format!("expected one of sum, avg, max, min, count or a percentile like p90, found {}", quoted(text));
    let near = match text {
        "mean" | "average" => Some("avg"),
        _ => did_you_mean(text, NAMES.iter().map(|(name, _)| *name)),
    };
    let refusal = Refusal::new(message);
    Err(match near {
        Some(near) => refusal.hint(format!("did you mean `{near}`?")),
        None => refusal,
    })
}

fn hold(hold: Duration) -> Result<Duration, Refusal> {
    if hold <= MAX_HOLD {
        return Ok(hold);
    }
    Err(Refusal::new("a value is held for at most 10m: older ones say nothing of now"))
}

fn refresh(refresh: Duration) -> Result<Duration, Refusal> {
    if (MIN_REFRESH..=MAX_REFRESH).contains(&refresh) {
        return Ok(refresh);
    }
    Err(Refusal::new("a refresh interval is between 1s and 5m"))
}

/// A number, or a quantity as an HPA has it.
fn target(text: &str) -> Result<f64, Refusal> {
    let number = text.parse::<serde_json::Number>().ok().and_then(|number| number.as_f64());
    let value = match number {
        Some(number) => number,
        None => Quantity::parse(text).map_err(|error| Refusal::new(error.to_string()))?.as_f64(),
    };
    if value.is_finite() && value > 0.0 { Ok(value) } else { Err(Refusal::new("a target is greater than 0")) }
}

/// Puts in what has the same meaning for presets and queries.
fn common(metric: Metric, fields: &Fields<'_>) -> Metric {
    let text = |text: &String| std::sync::Arc::from(text.as_str());
    let source = fields.source.as_ref().map(|source| text(&source.value));
    let target = fields.target.map(|target| Target { value: target.value, why: None });
    let metric = metric.each_read(&|read| Metric {
        source: source.clone().or(read.source),
        hold: fields.hold.map_or(read.hold, |hold| hold.value),
        refresh: read.refresh.or(fields.refresh),
        ..read
    });
    Metric {
        name: fields.name.as_ref().map_or(metric.name, |name| text(&name.value)),
        help: fields.description.as_ref().map_or(metric.help, text),
        source,
        scope: fields.scope.map_or(metric.scope, |scope| scope.value),
        hold: fields.hold.map_or(metric.hold, |hold| hold.value),
        refresh: fields.refresh.or(metric.refresh),
        absent: fields.absent.unwrap_or(metric.absent),
        idle: fields.idle.map_or(metric.idle, |idle| idle.value),
        negative: fields.negative.unwrap_or(metric.negative),
        target: target.or(metric.target),
        guards: fields.guards.clone(),
        ..metric
    }
}

/// What is allowed and may not be what was meant.
fn warn(diags: &mut Diagnostics, fields: &Fields<'_>, metric: &Metric, catalog: &Catalog) {
    if let Some(name) = &fields.name {
        let is_based_on_it = fields
            .value
            .is_some_and(|(what, node)| what == "preset" && node.text() == Some(name.value.as_str()));
        if !is_based_on_it && catalog.resolve(&name.value).is_some() {
            diags
                .warning_at(
                    &name.span,
                    format!("this takes the place of the catalog's {}", quoted(&name.value)),
                )
                .hint("choose another name unless that is meant");
        }
    }
    let is_composite = metric.composite.is_some();
    let can_idle =
        is_composite || metric.inputs.iter().any(|input| !matches!(input.formula, Formula::Linear(_)));
    if let Some(idle) = fields.idle.filter(|idle| idle.value == Missing::Zero && !can_idle) {
        diags
            .warning_at(
                &idle.span,
                "`idle` has no effect here: only ratios and distributions of presets can be idle",
            )
            .hint("for a query, say it in PromQL");
    }
}
