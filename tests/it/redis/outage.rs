//! Redis dies, falls silent, comes back: a number keeps its true time, then is refused; it is never 0.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::support::redis::Redis;
use crate::support::{Problem, Server, Value, seconds};

use super::{is_settled, of_url, reads};

/// What is answered until the first refusal, and that refusal.
async fn until_refused(server: &Server) -> (Vec<Value>, Problem) {
    let began = Instant::now();
    let mut held = Vec::new();
    loop {
        match server.client.value("jobs", "jobs", "").await {
            Ok(value) => held.push(value),
            Err(problem) => return (held, problem),
        }
        assert!(began.elapsed() < seconds(15), "it is still served");
        sleep(Duration::from_millis(50)).await;
    }
}

fn assert_honest((held, problem): &(Vec<Value>, Problem), words: &str) {
    assert!(held.iter().all(|value| value.text == "3"), "{held:?}");
    assert!(held.is_sorted_by_key(|value| value.timestamp), "{held:?}");
    let last = held.last().expect("it is held for a while").timestamp;
    let repeated = held.iter().filter(|value| value.timestamp == last).count();
    assert!(repeated > 10, "the last value was held for {repeated} answers");
    assert_eq!(problem.code, 503, "{problem}");
    assert!(problem.message.contains(words) && problem.message.contains("old (limit"), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_dies_and_returns() {
    let mut redis = Redis::start("appendonly yes\nappendfsync always").await;
    redis.push("jobs", 3);
    let server = Server::configured(&of_url(&redis, &[("jobs", "{ list: jobs }")])).await;
    reads(&server, "jobs", "3").await;
    is_settled(&server, "jobs").await;

    redis.kill();
    let silence = until_refused(&server).await;
    assert_honest(&silence, "Connection refused");
    let returned = Instant::now();
    redis.restart().await;
    loop {
        match server.client.value("jobs", "jobs", "").await {
            Ok(value) => {
                assert_eq!(value.text, "3", "it is what it was, or unknown");
                break;
            }
            Err(problem) => assert!(returned.elapsed() < seconds(20), "{problem}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
    println!("back {:?} after it was started", returned.elapsed());

    // Away for so short a time that nobody asks meanwhile: the old connection is broken all the same.
    redis.restart().await;
    redis.push("jobs", 1);
    reads(&server, "jobs", "4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_falls_silent() {
    let redis = Redis::start("").await;
    redis.push("jobs", 3);
    let server = Server::configured(&of_url(&redis, &[("jobs", "{ list: jobs }")])).await;
    reads(&server, "jobs", "3").await;
    is_settled(&server, "jobs").await;
    redis.signal("STOP");
    let silence = until_refused(&server).await;
    redis.signal("CONT");
    assert_honest(&silence, "no answer within 2s");
    redis.push("jobs", 1);
    reads(&server, "jobs", "4").await;
}
