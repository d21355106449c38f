//! A simulated fleet: replicas that load, serve, drain and go, behind a load balancer.

use std::collections::VecDeque;

use super::gpu::{CPU_LOADING, Gpu};
use super::random::Random;
use super::replica::{Engine, Replica, Request};
use super::tally::Tally;
use super::trace::Arrival;

/// What a fleet is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setup {
    /// The engine of every replica.
    pub engine: Engine,
    /// Seconds from a pod's creation until it serves: least and most, drawn for each pod.
    ///
    /// A published breakdown for Llama 3.1 8B under vLLM on an L40S counts 82 s with the model and the compiled
    /// graphs in a cache on the node's network, and 294 s without; a free GPU node is taken for granted.
    pub load_seconds: (f64, f64),
    /// Seconds that a pod may go on after it was told to end (`terminationGracePeriodSeconds`).
    pub grace_seconds: f64,
    /// Price of a replica, which has one GPU, per hour.
    pub dollars_per_hour: f64,
    /// Draws the load times.
    pub seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            engine: Engine::default(),
            load_seconds: (75.0, 120.0),
            grace_seconds: 60.0,
            dollars_per_hour: 4.0,
            seed: 1,
        }
    }
}

/// Where a pod is in its life; times in seconds since midnight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Phase {
    /// Loads its model; serves from then on.
    Loading {
        /// When it will be ready.
        until: f64,
    },
    /// Serves.
    Ready {
        /// Since when.
        since: f64,
    },
    /// Finishes what it has in its batch and takes nothing new.
    Draining {
        /// When it is ended, finished or not.
        until: f64,
    },
}

/// One pod of the fleet.
#[derive(Debug)]
pub struct Pod {
    /// Never used again within the fleet.
    pub id: u64,
    /// A name as a ReplicaSet gives it.
    pub name: String,
    /// When it was created, seconds since midnight.
    pub created: f64,
    /// Where it is in its life.
    pub phase: Phase,
    /// Its engine; idle while it loads.
    pub replica: Replica,
    /// Its board, and its CPU.
    pub gpu: Gpu,
}

impl Pod {
    /// Whether its metrics page answers: engines open it when the model is loaded.
    pub const fn serves_metrics(&self) -> bool {
        !matches!(self.phase, Phase::Loading { .. })
    }

    /// Whether it takes new requests.
    pub const fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready { .. })
    }

    /// Whether it has been told to end.
    pub const fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }

    /// Percent of its CPU request in use.
    pub const fn cpu(&self) -> f64 {
        if self.serves_metrics() { self.gpu.cpu } else { CPU_LOADING }
    }

    /// When something happens to it by itself.
    fn next_event(&self) -> f64 {
        match self.phase {
            Phase::Loading { until } => until,
            Phase::Ready { .. } => f64::INFINITY,
            Phase::Draining { until } => until.min(self.replica.next_change()),
        }
    }
}

/// The pods of a Deployment and the load balancer before them.
#[derive(Debug)]
pub struct Fleet {
    setup: Setup,
    /// In order of creation.
    pods: Vec<Pod>,
    /// Requests that no replica was ready for.
    held: VecDeque<Request>,
    tally: Tally,
    random: Random,
    next_id: u64,
    clock: f64,
    next_event: f64,
    /// Seconds of pods that are gone.
    past_seconds: f64,
    peak: usize,
}

impl Fleet {
    /// `initial` replicas that are ready at midnight, their models loaded.
    pub fn new(setup: Setup, initial: u32) -> Self {
        let mut fleet = Self {
            setup,
            pods: Vec::new(),
            held: VecDeque::new(),
            tally: Tally::default(),
            random: Random::new(setup.seed),
            next_id: 0,
            clock: 0.0,
            next_event: f64::INFINITY,
            past_seconds: 0.0,
            peak: 0,
        };
        fleet.scale_to(initial);
        for pod in &mut fleet.pods {
            pod.phase = Phase::Ready { since: 0.0 };
        }
        fleet
    }

    /// What it is made of.
    pub const fn setup(&self) -> &Setup {
        &self.setup
    }

    /// All pods that exist, in order of creation.
    pub fn pods(&self) -> &[Pod] {
        &self.pods
    }

    /// What its clients have lived to see.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The same, to begin a new window of it.
    pub const fn tally_mut(&mut self) -> &mut Tally {
        &mut self.tally
    }

    /// Seconds since midnight.
    pub const fn clock(&self) -> f64 {
        self.clock
    }

    /// Pods that were not told to end: what the Deployment counts as its replicas.
    pub fn replicas(&self) -> u32 {
        self.pods.iter().filter(|pod| !pod.is_draining()).count() as u32
    }

    /// Pods that take requests.
    pub fn ready(&self) -> u32 {
        self.pods.iter().filter(|pod| pod.is_ready()).count() as u32
    }

    /// Requests in queues: those of the replicas and the load balancer's.
    pub fn waiting(&self) -> usize {
        self.held.len() + self.pods.iter().map(|pod| pod.replica.waiting()).sum::<usize>()
    }

    /// Requests in batches.
    pub fn running(&self) -> usize {
        self.pods.iter().map(|pod| pod.replica.running()).sum()
    }

    /// Requests that have come and neither ended nor were given up.
    pub fn in_system(&self) -> usize {
        self.waiting() + self.running()
    }

    /// Mean share of the KV cache in use over the replicas that serve, 0 to 1.
    pub fn kv_usage(&self) -> f64 {
        let usage = || self.pods.iter().filter(|pod| pod.serves_metrics()).map(|pod| pod.replica.kv_usage());
        usage().sum::<f64>() / usage().count().max(1) as f64
    }

