//! Who is asking, and whether they may: impostors of every kind, and the right callers beside them.

use http::{Method, Version};
use rcgen::ExtendedKeyUsagePurpose as Usage;
use serde_json::{Value as Json, json};

use crate::support::cluster::{Aggregator, FRONT_PROXY};
use crate::support::pki::{Authority, Issued, Subject};
use crate::support::{Caller, Client, EXTERNAL, Grant, Reply, Site, WAITING, seconds, until, value_path};

/// Somebody to pass for.
fn master() -> Caller {
    Caller::new("root").group("system:masters").group("system:authenticated")
}

async fn ask(client: &Client, namespace: &str, metric: &str) -> Reply {
    let reply = client.get(&value_path(namespace, metric, "")).await;
    assert!(!reply.headers.contains_key("retry-after"), "{reply:?}");
    reply
}

#[track_caller]
fn assert_unauthorized(what: &str, reply: &Reply) {
    assert_eq!(reply.status, 401, "{what}: {}", reply.text());
    let problem = reply.problem();
    assert_eq!(
        (problem.reason.as_str(), problem.message.as_str()),
        ("Unauthorized", "Unauthorized"),
        "{what}"
    );
}

/// What kube-apiserver says.
fn forbidden(user: &str, metric: &str, namespace: &str) -> String {
    let group = "external.metrics.k8s.io";
    format!(
        "{metric}.{group} is forbidden: User \"{user}\" cannot list resource \"{metric}\" in API group \"{group}\" \
         in the namespace \"{namespace}\""
    )
}

