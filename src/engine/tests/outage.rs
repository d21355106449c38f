//! After an outage beyond the bound or a restart, windows must fill before they are believed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::core::refusal::Refusal;
use crate::engine::fake::{Deed, World};

const SECS: fn(u64) -> Duration = Duration::from_secs;

async fn keep_asking(world: &World, seconds: u64) {
    for _ in 0..seconds {
        let _ = world.ask("rate").await;
        world.keep_asking("queue", 1).await;
    }
}

/// Asks until the rate is told again; the gauge has to be told all the time.
async fn covered_after(world: &World, began: Instant) -> Duration {
    loop {
        assert!((world.value("queue").await - 7.0).abs() < 1e-9, "a gauge recovers at once");
        match world.ask("rate").await {
            Ok(_) => return began.elapsed(),
            Err(error) => assert!(error.to_string().contains("is not covered yet"), "{error}"),
        }
        sleep(Duration::from_millis(500)).await;
    }
}

async fn outage(world: &World, seconds: u64) {
    keep_asking(world, 20).await;
    world.source.script().deed = Deed::Fail;
    keep_asking(world, seconds).await;
    world.source.script().deed = Deed::Answer;
    // The longest backoff passes.
    keep_asking(world, 16).await;
}

#[tokio::test(start_paused = true)]
async fn a_window_is_refused_after_an_outage_until_it_is_covered() {
    let world = World::new();
    outage(&world, 120).await;
    let began = Instant::now();
    let refusal = world.refusal("rate").await;
    assert!(matches!(refusal, Refusal::Recovering { .. }), "{refusal}");
    // Two minutes, counted from the first answer after the outage, and the next read.
    let after = covered_after(&world, began).await;
    assert!(SECS(104) <= after && after <= SECS(123), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_short_silence_is_no_outage() {
    let world = World::new();
    outage(&world, 25).await;
    assert!((world.value("rate").await - 7.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn a_window_is_refused_after_a_restart_until_it_is_covered() {
    let world = World::new();
    keep_asking(&world, 20).await;
    let began = Instant::now();
    world.source.script().started = Some(world.engine.clock().now());
    keep_asking(&world, 3).await;
    let after = covered_after(&world, began).await;
    // Two minutes, counted from five seconds after the start, and the next read.
    assert!(SECS(125) <= after && after <= SECS(128), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_restarted_source_is_not_believed_on_the_first_request_either() {
    let world = World::new();
    world.source.script().started = Some(world.engine.clock().now());
    let refusal = world.refusal("rate").await;
    assert!(matches!(refusal, Refusal::Recovering { .. }), "{refusal}");
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_stays_lost_while_nobody_asks() {
    let world = World::new();
    world.keep_asking("trend", 20).await;
    world.source.script().deed = Deed::Fail;
    world.keep_asking("trend", 120).await;
    world.source.script().deed = Deed::Answer;
    world.keep_asking("trend", 16).await;
    assert!(matches!(world.refusal("trend").await, Refusal::Recovering { .. }));
    sleep(SECS(400)).await;
    assert!(
        matches!(world.refusal("trend").await, Refusal::Recovering { .. }),
        "the 20 minutes are not over"
    );
    world.keep_asking("trend", 800).await;
    assert!((world.value("trend").await - 7.0).abs() < 1e-9);
}
