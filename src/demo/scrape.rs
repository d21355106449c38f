//! What a scraper has seen of a fleet: samples at intervals, shown only when they are old enough.

use std::collections::{BTreeMap, VecDeque};

use super::fleet::Fleet;

/// How metrics are collected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scraping {
    /// Seconds between two samples of a pod.
    pub interval: f64,
    /// Seconds from a sample until a policy can see it.
    pub lag: f64,
}

impl Default for Scraping {
    /// Every 15 s, as most Prometheus servers do; seen by the next sync, 15 s later.
    fn default() -> Self {
        Self { interval: 15.0, lag: 15.0 }
    }
}

/// What one pod showed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PodSample {
    /// The pod.
    pub id: u64,
    /// Whether its metrics page answered. Without it only the CPU is known.
    pub serves_metrics: bool,
    /// Requests in the queue.
    pub waiting: usize,
    /// Requests in the batch.
    pub running: usize,
    /// Requests that have ended here, in whatever way, since the pod began.
    pub gone: u64,
    /// Percent of its CPU request in use.
    pub cpu: f64,
}

/// What all pods showed at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Scrape {
    /// Seconds since midnight.
    pub at: f64,
    /// One for each pod that existed.
    pub pods: Vec<PodSample>,
}

impl Scrape {
    /// What `fleet` shows now.
    pub fn of(fleet: &Fleet) -> Self {
        let pods = fleet.pods().iter().map(|pod| PodSample {
            id: pod.id,
            serves_metrics: pod.serves_metrics(),
            waiting: pod.replica.waiting(),
            running: pod.replica.running(),
            gone: pod.replica.counters().gone(),
            cpu: pod.cpu(),
        });
        Self { at: fleet.clock(), pods: pods.collect() }
    }

    /// Requests in all queues.
    pub fn waiting(&self) -> f64 {
        self.serving().map(|pod| pod.waiting as f64).sum()
    }

    /// Requests in all queues and batches.
    pub fn in_system(&self) -> f64 {
        self.serving().map(|pod| (pod.waiting + pod.running) as f64).sum()
    }

    /// Pods whose page answered.
    pub fn serving(&self) -> impl Iterator<Item = &PodSample> {
        self.pods.iter().filter(|pod| pod.serves_metrics)
    }
}

/// The samples of the last minutes.
#[derive(Debug)]
pub struct Scraper {
    scraping: Scraping,
    scrapes: VecDeque<Scrape>,
}

/// Seconds for which samples are kept beyond the lag: more than any policy's window.
const KEPT: f64 = 600.0;

impl Scraper {
    /// One that has seen nothing yet.
    pub const fn new(scraping: Scraping) -> Self {
        Self { scraping, scrapes: VecDeque::new() }
    }

    /// How it collects.
    pub const fn scraping(&self) -> Scraping {
        self.scraping
    }

    /// Samples `fleet` as it is now.
    pub fn take(&mut self, fleet: &Fleet) {
        let scrape = Scrape::of(fleet);
        let oldest = scrape.at - self.scraping.lag - KEPT;
        self.scrapes.push_back(scrape);
        while self.scrapes.front().is_some_and(|scrape| scrape.at < oldest) {
            self.scrapes.pop_front();
        }
    }

    /// The newest sample that can be seen at `now`.
    pub fn seen(&self, now: f64) -> Option<&Scrape> {
        self.window(now, 0.0).next_back()
    }

    /// The samples that can be seen at `now`: the newest, and those of the `seconds` before it.
    fn window(&self, now: f64, seconds: f64) -> impl DoubleEndedIterator<Item = &Scrape> {
        // Sums of intervals are not exact; a thousandth of a second is.
        let visible = now - self.scraping.lag + 0.001;
        let newest = self.scrapes.iter().rev().find(|scrape| scrape.at <= visible).map(|scrape| scrape.at);
        self.scrapes.iter().filter(move |scrape| {
            newest.is_some_and(|newest| scrape.at <= newest && scrape.at >= newest - seconds - 0.001)
        })
    }

    /// Requests per second that came over the `seconds` before the newest sample that can be seen:
    /// those that ended, and by how many those in the system have changed. `None` before two samples.
    pub fn arrivals(&self, now: f64, seconds: f64) -> Option<f64> {
        let mut window = self.window(now, seconds);
        let (first, last) = (window.next()?, window.next_back()?);
        let mut gone: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for pod in self.window(now, seconds).flat_map(Scrape::serving) {
            gone.entry(pod.id).or_insert((pod.gone, pod.gone)).1 = pod.gone;
        }
        let ended: u64 = gone.values().map(|(first, last)| last - first).sum();
        let change = last.in_system() - first.in_system();
        Some(((ended as f64 + change) / (last.at - first.at)).max(0.0))
    }
}

#[cfg(test)]
mod tests;
