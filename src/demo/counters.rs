//! What a replica counts, under vLLM's meanings.

use super::histogram::{BETWEEN_TOKENS, FIRST_TOKEN, Histogram, PHASE, TOKENS};
use super::trace::Arrival;

/// Counters and histograms since the replica began.
#[derive(Debug, Clone)]
pub struct Counters {
    /// Prompt tokens of requests that have had their first token.
    pub prompt_tokens: u64,
    /// Tokens of answers.
    pub generation_tokens: u64,
    /// Answers that ended by themselves.
    pub stopped: u64,
    /// Answers that met the limit of tokens.
    pub cut: u64,
    /// Requests given up: by their clients, or when the replica went away.
    pub aborted: u64,
    /// Sequences thrown out of the batch because the KV cache was full.
    pub preemptions: u64,
    /// Seconds from queue to first token.
    pub first_token: Histogram,
    /// Seconds between two tokens of a request.
    pub between_tokens: Histogram,
    /// Seconds for each token after the first, the mean over a request.
    pub per_output_token: Histogram,
    /// Seconds of a whole request.
    pub request: Histogram,
    /// Seconds in the queue.
    pub queue: Histogram,
    /// Seconds from the batch to the first token.
    pub prefill: Histogram,
    /// Seconds from the first token to the last.
    pub decode: Histogram,
    /// Seconds from the batch to the last token.
    pub inference: Histogram,
    /// Prompt tokens of a request.
    pub prompt: Histogram,
    /// Tokens of an answer.
    pub output: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        let phase = || Histogram::new(PHASE);
        Self {
            prompt_tokens: 0,
            generation_tokens: 0,
            stopped: 0,
            cut: 0,
            aborted: 0,
            preemptions: 0,
            first_token: Histogram::new(FIRST_TOKEN),
            between_tokens: Histogram::new(BETWEEN_TOKENS),
            per_output_token: Histogram::new(BETWEEN_TOKENS),
            request: phase(),
            queue: phase(),
            prefill: phase(),
            decode: phase(),
            inference: phase(),
            prompt: Histogram::new(TOKENS),
            output: Histogram::new(TOKENS),
        }
    }
}

/// The life of a request that was answered in full; all times in seconds since midnight.
#[derive(Debug)]
pub struct Finish {
    /// What its client sent.
    pub arrival: Arrival,
    /// When the replica got it.
    pub queued: f64,
    /// When it first became part of a step.
    pub scheduled: f64,
    /// When its first token was sent.
    pub first_token: f64,
    /// When its last token was sent.
    pub end: f64,
}

impl Counters {
    /// A request's prompt is done and its first token sent, `seconds` after it was queued.
    pub fn started(&mut self, prompt: u32, seconds: f64) {
        self.prompt_tokens += u64::from(prompt);
        self.generation_tokens += 1;
        self.first_token.observe(seconds);
    }

    /// So many further tokens were sent, each `seconds` after the one before it.
    pub fn decoded(&mut self, seconds: f64, tokens: u64) {
        self.generation_tokens += tokens;
        self.between_tokens.observe_many(seconds, tokens);
    }

    /// A request was answered in full.
    pub fn finished(&mut self, request: &Finish) {
        let Finish { arrival, queued, scheduled, first_token, end } = *request;
        *(if arrival.cut { &mut self.cut } else { &mut self.stopped }) += 1;
        self.request.observe(end - queued);
        self.queue.observe(scheduled - queued);
        self.prefill.observe(first_token - scheduled);
        self.decode.observe(end - first_token);
        self.inference.observe(end - scheduled);
        self.prompt.observe(f64::from(arrival.prompt));
        self.output.observe(f64::from(arrival.output));
        let further = arrival.output - 1;
        self.per_output_token.observe(if further == 0 {
            0.0
        } else {
            (end - first_token) / f64::from(further)
        });
    }

    /// Requests that are no longer here, however they ended.
    pub const fn gone(&self) -> u64 {
        self.stopped + self.cut + self.aborted
    }
}

/// What a GPU has done since its replica began.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Work {
    /// Seconds in which a step ran.
    pub busy: f64,
    /// Steps; each reads all weights once.
    pub steps: u64,
    /// Tokens computed, of prompts and answers, those computed again included.
    pub tokens: u64,
}

impl Work {
    /// `steps` steps of `seconds` each ran and computed `tokens` altogether.
    pub fn add(&mut self, seconds: f64, steps: u64, tokens: u64) {
        self.busy += seconds * steps as f64;
        self.steps += steps;
        self.tokens += tokens;
    }
}
