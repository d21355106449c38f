//! The API server, who decides about our callers, is away, slow, silent or refuses us.

use std::time::Duration;

use serde_json::json;

use crate::support::cluster::Aggregator;
use crate::support::objects::pod;
use crate::support::{
    Caller, Client, Cluster, Fault, Grant, Reply, Site, WAITING, caller, seconds, until, value_path,
};

const AUTHENTICATION: (&str, &str, &str, &str) =
    ("v1", "ConfigMap", "kube-system", "extension-apiserver-authentication");

async fn ask(client: &Client, metric: &str) -> Reply {
    let reply = client.get(&value_path("ai", metric, "")).await;
    assert!(!reply.headers.contains_key("retry-after"), "{reply:?}");
    assert!(reply.took < seconds(5), "answered after {:?}", reply.took);
    reply
}

/// Refused without an opinion of the API server, and said so.
#[track_caller]
fn assert_undecided(reply: &Reply) {
    assert!(matches!(reply.status.as_u16(), 403 | 500 | 503), "{}: {}", reply.status, reply.text());
    assert_eq!(reply.problem().code, reply.status.as_u16());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_ends_nothing_for_the_hpa_controller_and_all_for_strangers() {
    let site = Site::start().await;
    let api = &site.cluster.api;
    api.grant(Grant::external("alice", "ai", WAITING));
    let alice = site.aggregator.on_behalf_of(&Caller::user("alice"));
    let master = site.aggregator.on_behalf_of(&Caller::new("root").group("system:masters"));
    let hpa = site.aggregator.hpa_controller();
    for client in [&alice, &master, &hpa] {
        assert_eq!(ask(client, WAITING).await.status, 200);
    }
    api.fault(Fault::Refuse);
    // What is known lives out its time, what is not known is refused.
    assert_eq!(ask(&alice, WAITING).await.status, 200);
    assert_undecided(&ask(&alice, "inference_requests_running").await);
    let bob = site.aggregator.on_behalf_of(&Caller::user("bob"));
    assert_undecided(&ask(&bob, WAITING).await);
    assert_eq!(site.server.client.get_as("/readyz", "*/*").await.status, 200);

    until("alice's time is over", seconds(60), async || {
        assert_eq!(ask(&hpa, WAITING).await.status, 200, "the HPA controller goes on");
        let reply = ask(&alice, WAITING).await;
        if reply.status == 200 { Err(reply.text()) } else { Ok(()) }
    })
    .await;
    // Their decisions were as old as hers.
    for client in [&master, &hpa] {
        let reply = ask(client, WAITING).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert_undecided(&ask(&alice, WAITING).await);
    until("what is honoured beyond its time is counted", seconds(20), async || {
        assert_eq!(ask(&hpa, WAITING).await.status, 200);
        let honoured = r#"result="stale_allowed""#;
        let counted = site.server.own_metric("inferometer_access_decisions_total", &[honoured]).await;
        if counted >= 1.0 { Ok(()) } else { Err(counted) }
    })
    .await;

    api.fault(None);
    until("all is as before", seconds(30), async || {
        let reply = ask(&alice, WAITING).await;
        if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
}

/// So many autoscalers that a review for each would be felt.
#[tokio::test(flavor = "multi_thread")]
async fn autoscalers_without_number_are_a_handful_of_reviews() {
    let site = Site::start().await;
    let api = &site.cluster.api;
    // By the usual name, and by one that only a second replica is told.
    let name = "system:serviceaccount:autoscaling:hpa";
    for group in ["external.metrics.k8s.io", "custom.metrics.k8s.io"] {
        api.grant(Grant::new(name, "*", group, "*"));
    }
    let source = format!("--prometheus-url={}", site.front.url());
    let told = site.cluster.launch(&[&source, &format!("--hpa-controller={name}")]).await;
    let identity = site.cluster.front_proxy();
    let told = Aggregator::trusting_all(&told, Some(&identity)).on_behalf_of(&Caller::new(name));
    let usual = site.aggregator.hpa_controller();
    for (client, user) in [(&usual, caller::HPA_CONTROLLER), (&told, name)] {
        until("it is answered", seconds(30), async || {
            let reply = client.get(&value_path("ai", WAITING, "")).await;
            if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
        })
        .await;
        for number in 0..200 {
            let selector = format!("pod!=nobody-{number}");
            let reply = client.get(&value_path("ai", WAITING, &selector)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
        }
        let reviews = api.reviews_of(user);
        let wide = reviews.iter().filter(|spec| spec["resourceAttributes"]["resource"] == "*");
        assert!(wide.count() > 0 && reviews.len() < 20, "{} reviews of {user}", reviews.len());
    }
    // Whoever else asks is reviewed for each.
    let stranger = site.aggregator.on_behalf_of(&Caller::new(name));
    for number in 0..20 {
        ask_for(&stranger, &format!("pod!=nobody-{number}")).await;
    }
    let reviews = api.reviews_of(name);
    let single = reviews.iter().filter(|spec| spec["resourceAttributes"]["resource"] == WAITING).count();
    assert!(single >= 20, "{single} reviews");
}

async fn ask_for(client: &Client, selector: &str) {
    let reply = client.get(&value_path("ai", WAITING, selector)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reviewer_holds_nobody_up() {
    let site = Site::start().await;
    let api = &site.cluster.api;
    let hpa = site.aggregator.hpa_controller();
    assert_eq!(ask(&hpa, WAITING).await.status, 200);
    for fault in [Fault::Hang, Fault::Slow(seconds(30)), Fault::Fail(500)] {
        api.fault_on("subjectaccessreviews", fault.clone());
        let user = format!("user-of-{fault:?}").replace(['(', ')'], "-");
        let stranger = site.aggregator.on_behalf_of(&Caller::user(&user));
        // Strangers wait for the review, and no longer than a second or so; the known never do.
        let (strange, known) = tokio::join!(ask(&stranger, WAITING), ask(&hpa, WAITING));
        assert_undecided(&strange);
        assert_eq!(known.status, 200, "{fault:?}");
        known.assert_prompt();
    }
    api.fault_on("subjectaccessreviews", None);

    api.fault_on("tokenreviews", Fault::Hang);
    let token = site.server.client.sending(vec![("authorization".to_owned(), "Bearer some".to_owned())]);
    let reply = ask(&token, WAITING).await;
    assert!(matches!(reply.status.as_u16(), 401 | 500 | 503), "{}", reply.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_front_proxy_is_believed_once_its_configmap_is_there() {
    let cluster = Cluster::start().await;
    let (version, kind, namespace, name) = AUTHENTICATION;
    cluster.api.remove(version, kind, namespace, name);
    let server = cluster.launch(&[]).await;
    let identity = cluster.front_proxy();
    let client = Aggregator::trusting_all(&server, Some(&identity)).on_behalf_of(&Caller::aggregator());
    let discovery = "/apis/external.metrics.k8s.io/v1beta1";
    assert_eq!(client.get(discovery).await.problem().code, 401);
    assert_eq!(server.client.get_as("/livez", "*/*").await.status, 200);
    cluster.trust(&[&cluster.front_proxies], &[&cluster.clients]);
    until("it is believed", seconds(60), async || {
        let reply = client.get(discovery).await;
        if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
    })
    .await;

    // Removed is forgotten, or kept; but what comes after it counts.
    cluster.api.remove(version, kind, namespace, name);
    cluster.trust(&[&cluster.clients], &[&cluster.clients]);
    until("nobody is the front proxy now", seconds(60), async || {
        let reply = client.get(discovery).await;
        if reply.status == 200 { Err(reply.text()) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_come_late_are_used() {
    let cluster = Cluster::start().await;
    let verbs = ["get", "list", "watch"];
    for verb in verbs {
        cluster.api.forbid(verb, "configmaps", true);
        cluster.api.forbid(verb, "pods", true);
    }
    let server = cluster.launch(&[]).await;
    let identity = cluster.front_proxy();
    let client = Aggregator::trusting_all(&server, Some(&identity)).on_behalf_of(&Caller::aggregator());
    let discovery = "/apis/external.metrics.k8s.io/v1beta1";
    assert_eq!(client.get(discovery).await.problem().code, 401);
    assert_eq!(server.client.get_as("/livez", "*/*").await.status, 200);
    until("the log says what is missing", seconds(20), async || {
        let log = server.log().join("\n");
        if log.contains("extension-apiserver-authentication") { Ok(()) } else { Err(log) }
    })
    .await;
    for verb in verbs {
        cluster.api.forbid(verb, "configmaps", false);
        cluster.api.forbid(verb, "pods", false);
    }
    until("it is believed", seconds(60), async || {
        let reply = client.get(discovery).await;
        if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_that_we_may_not_make_lets_nobody_in() {
    let site = Site::start().await;
    let api = &site.cluster.api;
    api.fault_on("subjectaccessreviews", Fault::Fail(403));
    api.grant(Grant::external("alice", "ai", WAITING));
    let alice = site.aggregator.on_behalf_of(&Caller::user("alice"));
    assert_undecided(&ask(&alice, WAITING).await);
    api.fault_on("subjectaccessreviews", None);
    until("it is asked again", seconds(15), async || {
        let reply = ask(&alice, WAITING).await;
        if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_go_on_after_silence_expiry_and_refusal() {
    let site = Site::start().await;
    let api = &site.cluster.api;
    let hpa = site.aggregator.hpa_controller();
    let reads = async |expected: &str| {
        until(&format!("the sum is {expected}"), seconds(60), async || {
            let reply = ask(&hpa, WAITING).await;
            match reply.value(WAITING) {
                Ok(value) if value.text == expected => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    };
    reads("7500m").await;
    // Each time the API server comes back, what happened meanwhile is learnt.
    api.fault(Fault::Refuse);
    api.remove("v1", "Pod", "ai", "b");
    tokio::time::sleep(Duration::from_millis(300)).await;
    api.fault(None);
    reads("3").await;
    api.expire_watches();
    api.put(pod("ai", "b", &[("app", "b")]));
    reads("7500m").await;
    api.fault(Fault::Fail(500));
    api.merge("v1", "Pod", "ai", "a", &json!({ "status": { "phase": "Failed" } }));
    tokio::time::sleep(Duration::from_millis(300)).await;
    api.fault(None);
    reads("4500m").await;
}
