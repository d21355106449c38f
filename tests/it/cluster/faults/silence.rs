//! The API server stands still for a minute, and its aggregator gets a new authority: R27, R30.

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::super::installation::namespace;
use super::{ControlPlane, Installation, METRIC, engines};
use crate::support::front::{Answer, Front};
use crate::support::pki::{Authority, Subject};
use crate::support::{Caller, Client, Load, Server, seconds, until, value_path};

const NOBODY: [String; 0] = [];

/// Files and threads of a process.
fn holdings(server: &mut Server) -> (usize, usize) {
    let pid = server.process.child().id();
    let count = |what: &str| std::fs::read_dir(format!("/proc/{pid}/{what}")).expect("it lives").count();
    (count("fd"), count("task"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs KUBEBUILDER_ASSETS"]
async fn cluster_api_server_stands_still_and_is_succeeded() {
    let mut plane = ControlPlane::start().await;
    let inferometer = Installation::prepare(&plane).await;
    let admin = inferometer.admin.clone();
    admin.apply(&namespace("ai")).await;
    let front = Front::start(None, Answer::Series(Vec::new())).await;
    engines(&admin, &front, &["first"]).await;
    let mut replica = inferometer.replica(&["--prometheus-url", &front.url()]).await;
    inferometer.register(&replica).await;
    let aggregator = plane.front_proxy_at("front-proxy-client", replica.client.base().to_owned());
    let controller = aggregator.sending(Caller::hpa_controller().headers());
    let reads = async |client: &Client, pod: &str, within: u64| {
        let path = value_path("ai", METRIC, &format!("app={pod}"));
        until(&format!("{pod} is read"), seconds(within), async || {
            let reply = client.get(&path).await;
            if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
        })
        .await;
    };
    reads(&controller, "first", 60).await;
    let before = holdings(&mut replica);

    plane.stop_api_server(true);
    let began = Instant::now();
    let path = value_path("ai", METRIC, "app=first");
    let stranger = aggregator.sending(Caller::user("stranger").headers());
    while began.elapsed() < seconds(60) {
        let reply = controller.get(&path).await;
        reply.assert_prompt();
        assert_eq!(reply.status, 200, "after {:?}: {}", began.elapsed(), reply.text());
        let reply = stranger.get(&path).await;
        assert!([403, 503].contains(&reply.status.as_u16()), "{}", reply.text());
        sleep(seconds(1)).await;
    }
    plane.stop_api_server(false);
    let began = Instant::now();
    engines(&admin, &front, &["first", "second"]).await;
    reads(&controller, "second", 90).await;
    println!("a new pod was known {:?} after the API server went on", began.elapsed());
    let after = until("what waited has ended", seconds(60), async || {
        let after = holdings(&mut replica);
        if after.0 <= before.0 + 8 && after.1 <= before.1 + 8 { Ok(after) } else { Err(format!("{after:?}")) }
    })
    .await;
    println!("files and threads: {before:?} before, {after:?} after");

    // The front proxy's authority is succeeded by another one, in the order that is documented.
    inferometer.until_available().await;
    let through = plane.administrator();
    let path = value_path("ai", METRIC, "");
    until("it is served through the API server", seconds(40), async || {
        let reply = through.get(&path).await;
        if reply.status == 200 { Ok(()) } else { Err(reply.text()) }
    })
    .await;
    let load = Load::start(through, &path);
    let next = Authority::root("front-proxy-ca-2");
    let issued = next.issue(&Subject::client("front-proxy-client"));
    let builder = reqwest::Client::builder().identity(issued.identity());
    let successor =
        Client::with(replica.client.base().to_owned(), builder.tls_danger_accept_invalid_certs(true));
    plane.trust_front_proxies(&[&next]);
    let began = Instant::now();
    reads(&successor.sending(Caller::hpa_controller().headers()), "first", 150).await;
    println!("both were believed after {:?}", began.elapsed());
    plane.replace_front_proxy(next);
    plane.trust_front_proxies(&[]);
    // API servers add what they believe to the ConfigMap, each for itself, and take nothing out of it: that is
    // left to people, once every API server comes with its new certificate.
    sleep(seconds(70)).await;
    let bundle = std::fs::read_to_string(plane.file("front-proxy-ca.crt")).expect("it is there");
    admin
        .apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "namespace": "kube-system", "name": "extension-apiserver-authentication" },
            "data": { "requestheader-client-ca-file": bundle },
        }))
        .await;
    until("the old one is good no more", seconds(150), async || {
        let reply = controller.get(&path).await;
        if reply.status == 401 { Ok(()) } else { Err(format!("{} {}", reply.status, reply.text())) }
    })
    .await;
    assert_eq!(load.end().await, NOBODY, "through the API server nobody noticed");
}
