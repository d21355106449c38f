//! The API server dies and comes back.

use serde_json::json;

use super::installation::namespace;
use super::{Admin, ControlPlane, Installation};
use crate::support::front::{Answer, Front};
use crate::support::{Caller, seconds, until, value_path};

const METRIC: &str = "inference_requests_waiting";

/// What Prometheus tells of these pods.
fn series(pods: &[&str]) -> Answer {
    let one = |name: &&str| (json!({ "namespace": "ai", "pod": name, "model_name": "m" }), 5.0);
    Answer::Series(pods.iter().map(one).collect())
}

async fn pod(admin: &Admin, name: &str) {
    let pod = crate::support::objects::pod("ai", name, &[("app", name)]);
    admin.create(&pod).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_api_server_restarted() {
    let mut plane = ControlPlane::start().await;
    let inferometer = Installation::prepare(&plane).await;
    let admin = inferometer.admin.clone();
    admin.apply(&namespace("ai")).await;
    pod(&admin, "first").await;
    let front = Front::start(None, series(&["first"])).await;
    let replica = inferometer.replica(&["--prometheus-url", &front.url()]).await;
    inferometer.register(&replica).await;

    // Who is known before: the HPA controller, and a user.
    let aggregator = plane.front_proxy_at("front-proxy-client", replica.client.base().to_owned());
    let controller = aggregator.sending(Caller::hpa_controller().headers());
    let path = value_path("ai", METRIC, "app=first");
    until("the HPA controller reads", seconds(20), async || {
        let reply = controller.get(&path).await;
        if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    let stranger = aggregator.sending(Caller::user("stranger").headers());
    let nobody = replica.client.sending(vec![("authorization".to_owned(), "Bearer not.a.token".to_owned())]);

    plane.kill_api_server();
    // Its last word on the controller is good for longer than it lives otherwise; nothing else is.
    let began = tokio::time::Instant::now();
    let mut asked = 0;
    while began.elapsed() < seconds(40) {
        let reply = controller.get(&path).await;
        reply.assert_prompt();
        assert_eq!(reply.status, 200, "after {:?}: {}", began.elapsed(), reply.text());
        asked += 1;
        tokio::time::sleep(seconds(1)).await;
    }
    println!("the HPA controller was answered {asked} times without an API server");
    let reply = stranger.get(&path).await;
    assert!([403, 500, 503].contains(&reply.status.as_u16()), "{} {}", reply.status, reply.text());
    assert!(!reply.headers.contains_key("retry-after"));
    println!("a stranger: {} {}", reply.status, reply.text());
    let reply = nobody.get(&path).await;
    assert!([401, 500, 503].contains(&reply.status.as_u16()), "{} {}", reply.status, reply.text());
    println!("a token: {} {}", reply.status, reply.text());
    for health in ["/livez", "/readyz"] {
        assert_eq!(replica.client.get(health).await.status, 200, "{health}");
    }

    plane.restart_api_server().await;
    let began = tokio::time::Instant::now();
    inferometer.until_available().await;
    println!("available {:?} after the API server was ready again", began.elapsed());
    pod(&admin, "second").await;
    front.set(series(&["first", "second"]));
    let path = value_path("ai", METRIC, "app=second");
    until("a pod of afterwards is known", seconds(90), async || {
        let reply = controller.get(&path).await;
        if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    println!("a new pod was known {:?} after the API server was ready again", began.elapsed());
    until("strangers are told apart again", seconds(30), async || {
        let reply = stranger.get(&path).await;
        if reply.status == 403 { Ok(()) } else { Err(format!("{} {}", reply.status, reply.text())) }
    })
    .await;
}
