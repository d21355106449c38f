//! The API server is away.
use super::*;
use crate::telemetry::identity::Access;
use fake::Mood;

#[tokio::test(start_paused = true)]
async fn known_decisions_live_out_their_time_and_others_are_refused() {
    let rig = Rig::new();
    let ask = async |name: &str| rig.proxied(METRIC, name).send().await;
    assert_eq!(ask("alice").await.0, 200);
    rig.fake.set(Mood::Unreachable);
    assert_eq!(ask("alice").await.0, 200);
    let (code, told) = ask("bob").await;
    assert_eq!(code, 503);
    assert!(told.contains("ServiceUnavailable"), "{told}");
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(ask("alice").await.0, 503);
    assert_eq!(rig.telemetry.identity.decisions(Access::StaleAllowed), 0);
    // Nothing of it is kept.
    rig.fake.set(Mood::Answers);
    assert_eq!((ask("alice").await.0, ask("bob").await.0), (StatusCode::OK, StatusCode::OK));
}

#[tokio::test(start_paused = true)]
async fn the_controllers_last_allowed_decision_counts_for_five_minutes() {
    let rig = Rig::new();
    let ask = async |path: &str| rig.proxied(path, CONTROLLER).code().await;
    assert_eq!(ask(METRIC).await, 200);
    rig.fake.set(Mood::Unreachable);
    tokio::time::advance(Duration::from_secs(299)).await;
    assert_eq!(ask(METRIC).await, 200);
    assert_eq!(rig.telemetry.identity.decisions(Access::StaleAllowed), 1);
    // What no decision was ever about is refused.
    assert_eq!(ask("/apis/external.metrics.k8s.io/v1beta1").await, 503);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(ask(METRIC).await, 503);
}

#[tokio::test(start_paused = true)]
async fn an_outage_makes_the_controller_wait_once_and_not_at_each_request() {
    let rig = Rig::new();
    let ask = async || rig.proxied(METRIC, CONTROLLER).code().await;
    assert_eq!(ask().await, 200);
    rig.fake.set(Mood::Hangs);
    tokio::time::advance(Duration::from_secs(31)).await;
    for limit in [801, 0, 0] {
        let begin = tokio::time::Instant::now();
        assert_eq!(ask().await, 200);
        assert!(begin.elapsed() <= Duration::from_millis(limit), "{:?}", begin.elapsed());
    }
    // One question word for word and one for all, as before the outage.
    assert_eq!(rig.fake.reviews().1, 2 + 2);
    rig.fake.set(Mood::Answers);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(ask().await, 200);
    assert_eq!(rig.telemetry.identity.decisions(Access::StaleAllowed), 3);
}

#[tokio::test(start_paused = true)]
async fn a_denied_decision_ends_what_an_older_one_allowed() {
    let rig = Rig::new();
    let ask = async || rig.proxied(METRIC, CONTROLLER).code().await;
    assert_eq!(ask().await, 200);
    rig.fake.deny(CONTROLLER);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(ask().await, 403);
    rig.fake.set(Mood::Unreachable);
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(ask().await, 503);
}

/// That we may not ask is no outage: someone took the right away.
#[tokio::test(start_paused = true)]
async fn a_refused_question_does_not_revive_old_decisions() {
    let rig = Rig::new();
    let ask = async || rig.proxied(METRIC, CONTROLLER).code().await;
    assert_eq!(ask().await, 200);
    rig.fake.set(Mood::Refuses);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!((ask().await, ask().await), (503, 503));
}

#[tokio::test(start_paused = true)]
async fn a_silent_api_server_is_waited_for_less_than_a_second() {
    let rig = Rig::new();
    rig.fake.set(Mood::Hangs);
    let begin = tokio::time::Instant::now();
    assert_eq!(rig.proxied(METRIC, "alice").code().await, 503);
    assert!(begin.elapsed() <= Duration::from_millis(801), "{:?}", begin.elapsed());
}
