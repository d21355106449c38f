//! Authorities, certificates and tokens are replaced while the right callers go on asking: not one of
//! their requests fails.

use serde_json::json;

use crate::support::cluster::{Aggregator, FRONT_PROXY, SERVER_NAME};
use crate::support::front::{Answer, Front};
use crate::support::pki::{Authority, Issued, Subject};
use crate::support::{
    Caller, Client, Cluster, Grant, Load, Site, WAITING, of_pod, replace_file, seconds, until, value_path,
};

const NOBODY: [String; 0] = [];

/// Waits until this client is answered with this code.
async fn until_answered(what: &str, client: &Client, code: u16) {
    until(what, seconds(20), async || {
        let reply = client.get(&value_path("ai", WAITING, "")).await;
        if reply.status == code { Ok(()) } else { Err(format!("{}: {}", reply.status, reply.text())) }
    })
    .await;
}

/// Both certificates are of the same caller; the one authority gives way to the other in `trust`, by
/// way of both.
async fn handed_over(
    site: &Site,
    connect: impl Fn(&Issued) -> Client,
    old: &Issued,
    new: &Issued,
    trust: impl Fn(bool, bool),
) {
    let path = value_path("ai", WAITING, "");
    let old_client = connect(old);
    until_answered("the old certificate is good", &old_client, 200).await;
    until_answered("the new certificate is not yet", &connect(new), 401).await;
    let old_load = Load::start(old_client.clone(), &path);
    trust(true, true);
    until_answered("the new certificate is good too", &connect(new), 200).await;
    let new_load = Load::start(connect(new), &path);
    assert_eq!(old_load.end().await, NOBODY, "while both were good");
    trust(false, true);
    // On its open connection too: it is the certificate that lost its worth.
    until_answered("the old certificate is good no more", &old_client, 401).await;
    until_answered("nor on a new connection", &connect(old), 401).await;
    assert_eq!(new_load.end().await, NOBODY, "{:#?}", site.server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_of_the_request_headers() {
    let site = Site::start().await;
    let next = Authority::root("front-proxy-ca-2");
    let new = next.issue(&Subject::client(FRONT_PROXY));
    let cluster = &site.cluster;
    let connect = |identity: &Issued| Aggregator::trusting_all(&site.server, Some(identity)).hpa_controller();
    handed_over(&site, connect, &cluster.front_proxy(), &new, |old_too, _| {
        let bundle = if old_too { vec![&cluster.front_proxies, &next] } else { vec![&next] };
        cluster.trust(&bundle, &[&cluster.clients]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_of_the_users() {
    let site = Site::start().await;
    let next = Authority::root("kubernetes-ca");
    let cluster = &site.cluster;
    cluster.api.grant(Grant::external("bob", "ai", WAITING));
    let [old, new] = [&cluster.clients, &next].map(|authority| authority.issue(&Subject::client("bob")));
    let connect = |identity: &Issued| Aggregator::trusting_all(&site.server, Some(identity)).bare();
    handed_over(&site, connect, &old, &new, |old_too, _| {
        let bundle = if old_too { vec![&cluster.clients, &next] } else { vec![&next] };
        cluster.trust(&[&cluster.front_proxies], &bundle);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonsensical_bundle_changes_nothing() {
    let site = Site::start().await;
    let path = value_path("ai", WAITING, "");
    let load = Load::start(site.aggregator.hpa_controller(), &path);
    let nonsense =
        json!({ "data": { "requestheader-client-ca-file": "-----BEGIN CERTIFICATE-----\nnonsense\n" } });
    let name = "extension-apiserver-authentication";
    site.cluster.api.merge("v1", "ConfigMap", "kube-system", name, &nonsense);
    until("it is refused aloud", seconds(20), async || {
        let log = site.server.log();
        let told = log.iter().any(|line| line.contains("requestheader-client-ca-file"));
        if told { Ok(()) } else { Err(log.join("\n")) }
    })
    .await;
    assert_eq!(load.end().await, NOBODY);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_serving_certificate() {
    let cluster = Cluster::start().await;
    let [old, new] = ["serving-1", "serving-2"].map(Authority::root);
    let flags = cluster.certificate_files(&old);
    let server = cluster.launch(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let identity = cluster.front_proxy();
    let path = "/apis/external.metrics.k8s.io/v1beta1";
    let trusting = |bundle: &str| {
        Aggregator::connect(&server, bundle, Some(&identity)).on_behalf_of(&Caller::aggregator())
    };
    let connects = async |bundle: &str| match trusting(bundle).try_send(http::Method::GET, path, &[]).await {
        Ok(reply) if reply.status == 200 => Ok(()),
        Ok(reply) => Err(reply.text()),
        Err(error) => Err(format!("{error:?}")),
    };
    until("the old one is served", seconds(20), async || connects(&old.pem()).await).await;
    assert!(connects(&new.pem()).await.is_err());
    let both = old.pem() + &new.pem();
    let steady = Load::start(trusting(&both), path);
    // One that connects anew each time, and would see a certificate that fits no key.
    let port = server.client.base().rsplit_once(':').expect("a port").1.to_owned();
    let fresh = {
        let address = ([127, 0, 0, 1], port.parse().expect("a port")).into();
        let roots = reqwest::Certificate::from_pem_bundle(both.as_bytes()).expect("certificates");
        let builder = reqwest::Client::builder()
            .tls_certs_only(roots)
            .identity(identity.identity())
            .resolve(SERVER_NAME, address)
            .http1_only()
            .pool_max_idle_per_host(0);
        Client::with(format!("https://{SERVER_NAME}:{port}"), builder).sending(Caller::aggregator().headers())
    };
    let fresh = Load::start(fresh, path);

    cluster.certificate_files(&new);
    until("the new one is served", seconds(60), async || connects(&new.pem()).await).await;
    assert!(connects(&old.pem()).await.is_err());
    assert_eq!(steady.end().await, NOBODY, "on an open connection");
    assert_eq!(fresh.end().await, NOBODY, "on new connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_file_of_a_source() {
    let cluster = Cluster::start().await;
    cluster.api.put(crate::support::objects::pod("ai", "a", &[]));
    let front = Front::start(None, Answer::Series(vec![(of_pod("ai", "a"), 3.0)])).await;
    front.demand(&["token-1"]);
    let (token, config) = (cluster.file("token"), cluster.file("config.yaml"));
    std::fs::write(&token, "token-1\n").expect("a file can be written");
    let yaml = json!({
        "apiVersion": "inferometer.dev/v1alpha1", "kind": "Configuration",
        "sources": [{ "name": "main", "prometheus": { "url": front.url(), "auth": { "bearerTokenFile": token } } }],
        // Refused soon where a query fails.
        "metrics": [{ "name": WAITING, "preset": WAITING, "refresh": "1s", "hold": "2s" }],
    });
    std::fs::write(&config, yaml.to_string()).expect("a file can be written");
    let (server, aggregator) = cluster.serve(&["--config", config.to_str().expect("a path in UTF-8")]).await;
    let hpa = aggregator.hpa_controller();
    until_answered("there is a value", &hpa, 200).await;
    let load = Load::start(hpa, &value_path("ai", WAITING, ""));

    front.demand(&["token-1", "token-2"]);
    replace_file(&token, "token-2\n");
    until("the new token is used", seconds(60), async || match front.tokens_seen() {
        (Some(token), _) if token == "token-2" => Ok(()),
        seen => Err(format!("{seen:?}")),
    })
    .await;
    front.demand(&["token-2"]);
    let before = front.queries().len();
    until("it is asked again", seconds(20), async || {
        if front.queries().len() > before + 2 { Ok(()) } else { Err("not yet") }
    })
    .await;
    assert_eq!(front.tokens_seen().1, 0, "a request came with a bad token");
    assert_eq!(load.end().await, NOBODY, "{:#?}", server.log());
}
