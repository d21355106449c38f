//! One simulated replica: an engine that batches continuously, as vLLM does.
//!
//! ```text
//! push ──▶ waiting (first come, first served) ──▶ running: prefill in chunks, then one token a step
//!               ▲                                      │
//!               └────────── preempted, KV cache full ──┘
//! ```
//!
//! The engine runs one step after another. What a step holds is decided when it begins, so a request
//! that comes while one is under way waits for the next. Steps that only decode repeat unchanged
//! until a request ends, and are taken in one leap: the cost of a simulated day grows with its
//! requests, not with its tokens.

use std::collections::VecDeque;

use super::counters::{Counters, Finish, Work};
use super::tally::Tally;
use super::trace::Arrival;

/// How fast an engine is and what it holds.
///
/// The defaults stand for Llama 3.1 8B in 16 bits on one A100 with 40 GB. A public sweep of vLLM
/// 0.23 on that card reports about 75 tokens per second for a single request, which is 13.3 ms a
/// step; the sample profile of llm-d's workload variant autoscaler for an 8B model on an A100 gives
/// 0.41 ms for each further sequence and 0.1 ms for each prompt token, which agrees with half of the
/// card's 312 Tflop/s at 16 Gflop a token. One token's keys and values take 128 KiB (32 layers, 8
/// heads, 128 numbers, twice, 2 bytes), so 92 % of the memory less 16 GB of weights and 2 GB of
/// buffers holds 150,000.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Engine {
    /// Sequences in the batch at most (`--max-num-seqs`).
    pub max_num_seqs: usize,
    /// Tokens computed in one step at most (`--max-num-batched-tokens`); longer prompts take several.
    pub max_num_batched_tokens: u32,
    /// Tokens that the KV cache holds. Rounding up to blocks of 16 is left out.
    pub kv_tokens: u32,
    /// Seconds that a step takes by itself: reading the weights, launching kernels.
    pub step_seconds: f64,
    /// Further seconds for each sequence that decodes in the step.
    pub step_seconds_per_sequence: f64,
    /// Further seconds for each prompt token in the step.
    pub step_seconds_per_prompt_token: f64,
    /// Seconds that a client waits for the first token before it hangs up.
    pub patience: f64,
    /// Seconds to the first token that are soon enough.
    pub target: f64,
}

impl Default for Engine {
    fn default() -> Self {
        Self {
            max_num_seqs: 32,
            max_num_batched_tokens: 2_048,
            kv_tokens: 150_000,
            step_seconds: 0.0129,
            step_seconds_per_sequence: 0.000_41,
            step_seconds_per_prompt_token: 0.000_1,
            patience: 60.0,
            target: 2.0,
        }
    }
}

/// A request on its way through a replica.
#[derive(Debug, Clone)]
pub struct Request {
    /// What its client sent, and when.
    pub arrival: Arrival,
    /// When this replica got it, seconds since midnight.
    queued: f64,
    /// When it first became part of a step.
    scheduled: Option<f64>,
    first_token: Option<f64>,
    last_token: f64,
    /// Tokens of the answer so far, as of the last time it joined or left the batch.
    generated: u32,
}

impl Request {
    /// A request that has just come.
    pub const fn new(arrival: Arrival) -> Self {
        let queued = arrival.at;
        Self { arrival, queued, scheduled: None, first_token: None, last_token: 0.0, generated: 0 }
    }

    /// Whether its client has seen a token.
    pub const fn started(&self) -> bool {
        self.first_token.is_some()
    }

    /// Tokens whose keys and values it needs.
    const fn held(&self) -> u32 {
        self.arrival.prompt + self.generated
    }
}

/// A request in the batch.
#[derive(Debug)]
struct Sequence {
    request: Request,
    /// Prompt tokens (and, after a preemption, tokens of the answer) still to be computed.
    prefill_left: u32,
    /// Of those, the ones in the step under way.
    chunk: u32,
    /// The number of the step in which it began to decode, and of the one that ends it.
    decodes_from: u64,
    ends_at: u64,
}

impl Sequence {
    const fn decodes(&self) -> bool {
        self.prefill_left == 0
    }
}

/// The step under way.
#[derive(Debug)]
struct Step {
    seconds: f64,
    end: f64,
    decoding: u32,
    prompt_tokens: u32,
    /// How many times it may run before a sequence ends, the KV cache is full or a client hangs up.
    repeats: u64,
}

