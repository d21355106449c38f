//! Readings here, refusals in their own file.

#![expect(clippy::float_cmp, reason = "the numbers are exact")]

use super::*;
use crate::core::fixtures::{
    MEAN, Rows, at, device, input, labels, metric, quantile, seconds, series_signal, snapshot, term, tokens,
    waiting,
};
use crate::core::freshness::Coverage;
use crate::core::metric::{Formula, Scope, Weighted};
use crate::core::series::{Builder, Column, SeriesSet};
use crate::core::signal::{Element, Kind, NeutralLabels};

mod composites;
mod pods;
mod refusals;
mod selections;

/// One input and its snapshot, asked from namespace `ml` at `now`.
struct Ask {
    metric: Metric,
    known: Vec<(Input, Snapshot)>,
    selector: &'static str,
    now: f64,
}

impl Ask {
    fn of(metric: Metric, snapshot: Snapshot) -> Self {
        let known = metric.inputs.iter().cloned().zip(std::iter::repeat(snapshot)).collect();
        Self { metric, known, selector: "", now: 10.0 }
    }

    /// The summed gauge of pods.
    fn waiting(set: SeriesSet) -> Self {
        Self::of(metric(vec![gauge()]), snapshot(set, 9.0))
    }

    fn selecting(mut self, selector: &'static str) -> Self {
        self.selector = selector;
        self
    }

    fn at(mut self, now: f64) -> Self {
        self.now = now;
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Metric)) -> Self {
        change(&mut self.metric);
        self
    }

    fn knowing(mut self, change: impl Fn(&mut Snapshot)) -> Self {
        self.known.iter_mut().for_each(|(_, snapshot)| change(snapshot));
        self
    }

    fn explained(&self) -> (Result<Reading, Refusal>, Derivation) {
        let selector = Selector::parse(self.selector).expect("a selector");
        let question = Question { namespace: "ml", selector: &selector, whom: Whom::All, pods: None };
        let known: Vec<_> = self.known.iter().map(|(input, snapshot)| (input, snapshot)).collect();
        let mut steps = Derivation::default();
        let explained = evaluate(&self.metric, &known, question, "main", at(self.now), Some(&mut steps));
        let silent = evaluate(&self.metric, &known, question, "main", at(self.now), None);
        assert_eq!(explained, silent, "explaining changes nothing");
        (explained, steps)
    }

    fn reading(&self) -> Reading {
        self.explained().0.expect("a reading")
    }

    fn value(&self) -> f64 {
        self.reading().value
    }

    fn refusal(&self) -> Refusal {
        self.explained().0.expect_err("a refusal")
    }
}

fn gauge() -> Input {
    input("vllm", waiting(), Formula::Linear(vec![term(0)]))
}

fn fleet() -> Rows {
    Rows::default()
        .engine(Some("vllm"), &["model_name"])
        .row("namespace=ml,pod=a-0,model_name=llama,engine=0,deployment=a", 5.0, &[7.0])
        .row("namespace=ml,pod=a-0,model_name=llama,engine=1,deployment=a", 5.0, &[1.0])
        .row("namespace=ml,pod=b-0,model_name=qwen,deployment=b", 6.0, &[2.0])
        .row("namespace=qa,pod=c-0,model_name=llama,deployment=c", 7.0, &[100.0])
}

#[test]
fn a_reading_is_the_namespaces_sum_with_the_oldest_samples_time() {
    let reading = Ask::waiting(fleet().by_pod()).reading();
    assert_eq!((reading.value, reading.quantity.to_string()), (10.0, "10".to_owned()));
    assert_eq!((reading.at, reading.sampled_at), (at(5.0), at(5.0)));
    assert_eq!(reading.expires, at(5.0 + 75.0), "the sample's time and the limit");
    assert_eq!((reading.elements, reading.held, reading.window), (2, false, None));
}

#[test]
fn selectors_choose_by_own_and_neutral_labels() {
    for (selector, expected) in [
        ("", 10.0),
        ("model=llama", 8.0),
        ("model!=llama", 2.0),
        ("model in (qwen,other)", 2.0),
        ("model notin (qwen)", 8.0),
        ("engine=vllm", 10.0),
        ("engine_index=1", 1.0),
        ("!engine_index", 2.0),
        ("engine_index", 8.0),
        ("engine_index notin (0)", 3.0),
        ("pod=b-0", 2.0),
        ("deployment=a,engine_index!=0", 1.0),
        ("absent!=x", 10.0),
        ("!absent", 10.0),
    ] {
        assert_eq!(Ask::waiting(fleet().by_pod()).selecting(selector).value(), expected, "{selector}");
    }
}

