//! Requests that are too large, and names without number (R40, R42, S14, S15).

use futures_util::{StreamExt as _, stream};
use http::Method;

use super::{Victim, served};
use crate::support::cluster::Aggregator;
use crate::support::frames::Memory;
use crate::support::front::Front;
use crate::support::{Caller, Client, EXTERNAL, Fault, Reply, Server, Site, WAITING, value_path};

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
    let expected = |reply: &Reply, code: u16| assert_eq!(reply.status, code, "{}", reply.text());
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
    enumerate(&front, &server, 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn soak_of_a_million_names() {
    let (front, server) = served().await;
    enumerate(&front, &server, 350_000).await;
}

/// Who enumerates waits for a review of each name. Of what waits there is a bound, and the HPA is not behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_who_enumerates_is_shed_and_the_hpa_is_not() {
    let site = Site::start().await;
    let hpa = site.aggregator.hpa_controller();
    let path = value_path("ai", WAITING, "");
    assert_eq!(hpa.get(&path).await.status, 200);
    site.cluster.api.fault_on("subjectaccessreviews", Fault::Hang);
    // Two connections, since one cannot have more than a hundred requests under way.
    let connections = [(); 2].map(|()| {
        let connection = Aggregator::trusting_all(&site.server, Some(&site.cluster.front_proxy()));
        connection.on_behalf_of(&Caller::user("mallory"))
    });
    let (sender, mut refused) = tokio::sync::mpsc::unbounded_channel();
    let ask = |index: usize| {
        let (client, sender) = (&connections[index % 2], sender.clone());
        async move {
            let reply = client.get(&value_path("ai", &format!("name_{index}"), "")).await;
            let _ = sender.send(reply);
        }
    };
    let flood = stream::iter(0..).for_each_concurrent(140, ask);
    let served = async {
        let reply = refused.recv().await.expect("an answer");
        // Health, discovery for the aggregation layer, and what the HPA controller is known to be allowed.
        let new = Client::unpooled(site.server.client.base().to_owned());
        assert_eq!(new.get_as("/livez", "*/*").await.status, 200);
        let aggregator = site.aggregator.on_behalf_of(&Caller::aggregator());
        assert_eq!(aggregator.get(EXTERNAL).await.status, 200);
        let value = hpa.get(&path).await;
        assert_eq!(value.status, 200, "{}", value.text());
        reply
    };
    // The flood ends when all this was answered.
    let reply = tokio::select! {
        () = flood => unreachable!("it has no end"),
        reply = served => reply,
    };
    assert_eq!((reply.problem().code, reply.problem().reason.as_str()), (429, "TooManyRequests"));
    assert!(!reply.headers.contains_key("retry-after"), "{}", reply.text());
    let shed = site.server.own_metric("inferometer_requests_shed_total", &["bound=\"caller\""]).await;
    assert!(shed > 0.0, "{shed}");
}
