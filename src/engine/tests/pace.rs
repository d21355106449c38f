//! How often a source is read: the interval, demand, failures.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::core::metric::Metric;
use crate::core::refusal::Refusal;
use crate::engine::Pace;
use crate::engine::fake::{Deed, World, like, timed};

const SECS: fn(u64) -> Duration = Duration::from_secs;
const MILLIS: fn(u64) -> Duration = Duration::from_millis;

#[tokio::test(start_paused = true)]
async fn warm_requests_cause_no_fetch_however_many() {
    let world = World::new();
    world.value("queue").await;
    for _ in 0..10_000 {
        let (value, took) = timed(world.value("queue")).await;
        assert!((value - 7.0).abs() < 1e-9);
        assert_eq!(took, Duration::ZERO);
    }
    assert_eq!(world.source.count("alpha:queue"), 1);
}

async fn gaps(takes: Duration, metric: &str, of: &World) -> Vec<Duration> {
    of.source.script().takes = takes;
    of.keep_asking(metric, 120).await;
    of.source.gaps()
}

#[tokio::test(start_paused = true)]
async fn the_interval_follows_the_cost() {
    for (takes, interval) in [(0, 2_000), (10, 2_000), (50, 5_000), (150, 15_000), (900, 15_000)] {
        let gaps = gaps(MILLIS(takes), "queue", &World::new()).await;
        let (first, rest) = gaps.split_first().unwrap();
        assert!(
            (interval / 2..=interval + takes).contains(&(first.as_millis() as u64)),
            "first after {first:?} of {interval} ms"
        );
        assert!(rest.len() > 5);
        for gap in rest {
            assert!(gap.as_millis().abs_diff(u128::from(interval)) <= 2, "{gap:?} instead of {interval} ms");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_reads_ahead_is_asked_twice_while_its_numbers_are_new_once() {
    for (renews, takes, interval) in
        [(2_000, 0, 1_000), (500, 0, 250), (500, 20, 500), (2_000, 900, 2_000), (60_000, 0, 15_000)]
    {
        let world = World::new();
        world.source.script().renews = Some(MILLIS(renews));
        let gaps = gaps(MILLIS(takes), "queue", &world).await;
        assert!(gaps.len() > 5, "{gaps:?}");
        for gap in &gaps[1..] {
            assert!(gap.as_millis().abs_diff(interval) <= 2, "{gap:?} instead of {interval} ms");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_metric_may_fix_the_interval() {
    let world = World::new();
    world.install(vec![Metric { refresh: Some(SECS(7)), ..like("queue", "mine") }]);
    let gaps = gaps(MILLIS(300), "mine", &world).await;
    assert!(gaps[1..].iter().all(|gap| gap.as_millis().abs_diff(7_000) <= 2), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn reading_stops_after_five_idle_minutes_and_starts_again_with_the_next_request() {
    let world = World::new();
    let began = Instant::now();
    world.value("queue").await;
    sleep(SECS(600)).await;
    let last = world.source.calls().last().unwrap().at - began;
    assert!(SECS(295) < last && last <= SECS(300), "{last:?}");
    let slots = world.engine.generation().slots();
    assert!(!slots[0].is_refreshing());
    assert!(slots[0].snapshot().set.is_none(), "what nobody asks for is not kept");

    let before = world.source.calls().len();
    world.source.script().takes = MILLIS(100);
    let (value, took) = timed(world.value("queue")).await;
    assert!((value - 7.0).abs() < 1e-9);
    assert_eq!(took, MILLIS(100));
    assert_eq!(world.source.calls().len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_while_the_signal_is_given_up_is_answered() {
    for millis in (298_000..305_000).step_by(147) {
        let world = World::new();
        world.source.script().takes = MILLIS(10);
        world.value("queue").await;
        sleep(MILLIS(millis)).await;
        let (answer, took) = timed(world.ask("queue")).await;
        assert!(answer.is_ok(), "after {millis} ms: {answer:?}");
        assert!(took <= MILLIS(10), "after {millis} ms");
        sleep(SECS(10)).await;
        assert!(world.engine.generation().slots()[0].is_refreshing());
    }
}

#[test]
fn the_backoff_doubles_up_to_the_slowest_interval() {
    let pace = Pace::default();
    let pauses: Vec<u64> = (1..8).map(|n| pace.backoff(n).as_millis() as u64).collect();
    assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
    assert_eq!(pace.backoff(u32::MAX), SECS(15));
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_with_backoff_and_recovery_is_immediate() {
    let world = World::new();
    world.source.script().deed = Deed::Fail;
    world.keep_asking("queue", 90).await;
    let gaps = world.source.gaps();
    assert!(gaps.len() >= 8, "{gaps:?}");
    for (index, gap) in gaps.iter().enumerate() {
        let most = Pace::default().backoff(index as u32 + 1);
        assert!(most / 2 <= *gap && *gap <= most + MILLIS(2), "pause {index}: {gap:?} of {most:?}");
    }

    world.source.script().deed = Deed::Answer;
    let before = world.source.calls().len();
    while world.source.calls().len() == before {
        sleep(MILLIS(10)).await;
    }
    sleep(MILLIS(1)).await;
    assert!((world.value("queue").await - 7.0).abs() < 1e-9);
    world.keep_asking("queue", 10).await;
    let gaps = &world.source.gaps()[before..];
    assert!(gaps.iter().all(|gap| gap.as_millis().abs_diff(2_000) <= 2), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hanging_source_leaves_the_last_set_with_its_true_time_until_the_bound() {
    let world = World::new();
    world.keep_asking("queue", 20).await;
    world.source.script().deed = Deed::Hang;
    sleep(SECS(2)).await;
    let last = world.ask("queue").await.unwrap().reading;
    let mut held = false;
    let refusal = loop {
        sleep(MILLIS(500)).await;
        let (answer, took) = timed(world.ask("queue")).await;
        assert_eq!(took, Duration::ZERO, "a warm signal never waits");
        let age = world.engine.clock().now().since(last.sampled_at);
        match answer {
            Ok(answer) => {
                assert_eq!(answer.reading.at, last.at);
                // A minute, from when the next sample was due.
                assert!(age <= SECS(62), "{age:?}");
                assert!(answer.reading.held || !held, "held once, held until it ends");
                held = answer.reading.held;
            }
            Err(error) => {
                assert!(age > SECS(62), "{age:?}");
                break error.to_string();
            }
        }
    };
    assert!(held);
    assert_eq!(
        refusal,
        "queue: last sample of alpha:queue is 1m2s old (limit 1m2s); source main: no answer for 1m2s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panicking_fetch_is_a_failure_and_reading_goes_on() {
    let world = World::new();
    world.keep_asking("queue", 10).await;
    world.source.script().deed = Deed::Panic;
    world.keep_asking("queue", 40).await;
    let answer = world.ask("queue").await.unwrap();
    assert!(answer.reading.held);
    world.keep_asking("queue", 40).await;
    let refusal = world.refusal("queue").await;
    assert!(
        matches!(&refusal, Refusal::Stale { cause: Some(cause), .. } if cause.contains("decoded")),
        "{refusal}"
    );
    world.source.script().deed = Deed::Answer;
    world.keep_asking("queue", 16).await;
    assert!(!world.ask("queue").await.unwrap().reading.held);
}