#[test]
fn only_a_cluster_metric_reads_other_namespaces() {
    let cluster = |metric: &mut Metric| metric.scope = Scope::Cluster;
    assert_eq!(Ask::waiting(fleet().by_pod()).with(cluster).value(), 110.0);
    assert_eq!(Ask::waiting(fleet().by_pod()).with(cluster).selecting("namespace=qa").value(), 100.0);
}

#[test]
fn aggregates_fold_pods_not_series() {
    for (aggregate, expected) in [
        (Aggregate::Sum, 10.0),
        (Aggregate::Pooled, 10.0),
        (Aggregate::Avg, 5.0),
        (Aggregate::Max, 8.0),
        (Aggregate::Min, 2.0),
        (Aggregate::Count, 2.0),
        (Aggregate::Quantile(0.5), 5.0),
    ] {
        let ask = Ask::waiting(fleet().by_pod()).with(|metric| metric.aggregate = aggregate);
        assert_eq!(ask.value(), expected, "{aggregate}");
    }
}

#[test]
fn a_device_seen_through_two_pods_counts_once_for_both() {
    let power = series_signal(Kind::Gauge, &["POWER"], None, device());
    let set = Rows::default()
        .row("UUID=1,namespace=ml,pod=a", 5.0, &[300.0])
        .row("UUID=1,namespace=ml,pod=b", 5.0, &[300.0])
        .row("UUID=2,namespace=ml,pod=b", 5.0, &[100.0])
        .by(&device());
    let metric = metric(vec![input("dcgm", power, Formula::Linear(vec![term(0)]))]);
    let ask = Ask::of(metric, snapshot(set, 9.0));
    assert_eq!(ask.value(), 400.0);
    assert_eq!(ask.selecting("pod=b").value(), 400.0);
}

#[test]
fn the_value_is_held_until_the_limit_with_its_true_time() {
    let at_age = |age| Ask::waiting(fleet().by_pod()).selecting("pod=a-0").at(5.0 + age);
    for (age, held) in [(0.0, false), (19.0, false), (19.001, true), (75.0, true)] {
        let reading = at_age(age).reading();
        assert_eq!((reading.held, reading.at, reading.expires), (held, at(5.0), at(80.0)), "{age}");
    }
    assert_eq!(at_age(75.001).refusal().reason(), "unanswered");
    let broken = at_age(40.0).knowing(|snapshot| *snapshot = snapshot.failed("down".into()));
    assert_eq!(broken.value(), 8.0, "a failure alone does not end it");
}

#[test]
fn ages_are_free_of_clock_skew_and_the_time_is_the_sources() {
    // The source is ten minutes ahead: what it calls 605 is our 5.
    for (offset, seconds) in [(-600_000, 605.0), (600_000, -595.0)] {
        let set = Rows::default().row("namespace=ml,pod=a", seconds, &[3.0]).clock_offset(offset).by_pod();
        let ask = Ask::waiting(set);
        let reading = ask.reading();
        assert_eq!((reading.at, reading.sampled_at), (at(seconds), at(5.0)));
        assert_eq!(reading.expires, at(80.0));
        assert_eq!(ask.explained().1.elements[0].age_seconds, 5.0);
        assert_eq!(ask.at(80.001).refusal().reason(), "unanswered");
    }
}

#[test]
fn two_engines_are_one_metric() {
    let vllm = Rows::default().row("namespace=ml,pod=a", 8.0, &[4.0]).by_pod();
    let sglang = Rows::default().row("namespace=ml,pod=b", 6.0, &[3.0]).clock_offset(-1000).by_pod();
    let other = input("sglang", series_signal(Kind::Gauge, &["queue"], None, Element::Pod), gauge().formula);
    let mut ask = Ask::waiting(vllm);
    ask.metric.inputs.push(other.clone());
    ask.known.push((other, snapshot(sglang, 9.0)));
    let reading = ask.reading();
    assert_eq!((reading.value, reading.elements), (7.0, 2));
    assert_eq!((reading.at, reading.sampled_at), (at(6.0), at(5.0)), "the older of both");
    assert_eq!(reading.expires, at(80.0), "the earlier of both");
    assert_eq!(ask.selecting("pod=a").value(), 4.0, "an engine without selected pods says nothing");
}