/// One replica and all that it has counted.
#[derive(Debug)]
pub struct Replica {
    engine: Engine,
    waiting: VecDeque<Request>,
    /// In order of admission, so the last is the first to be preempted.
    running: Vec<Sequence>,
    /// How many of these are not decoding yet.
    prefilling: u32,
    /// The number of the step that ends the first of the others; never after it.
    next_end: u64,
    step: Option<Step>,
    steps: u64,
    /// When the last step ended, or the idle time so far.
    clock: f64,
    kv_used: u32,
    counters: Counters,
    work: Work,
}

impl Replica {
    /// An idle replica at `now`, seconds since midnight.
    pub fn new(engine: Engine, now: f64) -> Self {
        Self {
            engine,
            waiting: VecDeque::new(),
            running: Vec::with_capacity(engine.max_num_seqs),
            prefilling: 0,
            next_end: u64::MAX,
            step: None,
            steps: 0,
            clock: now,
            kv_used: 0,
            counters: Counters::default(),
            work: Work::default(),
        }
    }

    /// Takes a request at `now`, up to which the replica has been advanced.
    ///
    /// # Panics
    /// When the request can never fit into the KV cache.
    pub fn push(&mut self, mut request: Request, now: f64, tally: &mut Tally) {
        let Arrival { prompt, output, .. } = request.arrival;
        assert!(prompt + output <= self.engine.kv_tokens, "{prompt} + {output} tokens exceed the KV cache");
        request.queued = now;
        self.waiting.push_back(request);
        match &mut self.step {
            // The next step may hold it.
            Some(step) => step.repeats = 1,
            None => self.begin(tally),
        }
    }

    /// Lets time pass until `to`.
    pub fn advance(&mut self, to: f64, tally: &mut Tally) {
        while let Some(step) = self.step.take_if(|step| step.end <= to) {
            let more = ((to - step.end) / step.seconds) as u64;
            self.complete(&step, step.repeats.min(1 + more), tally);
            self.begin(tally);
        }
        if self.step.is_none() {
            self.clock = self.clock.max(to);
        }
    }

    /// Until when the number of requests here cannot change by itself.
    pub fn next_change(&self) -> f64 {
        self.step.as_ref().map_or(f64::INFINITY, |step| (step.repeats - 1) as f64 * step.seconds + step.end)
    }

    /// Stops admitting: gives back those who wait and have seen nothing yet. The others go on.
    pub fn drain(&mut self) -> Vec<Request> {
        let (started, back) = self.waiting.drain(..).partition(Request::started);
        self.waiting = started;
        back.into()
    }

    /// Ends the process: whatever is still here is cut off.
    pub fn kill(&mut self, tally: &mut Tally) {
        self.step = None;
        self.kv_used = 0;
        self.prefilling = 0;
        for request in self.running.drain(..).map(|sequence| sequence.request).chain(self.waiting.drain(..)) {
            self.counters.aborted += 1;
            tally.cut(request.started());
        }
    }

    /// Requests in the queue.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Requests in the batch.
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Requests in the queue or the batch.
    pub fn outstanding(&self) -> usize {
        self.waiting.len() + self.running.len()
    }

    /// The share of the KV cache in use, 0 to 1.
    pub fn kv_usage(&self) -> f64 {
        f64::from(self.kv_used) / f64::from(self.engine.kv_tokens)
    }

    /// What it has counted since it began.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What its GPU has done since it began.
    pub const fn work(&self) -> &Work {
        &self.work
    }

    /// The end of the last step when idle, otherwise the beginning of the one under way.
    pub const fn clock(&self) -> f64 {
        self.clock
    }

    /// Decides what the next step holds; none when there is nothing to do.
    fn begin(&mut self, tally: &mut Tally) {
        let Engine { max_num_seqs, max_num_batched_tokens, kv_tokens, patience, .. } = self.engine;
        // A request in the batch may need one more token's room in this step.
        let mut preempted = false;
        while self.kv_used + self.running.len() as u32 > kv_tokens {
            self.preempt();
            preempted = true;
        }
        let decoding = self.running.len() as u32 - self.prefilling;
        let mut budget = max_num_batched_tokens.saturating_sub(decoding);
        let whole = budget;
        // The last ones admitted are the ones whose prompts are not done.
        for sequence in self.running.iter_mut().skip_while(|sequence| sequence.decodes()) {
            sequence.chunk = sequence.prefill_left.min(budget);
            budget -= sequence.chunk;
        }
        while let Some(front) = self.waiting.front() {
            if !front.started() && self.clock - front.arrival.at > patience {
                self.counters.aborted += 1;
                tally.hang_up();
                self.waiting.pop_front();
                continue;
            }
            let held = front.held();
            let room = self.kv_used + held + (self.running.len() as u32) < kv_tokens;
            if preempted || budget == 0 || !room || self.running.len() == max_num_seqs {
                break;
            }
            let Some(mut request) = self.waiting.pop_front() else { break };
            request.scheduled.get_or_insert(self.clock);
            let chunk = held.min(budget);
            budget -= chunk;
            self.kv_used += held;
            self.prefilling += 1;
            self.running.push(Sequence { request, prefill_left: held, chunk, decodes_from: 0, ends_at: 0 });
        }
        self.step = (!self.running.is_empty()).then(|| self.plan(decoding, whole - budget));
    }

