//! Several servers: Sentinel and Cluster.

use crate::support::command::output;
use crate::support::redis::Redis;
use crate::support::{Server, seconds, until};

use super::{configuration, is_refused, is_settled, of_url, reads, stream};

#[tokio::test(flavor = "multi_thread")]
async fn redis_behind_sentinel() {
    let mut primary = Redis::start("").await;
    let replica = Redis::start(&format!("replicaof 127.0.0.1 {}", primary.port())).await;
    primary.push("jobs", 3);
    until("the replica follows", seconds(10), async || {
        let length = replica.cli(&["LLEN", "jobs"]);
        if length == "3" { Ok(()) } else { Err(length) }
    })
    .await;
    let sentinel = Redis::sentinel("mymaster", &primary).await;
    until("Sentinel knows the replica", seconds(20), async || {
        let replicas = sentinel.cli(&["SENTINEL", "REPLICAS", "mymaster"]);
        if replicas.contains(&replica.port().to_string()) { Ok(()) } else { Err(replicas) }
    })
    .await;
    // The first Sentinel is away.
    let addresses = format!("addresses: [\"127.0.0.1:1\", \"{}\"]", sentinel.address());
    let by = |master: &str| format!("sentinel: {{ masterName: {master}, {addresses} }}");
    let server = Server::configured(&configuration(&by("mymaster"), &[("jobs", "{ list: jobs }")])).await;
    reads(&server, "jobs", "3").await;
    let mistaken = Server::configured(&configuration(&by("other"), &[("jobs", "{ list: jobs }")])).await;
    is_refused(&mistaken, "jobs", "watches no primary called other").await;

    primary.kill();
    until("the replica has taken over", seconds(20), async || {
        let reply = replica.cli(&["RPUSH", "jobs", "one more"]);
        if reply == "4" { Ok(()) } else { Err(reply) }
    })
    .await;
    // Never 0, and never the number of before with a time of now.
    reads(&server, "jobs", "4").await;
    // The old one comes back with nothing, and must not be asked.
    primary.restart().await;
    for _ in 0..15 {
        if let Ok(value) = server.client.value("jobs", "jobs", "").await {
            assert_eq!(value.text, "4");
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_cluster() {
    let mut nodes = [Redis::node().await, Redis::node().await, Redis::node().await];
    let addresses = nodes.each_ref().map(Redis::address);
    let made = output(
        std::process::Command::new("redis-cli").args(["--cluster", "create"]).args(&addresses).args([
            "--cluster-replicas",
            "0",
            "--cluster-yes",
        ]),
    );
    assert!(made.status.success(), "{made:?}");
    until("every node serves", seconds(20), async || {
        let infos = nodes.each_ref().map(|node| node.cli(&["CLUSTER", "INFO"]));
        let are_well = infos.iter().all(|info| info.contains("cluster_state:ok"));
        if are_well { Ok(()) } else { Err(infos.join("\n")) }
    })
    .await;
    // By their names they are spread over all three.
    for index in 0..12 {
        let reply = nodes[0].cli(&["-c", "RPUSH", &format!("jobs:{index}"), "a", "b"]);
        assert_eq!(reply, "2");
    }
    let at = |node: &Redis| node.cli(&["DBSIZE"]).parse::<usize>().unwrap_or(0);
    assert!(nodes.iter().all(|node| at(node) > 0), "{:?}", nodes.each_ref().map(at));
    let owner = nodes.iter().find(|node| node.cli(&["XLEN", "events"]) == "0").expect("one has the slot");
    stream(owner, "events");
    let all: Vec<String> = (0..12).map(|index| format!("jobs:{index}")).collect();
    let named = format!("{{ lists: [{}] }}", all.join(", "));
    let metrics = [
        ("named", named.as_str()),
        ("matching", "{ lists: { pattern: \"jobs:*\" } }"),
        ("lag", "{ stream: events, group: workers, measure: lag }"),
    ];
    // One address is enough, and one that is away does not matter.
    let source = format!("cluster: {{ addresses: [\"127.0.0.1:1\", \"{}\"] }}", addresses[1]);
    let server = Server::configured(&configuration(&source, &metrics)).await;
    reads(&server, "named", "24").await;
    reads(&server, "matching", "24").await;
    reads(&server, "lag", "2").await;
    is_settled(&server, "named").await;
    is_settled(&server, "matching").await;

    let mistaken = Server::configured(&of_url(&nodes[0], &metrics)).await;
    is_refused(&mistaken, "named", "for a Redis Cluster, configure `cluster` instead of `url`").await;

    // A part of the keys is not all of them, whatever the cluster itself thinks of that.
    for node in &nodes {
        node.cli(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    nodes[2].kill();
    for metric in ["named", "matching"] {
        until("it is refused", seconds(20), async || match server.client.value("jobs", metric, "").await {
            Ok(value) if value.text == "24" => Err(value.text),
            Ok(value) => panic!("{metric} is {} without a node", value.text),
            Err(_) => Ok(()),
        })
        .await;
    }
    let young = Server::configured(&configuration(&source, &metrics)).await;
    let problem = young.client.problem("jobs", "matching", "").await;
    assert_eq!(problem.code, 503, "{problem}");
    nodes[2].restart().await;
    // It comes back empty: what it held is gone, and this is known.
    until("the cluster is whole", seconds(20), async || {
        match server.client.value("jobs", "matching", "").await {
            Ok(value) if value.number < 24.0 => Ok(()),
            Ok(value) => Err(value.text),
            Err(problem) => Err(problem.to_string()),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_no_cluster() {
    let redis = Redis::start("").await;
    let source = format!("cluster: {{ addresses: [\"{}\"] }}", redis.address());
    let server = Server::configured(&configuration(&source, &[("jobs", "{ list: jobs }")])).await;
    is_refused(&server, "jobs", "is not part of a Redis Cluster: configure `url` instead").await;
}
