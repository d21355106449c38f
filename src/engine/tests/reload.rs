//! New definitions while serving.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::core::metric::Aggregate;
use crate::core::metric::Metric;
use crate::engine::fake::{Deed, Fake, World, like, timed};
use crate::engine::{AskError, Definitions};
use crate::source::Source;

const SECS: fn(u64) -> Duration = Duration::from_secs;

fn definitions(source: &Arc<Fake>) -> Definitions {
    Definitions {
        sources: vec![Arc::clone(source) as Arc<dyn Source>],
        metrics: Vec::new(),
        ..Definitions::default()
    }
}

#[tokio::test(start_paused = true)]
async fn what_stays_the_same_stays_warm() {
    let world = World::new();
    world.install(vec![like("queue", "mine")]);
    world.value("mine").await;
    let before = world.source.calls().len();
    for _ in 0..20 {
        world.install(vec![like("queue", "mine")]);
        for metric in ["mine", "queue"] {
            let (value, took) = timed(world.value(metric)).await;
            assert!((value - 7.0).abs() < 1e-9);
            assert!(took.is_zero());
        }
    }
    assert_eq!(world.source.calls().len(), before);
    assert_eq!(world.engine.generation().number(), 22);
    // Nor is it read twice from now on.
    world.keep_asking("queue", 60).await;
    assert!(world.source.calls().len() - before <= 31, "{}", world.source.calls().len() - before);
}

#[tokio::test(start_paused = true)]
async fn metrics_come_go_and_change() {
    let world = World::new();
    world.source.script().pods = vec![("ai".into(), "a-0".into()), ("ai".into(), "a-1".into())];
    let named = |world: &World, name: &str| {
        world.engine.generation().names().iter().any(|known| known.as_ref() == name)
    };
    assert!(matches!(world.ask("mine").await, Err(AskError::Unknown)));
    world.install(vec![like("queue", "mine")]);
    assert!(named(&world, "mine"));
    assert!((world.value("mine").await - 14.0).abs() < 1e-9);
    world.install(vec![Metric { aggregate: Aggregate::Max, ..like("queue", "mine") }]);
    assert!((world.value("mine").await - 7.0).abs() < 1e-9);
    world.install(Vec::new());
    assert!(!named(&world, "mine") && named(&world, "queue"));
    assert!(matches!(world.ask("mine").await, Err(AskError::Unknown)));
}

#[tokio::test(start_paused = true)]
async fn reloads_do_not_pile_up_slots() {
    let world = World::new();
    for n in 0..100_u64 {
        world.install(vec![Metric { refresh: Some(SECS(n + 1)), ..like("queue", "mine") }]);
        world.value("mine").await;
        sleep(SECS(10)).await;
    }
    // Those of the last five minutes.
    let slots = world.engine.generation().slots().len();
    assert!(slots <= 41, "{slots}");
    sleep(SECS(600)).await;
    world.install(Vec::new());
    assert!(world.engine.generation().slots().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_replaced_source_is_left_alone_and_keeps_nobody_waiting() {
    let world = World::new();
    world.source.script().deed = Deed::Hang;
    for n in 0..50 {
        let _ = world.ask(&format!("g{n}")).await;
    }
    let fresh = Fake::new("main");
    world.engine.install(definitions(&fresh));
    let (value, took) = timed(world.value("queue")).await;
    assert!((value - 7.0).abs() < 1e-9);
    assert!(took.is_zero(), "{took:?}");

    let world = World::new();
    world.keep_asking("queue", 10).await;
    let fresh = Fake::new("main");
    world.engine.install(definitions(&fresh));
    world.value("queue").await;
    let before = world.source.calls().len();
    world.keep_asking("queue", 30).await;
    assert_eq!(world.source.calls().len(), before);
    assert!(fresh.calls().len() >= 14);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_stays_keeps_its_bound_of_questions_at_once() {
    let world = World::new();
    world.source.script().takes = SECS(30);
    for n in 0..8 {
        let _ = world.ask(&format!("g{n}")).await;
    }
    world.install(Vec::new());
    for n in 8..20 {
        let _ = world.ask(&format!("g{n}")).await;
    }
    assert_eq!(world.source.most_at_once(), 8);
}
