//! After an outage beyond the bound or a restart, windows must fill before they are believed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::core::fixtures::{Cluster, pod};
use crate::core::refusal::Refusal;
use crate::core::workload::Pod;
use crate::engine::fake::{Deed, Fake, World};

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

/// The world in a cluster that has these ready pods, each of which the source tells of.
fn with_pods(names: &[&'static str]) -> World {
    let World { source, telemetry, engine } = World::new();
    let pods = names.iter().map(|name| Pod { namespace: "ai".into(), ..pod(name, "", "") });
    let engine = Arc::into_inner(engine).expect("nobody else has it").within(Arc::new(Cluster::of(pods)));
    tell_of(&source, names);
    World { source, telemetry, engine: Arc::new(engine) }
}

fn tell_of(source: &Fake, names: &[&str]) {
    source.script().pods = names.iter().map(|name| ("ai".to_owned(), (*name).to_owned())).collect();
}

/// Asks every second and tells of each answer the number, or `None` of a refusal.
async fn answers(world: &World, metric: &str, seconds: u64) -> Vec<Option<f64>> {
    let mut answers = Vec::new();
    for _ in 0..seconds {
        answers.push(world.ask(metric).await.ok().map(|answer| answer.reading.value));
        sleep(SECS(1)).await;
    }
    answers
}

/// A source that starts with an empty disk finds three pods one after the other.
async fn forgets(metric: &str) {
    let names = ["a-0", "a-1", "a-2"];
    let world = with_pods(&names);
    answers(&world, metric, 20).await;
    assert!((world.value(metric).await - 21.0).abs() < 1e-9);
    world.source.script().deed = Deed::Fail;
    answers(&world, metric, 3).await;
    {
        let mut script = world.source.script();
        (script.deed, script.started) = (Deed::Answer, Some(world.engine.clock().now()));
        (script.engines, script.pods) = (Vec::new(), Vec::new());
    }
    // Longer than it takes until a source counts as settled.
    let mut seen = answers(&world, metric, 15).await;
    world.source.script().engines = vec!["alpha"];
    tell_of(&world.source, &names[..1]);
    let early = answers(&world, metric, 25).await;
    assert!(early.iter().flatten().count() > 10, "what is kept is told while it is young: {early:?}");
    seen.extend(early);
    seen.extend(answers(&world, metric, 60).await);
    tell_of(&world.source, &names[1..]);
    let late = answers(&world, metric, 20).await;
    assert!(late[5..].iter().flatten().next().is_some(), "one that was seen again is young: {late:?}");
    seen.extend(late);
    tell_of(&world.source, &names[..1]);
    let last = answers(&world, metric, 140).await;
    assert!(last[120..].iter().all(Option::is_none), "and then refused: {last:?}");
    seen.extend(last);
    let partial: Vec<_> = seen.iter().flatten().filter(|value| (*value - 21.0).abs() > 1e-9).collect();
    assert!(partial.is_empty(), "{metric}: {partial:?}");
    tell_of(&world.source, &names);
    answers(&world, metric, 5).await;
    assert!((world.value(metric).await - 21.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn what_a_restarted_source_has_yet_to_find_is_not_missing_from_a_sum() {
    forgets("queue").await;
}

#[tokio::test(start_paused = true)]
async fn nor_is_it_where_the_engines_have_to_be_found_first() {
    forgets("shared").await;
}
