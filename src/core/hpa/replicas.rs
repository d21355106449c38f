//! From one metric's observation to the number of replicas it asks for.
//!
//! The real controller reckons in thousandths as whole numbers, and in whole percents for a
//! utilization. So does this, because a ratio near the tolerance depends on it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::spec::{Observation, Phase, Pod, PodId, Rules, Sample, Scale, Target};
use crate::core::time::Timestamp;

/// Settings of the controller that are flags of kube-controller-manager.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Tolerance where the HPA sets none: `--horizontal-pod-autoscaler-tolerance`.
    pub tolerance: f64,
    /// For so long after its start a pod's CPU sample counts only if it was taken wholly while the pod
    /// was ready: `--horizontal-pod-autoscaler-cpu-initialization-period`.
    pub cpu_initialization: Duration,
    /// A pod that became unready within so long of its start was never ready:
    /// `--horizontal-pod-autoscaler-initial-readiness-delay`.
    pub readiness_delay: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tolerance: 0.1,
            cpu_initialization: Duration::from_mins(5),
            readiness_delay: Duration::from_secs(30),
        }
    }
}

/// How far the ratio of number and target may be from 1 without effect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tolerance {
    down: f64,
    up: f64,
}

impl Tolerance {
    pub(super) fn new(default: f64, down: &Rules, up: &Rules) -> Self {
        Self { down: down.tolerance.unwrap_or(default), up: up.tolerance.unwrap_or(default) }
    }

    fn covers(self, ratio: f64) -> bool {
        (1.0 - self.down..=1.0 + self.up).contains(&ratio)
    }
}

/// What the count depends on beside the metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) now: Timestamp,
    pub(super) scale: &'a Scale<'a>,
    pub(super) tolerance: Tolerance,
    pub(super) options: &'a Options,
}

impl Context<'_> {
    /// The replicas that `target` asks for, or what keeps it from telling.
    pub(super) fn propose(&self, target: Target, seen: Option<&Observation>) -> Result<u32, String> {
        let (Target::Value(wanted)
        | Target::AverageValue(wanted)
        | Target::Pods(wanted)
        | Target::Utilization(wanted)) = target;
        let wanted = milli(wanted).filter(|wanted| *wanted > 0).ok_or("the target is not above zero")?;
        match (target, seen) {
            (_, Some(Observation::Unknown(error))) => Err(error.clone()),
            (_, None) => Err("nothing was observed".into()),
            (Target::Value(_), Some(Observation::Value(value))) => self.by_value(finite(*value)?, wanted),
            (Target::AverageValue(_), Some(Observation::Value(value))) => {
                Ok(self.by_average(finite(*value)?, wanted))
            }
            (Target::Pods(_), Some(Observation::Pods(samples))) => {
                self.by_pods(samples, &Mean { wanted, percent: false })
            }
            (Target::Utilization(_), Some(Observation::Pods(samples))) => {
                self.by_pods(samples, &Mean { wanted, percent: true })
            }
            _ => Err("the observation does not fit the target".into()),
        }
    }

    /// The ratio times the pods that are ready; from zero, the ratio itself.
    fn by_value(&self, value: i64, wanted: i64) -> Result<u32, String> {
        let ratio = value as f64 / wanted as f64;
        let Scale { spec_replicas: current, pods, .. } = *self.scale;
        if current == 0 {
            return Ok(whole(ratio));
        }
        if self.tolerance.covers(ratio) {
            return Ok(current);
        }
        if pods.is_empty() {
            return Err(NO_PODS.into());
        }
        // A pod that is being deleted counts for as long as it is ready.
        let ready = pods.iter().filter(|pod| pod.phase == Phase::Running && pod.ready).count();
        Ok(whole(ratio * ready as f64))
    }

    /// The total divided by what one replica shall have. Nothing but the tolerance looks at the replicas,
    /// and it looks at those there are, not those wanted.
    fn by_average(&self, value: i64, wanted: i64) -> u32 {
        // The real one takes a sum below zero for one that has overflowed.
        let value = if value < 0 { i64::MAX } else { value } as f64;
        let current = self.scale.status_replicas;
        if self.tolerance.covers(value / (wanted as f64 * f64::from(current))) {
            current
        } else {
            whole(value / wanted as f64)
        }
    }

    /// The ratio of the mean to the target, with caution for pods that tell nothing.
    fn by_pods(&self, samples: &[(PodId, f64)], mean: &Mean) -> Result<u32, String> {
        let Scale { spec_replicas: current, pods, .. } = *self.scale;
        if pods.is_empty() {
            return Err(NO_PODS.into());
        }
        let mut known = samples
            .iter()
            .map(|(id, value)| Ok((*id, finite(*value)?)))
            .collect::<Result<BTreeMap<_, _>, String>>()?;
        let groups = self.group(&known, mean.percent);
        known.retain(|id, _| !groups.ignored.contains(id) && !groups.unready.contains(id));
        let ids: BTreeSet<PodId> = pods.iter().map(|pod| pod.id).collect();
        let ratio = mean.ratio(&known, &ids).ok_or("no sample of a pod that counts")?;

        let upward_with_unready = ratio > 1.0 && !groups.unready.is_empty();
        if !upward_with_unready && groups.missing.is_empty() {
            return Ok(if self.tolerance.covers(ratio) {
                current
            } else {
                whole(ratio * groups.counted as f64)
            });
        }

        // Pods without a sample work against the direction, whatever it is; unready ones only upward.
        if ratio < 1.0 {
            known.extend(groups.missing.iter().map(|id| (*id, mean.cautious())));
        } else if ratio > 1.0 {
            known.extend(groups.missing.iter().chain(&groups.unready).map(|id| (*id, 0)));
        }
        let damped = mean.ratio(&known, &ids).ok_or("no sample of a pod that counts")?;
        let turned = (ratio < 1.0 && damped > 1.0) || (ratio > 1.0 && damped < 1.0);
        if turned || self.tolerance.covers(damped) {
            return Ok(current);
        }
        let replicas = whole(damped * known.len() as f64);
        // The number of pods may differ from the replicas, during a rolling update for example.
        let turned = (damped < 1.0 && replicas > current) || (damped > 1.0 && replicas < current);
        Ok(if turned { current } else { replicas })
    }

    /// Sorts the pods by how far their samples may be believed.
    fn group(&self, known: &BTreeMap<PodId, i64>, is_cpu: bool) -> Groups {
        let mut groups = Groups::default();
        for pod in self.scale.pods {
            if pod.deleted || pod.phase == Phase::Failed {
                groups.ignored.insert(pod.id);
            } else if pod.phase == Phase::Pending {
                groups.unready.insert(pod.id);
            } else if !known.contains_key(&pod.id) {
                groups.missing.insert(pod.id);
            } else if is_cpu && self.is_warming_up(pod) {
                groups.unready.insert(pod.id);
            } else {
                groups.counted += 1;
            }
        }
        groups
    }

    /// Whether the pod's CPU sample tells of its start rather than of its work.
    fn is_warming_up(&self, pod: &Pod) -> bool {
        let Some(changed) = pod.ready_since else { return true };
        if pod.started_at.plus(self.options.cpu_initialization) > self.now {
            let sample = pod.sample.unwrap_or(Sample { at: self.now, window: Duration::ZERO });
            !pod.ready || sample.at < changed.plus(sample.window)
        } else {
            !pod.ready && pod.started_at.plus(self.options.readiness_delay) > changed
        }
    }
}

