//! Dear signals are narrowed to the namespaces that ask.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use crate::core::metric::{Metric, Scope};
use crate::engine::fake::{Deed, World, like, narrowed, timed};

const SECS: fn(u64) -> Duration = Duration::from_secs;
const MILLIS: fn(u64) -> Duration = Duration::from_millis;

fn world(namespaces: usize) -> World {
    let world = World::new();
    world.source.script().pods = (0..namespaces).map(|n| (format!("ns{n}"), "a-0".to_owned())).collect();
    world
}

async fn ask_all(world: &World, namespaces: usize) {
    let names: Vec<_> = (0..namespaces).map(|n| format!("ns{n}")).collect();
    for answer in join_all(names.iter().map(|name| world.ask_in("latency", name))).await {
        answer.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_namespace_hurries_one_refresh_and_waits_for_it() {
    let world = world(3);
    world.source.script().takes = MILLIS(50);
    world.ask_in("latency", "ns0").await.unwrap();
    assert_eq!(narrowed(&world.source.calls()[0].coverage), ["ns0"]);
    sleep(SECS(1)).await;
    // Two at once, the one a little later than the other: what is read for the first serves both.
    let (answers, took) = timed(join_all(["ns1", "ns2"].map(|name| world.ask_in("latency", name)))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(took, MILLIS(50));
    sleep(MILLIS(300)).await;
    let calls = world.source.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(narrowed(&calls[1].coverage), ["ns0", "ns1", "ns2"]);
    // From then on they are warm.
    let (answer, took) = timed(world.ask_in("latency", "ns2")).await;
    assert!(answer.is_ok() && took.is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_hurried_refresh_leaves_a_pause_after_the_last() {
    let world = world(20);
    world.source.script().takes = MILLIS(5);
    for n in 0..20 {
        let (answer, took) = timed(world.ask_in("latency", &format!("ns{n}"))).await;
        answer.unwrap();
        assert!(took <= MILLIS(256), "{took:?}");
    }
    assert!(world.source.gaps().iter().all(|gap| *gap >= MILLIS(250)), "{:?}", world.source.gaps());
}

#[tokio::test(start_paused = true)]
async fn who_asks_during_a_refresh_that_leaves_them_out_gets_the_next() {
    let world = world(2);
    world.source.script().takes = MILLIS(300);
    let late = async {
        sleep(MILLIS(100)).await;
        world.ask_in("latency", "ns1").await
    };
    let ((first, second), took) = timed(async { tokio::join!(world.ask_in("latency", "ns0"), late) }).await;
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(took, MILLIS(600));
    assert_eq!(world.source.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn fetches_do_not_grow_with_namespaces() {
    let mut counts = Vec::new();
    for namespaces in [1, 60, 400] {
        let world = world(namespaces);
        ask_all(&world, namespaces).await;
        for _ in 0..60 {
            ask_all(&world, namespaces).await;
            sleep(SECS(1)).await;
        }
        counts.push(world.source.calls().len());
    }
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(most - least <= 2, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn beyond_64_namespaces_the_whole_cluster_is_asked_for() {
    let world = world(200);
    ask_all(&world, 64).await;
    sleep(SECS(3)).await;
    assert_eq!(narrowed(&world.source.calls().last().unwrap().coverage).len(), 64);
    ask_all(&world, 65).await;
    assert_eq!(narrowed(&world.source.calls().last().unwrap().coverage), ["*"]);
    let before = world.source.calls().len();
    let (answer, took) = timed(world.ask_in("latency", "ns199")).await;
    assert!(answer.is_ok() && took.is_zero());
    assert_eq!(world.source.calls().len(), before);
}

#[tokio::test(start_paused = true)]
async fn namespaces_that_fall_silent_are_left_out_again() {
    let world = world(70);
    ask_all(&world, 70).await;
    for _ in 0..320 {
        ask_all(&world, 2).await;
        sleep(SECS(1)).await;
    }
    assert_eq!(narrowed(&world.source.calls().last().unwrap().coverage), ["ns0", "ns1"]);
}

#[tokio::test(start_paused = true)]
async fn a_metric_of_the_cluster_reads_all_of_it() {
    let world = world(3);
    world.install(vec![Metric { scope: Scope::Cluster, ..like("latency", "everywhere") }]);
    world.ask_in("latency", "ns0").await.unwrap();
    let answer = world.ask_in("everywhere", "ns0").await.unwrap();
    assert_eq!(answer.reading.elements, 3);
    assert_eq!(narrowed(&world.source.calls().last().unwrap().coverage), ["*"]);
    let before = world.source.calls().len();
    assert!(world.engine.is_current(&answer.stamp));
    assert!(timed(world.ask_in("everywhere", "ns2")).await.1.is_zero());
    assert_eq!(world.source.calls().len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_new_namespace_during_an_outage_is_refused_at_once_and_does_not_hurry_it() {
    let world = world(2);
    world.ask_in("latency", "ns0").await.unwrap();
    world.source.script().deed = Deed::Fail;
    sleep(SECS(80)).await;
    for _ in 0..100 {
        let _ = timed(world.ask_in("latency", "ns0")).await;
        let (answer, took) = timed(world.ask_in("latency", "ns1")).await;
        assert!(answer.is_err() && took.is_zero());
        sleep(MILLIS(100)).await;
    }
    assert!(world.source.calls().len() < 25, "{}", world.source.calls().len());
    world.source.script().deed = Deed::Answer;
    sleep(SECS(16)).await;
    let error = world.ask_in("latency", "ns1").await.unwrap_err();
    assert!(error.to_string().contains("is not covered yet since source main"), "{error}");
}
