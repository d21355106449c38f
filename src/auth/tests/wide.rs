//! What the HPA controller may is asked for all metrics of a group at once.
use super::*;
use crate::telemetry::identity::Access;
use fake::Mood;

/// The metric of another team, and one of pods.
const OTHER: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/other/waiting?labelSelector=a";
const PODS: &str = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/team/pods/*/waiting";

impl Rig {
    async fn ask(&self, path: &str, user: &str) -> u16 {
        let code = self.proxied(path, user).code().await;
        // What nobody waits for is asked meanwhile.
        tokio::time::sleep(Duration::from_millis(1)).await;
        code
    }

    /// Resource, namespace and verb of each review.
    fn asked(&self) -> Vec<(String, String, String)> {
        let asked = self.fake.asked.lock().unwrap().clone();
        let told = |part: Option<String>| part.unwrap_or_else(|| "-".to_owned());
        asked
            .into_iter()
            .filter_map(|spec| spec.resource_attributes)
            .map(|it| {
                assert!(
                    it.resource.as_deref() != Some("*") || (it.name.is_none() && it.subresource.is_none())
                );
                (told(it.resource), told(it.namespace), told(it.verb))
            })
            .collect()
    }
}

fn words(asked: &[(String, String, String)]) -> Vec<String> {
    asked.iter().map(|(resource, namespace, verb)| format!("{verb} {namespace}/{resource}")).collect()
}

#[tokio::test(start_paused = true)]
async fn one_review_stands_for_all_metrics_of_a_group() {
    let rig = Rig::new();
    assert_eq!(rig.ask(METRIC, CONTROLLER).await, 200);
    assert_eq!(words(&rig.asked()), ["list team/waiting", "list -/*"]);
    for path in [METRIC, OTHER, &OTHER.replace("other", "third")] {
        assert_eq!(rig.ask(path, CONTROLLER).await, 200, "{path}");
    }
    assert_eq!(rig.asked().len(), 2);
    // Of another group, and under another verb.
    assert_eq!(rig.ask(PODS, CONTROLLER).await, 200);
    assert_eq!(words(&rig.asked())[2..], ["get team/pods", "get -/*"]);
    assert_eq!(rig.ask(&PODS.replace("team", "other"), CONTROLLER).await, 200);
    assert_eq!(rig.asked().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_again_beside_the_answers_and_ends_when_it_is_denied() {
    let rig = Rig::new();
    assert_eq!(rig.ask(METRIC, CONTROLLER).await, 200);
    for _ in 0..10 {
        tokio::time::advance(Duration::from_secs(15)).await;
        let mut asking = std::pin::pin!(rig.proxied(OTHER, CONTROLLER).code());
        assert!(futures_util::poll!(asking.as_mut()).is_ready(), "nobody waits for it");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(rig.asked().len(), 2 + 10);
    rig.fake.deny(CONTROLLER);
    tokio::time::advance(Duration::from_secs(21)).await;
    rig.ask(OTHER, CONTROLLER).await;
    assert_eq!(rig.ask(OTHER, CONTROLLER).await, 403);
}

/// Who may read one namespace only is reviewed word for word, as before.
#[tokio::test(start_paused = true)]
async fn a_no_to_all_is_no_answer_to_one() {
    let rig = Rig::new();
    rig.fake.deny_everywhere(CONTROLLER);
    for path in [METRIC, OTHER, METRIC, OTHER] {
        assert_eq!(rig.ask(path, CONTROLLER).await, 200);
    }
    assert_eq!(words(&rig.asked()), ["list team/waiting", "list -/*", "list other/waiting"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_else_is_reviewed_for_all() {
    let rig = Rig::new();
    rig.fake.token("secret", CONTROLLER);
    let direct = rig.request(METRIC, None).header("authorization", "Bearer secret");
    assert_eq!(direct.code().await, 200);
    assert_eq!(rig.ask(METRIC, "alice").await, 200);
    assert_eq!(rig.ask("/apis/external.metrics.k8s.io/v1beta1", CONTROLLER).await, 200);
    let single = "/apis/external.metrics.k8s.io/v1beta1/namespaces/team/waiting/one";
    assert_eq!(rig.ask(single, CONTROLLER).await, 200);
    assert_eq!(words(&rig.asked()), ["list team/waiting", "list team/waiting", "get team/waiting"]);
    // Nor is the controller served by it past the front proxy.
    assert_eq!(rig.ask(METRIC, CONTROLLER).await, 200);
    let before = rig.asked().len();
    let direct = rig.request(OTHER, None).header("authorization", "Bearer secret");
    assert_eq!(direct.code().await, 200);
    assert_eq!(rig.asked().len(), before + 1);
}

/// A yes to all that is older than a no to one does not outlive it.
#[tokio::test(start_paused = true)]
async fn in_an_outage_the_last_word_counts() {
    let rig = Rig::new();
    assert_eq!(rig.ask(METRIC, CONTROLLER).await, 200);
    tokio::time::advance(Duration::from_secs(31)).await;
    rig.fake.set(Mood::Slow);
    rig.fake.denied.lock().unwrap().insert(CONTROLLER.to_owned());
    let denied = tokio::time::timeout(Duration::from_millis(51), rig.proxied(OTHER, CONTROLLER).code());
    assert_eq!(denied.await, Ok(403));
    rig.fake.set(Mood::Unreachable);
    tokio::time::advance(Duration::from_secs(31)).await;
    for path in [OTHER, METRIC] {
        let code = rig.ask(path, CONTROLLER).await;
        assert_eq!(code, if path == OTHER { 503 } else { 200 }, "{path}");
    }
}

/// Nor does a no to all end what was allowed one by one.
#[tokio::test(start_paused = true)]
async fn in_an_outage_a_no_to_all_is_no_answer_to_one() {
    let rig = Rig::new();
    rig.fake.deny_everywhere(CONTROLLER);
    assert_eq!(rig.ask(METRIC, CONTROLLER).await, 200);
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(rig.ask(OTHER, CONTROLLER).await, 200);
    assert_eq!(words(&rig.asked())[2..], ["list other/waiting", "list -/*"]);
    rig.fake.set(Mood::Unreachable);
    tokio::time::advance(Duration::from_secs(31)).await;
    for path in [METRIC, OTHER, METRIC, OTHER] {
        assert_eq!(rig.ask(path, CONTROLLER).await, 200, "{path}");
    }
}

/// An API server that stays silent is waited for once, and tried again beside the answers.
#[tokio::test(start_paused = true)]
async fn a_long_silence_is_waited_for_once() {
    let rig = Rig::new();
    assert_eq!(rig.ask(METRIC, CONTROLLER).await, 200);
    rig.fake.set(Mood::Hangs);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(rig.ask(OTHER, CONTROLLER).await, 200);
    let reviews = rig.fake.reviews().1;
    for round in 0..60 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut asking = std::pin::pin!(rig.proxied(OTHER, CONTROLLER).code());
        assert!(futures_util::poll!(asking.as_mut()).is_ready(), "in round {round}");
    }
    let tried = rig.fake.reviews().1 - reviews;
    assert!((5..=15).contains(&tried), "{tried} in 30 s");
    rig.fake.set(Mood::Answers);
    tokio::time::sleep(Duration::from_secs(3)).await;
    for _ in 0..2 {
        assert_eq!(rig.ask(OTHER, CONTROLLER).await, 200);
    }
    let stale = rig.telemetry.identity.decisions(Access::StaleAllowed);
    assert_eq!(rig.ask(METRIC, CONTROLLER).await, 200);
    assert_eq!(rig.telemetry.identity.decisions(Access::StaleAllowed), stale, "it answers again");
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_it_counts_for_what_was_never_asked() {
    let rig = Rig::new();
    assert_eq!(rig.ask(METRIC, CONTROLLER).await, 200);
    rig.fake.set(Mood::Unreachable);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(rig.ask(OTHER, CONTROLLER).await, 200);
    let reviews = rig.fake.reviews().1;
    for _ in 0..20 {
        assert_eq!(rig.ask(OTHER, CONTROLLER).await, 200);
    }
    assert!(rig.fake.reviews().1 <= reviews + 1, "an API server in trouble is asked seldom");
    assert_eq!(rig.telemetry.identity.decisions(Access::StaleAllowed), 21);
    tokio::time::advance(Duration::from_secs(280)).await;
    assert_eq!(rig.ask(OTHER, CONTROLLER).await, 503);
}