    fn plan(&self, decoding: u32, prompt_tokens: u32) -> Step {
        let seconds = self.engine.step_seconds
            + self.engine.step_seconds_per_sequence * f64::from(decoding)
            + self.engine.step_seconds_per_prompt_token * f64::from(prompt_tokens);
        let repeats = if prompt_tokens > 0 {
            1
        } else {
            let until_end = self.next_end - self.steps;
            let until_full = u64::from((self.engine.kv_tokens - self.kv_used) / decoding.max(1));
            let deadline = self.waiting.front().map_or(f64::INFINITY, |front| {
                if front.started() { f64::INFINITY } else { front.arrival.at + self.engine.patience }
            });
            // The first step to end after the client has hung up.
            let until_gone = (((deadline - self.clock) / seconds) as u64).saturating_add(1);
            until_end.min(until_full).min(until_gone).max(1)
        };
        Step { seconds, end: self.clock + seconds, decoding, prompt_tokens, repeats }
    }

    /// Puts the youngest sequence back at the head of the queue; its tokens must be computed again.
    fn preempt(&mut self) {
        let Some(Sequence { mut request, prefill_left, decodes_from, .. }) = self.running.pop() else {
            return;
        };
        if prefill_left == 0 {
            request.generated += (self.steps - decodes_from) as u32;
            request.last_token = self.clock;
        } else {
            self.prefilling -= 1;
        }
        self.kv_used -= request.held();
        self.counters.preemptions += 1;
        self.waiting.push_front(request);
    }

    /// Ends `step` after it has run `times` times.
    fn complete(&mut self, step: &Step, times: u64, tally: &mut Tally) {
        self.clock = (times - 1) as f64 * step.seconds + step.end;
        self.steps += times;
        let decoded = u64::from(step.decoding) * times;
        self.kv_used += decoded as u32;
        self.counters.decoded(step.seconds, decoded);
        self.work.add(step.seconds, times, decoded + u64::from(step.prompt_tokens));
        if step.prompt_tokens > 0 {
            for sequence in self.running.iter_mut().skip_while(|sequence| sequence.decodes()) {
                sequence.prefill_left -= std::mem::take(&mut sequence.chunk);
                if sequence.decodes() {
                    self.kv_used += 1;
                    self.prefilling -= 1;
                    first_token(sequence, self.clock, self.steps, &self.engine, &mut self.counters, tally);
                    self.next_end = self.next_end.min(sequence.ends_at);
                }
            }
        }
        if self.next_end <= self.steps {
            self.finish(tally);
        }
    }

    /// Lets those go whose answer is complete.
    fn finish(&mut self, tally: &mut Tally) {
        let steps = self.steps;
        for ended in self.running.extract_if(.., |sequence| sequence.decodes() && sequence.ends_at <= steps) {
            let Request { arrival, queued, scheduled, first_token, .. } = ended.request;
            self.kv_used -= arrival.prompt + arrival.output;
            tally.finished += 1;
            self.counters.finished(&Finish {
                arrival,
                queued,
                scheduled: scheduled.unwrap_or(queued),
                first_token: first_token.unwrap_or(self.clock),
                end: self.clock,
            });
        }
        let decoding = self.running.iter().filter(|sequence| sequence.decodes());
        self.next_end = decoding.map(|sequence| sequence.ends_at).min().unwrap_or(u64::MAX);
    }
}

/// The step that computes the last prompt token also yields a token of the answer.
fn first_token(
    sequence: &mut Sequence,
    now: f64,
    steps: u64,
    engine: &Engine,
    counters: &mut Counters,
    tally: &mut Tally,
) {
    let request = &mut sequence.request;
    if request.started() {
        // Computed again after a preemption: one more token, after a long gap.
        counters.decoded(now - request.last_token, 1);
    } else {
        request.first_token = Some(now);
        counters.started(request.arrival.prompt, now - request.queued);
        tally.first_token(now - request.arrival.at, engine.target);
    }
    request.generated += 1;
    sequence.decodes_from = steps;
    sequence.ends_at = steps + u64::from(request.arrival.output - request.generated);
}

#[cfg(test)]
mod tests;
