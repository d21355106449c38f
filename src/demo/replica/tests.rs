use super::*;
use crate::demo::random::Random;

const NEVER: Engine = Engine {
    max_num_seqs: 4,
    max_num_batched_tokens: 1_000,
    kv_tokens: 10_000,
    step_seconds: 0.01,
    step_seconds_per_sequence: 0.001,
    step_seconds_per_prompt_token: 0.000_1,
    patience: f64::INFINITY,
    target: 2.0,
};

fn arrival(at: f64, prompt: u32, output: u32) -> Arrival {
    Arrival { at, prompt, output, cut: false }
}

/// Lets the arrivals come at their times and then looks after each millisecond of a while.
fn run(
    engine: Engine,
    arrivals: &[Arrival],
    seconds: f64,
    mut look: impl FnMut(&Replica),
) -> (Replica, Tally) {
    let mut replica = Replica::new(engine, 0.0);
    let mut tally = Tally::default();
    for arrival in arrivals {
        replica.advance(arrival.at, &mut tally);
        replica.push(Request::new(*arrival), arrival.at, &mut tally);
        look(&replica);
    }
    let from = arrivals.last().map_or(0.0, |arrival| arrival.at);
    for millisecond in 1..=(seconds * 1000.0) as u32 {
        replica.advance(from + f64::from(millisecond) / 1000.0, &mut tally);
        look(&replica);
    }
    (replica, tally)
}

fn close(seen: f64, expected: f64) {
    assert!((seen - expected).abs() < 1e-6, "{seen} instead of {expected}");
}

#[test]
fn without_load_the_first_token_takes_its_prefill_and_the_others_a_step_each() {
    let (replica, tally) = run(NEVER, &[arrival(1.0, 500, 11)], 2.0, |_| ());
    let counters = replica.counters();
    close(counters.first_token.sum(), 0.01 + 0.05);
    close(counters.prefill.sum(), 0.06);
    close(counters.queue.sum(), 0.0);
    close(counters.decode.sum(), 10.0 * 0.011);
    close(counters.request.sum(), 0.06 + 0.11);
    close(counters.per_output_token.sum(), 0.011);
    assert_eq!((counters.prompt_tokens, counters.generation_tokens, counters.stopped), (500, 11, 1));
    assert_eq!((tally.finished, tally.within), (1, 1));
    assert_eq!(replica.kv_usage().to_bits(), 0.0_f64.to_bits());
}

#[test]
fn a_long_prompt_takes_several_steps() {
    let (replica, _) = run(NEVER, &[arrival(0.0, 2_500, 1)], 2.0, |_| ());
    close(replica.counters().first_token.sum(), 3.0 * 0.01 + 0.25);
    assert_eq!(replica.work().steps, 3);
    assert_eq!(replica.work().tokens, 2_500);
}

#[test]
fn a_request_joins_at_the_next_step_of_a_batch_that_decodes() {
    // The first decodes until 0.12 s; the second comes in the middle of the step that ends at 0.075 s.
    let (replica, _) = run(NEVER, &[arrival(0.0, 100, 10), arrival(0.07, 100, 1)], 1.0, |_| ());
    let begins = 0.02 + 5.0 * 0.011;
    close(replica.counters().queue.sum(), begins - 0.07);
    close(replica.counters().first_token.sum(), 0.02 + begins - 0.07 + 0.021);
}

#[test]
fn the_batch_has_a_limit_and_the_queue_is_served_in_order() {
    let arrivals: Vec<Arrival> = (0..6).map(|_| arrival(0.0, 100, 50)).collect();
    let mut most = 0;
    let (replica, tally) = run(NEVER, &arrivals, 5.0, |replica| {
        most = most.max(replica.running());
        // The others have come during the first one's prefill.
        assert!(replica.waiting() == 0 || replica.running() == 4 || replica.clock() < 0.02);
        assert_eq!(replica.outstanding(), replica.waiting() + replica.running());
    });
    assert_eq!((most, tally.finished), (4, 6));
    assert_eq!(replica.counters().queue.count(), 6);
}

#[test]
fn a_full_kv_cache_preempts_the_youngest_and_loses_nothing() {
    let engine = Engine { kv_tokens: 1_000, max_num_seqs: 8, ..NEVER };
    let mut random = Random::new(3);
    let arrivals: Vec<Arrival> = (0..200)
        .map(|n| {
            let (prompt, output) = (1 + random.bits() % 300, 1 + random.bits() % 400);
            arrival(f64::from(n) * 0.3, prompt as u32, output as u32)
        })
        .collect();
    let (replica, tally) = run(engine, &arrivals, 300.0, |replica| {
        assert!((0.0..=1.0).contains(&replica.kv_usage()), "{}", replica.kv_usage());
    });
    let counters = replica.counters();
    assert!(counters.preemptions > 0);
    assert_eq!((tally.finished, tally.first_tokens), (200, 200));
    assert_eq!(counters.prompt_tokens, arrivals.iter().map(|arrival| u64::from(arrival.prompt)).sum::<u64>());
    assert_eq!(
        counters.generation_tokens,
        arrivals.iter().map(|arrival| u64::from(arrival.output)).sum::<u64>()
    );
    assert_eq!(replica.kv_usage().to_bits(), 0.0_f64.to_bits());
}

