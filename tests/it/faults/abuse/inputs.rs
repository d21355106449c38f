//! Requests that are too large, and names without number (R40, R42, S14, S15).

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use http::Method;

use super::{Victim, served};
use crate::support::cluster::Aggregator;
use crate::support::frames::Memory;
use crate::support::front::Front;
use crate::support::{
    Caller, Client, EXTERNAL, Fault, Reply, Server, Site, WAITING, seconds, until, value_path,
};

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_a_megabyte_are_refused_at_once() {
    let (_front, server) = served().await;
    let victim = Victim::of(&server);
    let memory = Memory::watch(server.process.id());
    let path = value_path("ai", WAITING, "");
    let many = |count: usize| (0..count).map(|index| format!("k{index}")).collect::<Vec<_>>();
    let values = format!("k in ({})", many(257).join(","));
    let base = || server.client.base().to_owned();
    for client in [Client::new(base()), Client::http1(base())] {
        for (what, path, codes) in [
            ("a URI of 20 KB", format!("{path}?x={}", "a".repeat(20_000)), &[414][..]),
            ("65 requirements", value_path("ai", WAITING, &many(65).join(",")), &[400][..]),
            ("257 values", value_path("ai", WAITING, &values), &[400][..]),
            ("a name of 10 KB", value_path("ai", &"m".repeat(10_000), ""), &[404][..]),
            ("a namespace of 10 KB", value_path(&"n".repeat(10_000), WAITING, ""), &[400][..]),
            ("a path of many parts", format!("{EXTERNAL}{}", "/a".repeat(5_000)), &[404][..]),
        ] {
            let reply = client.get(&path).await;
            assert!(codes.contains(&reply.status.as_u16()), "{what}: {}", reply.text());
            reply.assert_prompt();
            assert!(reply.body.len() < 25_000, "{what}: an answer of {} bytes", reply.body.len());
        }
        // What is far too large may cost the connection, but never the server.
        let large = [
            (format!("{path}?x={}", "a".repeat(1 << 20)), Vec::new()),
            (
                path.clone(),
                (0..10_000).map(|index| ("x-group".to_owned(), format!("group-{index:040}"))).collect(),
            ),
        ];
        for (path, headers) in large {
            let reply = client.sending(headers).try_send(Method::GET, &path, &[]).await;
            if let Ok(reply) = reply {
                assert!(matches!(reply.status.as_u16(), 414 | 431), "{}", reply.text());
            }
        }
    }
    victim.was_served().await;
    memory.assert_within(20.0, "large requests");
}

/// A user in hundreds of groups is let in, and judged by them all.
#[tokio::test(flavor = "multi_thread")]
async fn sixty_kilobytes_of_groups_are_read_whole() {
    let site = Site::start().await;
    let groups = (0..600).map(|index| format!("oidc:{index:0>95}"));
    let caller = groups.fold(Caller::new("alice"), |caller, group| caller.group(&group));
    let connection = Aggregator::trusting_all(&site.server, Some(&site.cluster.front_proxy()));
    let reply = connection.on_behalf_of(&caller).get(&value_path("ai", WAITING, "")).await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    let reviews = site.cluster.api.reviews_of("alice");
    assert_eq!(reviews.len(), 1);
    assert_eq!(reviews[0]["groups"].as_array().map(Vec::len), Some(601), "and those who are known");
}

/// How many series our own metrics have.
async fn series(server: &Server) -> usize {
    let page = server.own.get_as("/metrics", "*/*").await.text();
    page.lines().filter(|line| !line.starts_with('#')).count()
}

/// Asks for so many names that nobody defined, and so many selectors that nobody used.
async fn enumerate(front: &Front, server: &Server, count: usize) {
    let expected = |reply: &Reply, code: u16| {
        assert_eq!(reply.status, code, "{}", reply.text());
        reply.assert_prompt();
    };
    let ask = |index: usize| async move {
        expected(&server.client.get(&value_path("ai", &format!("name_{index}"), "")).await, 404);
        let namespace = format!("n{}", index % 100);
        let selector = format!("pod notin (p{index},q{index})");
        expected(&server.client.get(&value_path(&namespace, WAITING, &selector)).await, 503);
        let selector = format!("model_name=m,pod!=p{index}");
        expected(&server.client.get(&value_path("ai", WAITING, &selector)).await, 200);
    };
    // What is remembered is bounded, and full after this many.
    let before = (count / 10).min(10_000);
    stream::iter(0..before).for_each_concurrent(20, ask).await;
    let (memory, known) = (Memory::watch(server.process.id()), series(server).await);
    let distinct = || {
        let mut queries = front.queries();
        queries.sort();
        queries.dedup();
        queries
    };
    let queries = distinct();
    stream::iter(before..count).for_each_concurrent(20, ask).await;
    assert_eq!(distinct(), queries, "nothing that was asked reached the source");
    assert_eq!(series(server).await, known, "our own metrics have the series that they had");
    memory.assert_within(20.0, "names without number");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_without_number_cost_nothing_that_lasts() {
    let (front, server) = served().await;
    enumerate(&front, &server, 3_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn soak_of_a_million_names() {
    let (front, server) = served().await;
    enumerate(&front, &server, 350_000).await;
}

/// One user's reviews do not grow with what the user asks for either: who enumerates is asked about, and the
/// answers are kept for a while and to a bound.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_who_enumerates_is_shed_and_the_hpa_is_not() {
    let site = Site::start().await;
    let hpa = site.aggregator.hpa_controller();
    let api = &site.cluster.api;
    assert_eq!(hpa.get(&value_path("ai", WAITING, "")).await.status, 200);
    // A second for each review: no review of the stranger's ends in time.
    api.fault_on("subjectaccessreviews", Fault::Slow(seconds(1)));
    // As many connections as it takes for more requests than one can have under way.
    let connections = [(); 3].map(|()| {
        let connection = Aggregator::trusting_all(&site.server, Some(&site.cluster.front_proxy()));
        connection.on_behalf_of(&Caller::user("mallory"))
    });
    let base = site.server.client.base().to_owned();
    let flood = async {
        let codes = stream::iter(0..300).map(|index| {
            let mallory = connections[index % 3].clone();
            async move { mallory.get(&value_path("ai", &format!("name_{index}"), "")).await }
        });
        codes.buffer_unordered(300).collect::<Vec<_>>().await
    };
    let served = async {
        until("the room is full", seconds(20), async || {
            let shed = site.server.own_metric("inferometer_requests_shed_total", &[]).await;
            if shed > 0.0 { Ok(()) } else { Err(shed) }
        })
        .await;
        // Health, discovery by the aggregation layer, and what the HPA controller knows.
        let health = Client::unpooled(base).get_as("/livez", "*/*").await;
        assert_eq!(health.status, 200);
        let aggregator = site.aggregator.on_behalf_of(&Caller::aggregator());
        assert_eq!(aggregator.get(EXTERNAL).await.status, 200);
        let reply = hpa.get(&value_path("ai", WAITING, "")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.assert_prompt();
    };
    let (replies, ()) = tokio::join!(flood, served);
    let mut codes = BTreeMap::<u16, usize>::new();
    for reply in &replies {
        *codes.entry(reply.status.as_u16()).or_default() += 1;
        assert!(!reply.headers.contains_key("retry-after"), "{}", reply.text());
        if reply.status == 429 {
            assert_eq!(reply.problem().reason, "TooManyRequests");
        }
    }
    assert!(codes.keys().all(|code| matches!(code, 429 | 503)) && codes.contains_key(&429), "{codes:?}");
}
