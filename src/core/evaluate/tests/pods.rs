//! What knowing the cluster's pods changes, and numbers of each pod and object.

use super::*;
use crate::core::fixtures::{Cluster, pod};
use crate::core::workload::{Knowledge, Pod};

/// The fleet's pods of `ml`, as a cluster has them.
fn cluster() -> Cluster {
    Cluster::of([
        pod("a-0", "app=chat,tier=gold", "replicaset=a-1,deployment=front"),
        pod("b-0", "app=chat,tier=iron", "statefulset=b"),
    ])
}

/// The gauge of a-0 (8, in two parts), b-0 (2) and, without labels of their own, of no one known.
fn fleet() -> Rows {
    Rows::default()
        .engine(Some("vllm"), &["model_name"])
        .row("namespace=ml,pod=a-0,model_name=llama,engine=0", 5.0, &[7.0])
        .row("namespace=ml,pod=a-0,model_name=llama,engine=1", 5.0, &[1.0])
        .row("namespace=ml,pod=b-0,model_name=qwen", 6.0, &[2.0])
}

fn ask(set: SeriesSet, cluster: &Cluster, selector: &str, whom: Whom<'_>) -> Result<Reading, Refusal> {
    let ask = Ask::waiting(set);
    let selector = Selector::parse(selector).expect("a selector");
    let question = Question { namespace: "ml", selector: &selector, whom, pods: Some(cluster) };
    let known: Vec<_> = ask.known.iter().map(|(input, snapshot)| (input, snapshot)).collect();
    evaluate(&ask.metric, &known, question, "main", at(10.0), None)
}

type Each = Result<Vec<(String, Option<f64>)>, String>;

fn ask_each(ask: &Ask, cluster: Option<&Cluster>, selector: &str, whom: Whom<'_>, key: &str) -> Each {
    let selector = Selector::parse(selector).expect("a selector");
    let pods = cluster.map(|cluster| cluster as &dyn crate::core::workload::Inventory);
    let question = Question { namespace: "ml", selector: &selector, whom, pods };
    let known: Vec<_> = ask.known.iter().map(|(input, snapshot)| (input, snapshot)).collect();
    let each = evaluate_each(&ask.metric, &known, question, key, "main", at(ask.now));
    let value =
        |(name, reading): (String, Result<Reading, Refusal>)| (name, reading.ok().map(|one| one.value));
    each.map(|each| each.into_iter().map(value).collect()).map_err(|refusal| refusal.to_string())
}

#[test]
fn selectors_choose_by_the_pods_labels_and_owners() {
    for (selector, expected) in [
        ("", Some(10.0)),
        ("app=chat", Some(10.0)),
        ("tier=gold", Some(8.0)),
        ("tier!=gold", Some(2.0)),
        ("deployment=front", Some(8.0)),
        ("!deployment", Some(2.0)),
        ("replicaset=a-1", Some(8.0)),
        ("statefulset=b", Some(2.0)),
        ("workload in (front,b)", Some(10.0)),
        ("workload=b,model=qwen", Some(2.0)),
        ("deployment=front,engine_index=1", Some(1.0)),
        ("deployment=other", None),
    ] {
        let value = ask(fleet().by_pod(), &cluster(), selector, Whom::All).ok().map(|reading| reading.value);
        assert_eq!(value, expected, "{selector}");
    }
}

#[test]
fn a_series_own_label_comes_before_the_pods() {
    let set = Rows::default().row("namespace=ml,pod=a-0,tier=own", 5.0, &[3.0]).by_pod();
    assert_eq!(ask(set, &cluster(), "tier=own", Whom::All).expect("a reading").value, 3.0);
}

#[test]
fn of_what_is_scraped_twice_nobody_asks_by_how_it_was_scraped() {
    let set = || {
        Rows::default()
            .row("namespace=ml,pod=a-0,job=x,instance=1", 5.0, &[3.0])
            .row("namespace=ml,pod=a-0,job=y,instance=1", 6.0, &[3.0])
            .row("namespace=ml,pod=b-0,job=x,instance=2", 5.0, &[2.0])
            .by_pod()
    };
    let value = |selector: &str, whom: Whom<'_>| {
        ask(set(), &cluster(), selector, whom).map(|one| one.value).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(value("", Whom::All), Ok(5.0));
    assert_eq!(value("job", Whom::All), Ok(5.0), "both have one");
    assert_eq!(value("job=y", Whom::All), Ok(3.0), "what was left out is not asked for");
    assert_eq!(value("job=x,tier=iron", Whom::All), Ok(2.0), "nor is it here");
    let sentence = "m: pod a-0 is scraped more than once and counts once, by job y and not x: scrape it once, or do \
                    not ask by job";
    assert_eq!(value("job=x", Whom::All), Err(sentence.to_owned()));
    assert_eq!(value("job!=y", Whom::All), Err(sentence.to_owned()));
    assert_eq!(value("", Whom::Object { key: "job", name: "x" }), Err(sentence.to_owned()));
    let gone = Cluster::of([pod("b-0", "", "")]);
    assert_eq!(
        ask(set(), &gone, "job=x", Whom::All).map(|one| one.value),
        Ok(2.0),
        "who is gone does not matter"
    );
}

#[test]
fn pods_that_are_gone_or_ending_do_not_count() {
    let gone = Cluster::of([pod("a-0", "", "")]);
    assert_eq!(ask(fleet().by_pod(), &gone, "", Whom::All).expect("a reading").value, 8.0);
    let ending = Pod { counts: false, ..pod("b-0", "", "") };
    let ending = Cluster::of([pod("a-0", "", ""), ending]);
    assert_eq!(ask(fleet().by_pod(), &ending, "", Whom::All).expect("a reading").value, 8.0);
    let refusal = ask(fleet().by_pod(), &Cluster::of([]), "", Whom::All).expect_err("a refusal");
    assert_eq!(
        refusal.to_string(),
        "m: no series: the 3 series of requests_waiting in namespace ml are of pods that are gone, ending or \
         not in this cluster"
    );
}

