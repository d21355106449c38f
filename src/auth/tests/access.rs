//! Decisions: what is asked, what is remembered, for how long and for whom.
use super::*;
use fake::Mood;

#[tokio::test]
async fn the_review_names_what_is_asked() {
    let rig = Rig::new();
    let selector = "?labelSelector=model%3Da%2Czone%20in%20%28b%2Cc%29%2C%21spot";
    assert_eq!(rig.proxied(&format!("{METRIC}{selector}"), "alice").code().await, 200);
    let asked = rig.fake.last();
    assert_eq!(asked.non_resource_attributes, None);
    let resource = asked.resource_attributes.unwrap();
    assert_eq!(resource.verb.as_deref(), Some("list"));
    assert_eq!(resource.group.as_deref(), Some("external.metrics.k8s.io"));
    assert_eq!(resource.version.as_deref(), Some("v1beta1"));
    assert_eq!(resource.namespace.as_deref(), Some("team"));
    assert_eq!(resource.resource.as_deref(), Some("waiting"));
    assert_eq!((resource.name, resource.subresource, resource.field_selector), (None, None, None));
    let selector = resource.label_selector.unwrap();
    assert_eq!(selector.raw_selector, None);
    let requirements: Vec<String> = selector
        .requirements
        .unwrap()
        .iter()
        .map(|one| format!("{} {} {:?}", one.key, one.operator, one.values.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(requirements, [r#"model In ["a"]"#, "spot DoesNotExist []", r#"zone In ["b", "c"]"#]);

    assert_eq!(rig.proxied(&format!("{METRIC}?labelSelector=gpus%3E3"), "alice").code().await, 200);
    let selector = rig.fake.last().resource_attributes.unwrap().label_selector.unwrap();
    assert_eq!((selector.raw_selector.as_deref(), selector.requirements), (Some("gpus>3"), None));

    assert_eq!(rig.proxied("/apis?x=1", "alice").code().await, 200);
    let asked = rig.fake.last();
    assert_eq!(asked.resource_attributes, None);
    let path = asked.non_resource_attributes.unwrap();
    assert_eq!((path.verb.as_deref(), path.path.as_deref()), (Some("get"), Some("/apis")));
}

#[tokio::test]
async fn paths_of_two_readings_are_refused_before_any_review() {
    let rig = Rig::new();
    for (path, code) in [
        ("/apis//custom.metrics.k8s.io", 400),
        ("/apis/external.metrics.k8s.io/v1beta1/namespaces/team/../other/waiting", 400),
        ("/apis/external.metrics.k8s.io/v1beta1/namespaces/team%2Fwaiting", 400),
        ("/apis/external.metrics.k8s.io/v1beta1/watch/namespaces/team/waiting", 404),
    ] {
        assert_eq!(rig.proxied(path, "alice").code().await, code, "{path}");
    }
    assert_eq!(rig.fake.reviews(), (0, 0));
}

#[tokio::test]
async fn masters_are_never_reviewed() {
    let rig = Rig::new();
    rig.fake.deny("root");
    rig.fake.set(Mood::Unreachable);
    let root = || rig.proxied(METRIC, "root").header("x-remote-group", "system:masters");
    assert_eq!(root().code().await, 200);
    assert_eq!(rig.fake.reviews(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn decisions_live_thirty_seconds_or_five() {
    let rig = Rig::new();
    rig.fake.deny("bob");
    let ask = async |name: &str| rig.proxied(METRIC, name).code().await;
    assert_eq!((ask("alice").await, ask("bob").await), (200, 403));
    rig.fake.deny("alice");
    rig.fake.allow("bob");
    tokio::time::advance(Duration::from_millis(4_900)).await;
    assert_eq!((ask("alice").await, ask("bob").await), (200, 403));
    assert_eq!(rig.fake.reviews().1, 2);
    tokio::time::advance(Duration::from_millis(200)).await;
    assert_eq!((ask("alice").await, ask("bob").await), (200, 200));
    tokio::time::advance(Duration::from_millis(24_800)).await;
    assert_eq!(ask("alice").await, 200);
    tokio::time::advance(Duration::from_millis(200)).await;
    assert_eq!(ask("alice").await, 403);
    assert_eq!(rig.fake.reviews().1, 4);
}

#[tokio::test]
async fn decisions_hold_for_one_user_and_one_request() {
    let rig = Rig::new();
    let ask = async |path: &str, name: &str, group: &str| {
        rig.proxied(path, name).header("x-remote-group", group).code().await
    };
    let cases = [
        (METRIC.to_owned(), "alice", "a"),
        (METRIC.to_owned(), "alice", "b"),
        (METRIC.to_owned(), "bob", "a"),
        (format!("{METRIC}s"), "alice", "a"),
        (format!("{METRIC}?labelSelector=a"), "alice", "a"),
        (METRIC.replace("team", "other"), "alice", "a"),
    ];
    for round in 0..2 {
        for (path, name, group) in &cases {
            assert_eq!(ask(path, name, group).await, 200, "{round}");
        }
    }
    // What no authorizer looks at makes no difference.
    assert_eq!(ask(&format!("{METRIC}?limit=1"), "alice", "a").await, 200);
    assert_eq!(rig.fake.reviews().1, cases.len());
}

#[tokio::test(start_paused = true)]
async fn a_hundred_at_once_are_one_review() {
    let rig = Arc::new(Rig::new());
    rig.fake.set(Mood::Slow);
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move { rig.proxied(METRIC, "alice").code().await })
        })
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(rig.fake.reviews().1, 1);
}

#[tokio::test]
async fn decisions_that_are_remembered_are_bounded() {
    let rig = Rig::new();
    let alice = rig.clients.issue("alice", &[]);
    let presented = Arc::new(Presented::new(&alice.chain).unwrap());
    for index in 0..10_000 {
        let mut asking = rig.request(&format!("{METRIC}?labelSelector=n%3D{index}"), None);
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let presented = Some(Arc::clone(&presented));
        asking
            .request
            .extensions_mut()
            .insert(ConnectionInfo::presenting(peer, presented));
        assert_eq!(asking.code().await, 200);
    }
    let kept = rig.auth.access.kept();
    assert!(kept > 0 && kept <= 8192, "{kept}");
}

/// A known caller with a known decision costs no wait: the first poll answers.
#[tokio::test]
async fn what_is_known_is_answered_at_the_first_poll() {
    let rig = Rig::new();
    assert_eq!(rig.proxied(METRIC, "alice").code().await, 200);
    let mut again = std::pin::pin!(rig.proxied(METRIC, "alice").code());
    assert!(futures_util::poll!(again.as_mut()).is_ready());
}
