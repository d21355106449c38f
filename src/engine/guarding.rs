//! What guards remember of each question, and what they do told to people.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use tracing::{debug, info, warn};

use super::ask::Ask;
use crate::core::evaluate::Whom;
use crate::core::guard::{GuardStep, Guards, Memory};
use crate::core::justify::Asker;
use crate::core::metric::Metric;
use crate::core::reading::Reading;
use crate::core::refusal::Refusal;
use crate::core::time::Timestamp;
use crate::telemetry::Telemetry;

/// How much memory what is remembered may take, in bytes.
const CAPACITY: u64 = 16 << 20;

/// What one question costs beside its own text, about.
const COST: usize = 1500;

/// So much of a selector is logged.
const LOGGED: usize = 200;

/// A question is being asked if it was asked within this time: an HPA of a large cluster comes every two
/// and a half minutes.
const ASKED: Duration = Duration::from_mins(3);

/// A question that nobody asked for so long is forgotten: longer than any hold or fallback lasts.
const IDLE: Duration = Duration::from_mins(90);

/// What guards remember, by question.
pub(super) struct Memories(Cache<Arc<str>, Arc<Mutex<Remembered>>>);

/// Whose value is guarded.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) metric: &'a Metric,
    pub(super) ask: Ask<'a>,
    /// The autoscalers that ask just this.
    pub(super) askers: &'a [Asker],
}

struct Remembered {
    metric: Arc<str>,
    /// The guards that it was remembered by; others start afresh.
    guards: Guards,
    memory: Memory,
    /// The guards that act.
    acting: Vec<String>,
    /// When it was asked last.
    asked: Timestamp,
}

impl Memories {
    pub(super) fn new() -> Self {
        let weigher = |question: &Arc<str>, _: &Arc<Mutex<Remembered>>| (question.len() + COST) as u32;
        Self(Cache::builder().max_capacity(CAPACITY).weigher(weigher).time_to_idle(IDLE).build())
    }

    /// What the metric's guards make of what was evaluated. `told`: for people, who change nothing by
    /// asking.
    pub(super) fn apply(
        &self,
        whose: Whose<'_>,
        evaluated: Result<Reading, Refusal>,
        now: Timestamp,
        told: Option<&mut Vec<GuardStep>>,
        telemetry: &Telemetry,
    ) -> Result<Reading, Refusal> {
        let Whose { metric, ask, askers } = whose;
        let new = || Remembered {
            metric: Arc::clone(&metric.name),
            guards: metric.guards.clone(),
            memory: Memory::default(),
            acting: Vec::new(),
            asked: now,
        };
        let question = question(ask);
        if let Some(steps) = told {
            let known = self.0.get(&question);
            let known = known.as_ref().map(|entry| entry.lock().unwrap_or_else(PoisonError::into_inner));
            let known = known.filter(|entry| entry.guards == metric.guards);
            let mut memory = known.map(|entry| entry.memory.clone()).unwrap_or_default();
            return metric.guards.apply(&mut memory, evaluated, askers, now, Some(steps));
        }
        let entry = self.0.get_with(question, || Arc::new(Mutex::new(new())));
        let mut entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
        if entry.guards != metric.guards {
            *entry = new();
        }
        entry.asked = now;
        let mut steps = Vec::new();
        let outcome = metric.guards.apply(&mut entry.memory, evaluated, askers, now, Some(&mut steps));
        entry.note(ask, &steps, telemetry);
        outcome
    }

    /// The guards that act on questions that are being asked, by metric.
    pub(super) fn acting(&self, now: Timestamp) -> Vec<(Arc<str>, String)> {
        let mut all = Vec::new();
        for (_, entry) in &self.0 {
            let entry = entry.lock().unwrap_or_else(PoisonError::into_inner);
            if now.since(entry.asked) > ASKED {
                continue;
            }
            all.extend(entry.acting.iter().map(|guard| (Arc::clone(&entry.metric), guard.clone())));
        }
        all.sort_unstable();
        all
    }
}

impl Remembered {
    /// Tells of guards that begin or cease to act.
    fn note(&mut self, ask: Ask<'_>, steps: &[GuardStep], telemetry: &Telemetry) {
        let acting = || steps.iter().filter(|step| step.acts);
        if acting().map(|step| &step.guard).eq(self.acting.iter()) {
            return;
        }
        let was = |guard: &String| self.acting.contains(guard);
        let (metric, namespace) = (ask.metric, ask.namespace);
        let selector: String = ask.selector.to_string().chars().take(LOGGED).collect();
        for step in steps.iter().filter(|step| step.acts != was(&step.guard)) {
            let GuardStep { guard, acts, before, after, why } = step;
            telemetry.guard_changed(metric, guard);
            let value =
                |value: &Option<f64>| value.map_or_else(|| "none".to_owned(), |value| value.to_string());
            let (before, after) = (value(before), value(after));
            match (guard.as_str(), acts) {
                ("fallback", true) => {
                    warn!(metric, namespace, selector, serves = after, why, "a fallback begins");
                }
                ("fallback", false) => info!(metric, namespace, selector, serves = after, "a fallback ends"),
                ("activation", true) => info!(metric, namespace, selector, before, after, why, "not active"),
                ("activation", false) => info!(metric, namespace, selector, after, why, "active"),
                // These come and go with every value.
                _ => debug!(metric, namespace, selector, guard, acts, before, after, why, "guard"),
            }
        }
        self.acting = acting().map(|step| step.guard.clone()).collect();
    }
}

fn question(ask: Ask<'_>) -> Arc<str> {
    let whom = match ask.whom {
        Whom::All => String::new(),
        Whom::Pods(selector) => format!("pods {selector}"),
        Whom::Object { key, name } => format!("{key} {name}"),
    };
    format!("{}\0{}\0{}\0{whom}", ask.metric, ask.namespace, ask.selector).into()
}
