//! Composites: parts folded first or joined pod by pod, and what is missing.

mod facts;

use super::*;
use crate::core::composite::{Composite, Part, WhenMissing};
use crate::core::fixtures::{Cluster, pod};
use crate::core::metric::Semantics;
use crate::core::series::Silent;
use crate::core::workload::{Owner, Pod};
use std::sync::Arc;

/// A gauge of each pod, by another name than the fleet's queue.
fn gauge_of(name: &str, element: Element) -> Metric {
    let signal = series_signal(Kind::Gauge, &[name], None, element);
    metric(vec![input("vllm", signal, Formula::Linear(vec![term(0)]))])
}

fn mean(name: &str) -> Metric {
    Metric { aggregate: Aggregate::Avg, semantics: Semantics::Intensive, ..gauge_of(name, Element::Series) }
}

struct Composed {
    metric: Metric,
    snapshots: Vec<Snapshot>,
    cluster: Option<Cluster>,
    facts: Facts,
}

impl Composed {
    /// `parts` are a name, a metric, what its absence means, and what is known of it.
    fn of(
        parts: Vec<(&str, Metric, WhenMissing, Snapshot)>,
        each: Option<&str>,
        value: Option<&str>,
        aggregate: Aggregate,
    ) -> Self {
        let (mut all, mut snapshots) = (Vec::new(), Vec::new());
        for (name, metric, missing, snapshot) in parts {
            all.push(Part { name: name.into(), metric: Arc::new(metric), missing });
            snapshots.push(snapshot);
        }
        let composite = Composite::new(all, each, value, aggregate).expect("compiles");
        let metric = Metric { composite: Some(Arc::new(composite)), aggregate, ..metric(Vec::new()) };
        Self { metric, snapshots, cluster: None, facts: Facts::default() }
    }

    fn value(parts: Vec<(&str, Metric, WhenMissing, Snapshot)>, value: &str) -> Self {
        Self::of(parts, None, Some(value), Aggregate::Sum)
    }

    fn known(&self) -> Known<'_> {
        let composite = self.metric.composite.as_ref().expect("a composite");
        let part = |(part, snapshot): (&'_ Part, _)| -> Known<'_> {
            let metric: &Metric =
                &composite.parts.iter().find(|one| one.name == part.name).expect("it").metric;
            let inputs = metric.inputs.iter().map(|input| (input, snapshot)).collect();
            Known { metric, source_name: "main", inputs, parts: Vec::new() }
        };
        let parts = composite.parts.iter().zip(&self.snapshots).map(part).collect();
        Known { metric: &self.metric, source_name: "main", inputs: Vec::new(), parts }
    }

    fn question<'a>(&'a self, selector: &'a Selector) -> Question<'a> {
        let pods = self.cluster.as_ref().map(|known| known as &dyn Inventory);
        Question { namespace: "ml", selector, whom: Whom::All, pods }
    }

    fn asked(&self) -> Result<Reading, Refusal> {
        let selector = Selector::everything();
        let mut steps = Derivation::default();
        let question = self.question(&selector);
        let told = compose(&self.known(), question, &self.facts, at(10.0), Some(&mut steps));
        assert_eq!(
            told,
            compose(&self.known(), question, &self.facts, at(10.0), None),
            "explaining changes nothing"
        );
        assert!(told.is_err() || steps.expression.is_some());
        told
    }

    fn number(&self) -> f64 {
        self.asked().expect("a reading").value
    }

    fn by(&self, key: &str) -> Vec<(String, f64)> {
        let selector = Selector::everything();
        let each = compose_each(&self.known(), self.question(&selector), &self.facts, key, at(10.0));
        each.expect("readings").into_iter().map(|(name, one)| (name, one.expect("a reading").value)).collect()
    }
}

fn queue() -> Snapshot {
    let rows = Rows::default().row("namespace=ml,pod=a", 5.0, &[10.0]).row("namespace=ml,pod=b", 6.0, &[0.0]);
    snapshot(rows.by_pod(), 9.0)
}

fn cache() -> Snapshot {
    let rows = Rows::default().row("namespace=ml,pod=a", 4.0, &[0.2]).row("namespace=ml,pod=b", 6.0, &[0.8]);
    snapshot(rows.by(&Element::Series), 9.0)
}

fn empty() -> Snapshot {
    snapshot(Rows::default().by_pod(), 9.0)
}

fn broken() -> Snapshot {
    Snapshot { failure: Some("connection refused".into()), ..Snapshot::default() }
}

fn both() -> Vec<(&'static str, Metric, WhenMissing, Snapshot)> {
    vec![
        ("waiting", gauge_of("waiting", Element::Pod), WhenMissing::Required, queue()),
        ("kv", mean("kv"), WhenMissing::Required, cache()),
    ]
}

