//! The certificate that we make for ourselves, and the registrations that say whom to trust for it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use http::Method;
use serde_json::{Value as Json, json};

use crate::support::cluster::{Aggregator, REGISTRATIONS};
use crate::support::objects::api_service;
use crate::support::{Caller, Cluster, EXTERNAL, Server, seconds, until};

const SECRET: (&str, &str, &str, &str) = ("v1", "Secret", "inferometer", "inferometer-tls");

fn secret(cluster: &Cluster) -> Option<Json> {
    let (version, kind, namespace, name) = SECRET;
    cluster.api.get(version, kind, namespace, name)
}

/// The registered bundle, once it is there; all registrations have the same.
async fn bundle(cluster: &Cluster) -> String {
    until("every registration has the bundle", seconds(20), async || {
        let bundles = REGISTRATIONS.map(|registration| cluster.bundle(registration));
        match &bundles {
            [Some(first), rest @ ..] if rest.iter().all(|other| other.as_ref() == Some(first)) => {
                Ok(first.clone())
            }
            _ => Err(format!("{bundles:?}")),
        }
    })
    .await
}

/// Waits until a new connection to the server that trusts this bundle only comes about.
async fn until_trusted(cluster: &Cluster, server: &Server, bundle: &str) {
    let identity = cluster.front_proxy();
    until("a connection comes about", seconds(30), async || {
        let aggregator = Aggregator::connect(server, bundle, Some(&identity));
        let client = aggregator.on_behalf_of(&Caller::aggregator());
        match client.try_send(Method::GET, EXTERNAL, &[]).await {
            Ok(reply) if reply.status == 200 => Ok(()),
            Ok(reply) => Err(reply.text()),
            Err(error) => Err(format!("{error:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registered_with_a_certificate_of_our_own() {
    let cluster = Cluster::start().await;
    let mut foreign = api_service("v1beta1", "metrics.k8s.io");
    foreign["spec"]["service"] = json!({ "namespace": "kube-system", "name": "metrics-server", "port": 443 });
    cluster.api.put(foreign);
    let server = cluster.launch(&["--tls-secret", "inferometer-tls"]).await;
    let bundle = bundle(&cluster).await;
    until_trusted(&cluster, &server, &bundle).await;

    let secret = secret(&cluster).expect("the Secret");
    assert_eq!(secret["type"], "kubernetes.io/tls");
    let data = |key: &str| BASE64.decode(secret["data"][key].as_str().unwrap_or_default()).expect("base64");
    for (key, word) in [("tls.crt", "BEGIN CERTIFICATE"), ("tls.key", "PRIVATE KEY")] {
        assert!(String::from_utf8_lossy(&data(key)).contains(word), "{key} in {:?}", secret["data"]);
    }
    assert!(!bundle.contains("PRIVATE KEY"));
    assert!(cluster.bundle(("v1beta1", "metrics.k8s.io")).is_none(), "that one is not ours");
    // Nothing is written but what is ours.
    for request in cluster.api.seen().iter().filter(|request| request.method != Method::GET) {
        let path = request.path.as_str();
        let ours = path.starts_with("/api/v1/namespaces/inferometer/secrets")
            || path.starts_with("/apis/apiregistration.k8s.io/v1/apiservices/")
            || path.ends_with("/tokenreviews")
            || path.ends_with("/subjectaccessreviews");
        assert!(ours, "{request:?}");
    }
    // The key is nobody's to read in a log.
    let key = String::from_utf8(data("tls.key")).expect("PEM");
    let line = key.lines().nth(1).expect("a line of the key");
    assert!(!server.log().iter().any(|said| said.contains(line)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_that_points_elsewhere_is_left_alone() {
    let cluster = Cluster::start().await;
    let mut other = api_service("v1beta1", "custom.metrics.k8s.io");
    other["spec"]["service"]["name"] = "prometheus-adapter".into();
    cluster.api.put(other);
    let server = cluster.launch(&[]).await;
    cluster.available(&server).await;
    until("the third is patched", seconds(20), async || cluster.bundle(REGISTRATIONS[2]).ok_or("not yet"))
        .await;
    assert!(cluster.bundle(REGISTRATIONS[1]).is_none(), "another adapter has it");

    // When it comes to us, it is ours to keep.
    cluster.api.put(api_service("v1beta1", "custom.metrics.k8s.io"));
    until("it is patched", seconds(30), async || cluster.bundle(REGISTRATIONS[1]).ok_or("not yet")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_that_come_late_or_are_overwritten_are_completed() {
    let cluster = Cluster::start().await;
    let names = REGISTRATIONS.map(|(version, group)| format!("{version}.{group}"));
    for name in &names {
        cluster.api.remove("apiregistration.k8s.io/v1", "APIService", "", name);
    }
    let server = cluster.launch(&[]).await;
    until("the Secret is there", seconds(20), async || secret(&cluster).ok_or("not yet")).await;
    let apply = || REGISTRATIONS.map(|(version, group)| cluster.api.put(api_service(version, group)));
    apply();
    let first = bundle(&cluster).await;
    until_trusted(&cluster, &server, &first).await;
    // As `kubectl replace` with the file as it is shipped.
    apply();
    assert_eq!(bundle(&cluster).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_one_certificate() {
    let cluster = Cluster::start().await;
    let (one, two) = tokio::join!(cluster.launch(&[]), cluster.launch(&[]));
    let first = bundle(&cluster).await;
    for server in [&one, &two] {
        until_trusted(&cluster, server, &first).await;
    }
    assert_eq!(bundle(&cluster).await, first, "they agree, and go on to");
    let kept = secret(&cluster).expect("the Secret");

    // A new one in the place of an old one takes up what is there.
    drop(two);
    let three = cluster.launch(&[]).await;
    until_trusted(&cluster, &three, &first).await;
    assert_eq!(secret(&cluster).expect("the Secret")["data"], kept["data"]);
    assert_eq!(bundle(&cluster).await, first);
    until_trusted(&cluster, &one, &first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_deleted_is_made_again() {
    let cluster = Cluster::start().await;
    let (one, two) = tokio::join!(cluster.launch(&[]), cluster.launch(&[]));
    let first = bundle(&cluster).await;
    for server in [&one, &two] {
        until_trusted(&cluster, server, &first).await;
    }
    let (version, kind, namespace, name) = SECRET;
    cluster.api.remove(version, kind, namespace, name);
    until("it is back", seconds(30), async || secret(&cluster).ok_or("not yet")).await;
    for server in [&one, &two] {
        let identity = cluster.front_proxy();
        until("both are trusted by what is registered", seconds(30), async || {
            let bundle = cluster.bundle(REGISTRATIONS[0]).ok_or("no bundle")?;
            let client =
                Aggregator::connect(server, &bundle, Some(&identity)).on_behalf_of(&Caller::aggregator());
            match client.try_send(Method::GET, EXTERNAL, &[]).await {
                Ok(reply) if reply.status == 200 => Ok(()),
                Ok(reply) => Err(reply.text()),
                Err(error) => Err(format!("{error:?}")),
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_full_of_nonsense_is_no_end() {
    let cluster = Cluster::start().await;
    let (version, kind, namespace, name) = SECRET;
    let mut nonsense = crate::support::objects::object(version, kind, namespace, name);
    nonsense["metadata"]["labels"] = json!({ "app.kubernetes.io/managed-by": "inferometer" });
    nonsense["type"] = "kubernetes.io/tls".into();
    nonsense["stringData"] = json!({ "tls.crt": "nonsense", "tls.key": "nonsense" });
    cluster.api.put(nonsense);
    let server = cluster.launch(&[]).await;
    let good = bundle(&cluster).await;
    until_trusted(&cluster, &server, &good).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rights_to_the_secret_we_serve_and_say_so() {
    let cluster = Cluster::start().await;
    let verbs = ["get", "list", "watch", "create", "update", "patch"];
    for verb in verbs {
        cluster.api.forbid(verb, "secrets", true);
    }
    let server = cluster.launch(&[]).await;
    assert_eq!(server.client.get_as("/livez", "*/*").await.status, 200);
    until("the log says what is missing", seconds(20), async || {
        let log = server.log().join("\n");
        if log.contains("inferometer-tls") { Ok(()) } else { Err(log) }
    })
    .await;
    for verb in verbs {
        cluster.api.forbid(verb, "secrets", false);
    }
    until("the Secret is there", seconds(60), async || secret(&cluster).ok_or("not yet")).await;
    let registered = bundle(&cluster).await;
    until_trusted(&cluster, &server, &registered).await;
}
