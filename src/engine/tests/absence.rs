//! Metrics of several engines: which of them are there is asked once for all.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::core::fixtures::labels;
use crate::core::metric::{Metric, Missing};
use crate::core::refusal::Refusal;
use crate::core::series::Silent;
use crate::engine::fake::{Deed, World, like, timed};

const SECS: fn(u64) -> Duration = Duration::from_secs;

#[tokio::test(start_paused = true)]
async fn only_engines_that_are_there_are_read() {
    let world = World::new();
    assert!((world.value("shared").await - 7.0).abs() < 1e-9);
    world.keep_asking("shared", 60).await;
    assert!(world.source.count("alpha:shared") > 20);
    assert_eq!(world.source.count("beta:shared"), 0);
    assert!((4..=6).contains(&world.source.presence_count()), "{}", world.source.presence_count());
}

#[tokio::test(start_paused = true)]
async fn metrics_of_one_engine_do_not_ask_what_is_there() {
    let world = World::new();
    world.keep_asking("queue", 60).await;
    assert_eq!(world.source.presence_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_appears_is_picked_up() {
    let world = World::new();
    world.keep_asking("shared", 20).await;
    world.source.script().engines = vec!["alpha", "beta"];
    let began = Instant::now();
    while (world.value("shared").await - 14.0).abs() > 1e-9 {
        assert!(began.elapsed() <= SECS(15));
        sleep(SECS(1)).await;
    }
    world.source.script().engines = vec!["beta"];
    world.keep_asking("shared", 400).await;
    let before = world.source.count("alpha:shared");
    world.keep_asking("shared", 60).await;
    assert_eq!(world.source.count("alpha:shared"), before, "an engine that left is read no more");
    assert!((world.value("shared").await - 7.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn if_it_cannot_be_told_what_is_there_all_are_read() {
    for presence in [Deed::Fail, Deed::Hang, Deed::Panic] {
        let world = World::new();
        world.source.script().presence = presence;
        let (_, took) = timed(world.ask("shared")).await;
        assert!(took <= Duration::from_millis(800));
        assert!((world.value("shared").await - 7.0).abs() < 1e-9);
        assert_eq!(world.source.count("alpha:shared"), 1);
        assert_eq!(world.source.count("beta:shared"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_engine_is_there_nothing_is_read_and_the_absence_is_told() {
    let world = World::new();
    world.source.script().engines = Vec::new();
    let refusal = world.refusal("shared").await;
    assert_eq!(
        refusal.to_string(),
        "shared: no series: source main has none of alpha:shared; source main has none of beta:shared"
    );
    assert!(world.source.calls().is_empty());
    // The absence is believed no longer than a number would be.
    world.source.script().presence = Deed::Fail;
    world.keep_asking("shared", 125).await;
    let refusal = world.refusal("shared").await;
    assert!(matches!(&refusal, Refusal::Stale { cause: Some(_), .. }), "{refusal}");
    assert_eq!(refusal.reason(), "unanswered");
}

#[tokio::test(start_paused = true)]
async fn absence_counts_as_zero_only_while_the_source_is_well() {
    let world = World::new();
    world.install(vec![Metric { absent: Missing::Zero, ..like("shared", "counted") }]);
    world.source.script().engines = Vec::new();
    assert!(world.value("counted").await.abs() < 1e-9);
    world.keep_asking("counted", 60).await;
    assert!(world.value("counted").await.abs() < 1e-9);
    world.source.script().presence = Deed::Fail;
    world.keep_asking("counted", 16).await;
    let refusal = world.refusal("counted").await;
    assert!(matches!(&refusal, Refusal::NoSeries { .. }), "{refusal}");
}

fn silent(engine: Option<&str>, known: bool) -> Vec<Silent> {
    let (labels, engine) = (labels("instance=b:80,namespace=ai"), engine.map(Into::into));
    vec![Silent { labels, engine, speaks_for_others: true, cause: "connection refused".into(), known }]
}

#[tokio::test(start_paused = true)]
async fn an_engine_may_be_there_while_a_target_has_never_answered() {
    for (engine, asked) in [(Some("beta"), 1), (None, 1), (Some("gamma"), 0)] {
        let world = World::new();
        world.source.script().silent = silent(engine, false);
        let answer = world.ask("shared").await;
        assert_eq!(world.source.count("beta:shared"), asked, "{engine:?}");
        if asked > 0 {
            let refusal = world.refusal("shared").await;
            assert!(matches!(refusal, Refusal::Silent { .. }), "{engine:?}: {refusal}");
        } else {
            assert!(answer.is_ok(), "{answer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn absence_of_all_engines_is_no_zero_while_a_target_does_not_answer() {
    for known in [true, false] {
        let world = World::new();
        world.install(vec![Metric { absent: Missing::Zero, ..like("shared", "counted") }]);
        world.source.script().engines = Vec::new();
        world.source.script().silent = silent(None, known);
        world.refusal("counted").await;
        world.source.script().silent = Vec::new();
        world.keep_asking("counted", 20).await;
        assert!(world.value("counted").await.abs() < 1e-9);
    }
}
