//! How long an answer stays the answer.

use std::time::Duration;

use tokio::time::sleep;

use crate::engine::fake::{Deed, World, like};

const SECS: fn(u64) -> Duration = Duration::from_secs;

#[tokio::test(start_paused = true)]
async fn an_answer_is_current_until_the_signal_is_read_again() {
    let world = World::new();
    let answer = world.ask("queue").await.unwrap();
    assert!(world.engine.is_current(&answer.stamp));
    let before = world.source.calls().len();
    while world.source.calls().len() == before {
        assert!(world.engine.is_current(&answer.stamp));
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_millis(1)).await;
    assert!(!world.engine.is_current(&answer.stamp));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_not_current_after_a_reload() {
    let world = World::new();
    let answer = world.ask("queue").await.unwrap();
    world.install(Vec::new());
    assert!(!world.engine.is_current(&answer.stamp));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_not_current_once_its_samples_are_too_old() {
    let world = World::new();
    world.keep_asking("queue", 20).await;
    world.source.script().deed = Deed::Hang;
    sleep(SECS(3)).await;
    let answer = world.ask("queue").await.unwrap();
    while world.engine.is_current(&answer.stamp) {
        let age = world.engine.clock().now().since(answer.reading.sampled_at);
        assert!(age < SECS(62));
        assert!(world.ask("queue").await.is_ok());
        sleep(Duration::from_millis(10)).await;
    }
    sleep(Duration::from_millis(10)).await;
    assert!(world.ask("queue").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn remembered_answers_keep_the_demand_alive() {
    let world = World::new();
    // So slow a reading that an answer is current for more than the idle time.
    world.install(vec![crate::core::metric::Metric {
        refresh: Some(SECS(1_000)),
        hold: SECS(5_000),
        ..like("queue", "slow")
    }]);
    world.value("slow").await;
    let mut answer = world.ask("slow").await.unwrap();
    for _ in 0..2_000 {
        if !world.engine.is_current(&answer.stamp) {
            answer = world.ask("slow").await.unwrap();
        }
        sleep(SECS(1)).await;
    }
    assert!(world.engine.generation().slots()[0].is_refreshing());
    assert!((3..=4).contains(&world.source.calls().len()), "{}", world.source.calls().len());
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_was_given_up_is_started_again() {
    let world = World::new();
    let answer = world.ask("queue").await.unwrap();
    sleep(SECS(400)).await;
    let before = world.source.calls().len();
    assert!(!world.engine.is_current(&answer.stamp));
    world.value("queue").await;
    assert_eq!(world.source.calls().len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn the_presence_of_engines_is_part_of_an_answer() {
    let world = World::new();
    world.install(vec![crate::core::metric::Metric { refresh: Some(SECS(100)), ..like("shared", "both") }]);
    world.value("both").await;
    let answer = world.ask("both").await.unwrap();
    world.source.script().engines = vec!["alpha", "beta"];
    sleep(SECS(16)).await;
    assert!(!world.engine.is_current(&answer.stamp));
    assert!((world.value("both").await - 14.0).abs() < 1e-9);
}
