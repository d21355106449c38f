//! A metric of a user's own PromQL.

use std::sync::Arc;
use std::time::Duration;

use super::metric::Fields;
use crate::catalog::promql::is_of_samples;
use crate::config::decode::{accept, string};
use crate::config::promql::{self, Query};
use crate::config::{Diagnostics, Node};
use crate::core::guard::Guards;
use crate::core::metric::{
    Aggregate, Direction, Formula, Input, Metric, Missing, Scope, Semantics, Weighted,
};
use crate::core::signal::{Element, QuerySignal, Signal};

/// What a window up to this long remembers of series that are gone is not wanted; of a longer one it is.
const RECENT: Duration = Duration::from_mins(10);

/// The unit of a query that states none.
const NO_UNIT: &str = "unspecified";

pub(super) fn metric(diags: &mut Diagnostics, fields: &Fields<'_>, node: &Node) -> Option<(Metric, Query)> {
    if let Some(window) = &fields.window {
        diags
            .error_at(&window.span, "`window` is for presets: a query has its ranges in itself")
            .hint("remove it, and write `[2m]` in the query");
    }
    if let Some(share) = &fields.share {
        diags
            .error_at(&share.span, "`share` is for presets")
            .hint("divide the rate of the bucket that ends there by that of the count");
    }
    let text = string(diags, node)?;
    let query = accept(diags, node, promql::parse(&text))?;
    let semantics = fields.semantics?.value;
    let (aggregate, element) = match semantics {
        Semantics::Extensive => (Aggregate::Sum, Element::Pod),
        // Ratios and latencies of one pod must not be added up.
        Semantics::Intensive => (Aggregate::Avg, Element::Series),
    };
    let unit: Arc<str> = fields.unit.as_ref().map_or(NO_UNIT, |unit| &unit.value).into();
    let ratio = (unit.as_ref() == "ratio").then_some((0.0, 1.0));
    let source = fields.source.as_ref().map_or("promql", |source| &source.value);
    let is_short = query.window.is_some_and(|window| window <= RECENT);
    let of_samples = is_short && is_of_samples(&query.text);
    let signal =
        QuerySignal { promql: query.text.clone(), window: query.window, element, timed: true, of_samples };
    let metric = Metric {
        name: fields.name.as_ref().map_or("", |name| &name.value).into(),
        help: "A query of the configuration.".into(),
        semantics,
        direction: fields.direction.map_or(Direction::Rises, |direction| direction.value),
        range: fields.range.map(|range| range.value).or(ratio),
        aggregate: fields.aggregate.map_or(aggregate, |aggregate| aggregate.value),
        inputs: vec![Input {
            engine: source.into(),
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
        source: None,
        scope: Scope::Namespace,
        hold: semantics.default_hold(),
        refresh: None,
        absent: Missing::Error,
        idle: Missing::Error,
        negative: Missing::Error,
        target: None,
        guards: Guards::default(),
        unit,
    };
    Some((metric, query))
}
