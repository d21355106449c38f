//! What is true of the engines, so that it is known which answers cannot be.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Mutex;

use tokio::time::{Duration, Instant};

use super::chaos::Random;

/// Engines, a pod each.
pub(super) const PODS: usize = 4;

/// How long ago an answer may have been true: the hold, the pace of the source, and what it takes to read.
const MEMORY: Duration = Duration::from_secs(40);

/// Between two changes.
const STEP: Duration = Duration::from_secs(4);

pub(super) struct Truth(Mutex<State>);

struct State {
    random: Random,
    /// Requests in each queue since then, oldest first. As many run as wait.
    queues: VecDeque<(Instant, [u64; PODS])>,
    /// When each engine began to count.
    began: [Instant; PODS],
    hidden: [bool; PODS],
}

impl Truth {
    pub(super) fn new(random: Random) -> Self {
        let now = Instant::now();
        let state = State {
            random,
            queues: VecDeque::from([(now, [40; PODS])]),
            began: [now; PODS],
            hidden: [false; PODS],
        };
        Self(Mutex::new(state))
    }

    /// The page of an engine, unless it is gone.
    pub(super) fn page(&self, pod: usize) -> Option<String> {
        let mut state = self.0.lock().expect("no panic");
        state.go_on();
        if state.hidden[pod] {
            return None;
        }
        let (_, queues) = state.queues.back()?;
        let mut page = String::new();
        for name in ["waiting", "running"] {
            let _ = writeln!(page, "vllm:num_requests_{name}{{model_name=\"m\"}} {}", queues[pod]);
        }
        let finished = state.began[pod].elapsed().as_secs_f64() * 10.0;
        let labels = "model_name=\"m\",finished_reason=\"stop\"";
        let _ = writeln!(page, "vllm:request_success_total{{{labels}}} {finished}");
        Some(page)
    }

    /// Whether the engine is gone. One that comes back counts from 0.
    pub(super) fn hide(&self, pod: usize, hidden: bool) {
        let mut state = self.0.lock().expect("no panic");
        state.hidden[pod % PODS] = hidden;
        state.began[pod % PODS] = Instant::now();
    }

    /// The least and the most that the sum of all queues can be said to be. Each pod's number may be of
    /// another time.
    pub(super) fn bounds(&self) -> (u64, u64) {
        let mut state = self.0.lock().expect("no panic");
        state.go_on();
        let of_pod = |pod: usize| {
            let all = state.queues.iter().map(move |(_, queues)| queues[pod]);
            (all.clone().min().unwrap_or(0), all.max().unwrap_or(0))
        };
        (0..PODS).map(of_pod).fold((0, 0), |sum, pod| (sum.0 + pod.0, sum.1 + pod.1))
    }
}

impl State {
    /// A request more or less in each queue every few seconds, so that a sum without one of the pods is
    /// none that was true lately.
    fn go_on(&mut self) {
        let now = Instant::now();
        while let Some((last, queues)) = self.queues.back().copied().filter(|(last, _)| *last + STEP <= now) {
            let next = queues.map(|queue| (queue + self.random.below(3)).saturating_sub(1).clamp(30, 50));
            self.queues.push_back((last + STEP, next));
        }
        while self.queues.get(1).is_some_and(|(since, _)| *since + MEMORY < now) {
            self.queues.pop_front();
        }
    }
}
