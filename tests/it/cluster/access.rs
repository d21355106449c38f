//! Who may read what, by the real authenticators and authorizers, through the API server and past it.

use http::Method;
use serde_json::{Value as Json, json};

use super::admin::grant;
use super::installation::namespace;
use super::{Admin, ControlPlane, Installation};
use crate::support::front::{Answer, Front};
use crate::support::{Client, caller, seconds, until, value_path};

const EXTERNAL_GROUP: &str = "external.metrics.k8s.io";
const CUSTOM_GROUP: &str = "custom.metrics.k8s.io";
const WAITING: &str = "inference_requests_waiting";
const RUNNING: &str = "inference_requests_running";

fn pods_path(namespace: &str, metric: &str) -> String {
    format!("/apis/{CUSTOM_GROUP}/v1beta2/namespaces/{namespace}/pods/*/{metric}")
}

fn bearing(client: &Client, token: &str) -> Client {
    client.sending(vec![("authorization".to_owned(), format!("Bearer {token}"))])
}

async fn code(client: &Client, path: &str, headers: &[(&str, &str)]) -> u16 {
    client.send(Method::GET, path, headers).await.status.as_u16()
}

/// A code, once it is so: permissions take a moment to be known everywhere.
async fn until_code(client: &Client, path: &str, wanted: u16, within: u64) {
    until(path, seconds(within), async || {
        let reply = client.send(Method::GET, path, &[]).await;
        if reply.status == wanted { Ok(()) } else { Err(format!("{} {}", reply.status, reply.text())) }
    })
    .await;
}

