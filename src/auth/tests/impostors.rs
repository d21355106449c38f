//! Forged identities over real handshakes (S1), no identity at all (S3).
use super::*;
use crate::telemetry::identity::Authentication;
use pki::Flaw;

const FORGED: [(&str, &str); 2] = [("x-remote-user", "root"), ("x-remote-group", "system:masters")];

#[tokio::test]
async fn headers_count_only_on_the_front_proxys_own_connection() {
    let rig = Rig::new();
    let server = rig.serve().await;
    let handshakes = [
        (None, Err(401)),
        (Some(Credential::self_signed("front-proxy-client", &["system:masters"])), Err(401)),
        (Some(rig.clients.issue("alice", &["team"])), Ok("alice")),
        (Some(rig.clients.issue("front-proxy-client", &[])), Ok("front-proxy-client")),
        (Some(rig.proxies.issue("somebody-else", &[])), Err(401)),
        (Some(rig.proxies.issue("front-proxy-client", &[])), Ok("root")),
        (Some(rig.proxies.issue_flawed("front-proxy-client", &[], Flaw::Expired)), Err(401)),
        (Some(rig.proxies.issue_flawed("front-proxy-client", &[], Flaw::ServerOnly)), Err(401)),
        (Some(rig.proxies.intermediate("below").issue("front-proxy-client", &[])), Ok("root")),
        (Some(rig.clients.intermediate("below").issue("front-proxy-client", &[])), Ok("front-proxy-client")),
    ];
    for (index, (credential, expected)) in handshakes.iter().enumerate() {
        for h2 in [false, true] {
            let client = client(credential.as_ref(), h2);
            let (code, told) = get(&client, server.url(METRIC), &FORGED).await;
            let outcome = if code == 200 { Ok(user(&told)) } else { Err(code) };
            assert_eq!(outcome, *expected, "handshake {index}, HTTP/2 {h2}: {told}");
            if let Ok(name) = expected {
                // The one identity is not mixed with the other's groups, and no handler sees a header.
                assert_eq!(told.contains("system:masters"), *name == "root", "{told}");
                assert!(told.contains("system:authenticated"), "{told}");
                assert!(told.ends_with('|'), "{told}");
            } else {
                assert!(told.contains(r#""reason":"Unauthorized""#), "{told}");
            }
        }
    }
    assert_eq!(rig.telemetry.identity.authentications(Authentication::FrontProxy), 4);
    assert_eq!(rig.telemetry.identity.authentications(Authentication::Anonymous), 2);
}

#[tokio::test]
async fn a_certificates_groups_are_its_organizations() {
    let rig = Rig::new();
    let alice = rig.clients.issue("alice", &["team"]);
    let (code, told) = rig.request(METRIC, Some(&alice)).send().await;
    assert_eq!(code, 200);
    assert!(told.contains(r#"alice ["team", "system:authenticated"]"#), "{told}");
    let nameless = rig.clients.issue("", &["team"]);
    assert_eq!(rig.request(METRIC, Some(&nameless)).code().await, 401);
}

#[tokio::test]
async fn too_long_a_chain_ends_the_handshake() {
    let rig = Rig::new();
    let server = rig.serve().await;
    let mut credential = rig.proxy();
    let more = vec![credential.chain[0].clone(); 100];
    credential.chain.extend(more);
    let sent = client(Some(&credential), false).get(server.url(METRIC)).send().await;
    assert!(sent.is_err(), "{sent:?}");
}

#[tokio::test]
async fn without_identity_there_is_health_and_nothing_else() {
    let rig = Rig::new();
    let server = rig.serve().await;
    for h2 in [false, true] {
        let client = client(None, h2);
        for path in ["/healthz", "/livez", "/readyz"] {
            let (code, told) = get(&client, server.url(path), &FORGED).await;
            assert_eq!((code, user(&told)), (200, "nobody"), "{path}");
            assert!(told.ends_with('|'), "{told}");
        }
        for path in [
            "/",
            "/apis",
            "/version",
            "/metrics",
            "/openapi/v3",
            "/healthz/",
            "/livez/ping",
            "/Readyz",
            METRIC,
        ] {
            assert_eq!(get(&client, server.url(path), &[]).await.0, 401, "{path}");
        }
    }
    assert_eq!(rig.fake.reviews(), (0, 0));
}

#[tokio::test]
async fn a_401_ends_an_http2_connection_and_a_403_does_not() {
    let rig = Rig::new();
    rig.fake.deny("bob");
    let server = rig.serve().await;
    let live = server.url("/livez");
    let client = client(Some(&rig.proxy()), true);
    let first = get(&client, live.clone(), &[]).await.1;
    assert_eq!(get(&client, server.url(METRIC), &[("x-remote-user", "bob")]).await.0, 403);
    assert_eq!(peer(&get(&client, live.clone(), &[]).await.1), peer(&first));
    assert_eq!(get(&client, server.url(METRIC), &[]).await.0, 401);
    // The GOAWAY is on its way.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_ne!(peer(&get(&client, live, &[]).await.1), peer(&first));
}

#[tokio::test]
async fn too_large_a_certificate_ends_the_handshake() {
    let rig = Rig::new();
    let server = rig.serve().await;
    let sent = async |group: &str| {
        let alice = rig.clients.issue("alice", &[group]);
        client(Some(&alice), false).get(server.url(METRIC)).send().await.map(|answer| answer.status())
    };
    assert_eq!(sent(&"g".repeat(10_000)).await.unwrap(), 200);
    for size in [40_000, 60_000] {
        let outcome = sent(&"g".repeat(size)).await;
        assert!(outcome.is_err(), "{size}: {outcome:?}");
    }
}