#[test]
fn a_gone_pods_old_sample_is_in_nobodys_way() {
    let set = fleet().row("namespace=ml,pod=gone-0", -500.0, &[9.0]).by_pod();
    assert_eq!(ask(set, &cluster(), "", Whom::All).expect("a reading").value, 10.0);
}

#[test]
fn what_names_no_pod_is_asked_by_its_own_labels() {
    let set = fleet().row("namespace=ml,route=chat", 5.0, &[4.0]).by_pod();
    assert_eq!(ask(set, &cluster(), "", Whom::All).expect("a reading").value, 14.0);
    let set = fleet().row("namespace=ml,route=chat", 5.0, &[4.0]).by_pod();
    assert_eq!(ask(set, &cluster(), "route=chat", Whom::All).expect("a reading").value, 4.0);
}

#[test]
fn an_unknown_pod_is_unknown_while_changes_may_be_missed() {
    let behind = Cluster { knowledge: Knowledge::Behind, ..Cluster::of([pod("a-0", "", "")]) };
    let refusal = ask(fleet().by_pod(), &behind, "", Whom::All).expect_err("a refusal");
    assert_eq!(refusal.reason(), "unlisted");
    assert!(refusal.to_string().contains("pod b-0"), "{refusal}");
    let other = ask(fleet().by_pod(), &behind, "model=llama", Whom::All).expect("what is not asked for");
    assert_eq!(other.value, 8.0);
}

#[test]
fn a_stranger_stays_one_while_changes_may_be_missed() {
    let behind = Cluster { knowledge: Knowledge::Behind, ..Cluster::of([pod("a-0", "", "")]) };
    let first = fleet().by_pod().judging_pods(at(-60.0), |_, pod| pod == "a-0");
    let set = fleet().by_pod().judging_pods(at(0.0), |_, pod| pod == "a-0").learning_from(&first, false);
    assert_eq!(ask(set, &behind, "", Whom::All).expect("a reading").value, 8.0);
}

#[test]
fn an_object_is_one_of_the_labels() {
    for (key, name, expected) in [
        ("deployment", "front", Some(8.0)),
        ("statefulset", "b", Some(2.0)),
        ("pod", "b-0", Some(2.0)),
        ("model", "llama", Some(8.0)),
        ("service", "front", None),
    ] {
        let value = ask(fleet().by_pod(), &cluster(), "", Whom::Object { key, name });
        assert_eq!(value.ok().map(|reading| reading.value), expected, "{key} {name}");
    }
    let refusal = ask(fleet().by_pod(), &cluster(), "tier=iron", Whom::Object { key: "pod", name: "a-0" });
    let message = refusal.expect_err("a refusal").to_string();
    assert!(message.contains("is of pod a-0 and matches tier=iron; one"), "{message}");
}

#[test]
fn each_pod_has_its_own_number() {
    let all = Selector::everything();
    let ask = Ask::waiting(fleet().by_pod());
    let each =
        |selector, wanted: &Selector| ask_each(&ask, Some(&cluster()), selector, Whom::Pods(wanted), "pod");
    let both = vec![("a-0".to_owned(), Some(8.0)), ("b-0".to_owned(), Some(2.0))];
    assert_eq!(each("", &all), Ok(both));
    let gold = Selector::parse("tier=gold").expect("a selector");
    assert_eq!(each("", &gold), Ok(vec![("a-0".to_owned(), Some(8.0))]));
    assert_eq!(each("engine_index=1", &all), Ok(vec![("a-0".to_owned(), Some(1.0))]));
    let deployment = Selector::parse("deployment=front").expect("a selector");
    let none = each("", &deployment).expect_err("a pod's labels are its own, not its owners'");
    assert!(none.contains("is of a pod whose own labels have deployment=front; one"), "{none}");
}

#[test]
fn each_object_has_its_own_number() {
    let ask = Ask::waiting(fleet().by_pod());
    let each = |key| ask_each(&ask, Some(&cluster()), "", Whom::All, key);
    assert_eq!(each("workload"), Ok(vec![("b".to_owned(), Some(2.0)), ("front".to_owned(), Some(8.0))]));
    assert_eq!(each("deployment"), Ok(vec![("front".to_owned(), Some(8.0))]));
    assert_eq!(each("service"), Err("m: no series: none of the series selected names a service".to_owned()));
}

#[test]
fn of_each_pod_only_its_own_age_counts() {
    let set = Rows::default()
        .row("namespace=ml,pod=a-0", -500.0, &[7.0])
        .row("namespace=ml,pod=b-0", 5.0, &[2.0])
        .by_pod();
    let all = Selector::everything();
    let each = ask_each(&Ask::waiting(set), Some(&cluster()), "", Whom::Pods(&all), "pod");
    assert_eq!(each, Ok(vec![("a-0".to_owned(), None), ("b-0".to_owned(), Some(2.0))]));
}

#[test]
fn without_a_cluster_the_series_labels_are_all_there_is() {
    let ask = Ask::waiting(fleet().row("namespace=ml,route=chat", 5.0, &[4.0]).by_pod());
    let wanted = Selector::parse("model_name=llama").expect("a selector");
    let each = ask_each(&ask, None, "", Whom::Pods(&wanted), "pod");
    assert_eq!(each, Ok(vec![("a-0".to_owned(), Some(8.0))]));
}
