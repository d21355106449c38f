//! What is known of the workload that is asked about.

use super::*;
use crate::core::autoscaler::{Autoscaler, Goal, Of, Want};
use crate::core::population;

/// An HPA that scales deployment `chat` on the metric `m`.
fn autoscaler(selector: &str, desired: u32) -> Arc<Autoscaler> {
    Arc::new(Autoscaler {
        namespace: "ml".into(),
        name: "chat".into(),
        scales: Owner { kind: "deployment".into(), name: "chat".into() },
        min_replicas: 1,
        max_replicas: 9,
        current_replicas: Some(2),
        desired_replicas: Some(desired),
        wants: Box::new([Want {
            of: Of::External,
            metric: "m".into(),
            selector: Selector::parse(selector).expect("a selector"),
            target: Goal::AverageValue("2500m".into()),
        }]),
    })
}

fn pods_of_chat() -> Cluster {
    let of = |name: &str, ready, age: i64, counts| {
        let created = at(10.0).shifted(-age * 1000);
        Pod { counts, ready, created, ..pod(name, "app=chat", "replicaset=chat-1,deployment=chat") }
    };
    Cluster::of([
        of("a", true, 4000, true),
        of("new", false, 60, true),
        of("stuck", false, 3600, true),
        of("ending", true, 4000, false),
        pod("other", "app=other", "deployment=other"),
    ])
}

#[test]
fn facts_are_those_of_the_workload_that_the_asking_autoscaler_scales() {
    let cluster = pods_of_chat();
    let facts = |autoscalers: &[Arc<Autoscaler>], selector: &str| {
        let selector = Selector::parse(selector).expect("a selector");
        let question =
            Question { namespace: "ml", selector: &selector, whom: Whom::All, pods: Some(&cluster) };
        population::facts(&population::asking(autoscalers, "m", &question), &question, at(10.0)).values
    };
    let asks = [autoscaler("model=llama", 5)];
    assert_eq!(
        facts(&asks, "model=llama"),
        [Some(5.0), Some(1.0), Some(1.0), Some(2.5)],
        "what it has asked for"
    );
    assert_eq!(facts(&asks, "app=chat"), [Some(3.0), Some(1.0), Some(1.0), None], "nobody asks just this");
    assert_eq!(facts(&asks, ""), [None; 4], "which of the namespace's pods is not said");
    let two = [autoscaler("model=llama", 5), autoscaler("model=llama", 5)];
    assert_eq!(facts(&two, "model=llama")[3], None, "whose target it would be is not known");
}

#[test]
fn expressions_know_the_workload() {
    let mut composed = Composed::value(both(), "waiting / max(ready, 1.0)");
    assert_eq!(composed.number(), 5.0, "without a cluster, pods that have numbers are ready");
    composed.cluster = Some(pods_of_chat());
    assert_eq!(composed.asked().expect_err("which pods is not known").reason(), "unlisted");
    composed.facts = Facts { values: [Some(4.0), Some(4.0), Some(0.0), None] };
    composed.cluster = None;
    assert_eq!(composed.number(), 2.5);
}

#[test]
fn who_asks_is_told_by_the_question() {
    let asks = |of: Of, whom: Whom<'_>| {
        let mut one = Autoscaler::clone(&autoscaler("", 2));
        one.wants[0].of = of;
        let selector = Selector::everything();
        let question = Question { namespace: "ml", selector: &selector, whom, pods: None };
        !population::asking(&[Arc::new(one)], "m", &question).is_empty()
    };
    let object = |kind: &str, name: &str| Of::Object(Owner { kind: kind.into(), name: name.into() });
    let deployment = Whom::Object { key: "deployment", name: "chat" };
    assert!(asks(Of::External, Whom::All) && !asks(Of::Pods, Whom::All));
    assert!(asks(object("deployment", "chat"), deployment) && !asks(object("deployment", "b"), deployment));
    // All of a namespace is asked for as the namespace's own number.
    assert!(asks(object("namespace", "ml"), Whom::All) && !asks(object("namespace", "qa"), Whom::All));
    // What a path says of endpoints has lost its last letter.
    assert!(asks(object("endpoints", "http"), Whom::Object { key: "endpoint", name: "http" }));
}