/// The pods of a target, sorted.
#[derive(Default)]
struct Groups {
    /// How many have a sample that counts.
    counted: usize,
    unready: BTreeSet<PodId>,
    missing: BTreeSet<PodId>,
    ignored: BTreeSet<PodId>,
}

/// A mean over pods and what it shall be, in thousandths (of a percent, if it is one).
struct Mean {
    wanted: i64,
    percent: bool,
}

impl Mean {
    /// The mean divided by what it shall be. Samples of unknown pods count, except that nothing is
    /// known of their requests, so a percentage leaves them out.
    fn ratio(&self, known: &BTreeMap<PodId, i64>, pods: &BTreeSet<PodId>) -> Option<f64> {
        let (sum, count) = known
            .iter()
            .filter(|(id, _)| !self.percent || pods.contains(id))
            .fold((0_i128, 0_i128), |(sum, count), (_, value)| (sum + i128::from(*value), count + 1));
        if count == 0 {
            return None;
        }
        let unit = if self.percent { 1000 } else { 1 };
        Some((sum / (count * unit) * unit) as f64 / self.wanted as f64)
    }

    /// What a pod without a sample is taken to use when the others ask for fewer replicas: its target,
    /// or all that it has requested where that is more.
    fn cautious(&self) -> i64 {
        if self.percent { self.wanted.max(100_000) } else { self.wanted }
    }
}

const NO_PODS: &str = "no pod matches the target's selector";

/// A quantity in thousandths, rounded up as Kubernetes does.
fn milli(value: f64) -> Option<i64> {
    let scaled = value * 1000.0;
    let nearest = scaled.round();
    // A decimal number like 1.1 has no exact f64: its error must not count as a part of a thousandth.
    let error = nearest.abs() * 4.0 * f64::EPSILON;
    let up = if (scaled - nearest).abs() <= error { nearest } else { scaled.ceil() };
    scaled.is_finite().then_some(up as i64)
}

fn finite(value: f64) -> Result<i64, String> {
    milli(value).ok_or_else(|| format!("{value} is no quantity"))
}

/// The next whole number of replicas, in the range that Kubernetes can write down.
fn whole(replicas: f64) -> u32 {
    replicas.ceil().clamp(0.0, f64::from(i32::MAX)) as u32
}

#[cfg(test)]
mod tests;
