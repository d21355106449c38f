//! A metric's guards: what may change its value, and what stands in for it.

use std::time::Duration;

use super::metric::Fields;
use crate::config::decode::{accept, checked, duration, integer, spanned};
use crate::config::source::quoted;
use crate::config::units::{Refusal, parse_duration};
use crate::config::{Diagnostics, MapDecoder, Node, Span, Spanned};
use crate::core::guard::{Activation, Clamp, Fallback, Guards, Slew, Speed, Substitute};
use crate::core::metric::{Metric, Semantics};
use crate::core::quantity::Quantity;

/// What takes longer is for people to see to.
const MAX_TIME: Duration = Duration::from_hours(1);
/// An HPA looks every 15 s, or every 30 s where there are many: one good answer ends no outage.
const MIN_UNTIL: Duration = Duration::from_secs(30);
const DEFAULT_AFTER: Duration = Duration::from_mins(2);
const DEFAULT_UNTIL: Duration = Duration::from_mins(1);
const MAX_FAILURES: u64 = 1000;
/// More than any fleet has.
const MAX_REPLICAS: u64 = 100_000;

/// Reads the fields of a metric that are guards. What is wrong is reported, and left out.
pub(super) fn guards(diags: &mut Diagnostics, map: &mut MapDecoder<'_>) -> Guards {
    let activation = map.optional("activation", diags, spanned(activation));
    let clamp = map.optional("clamp", diags, clamp);
    let slew = map.optional("slew", diags, slew);
    let fallback = map.optional("fallback", diags, fallback);
    if let (Some(activation), Some(clamp)) = (&activation, clamp) {
        together(diags, activation, clamp);
    }
    Guards { slew, clamp, activation: activation.map(|activation| activation.value), fallback }
}

/// `0.2`, or `{ above: 0.2, resetBelow: 0.1, hold: 2m }`.
fn activation(diags: &mut Diagnostics, node: &Node) -> Option<Activation> {
    if node.text().is_some() {
        let threshold = above_zero(diags, node)?;
        return Some(Activation { threshold, reset_below: threshold, hold: Duration::ZERO });
    }
    let mut map = node.mapping(diags, "an activation")?;
    let threshold = map.required("above", diags, above_zero);
    let reset_below = map.optional("resetBelow", diags, spanned(above_zero));
    let hold = map.optional("hold", diags, checked(duration, at_most_an_hour));
    map.finish(diags);
    let threshold = threshold?;
    if let Some(reset) = reset_below.filter(|reset| reset.value > threshold) {
        diags
            .error_at(&reset.span, "what is active would have to stop being so before it has begun")
            .hint(format!("`resetBelow` is at most `above`, {threshold}"));
        return None;
    }
    let reset_below = reset_below.map_or(threshold, |reset| reset.value);
    Some(Activation { threshold, reset_below, hold: hold.unwrap_or_default() })
}

/// `{ min: 1, max: 50 }`, either of them.
fn clamp(diags: &mut Diagnostics, node: &Node) -> Option<Clamp> {
    let mut map = node.mapping(diags, "a clamp")?;
    let min = map.optional("min", diags, spanned(amount));
    let max = map.optional("max", diags, above_zero);
    map.some_of(&["min", "max"]);
    map.finish(diags);
    if let (Some(min), Some(max)) = (min, max)
        && min.value > max
    {
        diags.error_at(&min.span, "the least is more than the most").hint(format!("`max` is {max}"));
        return None;
    }
    Some(Clamp { min: min.map(|min| min.value), max })
}

/// `{ rise: 10 per 1m, fall: 5 per 30s }`, either of them.
fn slew(diags: &mut Diagnostics, node: &Node) -> Option<Slew> {
    let mut map = node.mapping(diags, "a slew")?;
    let rise = map.optional("rise", diags, speed);
    let fall = map.optional("fall", diags, speed);
    map.some_of(&["rise", "fall"]);
    map.finish(diags);
    Some(Slew { rise, fall })
}

fn speed(diags: &mut Diagnostics, node: &Node) -> Option<Speed> {
    const USAGE: &str = "write an amount and a time, like `10 per 1m`";
    let (text, _) = node.scalar(diags, "a speed")?;
    let speed = text.split_once(" per ").map(|(by, per)| (by.trim(), per.trim()));
    let result = match speed {
        Some((by, per)) => parse_above_zero(by).and_then(|by| {
            let per = parse_duration(per).and_then(at_most_an_hour)?;
            Ok(Speed { by, per })
        }),
        None => Err(Refusal::new(format!("expected a speed, found {}", quoted(text))).hint(USAGE)),
    };
    accept(diags, node, result)
}

