//! How old what was chosen is, and whether it may still be served.

use std::time::Duration;

use super::Run;
use super::choose::Chosen;
use crate::core::fold::{self, Folded};
use crate::core::freshness::{Age, Snapshot};
use crate::core::metric::Input;
use crate::core::reading::ElementStep;
use crate::core::refusal::Refusal;
use crate::core::signal::Signal;
use crate::core::time::{Human, Timestamp};

/// What one input gives: its elements, and how old they are.
pub(super) struct Selected<'a> {
    pub(super) input: &'a Input,
    pub(super) snapshot: &'a Snapshot,
    pub(super) elements: Vec<Folded<'a>>,
    /// The oldest sample, by the source's clock.
    pub(super) at: Timestamp,
    /// The same by our clock.
    pub(super) sampled_at: Timestamp,
    /// When the first of its samples ceases to be fresh, by our clock.
    pub(super) stale: Timestamp,
    /// When the first of its samples may no longer be served, by our clock.
    pub(super) expires: Timestamp,
}

impl Run<'_> {
    /// The elements of what was chosen, which is not nothing, or in words why there are none.
    pub(super) fn judge<'a>(&self, chosen: Chosen<'a>) -> Result<Result<Selected<'a>, String>, Refusal> {
        let Chosen { input, snapshot, series: mut chosen } = chosen;
        let (Some(set), Some(oldest)) = (&snapshot.set, chosen.iter().min_by_key(|series| series.at)) else {
            return Ok(Err(format!("nothing of {} was chosen", input.signal)));
        };
        let (at, sampled_at) = (oldest.at, set.sampled_at(oldest));
        let (mut stale, mut expires) = (Timestamp::MAX, Timestamp::MAX);
        for series in &chosen {
            let bounds = snapshot.bounds(series.cadence(), self.metric.hold);
            let sampled_at = set.sampled_at(series);
            if bounds.judge(self.now.since(sampled_at)) == Age::Expired {
                let cause = set.silent().iter().find(|silent| silent.is_source_of(series));
                let cause = cause.map(|silent| silent.cause.as_ref());
                return Err(self.stale(&input.signal, snapshot, sampled_at, bounds.limit, cause));
            }
            stale = stale.min(sampled_at.plus(bounds.fresh));
            expires = expires.min(sampled_at.plus(bounds.limit));
        }
        if let Some(series) = chosen.iter().find(|series| series.lapsed) {
            return Err(Refusal::Incomplete {
                metric: self.metric.name.to_string(),
                element: ElementStep::name_of(&series.labels, input.signal.element()),
                missing: format!("{} any more", input.signal),
            });
        }
        // What has just started has no rate yet, and nothing that it could take from the others'.
        chosen.retain(|series| series.has_number());
        if chosen.is_empty() {
            let reason = format!("{} has just appeared and has no value yet", input.signal);
            return Err(Refusal::NoSeries { metric: self.metric.name.to_string(), reason, certain: false });
        }
        let elements = fold::elements(&chosen, input.signal.element());
        Ok(Ok(Selected { input, snapshot, elements, at, sampled_at, stale, expires }))
    }

    /// Whether the source was read at `read` lately enough to be believed about what it has not.
    pub(super) fn check_age(
        &self,
        signal: &Signal,
        snapshot: &Snapshot,
        read: Timestamp,
    ) -> Result<(), Refusal> {
        let bounds = snapshot.bounds(None, self.metric.hold);
        match bounds.judge(self.now.since(read)) {
            Age::Expired => Err(self.stale(signal, snapshot, read, bounds.limit, None)),
            Age::Fresh | Age::Held => Ok(()),
        }
    }

    fn stale(
        &self,
        signal: &Signal,
        snapshot: &Snapshot,
        sampled: Timestamp,
        limit: Duration,
        cause: Option<&str>,
    ) -> Refusal {
        // A query that hangs has not failed yet.
        let silence =
            snapshot.refreshed_at.map(|at| self.now.since(at)).filter(|it| *it > snapshot.interval * 3 / 2);
        Refusal::Stale {
            metric: self.metric.name.to_string(),
            signal: signal.to_string(),
            source_name: self.source_name.to_owned(),
            age: self.now.since(sampled),
            limit,
            cause: cause
                .or(snapshot.failure.as_deref())
                .map(str::to_owned)
                .or_else(|| silence.map(|time| format!("no answer for {}", Human(time)))),
        }
    }

    pub(super) fn unread(&self, signal: &Signal, snapshot: &Snapshot) -> Refusal {
        let (metric, signal) = (self.metric.name.to_string(), signal.to_string());
        let source_name = self.source_name.to_owned();
        match &snapshot.failure {
            Some(cause) => Refusal::SourceDown { metric, signal, source_name, cause: cause.to_string() },
            None => Refusal::Loading { metric, signal, source_name },
        }
    }
}
