//! Guards: what may change a value after it was evaluated, in this order.
//!
//! ```text
//! evaluated ─ known ──▶ slew ──▶ clamp ──▶ activation ─┐
//!           └ refused ▶ fallback ──────────────────────┴▶ budget ──▶ the HPA
//! ```
//!
//! A guard is pure: what it remembers of a question is handed in and handed back.
//!
//! Answers that nothing behind has changed are served again without a look at the guards. That is right as
//! long as the guards would say the same, so a result that time alone may change expires within a second.

mod activation;
mod clamp;
mod fallback;
mod slew;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::justify::Asker;
use super::quantity::Quantity;
use super::reading::Reading;
use super::refusal::Refusal;
use super::time::Timestamp;

/// How long a result stands that time alone may change.
const BRIEF: Duration = Duration::from_secs(1);

/// A metric's own guards. A budget is not among them, since it is about what others ask as well.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Guards {
    /// How fast the value may change.
    pub slew: Option<Slew>,
    /// Within which bounds it stays.
    pub clamp: Option<Clamp>,
    /// Below which it is nothing.
    pub activation: Option<Activation>,
    /// What is served when it is not known.
    pub fallback: Option<Fallback>,
}

/// Below a threshold the value is exactly 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activation {
    /// From here on it is active.
    pub threshold: f64,
    /// Once active, it is so until the value falls below this; above 0, at most the threshold. It is also
    /// the least that an active value is served as.
    pub reset_below: f64,
    /// For how long the value must be below before it is inactive.
    pub hold: Duration,
}

/// Bounds of the value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clamp {
    /// Never less.
    pub min: Option<f64>,
    /// Never more.
    pub max: Option<f64>,
}

/// How fast the value may change. The first value after a start, or after ten minutes without any, is taken
/// as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slew {
    /// Upwards.
    pub rise: Option<Speed>,
    /// Downwards.
    pub fall: Option<Speed>,
}

/// So much in such a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// How much, in the metric's unit.
    pub by: f64,
    /// In how long.
    pub per: Duration,
}

/// What is served when the value is not known.
#[derive(Debug, Clone, PartialEq)]
pub struct Fallback {
    /// After so long without a value.
    pub after: Duration,
    /// Or after so many answers in a row without one, if that is sooner; answers less than a second apart
    /// count as one.
    pub failures: Option<u32>,
    /// How long values must be known again without a break before they are served in its place. Of
    /// [`Substitute::Last`], how long no further outage has to wait for `after`.
    pub until: Duration,
    /// In place of the value.
    pub with: Substitute,
}

/// What is served in place of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Substitute {
    /// The last value, for at most so long after it was known; then the error. Only for autoscalers that
    /// compare an average with it: repeated, any other value multiplies the replicas each time.
    Last(Duration),
    /// This value.
    Value(f64),
    /// The value that lets each autoscaler that asks want so many replicas, through its own target.
    Replicas(u32),
}

/// What guards remember of one question. A fresh one knows nothing, as after a start.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    slew: slew::State,
    activation: activation::State,
    fallback: fallback::State,
}

/// What one guard did, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardStep {
    /// `slew`, `clamp`, `activation` or `fallback`.
    pub guard: String,
    /// Whether it changed anything.
    pub acts: bool,
    /// The value that it was given, if there was one.
    pub before: Option<f64>,
    /// The value that it gave, if it did.
    pub after: Option<f64>,
    /// What it went by, in a few words.
    pub why: String,
}

/// Where steps are noted, if anybody wants to know.
type Steps<'a> = Option<&'a mut Vec<GuardStep>>;

fn note(
    steps: &mut Steps<'_>,
    guard: &str,
    before: Option<f64>,
    after: Option<f64>,
    why: impl FnOnce() -> String,
) {
    if let Some(steps) = steps {
        let acts = before.map(f64::to_bits) != after.map(f64::to_bits);
        steps.push(GuardStep { guard: guard.to_owned(), acts, before, after, why: why() });
    }
}

impl Guards {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is served of what was evaluated at `now`: a value that is known goes through slew, clamp and
    /// activation, one that is not through the fallback.
    ///
    /// # Errors
    /// The refusal that was handed in, if no fallback stands in its place; with the reason why not, where
    /// there is one that should.
    pub fn apply(
        &self,
        memory: &mut Memory,
        evaluated: Result<Reading, Refusal>,
        askers: &[Asker],
        now: Timestamp,
        mut steps: Option<&mut Vec<GuardStep>>,
    ) -> Result<Reading, Refusal> {
        let guarded = evaluated.map(|reading| self.guard(memory, reading, now, &mut steps));
        match &self.fallback {
            Some(fallback) => fallback.apply(&mut memory.fallback, guarded, askers, now, &mut steps),
            None => guarded,
        }
    }

    /// The same for numbers of single pods or objects, by name. Nothing is remembered of each of them, so
    /// they only get what needs no memory: the clamp.
    pub fn apply_to_each(&self, readings: &mut [(String, Reading)]) {
        let Some(clamp) = self.clamp else { return };
        for (_, reading) in readings {
            set(reading, clamp.apply(reading.value));
        }
    }

    /// What becomes of a value that is known. It does so during a fallback too, so that the guards are
    /// where they should be when that ends.
    fn guard(
        &self,
        memory: &mut Memory,
        mut reading: Reading,
        now: Timestamp,
        steps: &mut Steps<'_>,
    ) -> Reading {
        let mut value = reading.value;
        if let Some(slew) = &self.slew {
            let before = value;
            value = slew.apply(&memory.slew, value, now);
            note(steps, "slew", Some(before), Some(value), || slew.why(&memory.slew, now));
            reading.expires = reading.expires.min(now.plus(BRIEF));
        }
        if let Some(clamp) = self.clamp {
            let before = value;
            value = clamp.apply(value);
            note(steps, "clamp", Some(before), Some(value), || clamp.to_string());
        }
        // Remembered as the clamp left it: it must not have to come back from where it never was.
        memory.slew.remember(value, now);
        if let Some(activation) = &self.activation {
            let before = value;
            let is_waiting;
            (value, is_waiting) = activation.apply(&mut memory.activation, value, now);
            note(steps, "activation", Some(before), Some(value), || activation.why(&memory.activation, now));
            if is_waiting {
                reading.expires = reading.expires.min(now.plus(BRIEF));
            }
        }
        set(&mut reading, value);
        reading
    }
}

/// Puts a guard's value in place of the one that was computed.
fn set(reading: &mut Reading, value: f64) {
    // Bounds were checked when they were read, and what lies between two that can be served can be too.
    if let Ok(quantity) = Quantity::from_f64(value) {
        (reading.value, reading.quantity) = (value, quantity);
    }
}

#[cfg(test)]
mod tests;
