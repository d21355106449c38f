//! A metric of keys of a Redis.

use std::sync::Arc;

use super::metric::{Context, Fields};
use crate::config::decode::{checked, list, one_of, string};
use crate::config::source::quoted;
use crate::config::units::Refusal;
use crate::config::{Diagnostics, Node, Value};
use crate::core::guard::Guards;
use crate::core::metric::{
    Aggregate, Direction, Formula, Input, Metric, Missing, Scope, Semantics, Weighted,
};
use crate::core::signal::{RedisKeys, RedisMeasure, RedisSignal, Signal};

/// The unit of a metric that states none.
const ITEMS: &str = "items";
/// The most keys that a metric names: they are asked for at once.
const MAX_KEYS: usize = 256;
/// The longest key in bytes.
const MAX_KEY: usize = 1_024;
/// What a metric may read. The plural takes a list of keys, or a pattern.
const WHAT: [&str; 6] = ["list", "lists", "stream", "streams", "sortedSet", "sortedSets"];

/// A source that is a Redis.
pub(super) struct Known {
    pub(super) name: String,
    /// Whether it is said whose its keys are.
    pub(super) has_namespace: bool,
}

/// Checks that keys are asked of a Redis, nothing else of it, and that it is said who may know.
pub(super) fn check_source(diags: &mut Diagnostics, fields: &Fields<'_>, context: &Context<'_>) {
    let Some((kind, node)) = fields.value else { return };
    let named = fields.source.as_ref();
    let known = named.and_then(|name| context.redis.iter().find(|known| known.name == name.value));
    if kind != "redis" {
        // That it knows no PromQL has been said.
        if let (Some(name), Some(_), "preset") = (named, known, kind) {
            diags
                .error_at(&name.span, "this source is a Redis, and a preset is not read from one")
                .hint("name a source of another kind");
        }
        return;
    }
    let known = match (named, known, context.redis) {
        (_, Some(known), _) | (None, None, [known]) => known,
        // A name that is no source's has been reported, and of sources that cannot be read nothing is known.
        _ if context.sources.is_none() => return,
        (Some(name), None, _) => {
            if context.sources.is_some_and(|sources| sources.lines.contains_key(&name.value)) {
                diags.error_at(&name.span, "this source is no Redis").hint("name a source of kind `redis`");
            }
            return;
        }
        (None, None, []) => {
            diags.error_at(&node.span, "no source is a Redis").hint("add one of kind `redis` to `sources`");
            return;
        }
        (None, None, several) => {
            let all: Vec<&str> = several.iter().map(|known| known.name.as_str()).collect();
            diags
                .error_at(&node.span, "in which Redis are these keys?")
                .hint(format!("add `source`, one of: {}", all.join(", ")));
            return;
        }
    };
    let is_wide = fields.scope.is_some_and(|scope| scope.value == Scope::Cluster);
    if !known.has_namespace && !is_wide {
        diags
            .error_at(
                &node.span,
                format!("whose are these keys? Source {} has no `namespace`", quoted(&known.name)),
            )
            .hint(
                "give the source a `namespace`, or write `scope: cluster` to let every namespace read this",
            );
    }
}

/// Decodes what stands under `redis`.
pub(super) fn metric(diags: &mut Diagnostics, fields: &Fields<'_>, node: &Node) -> Option<Metric> {
    if let Some(window) = &fields.window {
        diags.error_at(&window.span, "`window` is for rates: a length is what it is now").hint("remove it");
    }
    let signal = signal(diags, node)?;
    let semantics = fields.semantics.map_or(Semantics::Extensive, |semantics| semantics.value);
    let aggregate = match semantics {
        Semantics::Extensive => Aggregate::Sum,
        Semantics::Intensive => Aggregate::Max,
    };
    Some(Metric {
        name: fields.name.as_ref().map_or("", |name| &name.value).into(),
        help: format!("The {signal}.").into(),
        unit: fields.unit.as_ref().map_or(ITEMS, |unit| &unit.value).into(),
        semantics,
        direction: fields.direction.map_or(Direction::Rises, |direction| direction.value),
        range: fields.range.map(|range| range.value),
        aggregate: fields.aggregate.map_or(aggregate, |aggregate| aggregate.value),
        inputs: vec![Input {
            engine: fields.source.as_ref().map_or("redis", |source| &source.value).into(),
            detect: Arc::default(),
            signal: Arc::new(Signal::Redis(signal)),
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
    })
}

fn signal(diags: &mut Diagnostics, node: &Node) -> Option<RedisSignal> {
    let mut map = node.mapping(diags, "`redis`")?;
    let what = map.choice(&WHAT, true, diags);
    let keys =
        what.and_then(|(what, node)| if what.ends_with('s') { keys(diags, node) } else { one(diags, node) });
    let is_stream = what.is_some_and(|(what, _)| what.starts_with("stream"));
    let (mut group, mut measure) = (None, None);
    if is_stream {
        group = map.required("group", diags, checked(string, key));
        measure = map.required("measure", diags, one_of(&[("lag", true), ("pending", false)]));
    }
    map.finish(diags);
    let measure = match what?.0 {
        "list" | "lists" => RedisMeasure::ListLength,
        "sortedSet" | "sortedSets" => RedisMeasure::SortedSetCardinality,
        _ if measure? => RedisMeasure::StreamLag { group: group? },
        _ => RedisMeasure::StreamPending { group: group? },
    };
    Some(RedisSignal { measure, keys: keys? })
}

fn one(diags: &mut Diagnostics, node: &Node) -> Option<RedisKeys> {
    Some(RedisKeys::Named(vec![checked(string, key)(diags, node)?]))
}

/// A list of keys, or a pattern of them.
fn keys(diags: &mut Diagnostics, node: &Node) -> Option<RedisKeys> {
    if let Value::Mapping(_) = node.value {
        let mut map = node.mapping(diags, "a pattern")?;
        let pattern = map.required("pattern", diags, checked(string, key));
        map.finish(diags);
        return Some(RedisKeys::Matching(pattern?));
    }
    let mut keys = list(checked(string, key))(diags, node)?;
    if keys.is_empty() {
        diags.error_at(&node.span, "this names no key").hint("write `[a, b]`, or `{ pattern: \"jobs:*\" }`");
        return None;
    }
    if keys.len() > MAX_KEYS {
        diags
            .error_at(&node.span, format!("a metric names {MAX_KEYS} keys at most"))
            .hint("use a pattern, or several metrics");
        return None;
    }
    let named = keys.len();
    // A key that is named twice is not twice as long; the order says nothing.
    keys.sort_unstable();
    keys.dedup();
    if keys.len() < named {
        diags.error_at(&node.span, "a key is named twice").hint("remove one of them");
    }
    Some(RedisKeys::Named(keys))
}

fn key(key: String) -> Result<String, Refusal> {
    if key.len() > MAX_KEY {
        return Err(Refusal::new(format!("this has at most {MAX_KEY} bytes")));
    }
    Ok(key)
}
