//! Keys of a real Redis, as an HPA would read them.

use serde_json::Value as Json;

use crate::support::redis::Redis;
use crate::support::{Server, seconds, until, value_path};

mod access;
mod groups;
mod outage;

const HEAD: &str = "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n";

/// A configuration of one source, whose keys are the namespace `jobs`'s, and of metrics by what they read.
fn configuration(source: &str, metrics: &[(&str, &str)]) -> String {
    let metrics: Vec<String> = metrics
        .iter()
        .map(|(name, what)| format!("- {{ name: {name}, redis: {what}, refresh: 1s, hold: 3s }}\n"))
        .collect();
    format!(
        "{HEAD}sources:\n- name: jobs\n  redis: {{ namespace: jobs, {source} }}\nmetrics:\n{}",
        metrics.concat()
    )
}

fn of_url(redis: &Redis, metrics: &[(&str, &str)]) -> String {
    configuration(&format!("url: \"redis://{}\"", redis.address()), metrics)
}

/// Waits for a value; the first question may come while the source is being asked.
async fn reads(server: &Server, metric: &str, expected: &str) {
    until(&format!("{metric} is {expected}"), seconds(15), async || {
        match server.client.value("jobs", metric, "").await {
            Ok(value) if value.text == expected => Ok(()),
            Ok(value) => Err(value.text),
            Err(problem) => Err(problem.to_string()),
        }
    })
    .await;
}

/// Waits for a refusal that says this.
async fn is_refused(server: &Server, metric: &str, words: &str) {
    until(&format!("{metric} is refused: {words}"), seconds(15), async || {
        match server.client.value("jobs", metric, "").await {
            Err(problem) if problem.code == 503 && problem.message.contains(words) => Ok(()),
            Err(problem) => Err(problem.to_string()),
            Ok(value) => Err(value.text),
        }
    })
    .await;
}

/// Waits until it is known how often a metric is renewed: until then it is served for a minute and more.
async fn is_settled(server: &Server, metric: &str) {
    let path = value_path("jobs", metric, "") + "?explain=true";
    until("its pace is known", seconds(15), async || {
        let explained: Json = server.client.get(&path).await.json();
        let interval = &explained["derivation"]["inputs"][0]["sampleIntervalSeconds"];
        if interval.is_number() { Ok(()) } else { Err(explained.to_string()) }
    })
    .await;
}

