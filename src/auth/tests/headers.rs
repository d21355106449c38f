//! Headers that could be read in two ways (S20), and what is made of those that cannot.
use super::*;

/// Headers of a request over the front proxy's connection, and the user they give; none for 401.
type Case = (&'static [(&'static str, &'static [u8])], Option<&'static str>);

const CASES: [Case; 30] = [
    (&[("x-remote-user", b"alice")], Some("alice")),
    (&[("x-remote-user", b"alice smith")], Some("alice")),
    (&[("x-remote-user", b"alice,root")], Some("alice,root")),
    (&[("x-remote-user", b"alice"), ("x-remote-user", b"root")], None),
    (&[("x-remote-user", b"alice"), ("x-remote-user", b"alice")], None),
    (&[("x-remote-user", b"alice"), ("x-remote-user", b"")], None),
    (&[("x-remote-user", b""), ("x-remote-user", b"root")], None),
    (&[("x-remote-user", b"")], None),
    (&[], None),
    (&[("x_remote_user", b"root")], None),
    (&[("x-remote_user", b"root")], None),
    (&[("x-remote-user_", b"root")], None),
    (&[("xremoteuser", b"root")], None),
    (&[("remote-user", b"root")], None),
    (&[("x-remote-username", b"root")], None),
    (&[("x-forwarded-user", b"root")], None),
    (&[("impersonate-user", b"root")], None),
    (&[("x-remote-user", b"alice"), ("x_remote_user", b"root")], Some("alice")),
    (&[("x-remote-user", b"alice"), ("impersonate-user", b"root")], Some("alice")),
    (&[("x-remote-user", b"alice"), ("authorization", b"Bearer canary")], Some("alice")),
    (&[("x-remote-user", b""), ("authorization", b"Bearer canary")], None),
    (&[("x-remote-user", b"\xff\xfe")], None),
    (&[("x-remote-user", "zoë".as_bytes())], Some("zoë")),
    (&[("x-remote-user", b"alice"), ("x-remote-group", b"\xff")], None),
    (&[("x-remote-user", b"alice"), ("x-remote-extra-scope", b"\xff")], None),
    (&[("x-remote-user", b"alice"), ("x-remote-extra-", b"empty")], None),
    (&[("x-remote-user", b"alice"), ("x-remote-extra-%ff", b"no text")], None),
    (&[("x-remote-user", b"alice"), ("x-remote-uid", b"1"), ("x-remote-uid", b"2")], None),
    (&[("x-remote-group", b"system:masters")], None),
    (&[("x-remote-extra-user", b"root"), ("x-remote-uid", b"0")], None),
];

#[tokio::test]
async fn ambiguous_headers_name_nobody() {
    let rig = Rig::new();
    rig.fake.token("canary", "root");
    for (headers, expected) in CASES {
        let mut asking = rig.request(METRIC, Some(&rig.proxy()));
        for (name, value) in headers {
            asking = asking.header(name, value);
        }
        let (code, told) = asking.send().await;
        let found = (code == 200).then(|| user(&told));
        assert_eq!(found, expected, "{headers:?}: {told}");
        if found.is_some() {
            // Spelt otherwise, a header means nothing and harms nothing; the rest is gone.
            assert!(!told.contains("x-remote") && !told.contains("authorization"), "{told}");
            assert!(!told.contains("system:masters"), "{told}");
        } else {
            assert_eq!(code, 401, "{headers:?}");
        }
    }
}

#[tokio::test]
async fn all_that_the_front_proxy_tells_reaches_the_review() {
    let rig = Rig::new();
    let asking = rig
        .proxied(METRIC, "alice")
        .header("x-remote-uid", "42")
        .header("x-remote-group", "b")
        .header("x-remote-group", "")
        .header("x-remote-group", "a")
        .header("x-remote-extra-scopes", "two")
        .header("x-remote-extra-scopes", "one")
        .header("x-remote-extra-example.org%2fkey", "value")
        .header("x-remote-extra-50%", "half");
    let told = asking.send().await.1;
    assert_eq!(user(&told), "alice");
    let review = rig.fake.last();
    assert_eq!(review.user.as_deref(), Some("alice"));
    assert_eq!(review.uid.as_deref(), Some("42"));
    assert_eq!(review.groups.unwrap(), ["b", "a", "system:authenticated"]);
    let extra = review.extra.unwrap();
    let expected =
        [("50%", vec!["half"]), ("example.org/key", vec!["value"]), ("scopes", vec!["two", "one"])];
    assert_eq!(extra.len(), expected.len());
    for (key, values) in expected {
        assert_eq!(extra[key], values);
    }
}

#[tokio::test]
async fn a_uid_counts_only_when_the_cluster_names_its_header() {
    let rig = Rig::new();
    let mut map = config_map(&rig.clients.pem, &rig.proxies.pem);
    map.remove("requestheader-uid-headers");
    rig.trust.update(&map).unwrap();
    let told = rig.proxied(METRIC, "alice").header("x-remote-uid", "42").send().await.1;
    assert_eq!(rig.fake.last().uid, None);
    assert!(told.ends_with(" -|"), "{told}");
}

/// kube-apiserver passes on those it could not recognise too, and they must not become authenticated.
#[tokio::test]
async fn the_anonymous_user_stays_unauthenticated() {
    let rig = Rig::new();
    let anonymous =
        rig.proxied(METRIC, "system:anonymous").header("x-remote-group", "system:unauthenticated");
    assert_eq!(anonymous.code().await, 200);
    assert_eq!(rig.fake.last().groups.unwrap(), ["system:unauthenticated"]);
}

#[tokio::test]
async fn headers_of_another_name_are_honoured_and_taken_off_too() {
    let rig = Rig::new();
    let mut map = config_map(&rig.clients.pem, &rig.proxies.pem);
    let names = r#"["Remote-Login", "X-Remote-User"]"#;
    map.insert("requestheader-username-headers".to_owned(), names.to_owned());
    map.insert("requestheader-extra-headers-prefix".to_owned(), r#"["Remote-More-"]"#.to_owned());
    rig.trust.update(&map).unwrap();
    let told = rig
        .proxied(METRIC, "second")
        .header("remote-login", "first")
        .header("remote-more-key", "value")
        .send()
        .await
        .1;
    assert_eq!(user(&told), "first");
    assert!(told.contains(r#"{"key": ["value"]}"#), "{told}");
    assert!(told.ends_with('|'), "{told}");
    assert_eq!(user(&rig.proxied(METRIC, "second").send().await.1), "second");
}

#[tokio::test]
async fn users_that_are_remembered_are_bounded_in_bytes() {
    let rig = Rig::new();
    let proxy = rig.proxy();
    let presented = Arc::new(Presented::new(&proxy.chain).unwrap());
    for index in 0..400 {
        let mut asking = rig.request(METRIC, None);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let presented = Some(Arc::clone(&presented));
        asking
            .request
            .extensions_mut()
            .insert(ConnectionInfo::presenting(peer, presented));
        let name = format!("user-{index}");
        let group = "g".repeat(60_000);
        assert_eq!(asking.header("x-remote-user", name).header("x-remote-group", group).code().await, 200);
    }
    let kept = rig.auth.users.kept_bytes();
    assert!(kept > 60_000 && kept <= 8 * 1024 * 1024, "{kept}");
}
