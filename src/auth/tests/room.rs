//! Too many requests that wait: who is served, who is refused, and with which words.
use std::convert::Infallible;
use std::pin::Pin;

use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::*;
use crate::telemetry::identity::Shed;
use fake::Mood;

const MOST_OF_ONE: usize = 128;
const MOST_OF_ALL: usize = 512;

type Sending<'r> = Pin<Box<dyn Future<Output = (StatusCode, String)> + 'r>>;

/// A question that nobody asked before, on behalf of this user.
fn new_question<'r>(rig: &'r Rig, user: &str, index: usize) -> Asking<'r> {
    rig.proxied(&format!("{METRIC}?labelSelector=n%3D{index}"), user)
}

/// This many requests of a user that the API server leaves waiting.
fn waiting<'r>(rig: &'r Rig, user: &str, count: usize) -> Vec<Sending<'r>> {
    rig.fake.set(Mood::Hangs);
    let sent = (0..count)
        .map(|index| {
            let mut sending: Sending<'r> = Box::pin(new_question(rig, user, index).send());
            assert!(sending.as_mut().now_or_never().is_none(), "{user}'s number {index} has to wait");
            sending
        })
        .collect();
    rig.fake.set(Mood::Answers);
    sent
}

/// Its reason and message, if it is a refusal for want of room.
#[track_caller]
fn assert_shed(answer: &(StatusCode, String), message: &str) {
    let status: serde_json::Value = serde_json::from_str(&answer.1).unwrap();
    assert_eq!(
        (answer.0.as_u16(), status["reason"].as_str(), status["message"].as_str()),
        (429, Some("TooManyRequests"), Some(message))
    );
}

