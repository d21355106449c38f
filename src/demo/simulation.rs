//! One policy on one trace, over time.

use std::sync::Arc;

use super::fleet::{Fleet, Setup};
use super::policy::{Autoscaler, Policy, SYNC_SECONDS};
use super::scrape::{Scraper, Scraping};
use super::trace::Trace;
use crate::core::hpa::{Decision, Observation};

/// What the fleet was like at one moment, and since the moment before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Seconds since midnight.
    pub at: f64,
    /// Requests per second since the point before.
    pub arrivals: f64,
    /// Requests in queues.
    pub waiting: usize,
    /// Requests in batches.
    pub running: usize,
    /// Mean share of the KV cache in use, 0 to 1.
    pub kv_usage: f64,
    /// Seconds within which 95 % of the requests decided since the point before had their first token:
    /// infinite when more than 5 % never got it, `None` without requests.
    pub ttft_p95: Option<f64>,
    /// Replicas that take requests.
    pub ready: u32,
    /// Replicas asked for.
    pub wanted: u32,
    /// Dollars since midnight.
    pub cost: f64,
}

/// A fleet, its load and its autoscaler.
#[derive(Debug)]
pub struct Simulation {
    policy: Policy,
    trace: Arc<Trace>,
    fleet: Fleet,
    scraper: Scraper,
    autoscaler: Autoscaler,
    /// The next arrival, as an index into the trace.
    next: usize,
    next_scrape: f64,
    next_sync: f64,
    /// Seconds between two points, and the points so far.
    every: f64,
    points: Vec<Point>,
    seen_arrivals: u64,
}

/// How many points a whole day has.
pub const POINTS: u32 = 480;

impl Simulation {
    /// At midnight, with the policy's least number of replicas ready.
    pub fn new(policy: Policy, setup: Setup, scraping: Scraping, trace: Arc<Trace>) -> Self {
        let every = trace.day.seconds / f64::from(POINTS);
        Self {
            fleet: Fleet::new(setup, policy.min_replicas),
            scraper: Scraper::new(scraping),
            autoscaler: Autoscaler::new(&policy),
            policy,
            trace,
            next: 0,
            next_scrape: 0.0,
            next_sync: 0.0,
            every,
            points: Vec::with_capacity(POINTS as usize + 1),
            seen_arrivals: 0,
        }
    }

    /// The same, with an autoscaler that decides nothing by itself: what it observes comes from outside,
    /// by [`Simulation::sync`].
    pub fn led(policy: Policy, setup: Setup, scraping: Scraping, trace: Arc<Trace>) -> Self {
        Self { next_sync: f64::INFINITY, ..Self::new(policy, setup, scraping, trace) }
    }

    /// One pass of the autoscaler, with what it observes now; `None` for a fixed fleet.
    pub fn sync(&mut self, observation: Observation) -> Option<Decision> {
        let decision = self.autoscaler.decide(&self.fleet, &self.scraper, observation)?;
        self.fleet.scale_to(decision.replicas);
        Some(decision)
    }

    /// Lets time pass until `to` seconds since midnight, but not beyond the day's end.
    pub fn advance(&mut self, to: f64) {
        let to = to.min(self.trace.day.seconds);
        loop {
            let next_point = self.every * (self.points.len() + 1) as f64;
            let next = self.next_scrape.min(self.next_sync).min(next_point);
            self.serve(next.min(to));
            if next > to {
                return;
            }
            if self.next_scrape <= next {
                self.scraper.take(&self.fleet);
                self.next_scrape += self.scraper.scraping().interval;
            }
            if self.next_sync <= next {
                if let Some(decision) = self.autoscaler.sync(&self.fleet, &self.scraper) {
                    self.fleet.scale_to(decision.replicas);
                }
                self.next_sync += SYNC_SECONDS;
            }
            if next_point <= next {
                self.mark();
            }
        }
    }

    /// The policy at work.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What it is tried on.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The fleet as it is now.
    pub const fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// How the fleet was, moment by moment.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// How metrics are collected.
    pub const fn scraping(&self) -> Scraping {
        self.scraper.scraping()
    }

    fn serve(&mut self, to: f64) {
        while let Some(arrival) = self.trace.arrivals.get(self.next).filter(|arrival| arrival.at <= to) {
            self.fleet.offer(*arrival);
            self.next += 1;
        }
        self.fleet.advance(to);
    }

    fn mark(&mut self) {
        let arrived = self.fleet.tally().arrived;
        let ttft_p95 = self.fleet.tally_mut().take_window(0.95);
        let fleet = &self.fleet;
        self.points.push(Point {
            at: fleet.clock(),
            arrivals: (arrived - std::mem::replace(&mut self.seen_arrivals, arrived)) as f64 / self.every,
            waiting: fleet.waiting(),
            running: fleet.running(),
            kv_usage: fleet.kv_usage(),
            ttft_p95,
            ready: fleet.ready(),
            wanted: fleet.replicas(),
            cost: fleet.cost(),
        });
    }
}

#[cfg(test)]
mod tests;