async fn allow(admin: &Admin, user: &Json, namespace: &str, group: &str, resource: &str, verb: &str) {
    for object in grant(user, namespace, group, resource, verb) {
        admin.apply(&object).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_access() {
    let plane = ControlPlane::start().await;
    let inferometer = Installation::prepare(&plane).await;
    let admin = &inferometer.admin;
    for name in ["ai", "other"] {
        admin.apply(&namespace(name)).await;
        let pod = crate::support::objects::pod(name, "vllm-0", &[("app", "vllm")]);
        admin.create(&pod).await;
    }
    let series =
        ["ai", "other"].map(|name| (json!({ "namespace": name, "pod": "vllm-0", "model_name": "m" }), 5.0));
    let front = Front::start(None, Answer::Series(series.into())).await;
    let replica = inferometer.replica(&["--prometheus-url", &front.url()]).await;
    inferometer.register(&replica).await;

    let alice = json!({ "kind": "User", "name": "alice", "apiGroup": "rbac.authorization.k8s.io" });
    allow(admin, &alice, "ai", EXTERNAL_GROUP, WAITING, "list").await;
    allow(admin, &alice, "ai", CUSTOM_GROUP, &format!("pods/{WAITING}"), "get").await;
    for name in ["reader", "nobody"] {
        let metadata = json!({ "namespace": "ai", "name": name });
        admin.apply(&json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata })).await;
    }
    let reader = json!({ "kind": "ServiceAccount", "name": "reader", "namespace": "ai" });
    allow(admin, &reader, "ai", EXTERNAL_GROUP, WAITING, "list").await;
    allow(admin, &reader, "ai", CUSTOM_GROUP, &format!("pods/{WAITING}"), "get").await;

    // One metric of one namespace: by the aggregator, which sends who asks, and straight to us, each
    // with a certificate of the cluster or a token.
    let token = admin.token("ai", "reader").await;
    let direct = replica.client.clone();
    let allowed = [
        plane.user("alice"),
        plane.user_at("alice", direct.base().to_owned()),
        bearing(&Client::new(plane.url()), &token),
        bearing(&direct, &token),
    ];
    for client in &allowed {
        until_code(client, &value_path("ai", WAITING, ""), 200, 20).await;
        until_code(client, &pods_path("ai", WAITING), 200, 20).await;
        for refused in [
            value_path("ai", RUNNING, ""),
            value_path("other", WAITING, ""),
            pods_path("ai", RUNNING),
            pods_path("other", WAITING),
            pods_path("*", WAITING),
        ] {
            let reply = client.send(Method::GET, &refused, &[]).await;
            assert_eq!(reply.status, 403, "{refused} at {}: {}", client.base(), reply.text());
            assert_eq!(reply.problem().reason, "Forbidden");
        }
    }

    // Who may look at a namespace may look at its metrics: the cluster adds our role to its own.
    let viewer = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": { "namespace": "ai", "name": "viewers" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view" },
        "subjects": [{ "kind": "User", "name": "victor", "apiGroup": "rbac.authorization.k8s.io" }],
    });
    admin.apply(&viewer).await;
    for client in [plane.user("victor"), plane.user_at("victor", direct.base().to_owned())] {
        until_code(&client, &value_path("ai", RUNNING, ""), 200, 20).await;
        until_code(&client, &pods_path("ai", RUNNING), 200, 20).await;
        assert_eq!(code(&client, &value_path("other", RUNNING, ""), &[]).await, 403);
    }

    // Known, and without a right.
    let token = admin.token("ai", "nobody").await;
    for client in [plane.user("bob"), bearing(&Client::new(plane.url()), &token), bearing(&direct, &token)] {
        assert_eq!(code(&client, &value_path("ai", WAITING, ""), &[]).await, 403, "{}", client.base());
    }

    // Nobody, or nobody that the cluster knows.
    let path = value_path("ai", WAITING, "");
    assert_eq!(code(&direct, &path, &[]).await, 401);
    assert_eq!(code(&bearing(&direct, "not.a.token"), &path, &[]).await, 401);
    let elsewhere = admin.token_for("ai", "reader", &["https://elsewhere.example"]).await;
    assert_eq!(code(&bearing(&direct, &elsewhere), &path, &[]).await, 401, "a token for somebody else");
    for health in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(code(&direct, health, &[]).await, 200, "{health}");
    }

    // The aggregator's headers count on the aggregator's connections, and nowhere else.
    let forged = [("x-remote-user", "admin"), ("x-remote-group", "system:masters")];
    let base = || direct.base().to_owned();
    assert_eq!(code(&direct, &path, &forged).await, 401);
    assert_eq!(code(&plane.user_at("bob", base()), &path, &forged).await, 403);
    assert_eq!(code(&plane.front_proxy_at("somebody-else", base()), &path, &forged).await, 401);
    assert_eq!(code(&plane.front_proxy_at("front-proxy-client", base()), &path, &forged).await, 200);
    let as_alice = [("x-remote-user", "alice")];
    let front_proxy = plane.front_proxy_at("front-proxy-client", base());
    assert_eq!(code(&front_proxy, &path, &as_alice).await, 200);
    assert_eq!(code(&front_proxy, &value_path("other", WAITING, ""), &as_alice).await, 403);

    // Our role of the HPA controller gives it all metrics, as RBAC sees it: no review for each selector.
    let as_hpa = [("x-remote-user", caller::HPA_CONTROLLER)];
    let selectors = (0..60).map(|number| value_path("ai", WAITING, &format!("pod!=nobody-{number}")));
    let before = replica.own_metric("inferometer_access_reviews_total", &[]).await;
    for path in selectors {
        assert_eq!(code(&front_proxy, &path, &as_hpa).await, 200);
    }
    let reviews = replica.own_metric("inferometer_access_reviews_total", &[]).await - before;
    assert!((1.0..20.0).contains(&reviews), "{reviews} reviews");

    // A right that is taken away is gone: at once at the API server, and with us when what is known
    // has lived out its time.
    for object in grant(&alice, "ai", EXTERNAL_GROUP, WAITING, "list") {
        admin.delete(&object).await;
    }
    until_code(&plane.user("alice"), &path, 403, 20).await;
    until_code(&plane.user_at("alice", base()), &path, 403, 45).await;
}