#[test]
fn the_mean_of_maxima_is_not_the_maximum_of_means() {
    let each = "max(waiting / 5.0, kv / 0.8)";
    let mean = Composed::of(both(), Some(each), None, Aggregate::Avg);
    assert_eq!(mean.number(), f64::midpoint(2.0, 1.0));
    let most = Composed::of(both(), Some(each), None, Aggregate::Max);
    assert_eq!(most.number(), 2.0);
    let folded = Composed::value(both(), "max(waiting / 2.0 / 5.0, kv / 0.8)");
    assert_eq!(folded.number(), 1.0, "10 waiting over 2 pods, and 0.5 of the caches");
}

#[test]
fn a_reading_is_as_old_as_its_oldest_part() {
    let reading = Composed::value(both(), "waiting * kv").asked().expect("a reading");
    assert_eq!((reading.value, reading.at, reading.elements), (5.0, at(4.0), 2));
    let reading = Composed::value(both(), "waiting + 0.0").asked().expect("a reading");
    assert_eq!(reading.at, at(5.0), "parts that no expression names are not asked");
}

#[test]
fn each_may_be_computed_on_further() {
    let both = Composed::of(both(), Some("waiting / 5.0"), Some("each * 10.0 + kv"), Aggregate::Sum);
    assert_eq!(both.number(), 20.5);
}

#[test]
fn absence_is_what_the_part_says_and_failure_is_an_error() {
    let with = |missing, snapshot, value| {
        let mut parts = both();
        parts.push(("extra", gauge_of("extra", Element::Pod), missing, snapshot));
        Composed::value(parts, value).asked().map(|reading| reading.value)
    };
    let refused =
        |missing, snapshot, value| with(missing, snapshot, value).expect_err("a refusal").to_string();
    assert_eq!(with(WhenMissing::Default(3.0), empty(), "waiting + extra"), Ok(13.0));
    assert_eq!(with(WhenMissing::Optional, empty(), "has(extra) ? extra : waiting"), Ok(10.0));
    assert_eq!(with(WhenMissing::Optional, empty(), "waiting + default(extra, 1.0)"), Ok(11.0));
    assert_eq!(with(WhenMissing::Optional, queue(), "waiting + default(extra, 1.0)"), Ok(20.0));
    let absent = refused(WhenMissing::Required, empty(), "waiting + extra");
    assert!(absent.starts_with("m: extra: m: no series"), "{absent}");
    for missing in [WhenMissing::Default(0.0), WhenMissing::Optional, WhenMissing::Required] {
        let failed = refused(
            missing,
            broken(),
            "waiting + default(extra, 0.0)"
                .replace(
                    "default(extra, 0.0)",
                    if missing == WhenMissing::Optional { "default(extra, 0.0)" } else { "extra" },
                )
                .leak(),
        );
        assert!(failed.contains("connection refused"), "{missing}: {failed}");
    }
}

#[test]
fn an_absence_is_looked_at_again_soon() {
    let mut parts = both();
    parts.push(("extra", gauge_of("extra", Element::Pod), WhenMissing::Default(0.0), empty()));
    let reading = Composed::value(parts, "waiting + extra").asked().expect("a reading");
    assert!(reading.expires <= at(11.0), "{:?}", reading.expires);
}

#[test]
fn a_pod_that_lacks_a_part_is_an_error_unless_the_part_may_be_missing() {
    let lone = || snapshot(Rows::default().row("namespace=ml,pod=a", 4.0, &[0.2]).by(&Element::Series), 9.0);
    let with = |missing, each| {
        let mut parts = both();
        (parts[1].2, parts[1].3) = (missing, lone());
        Composed::of(parts, Some(each), None, Aggregate::Sum).asked().map(|reading| reading.value)
    };
    let refused = with(WhenMissing::Required, "waiting + kv").expect_err("b has no cache").to_string();
    assert_eq!(refused, "m: b has no kv");
    assert_eq!(with(WhenMissing::Default(1.0), "waiting + kv"), Ok(11.2));
    assert_eq!(with(WhenMissing::Optional, "waiting + default(kv, 2.0)"), Ok(12.2));
}

