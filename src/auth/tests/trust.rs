//! What the ConfigMap may say.
use super::super::trust::{Change, TrustError};
use super::*;

fn without(map: &BTreeMap<String, String>, key: &str) -> BTreeMap<String, String> {
    let mut map = map.clone();
    assert!(map.remove(key).is_some());
    map
}

fn with(map: &BTreeMap<String, String>, key: &str, value: &str) -> BTreeMap<String, String> {
    let mut map = map.clone();
    map.insert(key.to_owned(), value.to_owned());
    map
}

#[tokio::test]
async fn what_is_left_out_is_not_believed() {
    let rig = Rig::new();
    let map = config_map(&rig.clients.pem, &rig.proxies.pem);
    let alice = rig.clients.issue("alice", &[]);
    let both =
        async || (rig.proxied(METRIC, "root").code().await, rig.request(METRIC, Some(&alice)).code().await);
    assert_eq!(both().await, (200, 200));
    for (key, expected) in [
        ("client-ca-file", (200, 401)),
        ("requestheader-client-ca-file", (401, 200)),
        ("requestheader-username-headers", (401, 200)),
        ("requestheader-group-headers", (200, 200)),
        ("requestheader-allowed-names", (200, 200)),
    ] {
        rig.trust.update(&without(&map, key)).unwrap();
        assert_eq!(both().await, expected, "without {key}");
    }
    rig.trust.update(&BTreeMap::new()).unwrap();
    assert_eq!(both().await, (401, 401));
}

#[tokio::test]
async fn a_bad_config_map_is_refused_whole() {
    let rig = Rig::new();
    let map = config_map(&rig.clients.pem, &rig.proxies.pem);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let half = format!("{}{garbage}", rig.clients.pem);
    for (key, value) in [
        ("client-ca-file", "no PEM"),
        ("client-ca-file", garbage),
        ("client-ca-file", half.as_str()),
        ("requestheader-client-ca-file", garbage),
        ("requestheader-allowed-names", "front-proxy-client"),
        ("requestheader-allowed-names", r#"{"a": 1}"#),
        ("requestheader-username-headers", r#"["X Remote"]"#),
        ("requestheader-username-headers", r#"[""]"#),
        ("requestheader-extra-headers-prefix", r#"[""]"#),
    ] {
        let error = rig.trust.update(&with(&map, key, value)).unwrap_err();
        assert!(error.to_string().starts_with(key), "{error}");
        assert_eq!(rig.trust.generation(), 1);
        assert_eq!(rig.proxied(METRIC, "root").code().await, 200, "{key}: {value}");
    }
    let again = rig.trust.update(&with(&map, "requestheader-username-headers", "1"));
    assert!(matches!(again, Err(TrustError::List { .. })), "{again:?}");
    assert_eq!(rig.trust.update(&map).unwrap(), Change::Taken);
    assert_eq!(rig.trust.update(&map).unwrap(), Change::None);
    assert_eq!(rig.trust.update(&with(&map, "other", "thing")).unwrap(), Change::None);
}

#[tokio::test]
async fn null_lists_are_empty() {
    let rig = Rig::new();
    let map = config_map(&rig.clients.pem, &rig.proxies.pem);
    rig.trust.update(&with(&map, "requestheader-allowed-names", "null")).unwrap();
    let other = rig.proxies.issue("any name", &[]);
    assert_eq!(rig.request(METRIC, Some(&other)).header("x-remote-user", "root").code().await, 200);
}

/// S2: with one authority for both and no names, every user's own certificate would be the front proxy's.
#[tokio::test]
async fn one_authority_for_both_and_any_name_is_no_front_proxy() {
    let rig = Rig::new();
    let key = pki::key();
    let copy = || rcgen::KeyPair::from_pem(&key.serialize_pem()).unwrap();
    // The same key under another name is the same authority.
    for other in ["one", "two"] {
        let (clients, proxies) = (Authority::with_key("one", copy()), Authority::with_key(other, copy()));
        let map = config_map(&clients.pem, &proxies.pem);
        let alice = clients.issue("alice", &[]);
        let asking = || rig.request(METRIC, Some(&alice)).header("x-remote-user", "root");
        let unsafe_map = with(&map, "requestheader-allowed-names", "[]");
        assert_eq!(rig.trust.update(&unsafe_map).unwrap(), Change::TakenWithoutFrontProxy);
        assert_eq!(user(&asking().send().await.1), "alice", "{other}");
        assert!(metrics(&rig).contains("inferometer_front_proxy_refused 1"));
        // With names the two are told apart.
        assert_eq!(rig.trust.update(&map).unwrap(), Change::Taken);
        assert_eq!(user(&asking().send().await.1), "alice");
        let proxy = proxies.issue("front-proxy-client", &[]);
        let asking = rig.request(METRIC, Some(&proxy)).header("x-remote-user", "root");
        assert_eq!(user(&asking.send().await.1), "root");
        assert!(metrics(&rig).contains("inferometer_front_proxy_refused 0"));
    }
}

fn metrics(rig: &Rig) -> String {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &rig.telemetry.registry()).unwrap();
    text
}

#[tokio::test]
async fn what_was_recognised_and_decided_is_counted() {
    let rig = Rig::new();
    rig.fake.deny("bob");
    assert_eq!(rig.proxied(METRIC, "alice").code().await, 200);
    assert_eq!(rig.proxied(METRIC, "bob").code().await, 403);
    assert_eq!(rig.request(METRIC, None).code().await, 401);
    let metrics = metrics(&rig);
    for line in [
        r#"inferometer_authentications_total{result="front_proxy"} 2"#,
        r#"inferometer_authentications_total{result="anonymous"} 1"#,
        r#"inferometer_access_decisions_total{result="allowed"} 1"#,
        r#"inferometer_access_decisions_total{result="denied"} 1"#,
        r#"inferometer_access_reviews_total{kind="access",result="success"} 2"#,
        r#"inferometer_trust_reads_total{result="success"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
}
