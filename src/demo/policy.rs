//! Policies: what an HPA is told to look at, and how it then decides.

use std::fmt;

use super::fleet::{Fleet, Phase, Pod};
use super::scrape::Scraper;
use crate::core::hpa::{self, Behavior, Controller, Decision, Observation, Options, PodId, Spec, Target};
use crate::core::time::{Human, Timestamp};

/// Seconds between two passes of the HPA controller (`--horizontal-pod-autoscaler-sync-period`).
pub const SYNC_SECONDS: f64 = 15.0;

/// What the number of replicas follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Signal {
    /// Nothing: as many replicas as at the beginning.
    Fixed,
    /// CPU, mean percent of the request.
    Cpu {
        /// Resource `cpu`, `Utilization`.
        percent: f64,
    },
    /// Requests in the queues: the usual advice.
    Waiting {
        /// External, `AverageValue`.
        per_replica: f64,
    },
    /// Requests in queues and batches.
    InSystem {
        /// External, `AverageValue`.
        per_replica: f64,
    },
    /// What arrives, and the backlog: External, `AverageValue` of what a replica serves.
    Demand(Demand),
}

/// Demand from arrivals, in replicas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// Requests per second for each replica: what one serves within the target (see [`super::profile`]), less
    /// the room for bursts while others load.
    pub capacity: f64,
    /// Arrivals are counted over so many seconds.
    pub window_seconds: f64,
    /// A backlog may take so many seconds to drain.
    pub drain_seconds: f64,
    /// Whether a backlog that grows while replicas load asks for still more of them.
    pub recounts: bool,
}

impl Demand {
    /// Replicas for `arrivals` per second and `backlog` waiting requests.
    ///
    /// While some of the `wanted` replicas are `loading`, those on their way have been ordered for this
    /// backlog: it justifies them, and no more, unless it shall be recounted. Arrivals always count in full.
    pub fn replicas(&self, arrivals: f64, backlog: f64, wanted: f64, loading: bool) -> f64 {
        let steady = arrivals / self.capacity;
        let all = steady + backlog / (self.capacity * self.drain_seconds);
        if loading && !self.recounts { all.min(wanted).max(steady) } else { all }
    }
}

/// An HPA, or none for a fixed fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// What tables and legends call it.
    pub name: String,
    /// What it follows.
    pub signal: Signal,
    /// `minReplicas`, with which the day begins.
    pub min_replicas: u32,
    /// `maxReplicas`.
    pub max_replicas: u32,
    /// `behavior`.
    pub behavior: Behavior,
}

impl Policy {
    /// A policy with the behavior that Kubernetes fills in.
    pub fn new(signal: Signal, min_replicas: u32, max_replicas: u32) -> Self {
        let name = match signal {
            Signal::Fixed => format!("fixed fleet of {min_replicas}"),
            Signal::Cpu { percent } => format!("CPU {percent} %"),
            Signal::Waiting { per_replica } => format!("waiting {per_replica} a replica"),
            Signal::InSystem { per_replica } => format!("in system {per_replica} a replica"),
            Signal::Demand(Demand { recounts: false, .. }) => "demand from arrivals".into(),
            Signal::Demand(_) => "demand, backlog recounted".into(),
        };
        Self { name, signal, min_replicas, max_replicas, behavior: Behavior::default() }
    }

    /// As many replicas all day.
    pub fn fixed(replicas: u32) -> Self {
        Self::new(Signal::Fixed, replicas, replicas)
    }

    const fn target(&self) -> Option<Target> {
        match self.signal {
            Signal::Fixed => None,
            Signal::Cpu { percent } => Some(Target::Utilization(percent)),
            Signal::Waiting { per_replica } | Signal::InSystem { per_replica } => {
                Some(Target::AverageValue(per_replica))
            }
            Signal::Demand(Demand { capacity, .. }) => Some(Target::AverageValue(capacity)),
        }
    }
}