#[test]
fn histograms_agree_with_the_counters() {
    let mut random = Random::new(5);
    let mut at = 0.0;
    let arrivals: Vec<Arrival> = (0..2_000)
        .map(|n| {
            at += random.exponential() * 0.2;
            Arrival {
                cut: n % 7 == 0,
                ..arrival(at, 1 + random.bits() as u32 % 900, 1 + random.bits() as u32 % 90)
            }
        })
        .collect();
    let (replica, _) = run(NEVER, &arrivals, 100.0, |_| ());
    let counters = replica.counters();
    let finished = counters.stopped + counters.cut;
    assert_eq!((finished, counters.cut), (2_000, 286));
    for histogram in [
        &counters.request,
        &counters.queue,
        &counters.prefill,
        &counters.decode,
        &counters.inference,
        &counters.per_output_token,
        &counters.first_token,
        &counters.prompt,
        &counters.output,
    ] {
        assert_eq!(histogram.count(), finished);
        assert_eq!(histogram.cumulative().last(), Some((f64::INFINITY, finished)));
    }
    assert_eq!(counters.between_tokens.count(), counters.generation_tokens - finished);
    close(counters.inference.sum(), counters.prefill.sum() + counters.decode.sum());
    close(counters.request.sum(), counters.queue.sum() + counters.inference.sum());
    close(counters.first_token.sum(), counters.queue.sum() + counters.prefill.sum());
    close(counters.between_tokens.sum(), counters.decode.sum());
    close(counters.prompt.sum(), counters.prompt_tokens as f64);
    close(counters.output.sum(), counters.generation_tokens as f64);
}

#[test]
fn how_often_one_looks_changes_nothing() {
    let arrivals: Vec<Arrival> = (0..40).map(|n| arrival(f64::from(n) * 0.21, 400, 120)).collect();
    let (often, _) = run(NEVER, &arrivals, 60.0, |_| ());
    let mut rarely = Replica::new(NEVER, 0.0);
    let mut tally = Tally::default();
    for arrival in &arrivals {
        rarely.advance(arrival.at, &mut tally);
        rarely.push(Request::new(*arrival), arrival.at, &mut tally);
    }
    rarely.advance(1e6, &mut tally);
    close(rarely.counters().request.sum(), often.counters().request.sum());
    assert_eq!(rarely.work().steps, often.work().steps);
}

#[test]
fn the_number_of_requests_changes_no_sooner_than_announced() {
    let arrivals: Vec<Arrival> = (0..8).map(|n| arrival(0.0, 100, 20 + 10 * n)).collect();
    let (mut replica, mut tally) = run(NEVER, &arrivals, 0.0, |_| ());
    let mut ends = 0;
    while replica.outstanding() > 0 {
        let (until, outstanding) = (replica.next_change(), replica.outstanding());
        replica.advance(until - 1e-6, &mut tally);
        assert_eq!(replica.outstanding(), outstanding);
        replica.advance(until + 1e-6, &mut tally);
        ends += usize::from(replica.outstanding() < outstanding);
    }
    assert_eq!((ends, replica.next_change()), (8, f64::INFINITY));
}

#[test]
fn a_client_without_a_token_hangs_up() {
    let engine = Engine { max_num_seqs: 1, patience: 1.0, ..NEVER };
    let (replica, tally) = run(engine, &[arrival(0.0, 10, 200), arrival(0.0, 10, 200)], 10.0, |_| ());
    assert_eq!((tally.finished, tally.hung_up), (1, 1));
    assert_eq!((replica.counters().aborted, replica.counters().gone()), (1, 2));
    assert_eq!(replica.counters().request.count(), 1);
}

#[test]
fn draining_gives_back_who_has_seen_nothing_and_finishes_the_rest() {
    let arrivals: Vec<Arrival> = (0..7).map(|_| arrival(0.0, 100, 50)).collect();
    let (mut replica, mut tally) = run(NEVER, &arrivals, 0.2, |_| ());
    let back = replica.drain();
    assert_eq!((back.len(), replica.waiting(), replica.running()), (3, 0, 4));
    assert!(back.iter().all(|request| !request.started()));
    replica.advance(100.0, &mut tally);
    assert_eq!((tally.finished, replica.outstanding()), (4, 0));
}

#[test]
fn a_killed_replica_counts_what_it_cuts_off() {
    let arrivals: Vec<Arrival> = (0..7).map(|_| arrival(0.0, 100, 50)).collect();
    let (mut replica, mut tally) = run(NEVER, &arrivals, 0.2, |_| ());
    replica.kill(&mut tally);
    assert_eq!((tally.cut_off, tally.first_tokens, replica.outstanding()), (7, 4, 0));
    assert_eq!(tally.quantile(1.0), Some(f64::INFINITY));
}

#[test]
#[should_panic(expected = "exceed the KV cache")]
fn a_request_that_can_never_fit_is_a_mistake_of_the_caller() {
    run(NEVER, &[arrival(0.0, 10_000, 1)], 0.0, |_| ());
}
