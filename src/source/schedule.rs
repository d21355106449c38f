//! The clock: a source that is always there and reads schedules.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Answer, Fetch, Source, SourceError};
use crate::core::freshness::Coverage;
use crate::core::series::{Builder, Column, Labels, SeriesSet};
use crate::core::signal::{NeutralLabels, Signal};
use crate::core::time::Timestamp;

/// The name of the source.
pub const NAME: &str = "schedule";

/// How often a schedule is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Reads schedules, each of which it works out anew only when its value may change.
#[derive(Debug, Default)]
pub struct Clock {
    known: Mutex<HashMap<Arc<Signal>, Known>>,
}

/// What a schedule says for a while.
#[derive(Debug, Clone, Copy)]
struct Known {
    value: f64,
    from: Timestamp,
    until: Timestamp,
}

impl Clock {
    fn read(&self, signal: &Arc<Signal>, now: Timestamp) -> Result<Answer, SourceError> {
        let Signal::Schedule(schedule) = &**signal else {
            return Err(SourceError::Refused("the clock reads schedules only".to_owned()));
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |known: &Known| (known.from..known.until).contains(&now);
        let value = if let Some(known) = known.get(signal).filter(|known| holds(known)) {
            known.value
        } else {
            // Those of former configurations go.
            known.retain(|_, known| holds(known));
            let new = Known { value: schedule.at(now), from: now, until: schedule.until(now) };
            known.insert(Arc::clone(signal), new);
            new.value
        };
        drop(known);
        Ok(Answer { set: one(signal, now, value), memory: None, warnings: Vec::new(), cost: None })
    }
}

/// One series without labels: a schedule belongs to no pod and no namespace.
fn one(signal: &Signal, now: Timestamp, value: f64) -> SeriesSet {
    let mut builder = Builder::of(signal, true);
    builder.row(Labels::new(Vec::new()), now, [(Column::Term(0), value)]);
    builder.finish(signal.element(), &NeutralLabels::default(), 0)
}

impl Source for Clock {
    fn name(&self) -> &str {
        NAME
    }

    fn fetch<'a>(&'a self, signal: &'a Arc<Signal>, _: &'a Coverage, now: Timestamp) -> Fetch<'a> {
        Box::pin(std::future::ready(self.read(signal, now)))
    }

    fn describe(&self, signal: &Signal, _: &Coverage) -> Arc<str> {
        match signal {
            Signal::Schedule(schedule) => schedule.to_string().into(),
            other => other.to_string().into(),
        }
    }

    fn can_read(&self, signal: &Signal) -> bool {
        matches!(signal, Signal::Schedule(_))
    }

    fn renews_every(&self) -> Option<Duration> {
        Some(EVERY)
    }
}

#[cfg(test)]
mod tests;