impl fmt::Display for Policy {
    /// Its settings, for people who want to repeat it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.signal {
            Signal::Fixed => return write!(f, "{} replicas, no autoscaler", self.min_replicas),
            Signal::Cpu { percent } => write!(f, "Resource cpu, Utilization {percent}")?,
            Signal::Waiting { per_replica } => {
                write!(f, "External inference_requests_waiting, AverageValue {per_replica}")?;
            }
            Signal::InSystem { per_replica } => {
                write!(f, "External inference_requests_in_system, AverageValue {per_replica}")?;
            }
            Signal::Demand(Demand { capacity, window_seconds, drain_seconds, recounts }) => {
                let (what, again) = if recounts {
                    ("requests per second", "also")
                } else {
                    ("inference_demand_requests_per_second", "but not again")
                };
                write!(
                    f,
                    "External {what} (arrivals over {window_seconds} s, and a backlog to \
                     drain in {drain_seconds} s, {again} while replicas load), AverageValue {capacity:.2}"
                )?;
            }
        }
        let Self { min_replicas, max_replicas, behavior, .. } = self;
        write!(f, "; {min_replicas} to {max_replicas} replicas; ")?;
        if *behavior == Behavior::default() {
            return write!(f, "default behavior (down: the most of 5 minutes)");
        }
        let window = |rules: &hpa::Rules| Human(rules.stabilization);
        write!(f, "stabilization up {}, down {}", window(&behavior.scale_up), window(&behavior.scale_down))
    }
}

/// A policy at work: the HPA controller, and what it remembers.
#[derive(Debug)]
pub struct Autoscaler {
    spec: Option<Spec>,
    signal: Signal,
    controller: Controller,
}

impl Autoscaler {
    /// One that has just started.
    pub fn new(policy: &Policy) -> Self {
        let spec = policy.target().map(|target| Spec {
            min_replicas: policy.min_replicas,
            max_replicas: policy.max_replicas,
            metrics: vec![target],
            behavior: policy.behavior.clone(),
        });
        Self { spec, signal: policy.signal, controller: Controller::new(Options::default()) }
    }

    /// One pass at the fleet's present time; `None` for a fixed fleet. It knows the pods as the API
    /// server does, at once, and their metrics as `scraper` shows them.
    pub fn sync(&mut self, fleet: &Fleet, scraper: &Scraper) -> Option<Decision> {
        self.decide(fleet, scraper, observe(self.signal, fleet, scraper))
    }

    /// One pass with another observation than what `scraper` shows.
    pub fn decide(&mut self, fleet: &Fleet, scraper: &Scraper, observation: Observation) -> Option<Decision> {
        let spec = self.spec.as_ref()?;
        let now = fleet.clock();
        let pods = api_pods(fleet, scraper);
        let wanted = fleet.replicas();
        let scale = hpa::Scale { spec_replicas: wanted, status_replicas: wanted, pods: &pods };
        Some(self.controller.sync(Timestamp::from_seconds(now), spec, &scale, &[observation]))
    }
}

/// What the metrics API answers for `signal`.
fn observe(signal: Signal, fleet: &Fleet, scraper: &Scraper) -> Observation {
    let now = fleet.clock();
    let unknown = || Observation::Unknown("no sample yet".into());
    let Some(seen) = scraper.seen(now) else { return unknown() };
    match signal {
        Signal::Fixed => unknown(),
        Signal::Cpu { .. } => {
            Observation::Pods(seen.pods.iter().map(|pod| (PodId(pod.id), pod.cpu)).collect())
        }
        // An engine that does not answer is no engine without requests.
        _ if seen.serving().next().is_none() => unknown(),
        Signal::Waiting { .. } => Observation::Value(seen.waiting()),
        Signal::InSystem { .. } => Observation::Value(seen.in_system()),
        Signal::Demand(demand) => {
            let wanted = fleet.replicas();
            scraper.arrivals(now, demand.window_seconds).map_or_else(unknown, |arrivals| {
                let loading = fleet.ready() < wanted;
                let replicas = demand.replicas(arrivals, seen.waiting(), f64::from(wanted), loading);
                Observation::Value(replicas * demand.capacity)
            })
        }
    }
}

/// The fleet's pods as the API server shows them.
fn api_pods(fleet: &Fleet, scraper: &Scraper) -> Vec<hpa::Pod> {
    let seen = scraper.seen(fleet.clock());
    let window = std::time::Duration::from_secs_f64(scraper.scraping().interval);
    let sample = seen.map(|scrape| hpa::Sample { at: Timestamp::from_seconds(scrape.at), window });
    let shown = |pod: &Pod| hpa::Pod {
        id: PodId(pod.id),
        phase: hpa::Phase::Running,
        ready: pod.is_ready(),
        started_at: Timestamp::from_seconds(pod.created),
        ready_since: Some(Timestamp::from_seconds(match pod.phase {
            Phase::Ready { since } => since,
            Phase::Loading { .. } | Phase::Draining { .. } => pod.created,
        })),
        deleted: pod.is_draining(),
        sample,
    };
    fleet.pods().iter().map(shown).collect()
}

#[cfg(test)]
mod tests;