#[test]
fn only_a_young_pod_may_lack_a_rate() {
    let rates = || snapshot(Rows::default().row("namespace=ml,pod=a", 5.0, &[1.0]).by_pod(), 9.0);
    let aged = |age: i64| {
        let created = at(10.0).shifted(-age * 1000);
        Cluster::of(["a", "b"].map(|name| Pod { created, ..pod(name, "", "") }))
    };
    let of = |cluster| {
        let mut parts = both();
        let rate = metric(vec![input("vllm", tokens(), Formula::Linear(vec![term(0)]))]);
        parts.push(("rate", rate, WhenMissing::Required, rates()));
        let mut composed = Composed::of(parts, Some("waiting + rate"), None, Aggregate::Sum);
        composed.cluster = cluster;
        composed.asked().map(|reading| reading.value).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(of(Some(aged(60))), Ok(11.0), "what has just started has no rate yet");
    assert_eq!(of(Some(aged(600))), Err("m: b has no rate".to_owned()));
    assert_eq!(of(None), Err("m: b has no rate".to_owned()), "where pods are not known, none is young");
}

#[test]
fn a_composite_of_folded_numbers_has_none_of_each_pod() {
    let both = Composed::of(both(), Some("waiting / 5.0"), Some("each * 10.0"), Aggregate::Sum);
    let selector = Selector::everything();
    let each = compose_each(&both.known(), both.question(&selector), &both.facts, "pod", at(10.0));
    assert!(each.expect_err("a refusal").to_string().contains("computes on what was folded"));
}

#[test]
fn devices_are_joined_by_what_tells_them_apart() {
    let device = |rows: &[(&str, f64)]| {
        let rows = rows.iter().fold(Rows::default(), |all, (of, value)| all.row(of, 5.0, &[*value]));
        snapshot(rows.by(&device()), 9.0)
    };
    // Both devices of pod a, the second seen through two pods that share it.
    let tensor = device(&[
        ("namespace=ml,pod=a,UUID=1", 0.3),
        ("namespace=ml,pod=a,UUID=2", 0.6),
        ("namespace=ml,pod=b,UUID=2", 0.6),
    ]);
    let memory = device(&[("namespace=ml,pod=a,UUID=2", 0.85), ("namespace=ml,pod=a,UUID=1", 0.85)]);
    let of = |name| Metric { aggregate: Aggregate::Avg, ..gauge_of(name, super::device()) };
    let parts = vec![
        ("tensor", of("tensor"), WhenMissing::Required, tensor),
        ("memory", of("memory"), WhenMissing::Required, memory),
    ];
    let composed = Composed::of(parts, Some("tensor / 0.6 + memory / 0.85"), None, Aggregate::Avg);
    assert_eq!(composed.number(), f64::midpoint(1.5, 2.0));
    assert_eq!(composed.asked().expect("a reading").elements, 2);
}

#[test]
fn what_cannot_be_joined_is_refused_when_it_is_loaded() {
    let part = |name: &str, metric| Part {
        name: name.into(),
        metric: Arc::new(metric),
        missing: WhenMissing::Required,
    };
    let parts = vec![
        part("waiting", gauge_of("waiting", Element::Pod)),
        part("tensor", gauge_of("tensor", device())),
    ];
    let mistakes =
        Composite::new(parts, Some("waiting + tensor"), None, Aggregate::Sum).expect_err("refused");
    assert!(mistakes[0].1.message.contains("cannot be joined"), "{mistakes:?}");
}

#[test]
fn pods_have_numbers_of_their_own() {
    let each = Composed::of(both(), Some("max(waiting / 5.0, kv / 0.8)"), None, Aggregate::Avg);
    let expected = [("a".to_owned(), 2.0), ("b".to_owned(), 1.0)];
    assert_eq!(each.by("pod"), expected);
    let value = Composed::value(both(), "max(waiting / 5.0, kv / 0.8)");
    assert_eq!(value.by("pod"), expected);
}

#[test]
fn not_a_number_never_leaves() {
    let mut parts = both();
    parts.push(("none", gauge_of("none", Element::Pod), WhenMissing::Default(0.0), empty()));
    let refusal = Composed::value(parts, "waiting / none").asked().expect_err("a division by zero");
    assert_eq!(refusal.reason(), "unservable", "{refusal}");
}

#[test]
fn what_is_computed_on_no_number_is_none() {
    let broken = |bad: f64, value: Option<&str>| {
        let rows =
            Rows::default().row("namespace=ml,pod=a", 5.0, &[bad]).row("namespace=ml,pod=b", 5.0, &[1.0]);
        let queue = snapshot(rows.by_pod(), 9.0);
        let parts = vec![
            ("waiting", gauge_of("waiting", Element::Pod), WhenMissing::Required, queue),
            ("kv", mean("kv"), WhenMissing::Required, cache()),
        ];
        Composed::of(parts, Some("waiting > 5.0 || kv > 0.7 ? 1.0 : 0.0"), value, Aggregate::Sum)
    };
    assert_eq!(broken(0.0, None).number(), 1.0);
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for value in [None, Some("each > 0.0 ? 2.0 : 1.0")] {
            let refusal = broken(bad, value).asked().expect_err("no number");
            assert_eq!(refusal.reason(), "unservable", "{bad} {value:?}: {refusal}");
        }
        // Of each pod only its own matters.
        let composed = broken(bad, None);
        let selector = Selector::everything();
        let each =
            compose_each(&composed.known(), composed.question(&selector), &composed.facts, "pod", at(10.0));
        let each: Vec<_> = each.expect("readings").into_iter().map(|(name, one)| (name, one.ok())).collect();
        assert!(matches!(&each[..], [(a, None), (b, Some(_))] if a == "a" && b == "b"), "{bad}: {each:?}");
    }
}

