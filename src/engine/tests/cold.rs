//! The first request for a signal, and many at once.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use crate::core::refusal::Refusal;
use crate::engine::AskError;
use crate::engine::fake::{Deed, World, like, timed};

const MILLIS: fn(u64) -> Duration = Duration::from_millis;

#[tokio::test(start_paused = true)]
async fn a_cold_request_waits_for_the_first_refresh() {
    let world = World::new();
    world.source.script().takes = MILLIS(300);
    let (value, took) = timed(world.value("queue")).await;
    assert!((value - 7.0).abs() < 1e-9);
    assert_eq!(took, MILLIS(300));
}

#[tokio::test(start_paused = true)]
async fn many_cold_requests_at_once_cause_one_fetch() {
    let world = World::new();
    world.source.script().takes = MILLIS(300);
    world.source.script().pods = (0..100).map(|n| (format!("ns{n}"), "a-0".to_owned())).collect();
    let namespaces: Vec<_> = (0..100).map(|n| format!("ns{n}")).collect();
    let (answers, took) = timed(join_all(namespaces.iter().map(|name| world.ask_in("queue", name)))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(took, MILLIS(300));
    assert_eq!(world.source.count("alpha:queue"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_first_refresh_past_the_deadline_is_refused_in_time_and_answers_later() {
    let world = World::new();
    world.source.script().takes = MILLIS(1_500);
    let (refusal, took) = timed(world.refusal("queue")).await;
    assert!(matches!(refusal, Refusal::Loading { .. }), "{refusal:?}");
    assert_eq!(took, MILLIS(800));
    let (value, took) = timed(world.value("queue")).await;
    assert!((value - 7.0).abs() < 1e-9);
    assert_eq!(took, MILLIS(700));
    assert_eq!(world.source.count("alpha:queue"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_first_refresh_that_fails_refuses_at_once_and_later_requests_do_not_wait() {
    let world = World::new();
    world.source.script().deed = Deed::Fail;
    world.source.script().takes = MILLIS(20);
    let (refusal, took) = timed(world.refusal("queue")).await;
    assert_eq!(took, MILLIS(20));
    assert_eq!(
        refusal.to_string(),
        "queue: source main has not answered for alpha:queue: connection refused"
    );
    for _ in 0..100 {
        let (refusal, took) = timed(world.refusal("queue")).await;
        assert!(matches!(refusal, Refusal::SourceDown { .. }));
        assert_eq!(took, Duration::ZERO);
        sleep(MILLIS(13)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_refresh_that_panics_is_a_failure_and_the_next_may_succeed() {
    let world = World::new();
    world.source.script().deed = Deed::Panic;
    let refusal = world.refusal("queue").await;
    assert!(
        matches!(&refusal, Refusal::SourceDown { cause, .. } if cause.contains("could not be decoded")),
        "{refusal}"
    );
    world.source.script().deed = Deed::Answer;
    sleep(MILLIS(501)).await;
    let (value, took) = timed(world.value("queue")).await;
    assert!((value - 7.0).abs() < 1e-9);
    assert_eq!(took, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn fifty_cold_signals_ask_eight_at_a_time() {
    let world = World::new();
    world.source.script().takes = MILLIS(100);
    let names: Vec<_> = (0..50).map(|n| format!("g{n}")).collect();
    let (answers, took) = timed(join_all(names.iter().map(|name| world.ask(name)))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(took, MILLIS(700));
    assert_eq!(world.source.most_at_once(), 8);
    assert_eq!(world.source.calls().len(), 50);
    // Afterwards, they are read at different times.
    for _ in 0..200 {
        join_all(names.iter().map(|name| world.ask(name))).await;
        sleep(MILLIS(100)).await;
    }
    assert!(world.source.most_at_once() <= 8);
    let calls = world.source.calls();
    let second = |signal: &str| calls.iter().filter(|call| call.signal == signal).nth(1).unwrap().at;
    assert_ne!(second("alpha:g0"), second("alpha:g1"));
}

#[tokio::test(start_paused = true)]
async fn hung_fetches_of_fifty_signals_never_exceed_eight_and_every_request_is_answered_in_time() {
    let world = World::new();
    world.source.script().deed = Deed::Hang;
    let names: Vec<_> = (0..50).map(|n| format!("g{n}")).collect();
    let (answers, took) = timed(join_all(names.iter().map(|name| world.ask(name)))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(AskError::Refused(Refusal::Loading { .. })))));
    assert_eq!(took, MILLIS(800));
    assert_eq!(world.source.most_at_once(), 8);
}

#[tokio::test(start_paused = true)]
async fn names_without_metric_and_metrics_without_source_say_so() {
    let world = World::new();
    assert!(matches!(world.ask("nothing").await, Err(AskError::Unknown)));
    let elsewhere = crate::core::metric::Metric { source: Some("gone".into()), ..like("queue", "elsewhere") };
    world.install(vec![elsewhere]);
    let error = world.ask("elsewhere").await.unwrap_err();
    assert!(matches!(&error, AskError::NoSource(name) if name == "elsewhere"), "{error}");
    assert!(world.source.calls().is_empty());
}