/// `{ after: 2m, failures: 3, until: 1m, replicas: 4 }`; in place of `replicas` also `value` or `last`.
fn fallback(diags: &mut Diagnostics, node: &Node) -> Option<Fallback> {
    let mut map = node.mapping(diags, "a fallback")?;
    let after = map.optional("after", diags, checked(duration_or_none, at_most_an_hour));
    let failures = map.optional("failures", diags, integer(1..=MAX_FAILURES));
    let until = map.optional("until", diags, checked(duration, until));
    let chosen = map.choice(&["replicas", "value", "last"], true, diags);
    map.finish(diags);
    let (what, node) = chosen?;
    let with = match what {
        "replicas" => Substitute::Replicas(integer(0..=MAX_REPLICAS)(diags, node)? as u32),
        "value" => Substitute::Value(amount(diags, node)?),
        _ => Substitute::Last(checked(duration, at_most_an_hour)(diags, node)?),
    };
    if matches!(with, Substitute::Replicas(0)) || matches!(with, Substitute::Value(value) if value <= 0.0) {
        diags
            .warning_at(&node.span, "what is not known counts as nothing, so the fleet shrinks in an outage")
            .hint("leave `fallback` out to keep the replicas there are");
    }
    let after = after.unwrap_or(DEFAULT_AFTER);
    Some(Fallback {
        after,
        failures: failures.map(|failures| failures as u32),
        until: until.unwrap_or(after.clamp(MIN_UNTIL, DEFAULT_UNTIL)),
        with,
    })
}

/// What each of them allows may together leave nothing.
fn together(diags: &mut Diagnostics, activation: &Spanned<Activation>, clamp: Clamp) {
    let Activation { threshold, reset_below, .. } = activation.value;
    if clamp.min.is_some_and(|min| min >= reset_below) {
        diags
            .warning_at(&activation.span, "the clamp keeps the value from ever being inactive")
            .hint("activation comes after the clamp: leave out `min`, or make it smaller");
    }
    if clamp.max.is_some_and(|max| max < threshold) {
        diags
            .error_at(
                &activation.span,
                "the clamp keeps the value from ever being active: it would always be 0",
            )
            .hint("activation comes after the clamp: make `max` larger, or the threshold smaller");
    }
}

/// Whether the guards suit the metric that has them.
pub(super) fn suit(diags: &mut Diagnostics, fields: &Fields<'_>, metric: &Metric) {
    let Some(name) = &fields.name else { return };
    let threshold = metric.guards.activation.map(|activation| activation.threshold);
    if let (Some(threshold), Some((low, high))) = (threshold, metric.range)
        && threshold > high
    {
        diags
            .error_at(
                &name.span,
                format!("no value reaches {threshold}, its activation: it would always be 0"),
            )
            .hint(format!("its values lie within [{low}, {high}]"));
    }
    if metric.semantics == Semantics::Intensive {
        intensive(diags, &name.span, &metric.guards);
    }
}

/// What is true of the fleet as it was must not be told of the fleet as it is, where it is multiplied.
fn intensive(diags: &mut Diagnostics, span: &Span, guards: &Guards) {
    const MULTIPLIES: &str = "an HPA multiplies its replicas by an intensive value with every answer";
    match guards.fallback.as_ref().map(|fallback| fallback.with) {
        Some(Substitute::Last(_)) => diags
            .error_at(span, format!("{MULTIPLIES}, so the last one must not be repeated"))
            .hint("write `replicas` in place of `last`"),
        Some(Substitute::Value(_)) => diags
            .warning_at(span, format!("{MULTIPLIES}, so a fixed one leads to its maximum or minimum"))
            .hint("write `replicas` in place of `value`"),
        _ => {}
    }
    if guards.slew.is_some() {
        diags
            .warning_at(span, format!("{MULTIPLIES}, so one that lags behind leads too far"))
            .hint("limit the replicas instead, with the HPA's `behavior`");
    }
}

/// A number or quantity that can be served.
fn amount(diags: &mut Diagnostics, node: &Node) -> Option<f64> {
    let (text, _) = node.scalar(diags, "a number")?;
    accept(diags, node, parse_amount(text))
}

fn above_zero(diags: &mut Diagnostics, node: &Node) -> Option<f64> {
    let (text, _) = node.scalar(diags, "a number")?;
    accept(diags, node, parse_above_zero(text))
}

fn parse_amount(text: &str) -> Result<f64, Refusal> {
    let number = text.parse::<serde_json::Number>().ok().and_then(|number| number.as_f64());
    let value = match number {
        Some(number) => number,
        None => Quantity::parse(text).map_err(|error| Refusal::new(error.to_string()))?.as_f64(),
    };
    if value < 0.0 {
        return Err(Refusal::new("this must not be negative"));
    }
    match Quantity::from_f64(value) {
        Ok(_) => Ok(value),
        Err(error) => Err(Refusal::new(error.to_string())),
    }
}

fn parse_above_zero(text: &str) -> Result<f64, Refusal> {
    parse_amount(text).and_then(|value| match Quantity::from_f64(value) {
        Ok(quantity) if quantity.milli() > 0 => Ok(value),
        _ => Err(Refusal::new("this must be more than 0, by at least a thousandth")),
    })
}

/// A duration, which may be `0s` here.
fn duration_or_none(diags: &mut Diagnostics, node: &Node) -> Option<Duration> {
    if node.text() == Some("0s") { Some(Duration::ZERO) } else { duration(diags, node) }
}

fn at_most_an_hour(time: Duration) -> Result<Duration, Refusal> {
    if time <= MAX_TIME { Ok(time) } else { Err(Refusal::new("this is at most 1h")) }
}

fn until(until: Duration) -> Result<Duration, Refusal> {
    if until >= MIN_UNTIL {
        return at_most_an_hour(until);
    }
    Err(Refusal::new("this is at least 30s")
        .hint("shorter, and a source that fails now and then would be followed in and out of the fallback"))
}
