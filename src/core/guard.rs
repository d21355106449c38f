//! Guards: what may change a value after it was evaluated, in this order.
//!
//! ```text
//! evaluated ─ known ──▶ slew ──▶ clamp ──▶ activation ─┐
//!           └ refused ▶ fallback ──────────────────────┴▶ budget ──▶ the HPA
//! ```
//!
//! A guard is pure: what it remembers of a question is handed in and handed back.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// Once active, it is so until the value falls below this; at most the threshold.
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

/// How fast the value may change. The first value after a start is taken as it is.
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
    /// How long values must be known again before they are served in its place.
    pub until: Duration,
    /// In place of the value.
    pub with: Substitute,
}

/// What is served in place of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Substitute {
    /// The last value, for at most so long after it was known; then the error.
    Last(Duration),
    /// This value.
    Value(f64),
    /// The value that lets each autoscaler that asks want so many replicas, through its own target.
    Replicas(u32),
}

/// What one guard made of a value, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuardStep {
    /// Which guard.
    pub guard: String,
    /// Whether it changes anything now.
    pub acts: bool,
    /// The value before it; `None` for a refusal.
    pub before: Option<f64>,
    /// The value after it.
    pub after: Option<f64>,
    /// Why.
    pub why: String,
}