#[test]
fn ratios_and_quantiles_of_two_engines_are_pooled() {
    let kv = |engine: &str| {
        let signal = series_signal(Kind::Counter, &["hits", "queries"], Some(120), Element::Pod);
        input(engine, signal, Formula::Ratio { numerator: vec![term(0)], denominator: vec![term(1)] })
    };
    let mut ask = Ask::of(
        Metric { aggregate: Aggregate::Pooled, ..metric(vec![kv("vllm")]) },
        snapshot(Rows::default().row("namespace=ml,pod=a", 5.0, &[9.0, 10.0]).by_pod(), 9.0),
    );
    let other = Rows::default().row("namespace=ml,pod=b", 5.0, &[0.0, 90.0]).by_pod();
    ask.known.push((kv("sglang"), snapshot(other, 9.0)));
    assert_eq!(ask.value(), 0.09);
    assert_eq!(ask.reading().window, Some(seconds(120)));

    let ttft = |engine: &str| {
        input(engine, series_signal(Kind::Buckets, &["ttft"], Some(120), Element::Pod), quantile(0.5))
    };
    let set = |pod: &str, buckets: &[(f64, f64)]| {
        Rows::default().histogram(&format!("namespace=ml,pod={pod}"), 5.0, buckets).by_pod()
    };
    let mut ask = Ask::of(
        Metric { aggregate: Aggregate::Pooled, ..metric(vec![ttft("vllm")]) },
        snapshot(set("a", &[(1.0, 1.0), (f64::INFINITY, 1.0)]), 9.0),
    );
    let other = set("b", &[(1.0, 0.0), (4.0, 3.0), (f64::INFINITY, 3.0)]);
    ask.known.push((ttft("sglang"), snapshot(other, 9.0)));
    assert_eq!(ask.value(), 2.0);
}

#[test]
fn an_absent_series_is_zero_only_by_choice_and_only_while_the_source_is_well() {
    let nobody = || Ask::waiting(Rows::default().by_pod()).with(|metric| metric.absent = Missing::Zero);
    let reading = nobody().reading();
    assert_eq!((reading.value, reading.quantity.milli(), reading.elements), (0.0, 0, 0));
    assert_eq!((reading.at, reading.expires), (at(9.0), at(11.0)), "as old as the read, good for a second");
    assert_eq!(nobody().at(24.0).value(), 0.0, "15 s after the read");
    assert_eq!(nobody().at(24.001).refusal().reason(), "no_series", "the source fell silent");
    let failed = nobody().knowing(|snapshot| *snapshot = snapshot.failed("down".into()));
    assert_eq!(failed.refusal().reason(), "no_series");
    let strict = nobody().with(|metric| metric.absent = Missing::Error);
    assert_eq!(strict.refusal().reason(), "no_series");
    // No snapshot at all says nothing of the source.
    let mut unknown = nobody();
    unknown.known.clear();
    assert_eq!(unknown.refusal().reason(), "no_series");
}

#[test]
fn idleness_and_negatives_are_zero_by_choice() {
    let mean = input("vllm", series_signal(Kind::Mean, &["ttft"], Some(120), Element::Pod), MEAN);
    let idle = Rows::default().cells("namespace=ml,pod=a", 5.0, [(Column::Sum, 0.0), (Column::Count, 0.0)]);
    let ask =
        Ask::of(Metric { aggregate: Aggregate::Pooled, ..metric(vec![mean]) }, snapshot(idle.by_pod(), 9.0));
    assert_eq!(ask.refusal().reason(), "idle");
    let ask = ask.with(|metric| metric.idle = Missing::Zero);
    assert_eq!((ask.value(), ask.reading().elements), (0.0, 1));

    let negative = || Ask::waiting(Rows::default().row("namespace=ml,pod=a", 5.0, &[-3.0]).by_pod());
    assert_eq!(negative().refusal().reason(), "unservable");
    let clamped = negative().with(|metric| metric.negative = Missing::Zero).reading();
    assert_eq!((clamped.value, clamped.quantity.milli()), (-3.0, 0), "the HPA is told 0, people the truth");
    assert_eq!(clamped.clone().as_told().value, 0.0, "what goes on from it goes on from what was told");
    let positive = Ask::waiting(Rows::default().row("namespace=ml,pod=a", 5.0, &[3.0]).by_pod()).reading();
    assert_eq!(positive.clone().as_told(), positive);
}

#[test]
fn what_was_narrowed_answers_for_what_it_was_narrowed_to() {
    let only = |namespace: &'static str| {
        move |snapshot: &mut Snapshot| {
            snapshot.coverage = Coverage::Namespaces(std::sync::Arc::new([namespace.into()].into()));
        }
    };
    assert_eq!(Ask::waiting(fleet().by_pod()).knowing(only("ml")).value(), 10.0);
    let elsewhere = Ask::waiting(fleet().by_pod()).knowing(only("qa"));
    assert_eq!(elsewhere.refusal().reason(), "loading", "what was not asked for is not absent");
}