    /// Hours of all pods from creation to deletion, loading and draining included.
    pub fn replica_hours(&self) -> f64 {
        let present: f64 = self.pods.iter().map(|pod| self.clock - pod.created).sum();
        (self.past_seconds + present) / 3600.0
    }

    /// Dollars for these hours.
    pub fn cost(&self) -> f64 {
        self.replica_hours() * self.setup.dollars_per_hour
    }

    /// The most pods that there ever were at once, draining ones included.
    pub const fn peak(&self) -> usize {
        self.peak
    }

    /// A request comes; time passes until then.
    pub fn offer(&mut self, arrival: Arrival) {
        self.settle(arrival.at);
        self.tally.arrived += 1;
        self.dispatch(Request::new(arrival));
    }

    /// Lets time pass until `to`, seconds since midnight, and sets every gauge to that moment.
    pub fn advance(&mut self, to: f64) {
        self.settle(to);
        for pod in &mut self.pods {
            pod.replica.advance(to, &mut self.tally);
            if pod.serves_metrics() {
                pod.gpu.sample(to, pod.replica.work());
            }
        }
        // A batch that has just run empty lets its pod go.
        self.settle(to);
    }

    /// Asks for `wanted` pods: creates what is missing, ends what is too many. As a ReplicaSet does, it
    /// ends those that are not ready first, then those that have been ready for the shortest time.
    pub fn scale_to(&mut self, wanted: u32) {
        while self.replicas() < wanted {
            self.create();
        }
        while self.replicas() > wanted {
            let rank = |pod: &Pod| match pod.phase {
                Phase::Draining { .. } => None,
                Phase::Loading { .. } => Some((1, pod.created)),
                Phase::Ready { since } => Some((0, since)),
            };
            let ranked = self.pods.iter().enumerate().filter_map(|(n, pod)| rank(pod).map(|rank| (rank, n)));
            let Some((_, victim)) =
                ranked.max_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
            else {
                return;
            };
            self.end(victim);
        }
        self.schedule();
    }

    fn create(&mut self) {
        let (least, most) = self.setup.load_seconds;
        let until = self.clock + least + (most - least) * self.random.uniform();
        self.pods.push(Pod {
            id: self.next_id,
            name: pod_name(&mut self.random),
            created: self.clock,
            phase: Phase::Loading { until },
            replica: Replica::new(self.setup.engine, self.clock),
            gpu: Gpu::new(self.clock),
        });
        self.next_id += 1;
        self.peak = self.peak.max(self.pods.len());
    }

    fn end(&mut self, index: usize) {
        let pod = &mut self.pods[index];
        if !pod.is_ready() {
            self.remove(index);
            return;
        }
        pod.phase = Phase::Draining { until: self.clock + self.setup.grace_seconds };
        pod.replica.advance(self.clock, &mut self.tally);
        let back = pod.replica.drain();
        let idle = pod.replica.outstanding() == 0;
        for request in back {
            self.dispatch(request);
        }
        if idle {
            self.remove(index);
        }
    }

    fn remove(&mut self, index: usize) {
        let mut pod = self.pods.remove(index);
        pod.replica.kill(&mut self.tally);
        self.past_seconds += self.clock - pod.created;
    }

    /// Gives `request` to the ready replica with the fewest requests, the oldest of equals.
    fn dispatch(&mut self, request: Request) {
        let now = self.clock;
        for pod in self.pods.iter_mut().filter(|pod| pod.replica.next_change() <= now) {
            pod.replica.advance(now, &mut self.tally);
        }
        let ready = self.pods.iter_mut().filter(|pod| pod.is_ready());
        let Some(pod) = ready.min_by_key(|pod| pod.replica.outstanding()) else {
            self.held.push_back(request);
            return;
        };
        pod.replica.advance(now, &mut self.tally);
        pod.replica.push(request, now, &mut self.tally);
    }

    /// Lets time pass until `to`, and what happens to pods happen in its turn.
    fn settle(&mut self, to: f64) {
        while self.next_event <= to {
            self.clock = self.clock.max(self.next_event);
            for pod in &mut self.pods {
                if let Phase::Loading { until } = pod.phase
                    && until <= self.clock
                {
                    pod.phase = Phase::Ready { since: until };
                    pod.gpu = Gpu::new(until);
                    pod.replica.advance(until, &mut self.tally);
                }
            }
            self.let_go();
            for _ in 0..self.held.len() {
                let Some(request) = self.held.pop_front() else { break };
                if self.clock - request.arrival.at > self.setup.engine.patience {
                    self.tally.hang_up();
                } else {
                    self.dispatch(request);
                }
            }
            self.schedule();
        }
        self.clock = to;
    }

    /// Deletes the pods that have drained, and those whose time is over.
    fn let_go(&mut self) {
        for index in (0..self.pods.len()).rev() {
            let pod = &mut self.pods[index];
            if let Phase::Draining { until } = pod.phase {
                pod.replica.advance(self.clock, &mut self.tally);
                if pod.replica.outstanding() == 0 || until <= self.clock {
                    self.remove(index);
                }
            }
        }
    }

    fn schedule(&mut self) {
        self.next_event = self.pods.iter().map(Pod::next_event).fold(f64::INFINITY, f64::min);
    }
}

/// The letters that Kubernetes makes names of: no vowels, no look-alikes.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

fn pod_name(random: &mut Random) -> String {
    let mut letter = || char::from(LETTERS[(random.bits() % LETTERS.len() as u64) as usize]);
    let tail: String = (0..5).map(|_| letter()).collect();
    format!("vllm-7c9d8b6f5-{tail}")
}

#[cfg(test)]
mod tests;