#[tokio::test(start_paused = true)]
async fn one_caller_has_so_many_places() {
    let rig = Rig::new();
    let waiters = waiting(&rig, "alice", MOST_OF_ONE);
    assert_eq!(rig.telemetry.identity.waiting(), 128);
    let refused = new_question(&rig, "alice", 1_000).send().await;
    assert_shed(
        &refused,
        "128 requests of this caller are waiting already: ask again once they are answered",
    );
    assert_eq!(rig.telemetry.identity.sheds(Shed::Caller), 1);
    // Nobody is asked about what is refused.
    assert_eq!(rig.fake.reviews().1, MOST_OF_ONE);
    assert_eq!(new_question(&rig, "bob", 0).code().await, 200, "others have room");
    for waiter in waiters {
        assert_eq!(waiter.await.0, 503, "the API server did not answer");
    }
    // The reviews end at the same moment as the waiting.
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(rig.telemetry.identity.waiting(), 0);
    assert_eq!(new_question(&rig, "alice", 1_000).code().await, 200, "there is room again");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_want_of_room_never_says_when_to_retry() {
    let rig = Rig::new();
    let _waiters = waiting(&rig, "alice", MOST_OF_ONE);
    let asking = new_question(&rig, "alice", 1_000);
    let response = Authorized::new(router(), Arc::clone(&rig.auth)).oneshot(asking.request).await.unwrap();
    assert_eq!(response.status(), 429);
    assert!(!response.headers().contains_key("retry-after"));
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert!(!String::from_utf8_lossy(&body).contains("retryAfter"));
}

#[tokio::test(start_paused = true)]
async fn the_hpa_controller_and_the_aggregator_are_served_when_no_stranger_is() {
    let rig = Rig::new();
    assert_eq!(rig.proxied(METRIC, "known").code().await, 200);
    let _waiters: Vec<_> = (0..MOST_OF_ALL / MOST_OF_ONE)
        .flat_map(|user| waiting(&rig, &format!("user-{user}"), MOST_OF_ONE))
        .collect();
    let refused = new_question(&rig, "late", 0).send().await;
    assert_shed(&refused, "512 requests are waiting already: ask again once they are answered");
    assert_eq!(rig.telemetry.identity.sheds(Shed::All), 1);
    let begin = tokio::time::Instant::now();
    for preferred in
        [CONTROLLER, "system:kube-controller-manager", "system:kube-aggregator", "system:aggregator"]
    {
        for index in 0..20 {
            assert_eq!(new_question(&rig, preferred, index).code().await, 200, "{preferred}");
        }
    }
    // What is known needs no place, whoever asks; and health needs nobody's word.
    assert_eq!(rig.proxied(METRIC, "known").code().await, 200);
    assert_eq!(rig.request("/livez", None).code().await, 200);
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_controllers_crowd_is_not_counted_against_others() {
    let rig = Rig::new();
    let waiters = waiting(&rig, CONTROLLER, 2 * MOST_OF_ALL);
    assert_eq!(new_question(&rig, "alice", 0).code().await, 200);
    drop(waiters);
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_many_reviews_does_not_delay_those_of_others() {
    let rig = Rig::new();
    let _waiters = waiting(&rig, "greedy", MOST_OF_ONE);
    // Their tasks take their turns.
    tokio::task::yield_now().await;
    let begin = tokio::time::Instant::now();
    for user in 0..100 {
        assert_eq!(new_question(&rig, &format!("user-{user}"), 0).code().await, 200);
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_namespaces_service_accounts_share_one_callers_places() {
    let rig = Rig::new();
    let account = |namespace: &str, name: usize| format!("system:serviceaccount:{namespace}:{name}");
    let _waiters: Vec<_> =
        (0..MOST_OF_ONE).flat_map(|name| waiting(&rig, &account("mine", name), 1)).collect();
    assert_eq!(new_question(&rig, &account("mine", 1_000), 0).code().await, 429);
    assert_eq!(new_question(&rig, &account("yours", 0), 0).code().await, 200);
    assert_eq!(new_question(&rig, "system:serviceaccount:mine", 0).code().await, 200, "no service account");
}

/// A review goes on when its request was reset, and so does its place: resetting is no way to more reviews.
#[tokio::test(start_paused = true)]
async fn who_goes_away_leaves_the_place_taken_while_the_review_lasts() {
    let rig = Rig::new();
    drop(waiting(&rig, "alice", MOST_OF_ONE));
    assert_eq!(new_question(&rig, "alice", 1_000).code().await, 429);
    tokio::time::sleep(Duration::from_millis(801)).await;
    assert_eq!(new_question(&rig, "alice", 1_000).code().await, 200);
}

#[tokio::test(start_paused = true)]
async fn unknown_tokens_are_counted_by_address() {
    let rig = Rig::new();
    rig.fake.token("good", "alice");
    let from = |address: [u8; 4], token: &str| {
        let mut asking = rig.request(METRIC, None).header("authorization", format!("Bearer {token}"));
        asking.request.extensions_mut().insert(ConnectionInfo::new(SocketAddr::from((address, 1)), true));
        asking
    };
    rig.fake.set(Mood::Hangs);
    let waiters: Vec<_> = (0..MOST_OF_ONE)
        .map(|index| {
            let mut sending = Box::pin(from([10, 0, 0, 1], &format!("t{index}")).send());
            assert!(sending.as_mut().now_or_never().is_none());
            sending
        })
        .collect();
    rig.fake.set(Mood::Answers);
    assert_eq!(from([10, 0, 0, 1], "good").code().await, 429);
    assert_eq!(from([10, 0, 0, 2], "good").code().await, 200);
    assert_eq!(from([10, 0, 0, 1], "good").code().await, 200, "it is known now");
    assert_eq!(new_question(&rig, CONTROLLER, 0).code().await, 200);
    drop(waiters);
}

/// The first read of a signal is waited for by requests that were let in long ago.
#[tokio::test(start_paused = true)]
async fn whoever_waits_behind_the_door_takes_a_place_too() {
    let rig = Rig::new();
    for user in ["alice", CONTROLLER] {
        assert_eq!(rig.proxied(METRIC, user).code().await, 200);
    }
    let hangs = tower::service_fn(|_: Request<Body>| -> BoxFuture<'static, Result<Response, Infallible>> {
        std::future::pending().boxed()
    });
    let send = |user: &str| {
        let service = Authorized::new(hangs, Arc::clone(&rig.auth));
        Box::pin(service.oneshot(rig.proxied(METRIC, user).request))
    };
    let mut waiters = Vec::new();
    for user in ["alice", CONTROLLER] {
        for _ in 0..MOST_OF_ONE {
            let mut waiter = send(user);
            assert!(waiter.as_mut().now_or_never().is_none());
            waiters.push(waiter);
        }
    }
    assert_eq!(send("alice").await.unwrap().status(), 429);
    assert!(send(CONTROLLER).now_or_never().is_none(), "it may wait");
    waiters.clear();
    assert_eq!(rig.telemetry.identity.waiting(), 0);
    assert!(send("alice").now_or_never().is_none());
}

/// Of what waits only what its answer depends on is kept.
#[tokio::test(start_paused = true)]
async fn who_waits_is_answered_in_the_form_they_asked_for() {
    async fn tell(headers: HeaderMap, uri: http::Uri) -> String {
        let names: Vec<_> = headers.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        format!("{uri} {}", names.join(","))
    }
    let rig = Rig::new();
    rig.fake.set(Mood::Slow);
    let path = format!("{METRIC}?labelSelector=a%3Db");
    let asking = rig.proxied(&path, "alice").header("x-large", "x".repeat(60_000)).header("accept", "text/a");
    let router = Router::new().fallback(tell);
    let response = Authorized::new(router, Arc::clone(&rig.auth)).oneshot(asking.request).await.unwrap();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert_eq!(body, format!("{path} accept=\"text/a\""));
}