#[test]
fn every_step_is_told() {
    let terms = vec![term(0), Weighted { weight: -0.5, nonzero: true, optional: true, ..term(1) }];
    let signal = series_signal(Kind::Counter, &["prompt", "cached"], Some(120), Element::Pod);
    let set = Rows::default()
        .row("namespace=ml,pod=a,engine=0", 5.0, &[10.0, 4.0])
        .row("namespace=ml,pod=a,engine=1", 3.0, &[10.0])
        .row("namespace=ml,pod=b", 4.0, &[1.0])
        .row("namespace=qa,pod=c", 5.0, &[1.0])
        .by_pod();
    let ask = Ask::of(metric(vec![input("vllm", signal, Formula::Linear(terms))]), snapshot(set, 9.0))
        .knowing(|snapshot| snapshot.warnings = std::sync::Arc::new(["slow".to_owned()]))
        .selecting("pod=a");
    let (reading, steps) = ask.explained();
    assert_eq!(reading.expect("a reading").value, 19.5);
    insta::assert_json_snapshot!(steps, @r#"
    {
      "inputs": [
        {
          "engine": "vllm",
          "signal": "prompt + cached",
          "query": "the query",
          "formula": "$1 + -0.5 * ($2 != 0)",
          "series": 4,
          "inNamespace": 3,
          "selected": 2,
          "readSecondsAgo": 1.0,
          "intervalSeconds": 2.0,
          "sampleIntervalSeconds": 15.0,
          "limitSeconds": 75.0,
          "failure": null,
          "warnings": [
            "slow"
          ]
        }
      ],
      "elements": [
        {
          "name": "a",
          "value": 19.5,
          "ageSeconds": 7.0
        }
      ],
      "aggregate": "sum"
    }
    "#);
}

#[test]
fn elements_have_the_names_people_know() {
    for (of, element, expected) in [
        ("engine_index=1,pod=a,model=m", Element::Pod, "a"),
        ("engine_index=1,pod=a", Element::Series, "a engine 1"),
        ("UUID=GPU-1,pod=a", device(), "a GPU-1"),
        ("GPU_I_ID=3,UUID=GPU-1,gpu=0", device(), "GPU-1/3"),
        ("gpu=0", device(), "0"),
        (
            "deployment=llama,pod=a",
            Element::Device(vec!["namespace".to_owned(), "deployment".to_owned()]),
            "a llama",
        ),
        ("instance=gateway:80,job=x", Element::Pod, "gateway:80"),
        ("app=x,job=y", Element::Series, "app=x,job=y"),
    ] {
        assert_eq!(ElementStep::name_of(&labels(of), &element), expected);
    }
}

#[test]
fn a_refusal_is_derived_too() {
    let (refusal, steps) = Ask::waiting(fleet().by_pod()).selecting("pod=nobody").explained();
    assert_eq!(refusal.expect_err("a refusal").reason(), "no_series");
    let [step] = &steps.inputs[..] else { panic!("one input") };
    assert_eq!((step.series, step.in_namespace, step.selected), (4, 3, 0));
    assert!(steps.elements.is_empty());
}

#[test]
fn nothing_is_served_before_the_source_knows_enough_again() {
    let recovering = |snapshot: &mut Snapshot| snapshot.usable_from = Some(at(30.0));
    let set = || Rows::default().row("namespace=ml,pod=a", 29.0, &[3.0]).by_pod();
    let rate = metric(vec![input("vllm", tokens(), gauge().formula)]);
    let asked = |now| Ask::of(rate.clone(), snapshot(set(), 29.0)).knowing(recovering).at(now);
    assert_eq!(asked(29.999).refusal().reason(), "recovering");
    assert_eq!(asked(31.0).refusal().reason(), "recovering", "it was read before");
    assert_eq!(asked(31.0).knowing(|snapshot| snapshot.usable_from = None).value(), 3.0);
    assert_eq!(asked(500.0).refusal().reason(), "unanswered", "the source is away again");
    let gauge = Ask::waiting(set()).knowing(recovering).at(29.0);
    assert_eq!(
        gauge.refusal().to_string(),
        "m: not every series of requests_waiting is back yet since source main was first asked, restarted or came back; next value in 1s"
    );
}

#[test]
fn a_rate_that_was_known_is_missed_and_one_that_never_was_is_not() {
    let set = |lapsed: bool| {
        let first =
            Rows::default().row("namespace=ml,pod=a", 1.0, &[3.0]).row("namespace=ml,pod=b", 1.0, &[4.0]);
        let mut builder = Builder::default();
        builder.number(labels("namespace=ml,pod=a"), Column::Term(0), 5.0);
        for pod in ["namespace=ml,pod=a", "namespace=ml,pod=b"] {
            builder.time(labels(pod), at(9.0));
        }
        let set = builder.finish(&Element::Pod, &NeutralLabels::default(), 0);
        if lapsed { set.learning_from(&first.by_pod(), false) } else { set }
    };
    let rate = metric(vec![input("vllm", tokens(), gauge().formula)]);
    let asked = |lapsed| Ask::of(rate.clone(), snapshot(set(lapsed), 9.0));
    assert_eq!(asked(true).refusal().to_string(), "m: b has no tokens_total any more");
    assert_eq!(asked(false).value(), 5.0, "a pod that has just started adds nothing yet");
}
