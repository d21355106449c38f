//! What is served when a value is not known.
//!
//! ```text
//! off ── refused for `after`, or `failures` times in a row ──▶ on
//!     ◀── known for `until` without a break ────────────────
//! ```
//!
//! Refused answers are never remembered, and while it is on no answer is: each question counts.

use std::time::Duration;

use super::{BRIEF, Fallback, Steps, Substitute, note};
use crate::core::justify::{Asker, Goal};
use crate::core::quantity::Quantity;
use crate::core::reading::Reading;
use crate::core::refusal::Refusal;
use crate::core::time::{Human, Timestamp};

/// Failed answers closer to each other are one: several autoscalers that ask at once learn of one failure.
const APART: Duration = Duration::from_secs(1);

/// After so long without a question an outage and a fallback are forgotten. An autoscaler of a large cluster
/// asks every two and a half minutes.
const FORGOTTEN: Duration = Duration::from_mins(3);

/// What was seen of late.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    on: bool,
    outage: Option<Outage>,
    /// Since when it has been known without a break, while on.
    known_since: Option<Timestamp>,
    /// When it was asked last.
    asked: Option<Timestamp>,
    /// The value that was known last, as the other guards left it.
    last: Option<(Reading, Timestamp)>,
}

/// Refused answers in a row.
#[derive(Debug, Clone, Copy)]
struct Outage {
    since: Timestamp,
    counted: Timestamp,
    failures: u32,
}

impl Outage {
    fn begins(now: Timestamp) -> Self {
        Self { since: now, counted: now, failures: 1 }
    }

    fn goes_on(self, now: Timestamp) -> Self {
        if now.since(self.counted) < APART {
            return self;
        }
        Self { counted: now, failures: self.failures.saturating_add(1), ..self }
    }
}

impl Fallback {
    pub(super) fn apply(
        &self,
        state: &mut State,
        guarded: Result<Reading, Refusal>,
        askers: &[Asker],
        now: Timestamp,
        steps: &mut Steps<'_>,
    ) -> Result<Reading, Refusal> {
        let before = guarded.as_ref().ok().map(|reading| reading.value);
        // What was so before nobody asked for a while says nothing of now.
        if state.asked.is_some_and(|asked| now.since(asked) > FORGOTTEN) {
            *state = State { last: state.last.take(), ..State::default() };
        }
        state.asked = Some(now);
        let (result, why) = match guarded {
            Ok(reading) => self.known(state, reading, askers, now),
            Err(refusal) => self.refused(state, refusal, askers, now),
        };
        note(steps, "fallback", before, result.as_ref().ok().map(|reading| reading.value), || why);
        result
    }

    fn known(
        &self,
        state: &mut State,
        reading: Reading,
        askers: &[Asker],
        now: Timestamp,
    ) -> (Result<Reading, Refusal>, String) {
        state.outage = None;
        state.last = Some((reading.clone(), now));
        if state.on {
            let since = *state.known_since.get_or_insert(now);
            let known = now.since(since);
            if known < self.until {
                let left = Human(self.until.saturating_sub(known));
                let why = format!("the value is known again; in {left} the fallback ends if it stays so");
                let substitute = match self.with {
                    // The last value is this one.
                    Substitute::Last(_) => None,
                    _ => self.substitute(state, askers, now).ok(),
                };
                // A value that is known is better than a substitute that cannot be told.
                let expires = reading.expires.min(now.plus(BRIEF));
                return (Ok(substitute.unwrap_or(Reading { expires, ..reading })), why);
            }
            (state.on, state.known_since) = (false, None);
        }
        (Ok(reading), "the value is known".to_owned())
    }

