//! A metric that is made of others: its signals, and the expressions over them.

use std::sync::Arc;

use super::metric::{self, Context, Fields};
use crate::config::decode::{Spanned, boolean, number, spanned, string};
use crate::config::source::quoted;
use crate::config::{Diagnostics, Key, MapDecoder, Node, did_you_mean};
use crate::core::composite::{Composite, EACH, Fact, Level, Part, WhenMissing};
use crate::core::expression::{Mistake, Variable};
use crate::core::guard::Guards;
use crate::core::metric::{Aggregate, Direction, Metric, Missing, Scope, Semantics};

/// The unit of a composite that states none.
const NO_UNIT: &str = "unspecified";

/// What a composite reads at most, the parts of its parts included: each is a query of its own.
const MOST_LEAVES: usize = 32;

/// So many composites may stand within one another, those of the catalog included.
pub(super) const MOST_DEEP: usize = 8;

/// The expressions as written.
pub(in crate::config) struct Expressions<'n> {
    each: Option<(&'n Node, String)>,
    value: Option<(&'n Node, String)>,
}

/// Reads `each` and `value`.
pub(super) fn expressions<'n>(diags: &mut Diagnostics, map: &mut MapDecoder<'n>) -> Expressions<'n> {
    let mut one = |name| map.optional(name, diags, |diags, node| Some((node, string(diags, node)?)));
    Expressions { each: one("each"), value: one("value") }
}

/// Reads what a signal says of its absence.
pub(super) fn missing(diags: &mut Diagnostics, map: &mut MapDecoder<'_>) -> WhenMissing {
    let optional = map.optional("optional", diags, spanned(boolean));
    let default = map.optional("default", diags, spanned(number));
    match (optional, default) {
        (Some(Spanned { value: true, .. }), Some(default)) => {
            diags
                .error_at(&default.span, "`optional` and `default` exclude each other")
                .hint("remove one of them: with a default, it always has a value");
            WhenMissing::Optional
        }
        (_, Some(default)) => WhenMissing::Default(default.value),
        (Some(Spanned { value: true, .. }), None) => WhenMissing::Optional,
        _ => WhenMissing::Required,
    }
}

impl Expressions<'_> {
    /// Reports expressions of what has no signals to compute with.
    pub(super) fn refuse(&self, diags: &mut Diagnostics) {
        for (node, _) in [&self.each, &self.value].into_iter().flatten() {
            diags
                .error_at(&node.span, "there are no `signals` to compute this from")
                .hint("write `signals: { name: { preset: … } }` in place of the single one");
        }
    }
}

pub(super) fn metric(
    diags: &mut Diagnostics,
    fields: &Fields<'_>,
    node: &Node,
    context: &Context<'_>,
) -> Option<Metric> {
    of_signals(diags, fields);
    let entries = node.entries(diags, "the signals by name")?;
    let parts: Vec<Option<Part>> =
        entries.iter().map(|(key, node)| part(diags, key, node, context)).collect();
    let parts: Vec<Part> = parts.into_iter().collect::<Option<_>>()?;
    let Expressions { each, value } = &fields.expressions;
    if each.is_none() && value.is_none() {
        diags
            .error_at(&node.span, "nothing is computed from these signals")
            .hint("write `value: …`, or `each: …` for a number of each pod");
        return None;
    }
    let aggregate = match (fields.aggregate, each) {
        (Some(aggregate), Some(_)) => aggregate.value,
        (Some(aggregate), None) => {
            diags
                .error_at(&aggregate.span, "`aggregate` folds what `each` computes, and there is none")
                .hint("say it in the signals");
            return None;
        }
        (None, Some((node, _))) => {
            diags
                .error_at(&node.span, "what is computed for each pod or device has to be folded")
                .hint("write `aggregate: avg`, or another of sum, max, min, count, p90");
            return None;
        }
        (None, None) => Aggregate::Sum,
    };
    let text = |one: &Option<(&Node, String)>| one.as_ref().map(|(_, text)| text.clone());
    let (each_text, value_text) = (text(each), text(value));
    let composite = match Composite::new(parts, each_text.as_deref(), value_text.as_deref(), aggregate) {
        Ok(composite) => composite,
        Err(mistakes) => {
            for (level, mistake) in &mistakes {
                report(diags, &fields.expressions, *level, mistake, true, entries);
            }
            return None;
        }
    };
    for (level, mistake) in composite.warnings() {
        report(diags, &fields.expressions, level, mistake, false, entries);
    }
    if depth(&composite) > MOST_DEEP {
        diags.error_at(&node.span, too_deep()).hint("let it refer to what is further down");
        return None;
    }
    if leaves(&composite) > MOST_LEAVES {
        let message = format!("this reads {} signals, more than {MOST_LEAVES}", leaves(&composite));
        diags.error_at(&node.span, message).hint("each of them is a query of its own");
        return None;
    }
    let semantics = semantics(diags, fields, &composite, aggregate, node)?;
    let unit: Arc<str> = fields.unit.as_ref().map_or(NO_UNIT, |unit| &unit.value).into();
    let ratio = (unit.as_ref() == "ratio").then_some((0.0, 1.0));
    Some(Metric {
        name: fields.name.as_ref().map_or("", |name| &name.value).into(),
        help: "A composite of the configuration.".into(),
        semantics,
        direction: fields.direction.map_or(Direction::Rises, |direction| direction.value),
        range: fields.range.map(|range| range.value).or(ratio),
        aggregate,
        inputs: Vec::new(),
        composite: Some(Arc::new(composite)),
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
    })
}