/// As asked for alone, their numbers add up.
#[test]
fn a_pod_may_run_two_engines() {
    let inputs = ["vllm", "tei"].map(|engine| {
        let signal = series_signal(Kind::Gauge, &[engine], None, Element::Pod);
        input(engine, signal, Formula::Linear(vec![term(0)]))
    });
    let part = metric(inputs.to_vec());
    let composed = Composed::of(
        vec![("waiting", part, WhenMissing::Required, empty())],
        Some("waiting * 2.0"),
        None,
        Aggregate::Sum,
    );
    let of = |value: f64| snapshot(Rows::default().row("namespace=ml,pod=a", 5.0, &[value]).by_pod(), 9.0);
    for (vllm, tei) in [(of(40.0), of(0.0)), (of(0.0), of(40.0))] {
        let mut known = composed.known();
        let inputs = known.parts[0].metric.inputs.iter().zip([&vllm, &tei]).collect();
        known.parts[0].inputs = inputs;
        let selector = Selector::everything();
        let told = compose(&known, composed.question(&selector), &composed.facts, at(10.0), None);
        assert_eq!(told.expect("a reading").value, 80.0);
    }
}

/// What stands for an absence does not stand for what a target would tell if it answered.
#[test]
fn a_default_is_no_number_of_a_silent_pod() {
    let silent = |pod: &str, known: bool| Silent {
        labels: labels(&format!("namespace=ml,pod={pod},instance={pod}")),
        engine: None,
        cause: "connection refused".into(),
        speaks_for_others: false,
        known,
    };
    let by = |silents: Vec<Silent>, missing: WhenMissing| {
        let rows = Rows::default().row("namespace=ml,pod=a", 5.0, &[1.0]).by_pod().with_silent(silents);
        let parts = vec![
            ("waiting", gauge_of("waiting", Element::Pod), WhenMissing::Required, queue()),
            ("queued", gauge_of("queued", Element::Pod), missing, snapshot(rows, 9.0)),
        ];
        let is_optional = missing == WhenMissing::Optional;
        let value = if is_optional { "has(queued) ? waiting + queued : waiting" } else { "waiting + queued" };
        let composed = Composed::value(parts, value);
        let selector = Selector::everything();
        let each =
            compose_each(&composed.known(), composed.question(&selector), &composed.facts, "pod", at(10.0));
        let told =
            |one: Result<Reading, Refusal>| one.map(|one| one.value).map_err(|refusal| refusal.reason());
        each.expect("readings").into_iter().map(|(_, one)| told(one)).collect::<Vec<_>>()
    };
    for missing in [WhenMissing::Default(0.0), WhenMissing::Optional] {
        assert_eq!(by(vec![], missing), [Ok(11.0), Ok(0.0)]);
        assert_eq!(by(vec![silent("b", false)], missing), [Ok(11.0), Err("silent")]);
        assert_eq!(
            by(vec![silent("b", true)], missing),
            [Ok(11.0), Ok(0.0)],
            "its last number would be there"
        );
        assert_eq!(by(vec![silent("a", false)], missing), [Ok(11.0), Ok(0.0)], "another's silence");
    }
}

#[test]
fn composites_nest() {
    let inner = Composed::value(both(), "waiting / 5.0");
    let part =
        Part { name: "inner".into(), metric: Arc::new(inner.metric.clone()), missing: WhenMissing::Required };
    let composite = Composite::new(vec![part], None, Some("inner + 1.0"), Aggregate::Sum).expect("compiles");
    let outer = Metric { composite: Some(Arc::new(composite)), ..metric(Vec::new()) };
    let known = Known { metric: &outer, source_name: "", inputs: Vec::new(), parts: vec![inner.known()] };
    let selector = Selector::everything();
    let question = inner.question(&selector);
    assert_eq!(compose(&known, question, &Facts::default(), at(10.0), None).expect("a reading").value, 3.0);
}
