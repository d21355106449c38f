//! From what the metrics ask for to what is done: windows first, then policies and bounds.

use std::time::Duration;

use super::decision::Reason;
use super::spec::{Behavior, DOWN, Policy, PolicyKind, Rules, Select, Spec, UP};
use crate::core::time::Timestamp;

/// What one HPA's past passes left behind.
///
/// The real controller overwrites one expired entry at a time; this forgets all of them. The two differ
/// only if a window or a period is made longer while it runs.
#[derive(Debug, Clone, Default)]
pub(super) struct History {
    recommendations: Vec<Entry>,
    added: Vec<Entry>,
    removed: Vec<Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    at: Timestamp,
    replicas: u32,
}

/// A count and the rule that made it so; `None` where none did.
pub(super) type Ruled = (u32, Option<Reason>);

impl History {
    /// The count found at the first pass stands as a recommendation, so that a controller that has just
    /// started does not scale down at once.
    pub(super) fn begin(&mut self, now: Timestamp, current: u32) {
        if self.recommendations.is_empty() {
            self.recommendations.push(Entry { at: now, replicas: current });
        }
    }

    /// Brings `desired` within the recommendations of both windows, and remembers it as it was.
    pub(super) fn stabilize(&mut self, now: Timestamp, spec: &Spec, current: u32, desired: u32) -> Ruled {
        let (up, down) = (&spec.behavior.scale_up, &spec.behavior.scale_down);
        let stabilized = if is_unset(spec) {
            let from = before(now, down.stabilization);
            self.recent(|at| at >= from).fold(desired, u32::max)
        } else {
            let (up, down) = (before(now, up.stabilization), before(now, down.stabilization));
            let least = self.recent(|at| at > up).fold(desired, u32::min);
            let most = self.recent(|at| at > down).fold(desired, u32::max);
            current.max(least).min(most)
        };
        let from = before(now, up.stabilization.max(down.stabilization));
        self.recommendations.retain(|entry| entry.at >= from);
        self.recommendations.push(Entry { at: now, replicas: desired });
        let reason = if desired >= current && !is_unset(spec) {
            Reason::ScaleUpStabilized
        } else {
            Reason::ScaleDownStabilized
        };
        (stabilized, (stabilized != desired).then_some(reason))
    }

    fn recent(&self, within: impl Fn(Timestamp) -> bool) -> impl Iterator<Item = u32> {
        self.recommendations.iter().filter(move |entry| within(entry.at)).map(|entry| entry.replicas)
    }

    /// Brings `wanted` within the policies of its direction and the bound that lies that way.
    pub(super) fn limit(&self, now: Timestamp, spec: &Spec, current: u32, wanted: u32) -> Ruled {
        let Spec { min_replicas: min, max_replicas: max, ref behavior, .. } = *spec;
        if is_unset(spec) {
            let most = current.saturating_mul(2).max(4);
            return match wanted {
                _ if wanted < min => (min, Some(Reason::TooFewReplicas)),
                _ if wanted > most && most < max => (most, Some(Reason::ScaleUpLimit)),
                _ if wanted > max => (max, Some(Reason::TooManyReplicas)),
                _ => (wanted, None),
            };
        }
        if wanted > current {
            // Earlier steps may exceed what a policy allows by now; that is no reason to go back.
            let most = self.highest(now, &behavior.scale_up, current).max(current);
            let (bound, reason) =
                if most < max { (most, Reason::ScaleUpLimit) } else { (max, Reason::TooManyReplicas) };
            if wanted > bound {
                return (bound, Some(reason));
            }
        } else if wanted < current {
            let least = self.lowest(now, &behavior.scale_down, current).min(current);
            let (bound, reason) =
                if least > min { (least, Reason::ScaleDownLimit) } else { (min, Reason::TooFewReplicas) };
            if wanted < bound {
                return (bound, Some(reason));
            }
        }
        (wanted, None)
    }

    /// The most replicas that the policies of scaling up allow.
    fn highest(&self, now: Timestamp, rules: &Rules, current: u32) -> u32 {
        let allowed = policies(rules, UP).iter().map(|policy| {
            let start = self.start(now, policy, current);
            match policy.kind {
                PolicyKind::Pods => start + f64::from(policy.value),
                // Rounded up, or a small target would never grow.
                PolicyKind::Percent => (start * (1.0 + f64::from(policy.value) / 100.0)).ceil(),
            }
        });
        let allowed = match rules.select {
            Select::Disabled => return current,
            Select::Max => allowed.reduce(f64::max),
            Select::Min => allowed.reduce(f64::min),
        };
        replicas(allowed, current)
    }

    /// The fewest replicas that the policies of scaling down allow.
    fn lowest(&self, now: Timestamp, rules: &Rules, current: u32) -> u32 {
        let allowed = policies(rules, DOWN).iter().map(|policy| {
            let start = self.start(now, policy, current);
            match policy.kind {
                PolicyKind::Pods => start - f64::from(policy.value),
                PolicyKind::Percent => (start * (1.0 - f64::from(policy.value) / 100.0)).trunc(),
            }
        });
        let allowed = match rules.select {
            Select::Disabled => return current,
            Select::Max => allowed.reduce(f64::min),
            Select::Min => allowed.reduce(f64::max),
        };
        replicas(allowed, current)
    }

    /// How many replicas there were when the policy's period began, by the steps taken since.
    fn start(&self, now: Timestamp, policy: &Policy, current: u32) -> f64 {
        let from = before(now, policy.period);
        let steps = |entries: &[Entry]| {
            entries.iter().filter(|entry| entry.at > from).map(|entry| f64::from(entry.replicas)).sum::<f64>()
        };
        f64::from(current) - steps(&self.added) + steps(&self.removed)
    }

    /// Remembers a step for the policies of later passes, whatever brought it about.
    pub(super) fn record(&mut self, now: Timestamp, spec: &Spec, from: u32, to: u32) {
        if is_unset(spec) {
            return;
        }
        let (entries, rules, fallback) = if to > from {
            (&mut self.added, &spec.behavior.scale_up, UP)
        } else {
            (&mut self.removed, &spec.behavior.scale_down, DOWN)
        };
        let longest = policies(rules, fallback).iter().map(|policy| policy.period).max();
        let expiry = before(now, longest.unwrap_or_default());
        entries.retain(|entry| entry.at >= expiry);
        entries.push(Entry { at: now, replicas: to.abs_diff(from) });
    }
}

fn is_unset(spec: &Spec) -> bool {
    spec.behavior == Behavior::unset()
}

fn policies<'a>(rules: &'a Rules, fallback: &'a [Policy]) -> &'a [Policy] {
    if rules.policies.is_empty() { fallback } else { &rules.policies }
}

fn replicas(allowed: Option<f64>, current: u32) -> u32 {
    allowed.map_or(current, |allowed| allowed.clamp(0.0, f64::from(i32::MAX)) as u32)
}

fn before(now: Timestamp, duration: Duration) -> Timestamp {
    now.shifted(-i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