/// Refuses what a composite cannot say of all its signals at once.
fn of_signals(diags: &mut Diagnostics, fields: &Fields<'_>) {
    let window = fields.window.map(|window| ("window", window.span));
    let hold = fields.hold.map(|hold| ("hold", hold.span));
    let source = fields.source.as_ref().map(|source| ("source", source.span));
    for (name, span) in [window, hold, source].into_iter().flatten() {
        diags
            .error_at(&span, format!("`{name}` says nothing of a composite"))
            .hint("say it in the signal that it is about");
    }
}

/// What is missing is a matter of each signal, in a composite of the catalog as well.
pub(super) fn refuse_absence(diags: &mut Diagnostics, fields: &Fields<'_>) {
    let place = fields.value.map(|(_, node)| node.span);
    let absent = fields.absent.and(place).map(|span| ("absent", span));
    let idle = fields.idle.map(|idle| ("idle", idle.span));
    for (name, span) in [absent, idle].into_iter().flatten() {
        diags
            .error_at(&span, format!("`{name}` says nothing of a composite"))
            .hint("make one of your own, with `default` in the signal that it is about");
    }
}

fn part(diags: &mut Diagnostics, key: &Key, node: &Node, context: &Context<'_>) -> Option<Part> {
    let is_named = name(diags, key);
    let (metric, missing) = metric::signal(diags, node, &key.text, context)?;
    is_named.then(|| Part { name: key.text.as_str().into(), metric: Arc::new(metric), missing })
}

fn name(diags: &mut Diagnostics, key: &Key) -> bool {
    let name = key.text.as_str();
    let within = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let facts = || Fact::ALL.into_iter().map(Fact::name);
    let (message, hint) = if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(within)
    {
        (
            format!("a signal cannot be called {}", quoted(name)),
            "use a-z, 0-9 and _, a letter first".to_owned(),
        )
    } else if facts().any(|fact| fact == name) || name == EACH {
        let message = format!("`{name}` has a meaning of its own in expressions");
        (message, format!("choose another name than {}, {EACH}", facts().collect::<Vec<_>>().join(", ")))
    } else if !Variable::is_name(name) {
        (format!("`{name}` is a word of the expression language"), "choose another name".to_owned())
    } else {
        return true;
    };
    diags.error_at(&key.span, message).hint(hint);
    false
}

pub(super) fn too_deep() -> String {
    format!("composites of composites, more than {MOST_DEEP} within one another")
}

fn depth(composite: &Composite) -> usize {
    let of = |part: &Part| part.metric.composite.as_ref().map_or(0, |composite| depth(composite));
    1 + composite.parts.iter().map(of).max().unwrap_or_default()
}

fn leaves(composite: &Composite) -> usize {
    let of = |part: &Part| part.metric.composite.as_ref().map_or(1, |composite| leaves(composite));
    composite.parts.iter().map(of).sum()
}

fn semantics(
    diags: &mut Diagnostics,
    fields: &Fields<'_>,
    composite: &Composite,
    aggregate: Aggregate,
    node: &Node,
) -> Option<Semantics> {
    match (fields.semantics, composite.semantics(aggregate)) {
        (None, Some(inferred)) => Some(inferred),
        (Some(stated), None) => Some(stated.value),
        (Some(stated), Some(inferred)) => {
            if stated.value != inferred {
                diags
                    .warning_at(
                        &stated.span,
                        format!("by its signals this is {inferred}, not {}", stated.value),
                    )
                    .hint(format!("an HPA then needs a target of type {}", stated.value.target_type()));
            }
            Some(stated.value)
        }
        (None, None) => {
            diags
                .error_at(&node.span, "it does not follow from the signals whether this grows with the replicas")
                .hint("write `type: extensive` if it does (the HPA then takes AverageValue), else `type: intensive` (Value)");
            None
        }
    }
}

fn report(
    diags: &mut Diagnostics,
    expressions: &Expressions<'_>,
    level: Level,
    mistake: &Mistake,
    is_error: bool,
    signals: &[(Key, Node)],
) {
    let written = match level {
        Level::Each => &expressions.each,
        Level::Value => &expressions.value,
    };
    let Some((node, _)) = written else { return };
    let span = node.part(&mistake.at);
    let facts = Fact::ALL.map(Fact::name);
    let known = || signals.iter().map(|(key, _)| &*key.text).chain(facts.iter().copied());
    let meant = mistake.unknown.as_deref().and_then(|unknown| did_you_mean(unknown, known()));
    let hint = meant.map(|meant| format!("did you mean `{meant}`?")).or_else(|| mistake.hint.clone());
    let problem = if is_error {
        diags.error_at(&span, mistake.message.clone())
    } else {
        diags.warning_at(&span, mistake.message.clone())
    };
    if let Some(hint) = hint {
        problem.hint(hint);
    }
}