    fn refused(
        &self,
        state: &mut State,
        refusal: Refusal,
        askers: &[Asker],
        now: Timestamp,
    ) -> (Result<Reading, Refusal>, String) {
        state.known_since = None;
        let outage = state.outage.map_or_else(|| Outage::begins(now), |outage| outage.goes_on(now));
        state.outage = Some(outage);
        let without = now.since(outage.since);
        state.on |= without >= self.after || self.failures.is_some_and(|most| outage.failures >= most);
        if !state.on {
            let count = self.failures.map(|most| format!(" or {most} refused answers")).unwrap_or_default();
            let why = format!("refused for {}, begins after {}{count}", Human(without), Human(self.after));
            return (Err(refusal), why);
        }
        match self.substitute(state, askers, now) {
            Ok(reading) => {
                let since = Human(without);
                (Ok(reading), format!("{}, for {since} the value is not known: {refusal}", self.with))
            }
            Err(why) => {
                let told = format!("it cannot stand in: {why}");
                (Err(Refusal::Unreplaced { refusal: Box::new(refusal), why }), told)
            }
        }
    }

    /// What is served instead, or why that cannot be told.
    fn substitute(&self, state: &State, askers: &[Asker], now: Timestamp) -> Result<Reading, String> {
        match self.with {
            Substitute::Last(limit) => {
                repeatable(askers)?;
                last(state, limit, now)
            }
            Substitute::Value(value) => made_up(value, now),
            Substitute::Replicas(replicas) => made_up(told(askers, replicas)?, now),
        }
    }
}

/// A last value may be repeated to whoever divides by it. Who multiplies the replicas there are by it would
/// do so again with every answer, and run away.
fn repeatable(askers: &[Asker]) -> Result<(), String> {
    match askers.iter().find(|asker| !matches!(asker.goal, Goal::AverageValue(_))) {
        None => Ok(()),
        Some(Asker { namespace, name, .. }) => Err(format!(
            "HPA {namespace}/{name} multiplies its replicas by the value, so the last one must not be repeated; \
             a fallback of `replicas` can be"
        )),
    }
}

/// The last value with its own times.
fn last(state: &State, limit: Duration, now: Timestamp) -> Result<Reading, String> {
    let (reading, at) = state.last.as_ref().ok_or("no value was known before")?;
    let age = now.since(*at);
    if age > limit {
        return Err(format!("the last value was known {} ago (limit {})", Human(age), Human(limit)));
    }
    Ok(Reading { held: true, expires: now.plus(BRIEF), ..reading.clone() })
}

/// A value that was not measured.
fn made_up(value: f64, now: Timestamp) -> Result<Reading, String> {
    Ok(Reading {
        value,
        quantity: Quantity::from_f64(value).map_err(|error| error.to_string())?,
        at: now,
        sampled_at: now,
        window: None,
        held: true,
        expires: now.plus(BRIEF),
        elements: 0,
    })
}

/// The value that lets all askers want so many replicas.
fn told(askers: &[Asker], replicas: u32) -> Result<f64, String> {
    let mut value = None;
    for asker in askers {
        let Asker { namespace, name, .. } = asker;
        let own = asker.value_for(replicas).ok_or_else(|| {
            format!("which value lets HPA {namespace}/{name} want {replicas} replicas cannot be told yet")
        })?;
        match value {
            // Whole thousandths: equal or not.
            Some((other, first)) if f64::to_bits(other) != own.to_bits() => {
                return Err(format!(
                    "HPAs {first} and {namespace}/{name} would need different values for {replicas} replicas; \
                     give each a selector of its own"
                ));
            }
            _ => value = Some((own, format!("{namespace}/{name}"))),
        }
    }
    let none = || format!("no HPA is known to ask for it, so {replicas} replicas have no value");
    value.map(|(value, _)| value).ok_or_else(none)
}

impl std::fmt::Display for Substitute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Last(limit) => write!(f, "the last value stands in for up to {}", Human(*limit)),
            Self::Value(value) => write!(f, "the value {value} stands in"),
            Self::Replicas(replicas) => write!(f, "the value for {replicas} replicas stands in"),
        }
    }
}