#[track_caller]
fn assert_forbidden(reply: &Reply, user: &str, metric: &str, namespace: &str) {
    assert_eq!(reply.status, 403, "{}", reply.text());
    let problem = reply.problem();
    assert_eq!(problem.reason, "Forbidden");
    assert!(problem.message.starts_with(&forbidden(user, metric, namespace)), "{problem}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_front_proxy_may_speak_for_others() {
    let site = Site::start().await;
    let ours = &site.cluster.front_proxies;
    let client = || Subject::client(FRONT_PROXY);
    let namesake = Authority::root("front-proxy-ca");
    let impostors: [(&str, Option<Issued>); 8] = [
        ("no certificate", None),
        ("another authority of the same name", Some(namesake.issue(&client()))),
        ("an authority below another one", Some(namesake.intermediate("front-proxy-ca-2").issue(&client()))),
        ("a wrong name", Some(ours.issue(&Subject::client("front-proxy")))),
        ("a wrong name in other case", Some(ours.issue(&Subject::client("Front-Proxy-Client")))),
        ("an expired certificate", Some(ours.issue(&client().expired()))),
        ("a server's certificate", Some(ours.issue(&client().usages(&[Usage::ServerAuth])))),
        (
            "a right name as a host's",
            Some(ours.issue(&Subject::server(&[FRONT_PROXY]).usages(&[Usage::CodeSigning]))),
        ),
    ];
    for (what, identity) in &impostors {
        let connection = Aggregator::trusting_all(&site.server, identity.as_ref());
        let reply = ask(&connection.on_behalf_of(&master()), "ai", WAITING).await;
        assert_unauthorized(what, &reply);
    }
    // The users' authority issues no front proxies, whatever the name.
    let user = site.cluster.clients.issue(&client());
    let connection = Aggregator::trusting_all(&site.server, Some(&user));
    let reply = ask(&connection.on_behalf_of(&master()), "ai", WAITING).await;
    assert_forbidden(&reply, FRONT_PROXY, WAITING, "ai");
    assert!(site.cluster.api.reviews_of("root").is_empty(), "nobody was taken for root");

    let right = [
        ("the right one", ours.issue(&client())),
        ("below our authority", ours.intermediate("front-proxy-issuer").issue(&client())),
        ("of both uses", ours.issue(&client().usages(&[Usage::ServerAuth, Usage::ClientAuth]))),
    ];
    for (what, identity) in &right {
        let connection = Aggregator::trusting_all(&site.server, Some(identity));
        let reply = ask(&connection.on_behalf_of(&master()), "ai", WAITING).await;
        assert_eq!(reply.status, 200, "{what}: {}", reply.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_allowed_names_any_certificate_of_the_front_proxies_counts() {
    let site = Site::start().await;
    let (front_proxies, clients) = (&site.cluster.front_proxies, &site.cluster.clients);
    site.cluster.trust_names(&[front_proxies], &[clients], &[]);
    let identity = front_proxies.issue(&Subject::client("whatever"));
    let connection = Aggregator::trusting_all(&site.server, Some(&identity));
    until("any name will do", seconds(10), async || {
        let reply = ask(&connection.on_behalf_of(&master()), "ai", WAITING).await;
        if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
    })
    .await;

    // But not where every user would thereby be one.
    site.cluster.trust_names(&[clients], &[clients], &[]);
    until("the old authority is forgotten", seconds(10), async || {
        let reply = ask(&connection.on_behalf_of(&master()), "ai", WAITING).await;
        if reply.status == 401 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    let user = clients.issue(&Subject::client("mallory"));
    let connection = Aggregator::trusting_all(&site.server, Some(&user));
    let reply = ask(&connection.on_behalf_of(&master()), "ai", WAITING).await;
    assert_forbidden(&reply, "mallory", WAITING, "ai");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_a_user_is_that_user() {
    let site = Site::start().await;
    site.cluster.api.grant(Grant::external("data-science", "ai", WAITING));
    let identity = site.cluster.clients.issue(&Subject::client("bob").group("data-science").group("night"));
    let bob = Aggregator::trusting_all(&site.server, Some(&identity));
    assert_eq!(ask(&bob.bare(), "ai", WAITING).await.status, 200);
    assert_forbidden(&ask(&bob.bare(), "other", WAITING).await, "bob", WAITING, "other");
    // Headers make him nobody else.
    assert_forbidden(&ask(&bob.on_behalf_of(&master()), "other", WAITING).await, "bob", WAITING, "other");
    let review = site.cluster.api.reviews_of("bob").swap_remove(0);
    let mut groups: Vec<&str> =
        review["groups"].as_array().expect("groups").iter().filter_map(Json::as_str).collect();
    groups.sort_unstable();
    assert_eq!(groups, ["data-science", "night", "system:authenticated"]);

    let expired = site.cluster.clients.issue(&Subject::client("bob").group("data-science").expired());
    let late = Aggregator::trusting_all(&site.server, Some(&expired));
    assert_unauthorized("an expired certificate", &ask(&late.bare(), "ai", WAITING).await);
    let other = Authority::root("kubernetes-ca").issue(&Subject::client("bob").group("data-science"));
    let other = Aggregator::trusting_all(&site.server, Some(&other));
    assert_unauthorized("another cluster's bob", &ask(&other.bare(), "ai", WAITING).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_reads_what_is_granted_and_nothing_beside() {
    let site = Site::start().await;
    site.cluster.api.grant(Grant::external("alice", "ai", WAITING));
    let alice = site.aggregator.on_behalf_of(&Caller::user("alice"));
    assert_eq!(ask(&alice, "ai", WAITING).await.value(WAITING).expect("a value").text, "7500m");
    let running = "inference_requests_running";
    assert_forbidden(&ask(&alice, "ai", running).await, "alice", running, "ai");
    assert_forbidden(&ask(&alice, "other", WAITING).await, "alice", WAITING, "other");
    // Whether there is such a metric is nobody's business who may not read it.
    assert_forbidden(&ask(&alice, "ai", "nothing").await, "alice", "nothing", "ai");
    let bob = site.aggregator.on_behalf_of(&Caller::user("bob"));
    assert_forbidden(&ask(&bob, "ai", WAITING).await, "bob", WAITING, "ai");

    let first = site.cluster.api.reviews_of("alice").swap_remove(0);
    let attributes = &first["resourceAttributes"];
    for (field, value) in [
        ("verb", "list"),
        ("group", "external.metrics.k8s.io"),
        ("version", "v1beta1"),
        ("resource", WAITING),
        ("namespace", "ai"),
    ] {
        assert_eq!(attributes[field], value, "{attributes}");
    }
    // A selector is a part of what is asked.
    let reply = alice.get(&value_path("ai", WAITING, "pod in (a),model_name!=x")).await;
    assert_eq!(reply.value(WAITING).expect("a value").text, "3");
    let last = site.cluster.api.reviews_of("alice").pop().expect("a review");
    let requirements = last["resourceAttributes"]["labelSelector"]["requirements"].as_array().cloned();
    let mut requirements = requirements.expect("requirements");
    requirements.sort_by_key(|one| one["key"].to_string());
    let expected = [
        json!({ "key": "model_name", "operator": "NotIn", "values": ["x"] }),
        json!({ "key": "pod", "operator": "In", "values": ["a"] }),
    ];
    assert_eq!(requirements, expected);

    // Custom metrics are asked for with another verb and another name.
    let path = format!("/apis/custom.metrics.k8s.io/v1beta2/namespaces/ai/pods/*/{WAITING}");
    assert_eq!(alice.get(&path).await.problem().code, 403);
    site.cluster.api.grant(Grant::custom("carol", "ai", &format!("pods/{WAITING}")));
    let carol = site.aggregator.on_behalf_of(&Caller::user("carol"));
    let reply = carol.get(&path).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_whose_the_api_server_says() {
    let site = Site::start().await;
    let api = &site.cluster.api;
    let secret = "eyJhbGciOi.canary-of-alice.c2lnbmF0dXJl";
    api.token(secret, "alice", &["team-a"], &[]);
    api.token("for-another-server", "alice", &["team-a"], &["https://vault"]);
    api.token("run-out", "alice", &["team-a"], &[]);
    api.forget_token("run-out");
    api.grant(Grant::external("team-a", "ai", WAITING));
    let bearing = |token: &str| {
        site.server.client.sending(vec![("authorization".to_owned(), format!("Bearer {token}"))])
    };

    let all = (0..20).map(|_| async { ask(&bearing(secret), "ai", WAITING).await.status.as_u16() });
    let all = futures_util::future::join_all(all).await;
    // On a busy machine some are told to come again; they have asked all the same.
    assert!(all.iter().all(|status| matches!(status, 200 | 503 | 504)), "{all:?}");
    until("it is known", seconds(20), async || {
        let reply = ask(&bearing(secret), "ai", WAITING).await;
        if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    assert_eq!(
        (api.token_reviews().len(), api.reviews_of("alice").len()),
        (1, 1),
        "one review for all of them"
    );
    let groups = api.reviews_of("alice")[0]["groups"].to_string();
    assert!(groups.contains("team-a") && groups.contains("system:authenticated"), "{groups}");
    assert_forbidden(&ask(&bearing(secret), "other", WAITING).await, "alice", WAITING, "other");

    for bad in ["unknown", "run-out", "for-another-server", "", " ", "a b"] {
        assert_unauthorized(bad, &ask(&bearing(bad), "ai", WAITING).await);
    }
    for scheme in ["Basic YWxpY2U6cHc=", "bearer", "Token x"] {
        let client = site.server.client.sending(vec![("authorization".to_owned(), scheme.to_owned())]);
        assert_unauthorized(scheme, &ask(&client, "ai", WAITING).await);
    }
    // Headers that only the front proxy may send change nothing about a token.
    let mut headers = master().headers();
    headers.push(("authorization".to_owned(), format!("Bearer {secret}")));
    let both = site.server.client.sending(headers);
    assert_forbidden(&ask(&both, "other", WAITING).await, "alice", WAITING, "other");
    assert!(api.reviews_of("root").is_empty(), "nobody was taken for root");

    let told = site.server.log().join("\n") + &site.server.own.get_as("/metrics", "*/*").await.text();
    assert!(!told.contains("canary-of-alice"), "the token is told to whoever reads the log or the metrics");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_learns_of_our_health_only() {
    let site = Site::start().await;
    for client in [site.server.client.clone(), Client::http1(site.server.client.base().to_owned())] {
        for path in ["/healthz", "/livez", "/readyz"] {
            assert_eq!(client.get_as(path, "*/*").await.status, 200, "{path}");
        }
        let value = value_path("ai", WAITING, "");
        let paths = [
            &value,
            EXTERNAL,
            "/apis",
            "/apis/custom.metrics.k8s.io",
            "/openapi/v2",
            "/openapi/v3",
            "/metrics",
            "/x",
        ];
        for path in paths {
            assert_unauthorized(path, &client.get_as(path, "*/*").await);
        }
        for method in [Method::POST, Method::DELETE] {
            assert_unauthorized(method.as_str(), &client.send(method.clone(), EXTERNAL, &[]).await);
        }
    }
    assert!(site.cluster.api.reviews_of("system:anonymous").is_empty(), "there is nothing to review");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_leave_doubt_are_nobodys() {
    let site = Site::start().await;
    let path = value_path("ai", WAITING, "");
    let front_proxy = site.aggregator.bare();
    let masters = ("x-remote-group", "system:masters");
    let doubtful: [(&str, &[(&str, &str)]); 6] = [
        ("nobody", &[]),
        ("groups without a user", &[masters]),
        ("an empty user", &[("x-remote-user", ""), masters]),
        ("two users", &[("x-remote-user", "alice"), ("x-remote-user", "root"), masters]),
        ("the same user twice", &[("x-remote-user", "root"), ("x-remote-user", "root"), masters]),
        ("underscores", &[("x_remote_user", "root"), ("x_remote_group", "system:masters")]),
    ];
    for (what, headers) in doubtful {
        let reply = front_proxy.send(Method::GET, &path, headers).await;
        assert_unauthorized(what, &reply);
    }
    assert!(site.cluster.api.reviews_of("root").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aggregator_itself_looks_around() {
    let site = Site::start().await;
    // As it asks for discovery and for OpenAPI: without a group.
    for (user, path) in [
        ("system:kube-aggregator", EXTERNAL),
        ("system:kube-aggregator", "/apis"),
        ("system:aggregator", "/openapi/v2"),
        ("system:aggregator", "/openapi/v3"),
    ] {
        let reply = site.aggregator.on_behalf_of(&Caller::new(user)).get_as(path, "*/*").await;
        assert_eq!(reply.status, 200, "{user} {path}: {}", reply.text());
        let review = site.cluster.api.reviews_of(user).pop().expect("a review");
        assert_eq!(review["groups"], json!(["system:authenticated"]), "{user} {path}");
        let expected = json!({ "path": path, "verb": "get" });
        assert_eq!(review["nonResourceAttributes"], expected, "{user} {path}");
    }
    // And what a user brings along reaches the review.
    let caller = Caller::user("dora")
        .group("team-a")
        .extra("example.org/scopes", "read")
        .extra("example.org/scopes", "list");
    let mut headers = caller.headers();
    headers.push(("x-remote-uid".to_owned(), "42".to_owned()));
    let reply = site.aggregator.bare().sending(headers).get(EXTERNAL).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let review = site.cluster.api.reviews_of("dora").pop().expect("a review");
    assert_eq!(review["extra"], json!({ "example.org/scopes": ["read", "list"] }));
    assert_eq!(
        (&review["uid"], &review["groups"]),
        (&json!("42"), &json!(["system:authenticated", "team-a"]))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_of_a_connection_is_judged_by_itself() {
    let site = Site::start().await;
    site.cluster.api.grant(Grant::external("alice", "ai", WAITING));
    let alice = site.aggregator.on_behalf_of(&Caller::user("alice"));
    let bob = site.aggregator.on_behalf_of(&Caller::user("bob"));
    let pairs = (0..25).map(|_| async { tokio::join!(ask(&alice, "ai", WAITING), ask(&bob, "ai", WAITING)) });
    for (good, bad) in futures_util::future::join_all(pairs).await {
        assert_eq!((good.status.as_u16(), good.version), (200, Version::HTTP_2));
        assert_forbidden(&bad, "bob", WAITING, "ai");
    }
    let api = &site.cluster.api;
    assert_eq!((api.reviews_of("alice").len(), api.reviews_of("bob").len()), (1, 1), "one review for all");
    // What was allowed stays so for a while, and is not asked anew.
    api.withdraw(&Grant::external("alice", "ai", WAITING));
    assert_eq!(ask(&alice, "ai", WAITING).await.status, 200);
    assert_eq!(api.reviews_of("alice").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_denied_is_asked_again_soon() {
    let site = Site::start().await;
    let alice = site.aggregator.on_behalf_of(&Caller::user("alice"));
    assert_forbidden(&ask(&alice, "ai", WAITING).await, "alice", WAITING, "ai");
    site.cluster.api.grant(Grant::external("alice", "ai", WAITING));
    until("the grant is seen", seconds(15), async || {
        let reply = ask(&alice, "ai", WAITING).await;
        if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    assert_eq!(site.cluster.api.reviews_of("alice").len(), 2, "denied once, allowed once");
}
