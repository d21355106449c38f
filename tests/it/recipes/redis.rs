//! The recipe of a job queue, on a real Redis.

use inferometer::core::hpa::Observation;

use super::rows::{Row, print, too_fast};
use super::stage::{Served, autoscaler, configuration, until_or_last};
use crate::support::redis::Redis;
use crate::support::{Server, free_port};

const SLUG: &str = "redis-queue";

/// The recipe's configuration with another Redis.
fn at(address: &str) -> String {
    let yaml = configuration(SLUG).expect("a configuration");
    let there = yaml.replace("redis.jobs.svc.cluster.local:6379", address);
    assert_ne!(there, yaml, "the recipe names its Redis otherwise");
    there
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_queue_wakes_workers_and_keeps_those_that_work() {
    let redis = Redis::start("").await;
    let server = Server::configured(&at(&redis.address())).await;
    let autoscaler = autoscaler(SLUG);
    let mut rows = Vec::new();
    for (case, waiting, worked_on, replicas, desired, then) in [
        ("idle", 0, 0, 0, 0, 0),
        ("woken", 45, 0, 0, 3, 3),
        ("loaded", 130, 20, 3, 8, 7),
        // The queue is empty, and the last jobs are being worked on.
        ("last jobs", 0, 12, 1, 1, 1),
        ("done", 0, 0, 3, 0, 3),
    ] {
        redis.cli(&["DEL", "jobs:render", "jobs:render:running"]);
        for (list, count) in [("jobs:render", waiting), ("jobs:render:running", worked_on)] {
            if count > 0 {
                redis.push(list, count);
            }
        }
        let mut row = None;
        let complaint = until_or_last(async || {
            let seen = autoscaler.observe(&server.client, "ai").await;
            let outcome = autoscaler.decide(replicas, &seen);
            let series = format!("{waiting} wait, {worked_on} in work");
            row = Some(Row::plain(SLUG, case, &series, replicas, &seen, &outcome));
            let is_served = Served::Number((waiting + worked_on) as f64).is(&seen[0]);
            let decided = (outcome.decision.desired, outcome.decision.replicas) == (desired, then);
            let as_expected = is_served && decided;
            (!as_expected).then(|| format!("{seen:?} {outcome:?}")).or(too_fast(
                replicas,
                &outcome,
                &autoscaler,
            ))
        })
        .await;
        assert_eq!(complaint, None, "{case}");
        rows.extend(row);
    }
    // No Redis is no empty queue.
    let dead = Server::configured(&at(&format!("127.0.0.1:{}", free_port()))).await;
    let seen = autoscaler.observe(&dead.client, "ai").await;
    assert!(matches!(seen[..], [Observation::Unknown(_)]), "{seen:?}");
    let outcome = autoscaler.decide(3, &seen);
    assert_eq!(outcome.decision.replicas, 3);
    rows.push(Row::plain(SLUG, "lost", "no Redis", 3, &seen, &outcome));
    print(&rows);
}