/// A stream of five entries, of which group `workers` was given three and has acknowledged one.
fn stream(redis: &Redis, key: &str) {
    assert_eq!(redis.cli(&["XGROUP", "CREATE", key, "workers", "0", "MKSTREAM"]), "OK");
    for id in 1..=5 {
        redis.cli(&["XADD", key, &format!("{id}-0"), "job", "render"]);
    }
    redis.cli(&["XREADGROUP", "GROUP", "workers", "w", "COUNT", "3", "STREAMS", key, ">"]);
    assert_eq!(redis.cli(&["XACK", key, "workers", "1-0"]), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_lengths() {
    let redis = Redis::start("").await;
    redis.push("jobs:render", 3);
    redis.push("jobs:encode", 4);
    redis.cli(&["ZADD", "due", "1", "a", "2", "b"]);
    stream(&redis, "events");
    // A group that begins in the middle: the server does not tell how many entries are before it.
    redis.cli(&["XGROUP", "CREATE", "events", "late", "3-0"]);
    redis.cli(&["XGROUP", "CREATE", "events", "new", "0"]);
    assert!(redis.cli(&["XINFO", "GROUPS", "events"]).contains("lag\n\n"), "the lag of `late` is not told");
    redis.cli(&["CONFIG", "RESETSTAT"]);
    let server = Server::configured(&of_url(
        &redis,
        &[
            ("one", "{ list: jobs:render }"),
            ("both", "{ lists: [jobs:render, jobs:encode, jobs:empty] }"),
            ("all", "{ lists: { pattern: \"jobs:*\" } }"),
            ("none", "{ lists: { pattern: \"nothing:*\" } }"),
            ("due", "{ sortedSet: due }"),
            ("lag", "{ stream: events, group: workers, measure: lag }"),
            ("pending", "{ stream: events, group: workers, measure: pending }"),
            ("late", "{ stream: events, group: late, measure: lag }"),
            ("new", "{ streams: { pattern: \"ev*\" }, group: new, measure: lag }"),
            ("groupless", "{ stream: events, group: nobody, measure: lag }"),
            ("streamless", "{ stream: missing, group: workers, measure: lag }"),
            ("mistaken", "{ list: due }"),
        ],
    ))
    .await;
    for (metric, expected) in [
        ("one", "3"),
        ("both", "7"),
        ("all", "7"),
        ("none", "0"),
        ("due", "2"),
        ("lag", "2"),
        ("pending", "2"),
        ("late", "2"),
        ("new", "5"),
    ] {
        reads(&server, metric, expected).await;
    }
    is_refused(&server, "groupless", "stream events has no group nobody").await;
    is_refused(&server, "streamless", "no such key: XINFO GROUPS missing").await;
    is_refused(&server, "mistaken", "the key is of another type: LLEN due").await;
    // Another namespace has nothing to do with these jobs.
    let problem = server.client.problem("other", "one", "").await;
    assert!(problem.code == 503 && !problem.message.contains(" 3"), "{problem}");
    // A key can be selected like any other label.
    let due = server.client.value("jobs", "due", "key=due").await.expect("it is one of the keys");
    assert_eq!(due.text, "2");
    assert!(server.client.value("jobs", "due", "key=other").await.is_err());

    redis.push("jobs:render", 2);
    reads(&server, "one", "5").await;
    redis.cli(&["DEL", "jobs:render"]);
    reads(&server, "one", "0").await;

    // What was deleted is not before anybody, and makes the server forget how much is.
    assert_eq!(redis.cli(&["XDEL", "events", "4-0"]), "1");
    for (metric, expected) in [("lag", "1"), ("late", "1"), ("new", "4"), ("pending", "2")] {
        reads(&server, metric, expected).await;
    }

    let explained: Json = server.client.get(&(value_path("jobs", "one", "") + "?explain=true")).await.json();
    assert!(explained.to_string().contains("LLEN jobs:render"), "{explained}");
    let mut commands = redis.commands();
    commands.retain(|command| {
        !["ping", "del", "xdel", "rpush", "info", "config|resetstat", "command|docs", "client|setinfo"]
            .contains(&command.as_str())
    });
    commands.sort();
    assert_eq!(commands, ["llen", "scan", "xinfo|groups", "xlen", "xrange", "zcard"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_patterns_have_bounds() {
    let redis = Redis::start("").await;
    let script = "for i = 1, tonumber(ARGV[1]) do redis.call('RPUSH', ARGV[2] .. i, 'x') end";
    redis.cli(&["EVAL", script, "0", "1000", "jobs:"]);
    redis.cli(&["EVAL", script, "0", "1001", "more:"]);
    let server = Server::configured(&of_url(
        &redis,
        &[
            ("most", "{ lists: { pattern: \"jobs:*\" } }"),
            ("more", "{ lists: { pattern: \"more:*\" } }"),
            ("few", "{ lists: { pattern: \"jobs:1\" } }"),
        ],
    ))
    .await;
    reads(&server, "most", "1000").await;
    reads(&server, "few", "1").await;
    is_settled(&server, "few").await;
    is_refused(&server, "more", "pattern more:*: more than 1000 keys match; name the keys instead").await;
    // Too many to look through, however few match.
    redis.cli(&["DEBUG", "POPULATE", "150000", "other"]);
    is_refused(&server, "few", "there are more than 100000 keys to look at").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_databases_are_apart() {
    let redis = Redis::start("").await;
    redis.push("jobs", 1);
    redis.cli(&["-n", "3", "RPUSH", "jobs", "a", "b"]);
    let url = |database: u8| {
        format!("redis: {{ url: \"redis://{}/{database}\", namespace: jobs }}", redis.address())
    };
    let server = Server::configured(&format!(
        "{HEAD}sources:\n- {{ name: zero, {} }}\n- {{ name: three, {} }}\n- {{ name: absent, {} }}\n\
         metrics:\n- {{ name: a, source: zero, redis: {{ list: jobs }} }}\n\
         - {{ name: b, source: three, redis: {{ list: jobs }} }}\n\
         - {{ name: c, source: absent, redis: {{ list: jobs }} }}\n",
        url(0),
        url(3),
        url(200)
    ))
    .await;
    reads(&server, "a", "1").await;
    reads(&server, "b", "2").await;
    is_refused(&server, "c", "refuses to select the database").await;
}
