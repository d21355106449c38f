//! Bearer tokens (S19).
use super::*;
use crate::telemetry::identity::Authentication;
use fake::Mood;

async fn ask(rig: &Rig, authorization: &str) -> (u16, String) {
    let (code, told) = rig.request(METRIC, None).header("authorization", authorization).send().await;
    (code.as_u16(), user(&told).to_owned())
}

#[tokio::test]
async fn a_token_is_reviewed_and_taken_off() {
    let rig = Rig::new();
    rig.fake.token("canary", "builder");
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(ask(&rig, &format!("{scheme} canary")).await, (200, "builder".to_owned()));
    }
    assert_eq!(ask(&rig, "Bearer  canary ").await, (200, "builder".to_owned()));
    let told = rig.request(METRIC, None).header("authorization", "Bearer canary").send().await.1;
    assert!(told.ends_with('|'), "{told}");
    assert_eq!(rig.fake.reviews(), (1, 1));
    assert_eq!(rig.fake.last().groups.unwrap(), ["system:serviceaccounts", "system:authenticated"]);
}

#[tokio::test]
async fn what_is_no_token_is_refused_without_a_review() {
    let rig = Rig::new();
    let long = format!("Bearer {}", "a".repeat(16 * 1024 + 1));
    for authorization in
        ["", "Bearer", "Bearer ", "Basic YTpi", "canary", "Bearer a b", "Bearercanary", &long]
    {
        assert_eq!(ask(&rig, authorization).await.0, 401, "{authorization}");
    }
    let twice =
        rig.request(METRIC, None).header("authorization", "Bearer a").header("authorization", "Bearer a");
    assert_eq!(twice.code().await, 401);
    assert_eq!(rig.fake.reviews(), (0, 0));
    let longest = format!("Bearer {}", "a".repeat(16 * 1024));
    assert_eq!(ask(&rig, &longest).await.0, 401);
    assert_eq!(rig.fake.reviews(), (1, 0));
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    for (audience, code) in [("api", 200), ("inferometer", 401)] {
        let rig = Rig::with(|settings| settings.audiences = vec![audience.to_owned()]);
        rig.fake.token("canary", "builder");
        assert_eq!(ask(&rig, "Bearer canary").await.0, code, "{audience}");
    }
}

#[tokio::test]
async fn a_certificate_of_no_authority_leaves_room_for_a_token() {
    let rig = Rig::new();
    rig.fake.token("canary", "builder");
    for credential in [Credential::self_signed("x", &[]), rig.proxies.issue("wrong name", &[]), rig.proxy()] {
        let asking = rig.request(METRIC, Some(&credential)).header("authorization", "Bearer canary");
        assert_eq!(user(&asking.send().await.1), "builder");
    }
    // A certificate that says who they are comes first.
    let alice = rig.clients.issue("alice", &[]);
    let asking = rig.request(METRIC, Some(&alice)).header("authorization", "Bearer canary");
    assert_eq!(user(&asking.send().await.1), "alice");
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_refused_once_its_time_is_over() {
    let rig = Rig::new();
    rig.fake.token("canary", "builder");
    assert_eq!(ask(&rig, "Bearer canary").await.0, 200);
    rig.fake.revoke("canary");
    tokio::time::advance(Duration::from_secs(29)).await;
    assert_eq!(ask(&rig, "Bearer canary").await.0, 200);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(ask(&rig, "Bearer canary").await.0, 401);
    assert_eq!(rig.fake.reviews().0, 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_asked_about_again_after_five_seconds() {
    let rig = Rig::new();
    assert_eq!(ask(&rig, "Bearer canary").await.0, 401);
    rig.fake.token("canary", "builder");
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(ask(&rig, "Bearer canary").await.0, 401);
    assert_eq!(rig.fake.reviews().0, 1);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(ask(&rig, "Bearer canary").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn without_the_api_server_a_new_token_is_nobodys_and_nothing_is_kept() {
    let rig = Rig::new();
    rig.fake.token("canary", "builder");
    for mood in [Mood::Unreachable, Mood::Refuses, Mood::Hangs] {
        rig.fake.set(mood);
        let begin = tokio::time::Instant::now();
        assert_eq!(ask(&rig, "Bearer canary").await.0, 401, "{mood:?}");
        assert!(begin.elapsed() <= Duration::from_millis(801), "{mood:?}");
        // The review that was given up on ends at the same moment.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(rig.telemetry.identity.authentications(Authentication::Unavailable), 3);
    rig.fake.set(Mood::Answers);
    assert_eq!(ask(&rig, "Bearer canary").await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_at_once_are_one_review_even_if_the_first_goes_away() {
    let rig = Arc::new(Rig::new());
    rig.fake.token("canary", "builder");
    rig.fake.set(Mood::Slow);
    {
        let mut first = std::pin::pin!(ask(&rig, "Bearer canary"));
        assert!(futures_util::poll!(first.as_mut()).is_pending());
    }
    let rest: Vec<_> = (0..100)
        .map(|_| {
            let rig = Arc::clone(&rig);
            tokio::spawn(async move { ask(&rig, "Bearer canary").await.0 })
        })
        .collect();
    for one in rest {
        assert_eq!(one.await.unwrap(), 200);
    }
    assert_eq!(rig.fake.reviews(), (1, 1));
}

#[tokio::test]
async fn tokens_that_are_remembered_are_bounded() {
    let rig = Rig::new();
    for index in 0..6000 {
        assert_eq!(ask(&rig, &format!("Bearer wrong-{index}")).await.0, 401);
    }
    let kept = rig.auth.tokens.kept();
    assert!(kept > 0 && kept <= 4096, "{kept}");
}
