//! The exact sentence of every refusal: people read them in the HPA's condition.

use std::sync::Arc;

use super::*;
use crate::core::series::Silent;
use crate::core::signal::Signal;
use crate::core::signal::{Factor, SeriesRef};

/// The sentence and the word for our own metrics.
fn said(ask: &Ask) -> (String, &'static str) {
    let refusal = ask.refusal();
    (refusal.to_string(), refusal.reason())
}

fn rate() -> Metric {
    metric(vec![input("vllm", tokens(), gauge().formula)])
}

#[test]
fn before_the_first_answer() {
    let fresh = Ask::of(metric(vec![gauge()]), Snapshot::default());
    assert_eq!(
        said(&fresh),
        ("m: waiting for the first reading of requests_waiting from source main".into(), "loading")
    );
    let down =
        Ask::of(metric(vec![gauge()]), Snapshot::default().failed("prom:9090: connection refused".into()));
    assert_eq!(
        said(&down),
        (
            "m: source main has not answered for requests_waiting: prom:9090: connection refused".into(),
            "source_down"
        )
    );
}

#[test]
fn when_the_last_sample_is_too_old() {
    let old = Ask::waiting(fleet().by_pod()).at(257.0);
    assert_eq!(
        said(&old),
        (
            "m: last sample of requests_waiting is 4m12s old (limit 1m15s); source main: no answer for 4m8s"
                .into(),
            "unanswered"
        )
    );
    // The source answers, and what it has is old.
    let read = snapshot(fleet().by_pod(), 256.5);
    let (words, reason) = said(&Ask::of(metric(vec![gauge()]), read).at(257.0));
    assert!(
        words.ends_with("4m12s old (limit 1m15s); source main answers") && reason == "stale",
        "{words} {reason}"
    );
    let failed = old.knowing(|snapshot| *snapshot = snapshot.failed("no answer within 10s".into()));
    assert_eq!(
        said(&failed).0,
        "m: last sample of requests_waiting is 4m12s old (limit 1m15s); source main: no answer within 10s"
    );
}

#[test]
fn when_an_empty_answer_is_too_old() {
    let silent =
        Ask::waiting(Rows::default().by_pod()).at(100.0).with(|metric| metric.absent = Missing::Zero);
    assert_eq!(
        said(&silent),
        (
            "m: last sample of requests_waiting is 1m31s old (limit 1m15s); source main: no answer for 1m31s"
                .into(),
            "unanswered"
        )
    );
}

#[test]
fn while_the_window_fills() {
    let set = Rows::default().row("namespace=ml,pod=a", 9.0, &[3.0]).by_pod();
    let ask = Ask::of(rate(), snapshot(set, 9.0)).knowing(|snapshot| snapshot.usable_from = Some(at(70.0)));
    assert_eq!(
        said(&ask),
        (
            "m: the 2m window of tokens_total is not covered yet since source main was first asked, restarted or came back; next value in 1m"
                .into(),
            "recovering"
        )
    );
}

#[test]
fn when_there_is_no_series() {
    let nothing = Ask::waiting(Rows::default().by_pod());
    assert_eq!(
        said(&nothing),
        ("m: no series: source main has none of requests_waiting".into(), "no_series")
    );

    let elsewhere = Ask::waiting(Rows::default().row("namespace=qa,pod=a", 5.0, &[1.0]).by_pod());
    assert_eq!(
        said(&elsewhere).0,
        "m: no series: requests_waiting exists (1 series), but not in namespace ml"
    );

    let unselected = Ask::waiting(fleet().by_pod()).selecting("model=mistral,!x");
    assert_eq!(
        said(&unselected).0,
        "m: no series: none of the 3 series of requests_waiting in namespace ml matches model=mistral,!x; one of \
         them has deployment=a,engine=vllm,engine_index=0,model=llama,model_name=llama,namespace=ml,pod=a-0"
    );

    let anywhere = Ask::waiting(Rows::default().row("pod=a", 5.0, &[1.0]).by_pod())
        .with(|metric| metric.scope = Scope::Cluster)
        .selecting("pod=b");
    assert_eq!(
        said(&anywhere).0,
        "m: no series: none of the 1 series of requests_waiting matches pod=b; one of them has pod=a"
    );
}

#[test]
fn when_no_engine_is_there_or_several_have_nothing() {
    let mut none = Ask::waiting(Rows::default().by_pod());
    let other = input("sglang", series_signal(Kind::Gauge, &["queue"], None, Element::Pod), gauge().formula);
    none.metric.inputs.push(other.clone());
    none.known.push((other, snapshot(Rows::default().by_pod(), 9.0)));
    assert_eq!(
        said(&none).0,
        "m: no series: source main has none of requests_waiting; source main has none of queue"
    );
    none.known.clear();
    assert_eq!(said(&none).0, "m: no series: source main has series of none of its engines (vllm, sglang)");
}

#[test]
fn when_absence_would_count_if_the_source_were_well() {
    let ask = Ask::waiting(Rows::default().by_pod())
        .with(|metric| metric.absent = Missing::Zero)
        .knowing(|snapshot| *snapshot = snapshot.failed("down".into()));
    assert_eq!(
        said(&ask).0,
        "m: no series: source main has none of requests_waiting; absence counts as zero only while the source is well"
    );
}

#[test]
fn when_a_pod_lacks_a_number() {
    let signal = series_signal(Kind::Gauge, &["running", "waiting"], None, Element::Pod);
    let formula = Formula::Linear(vec![term(0), term(1)]);
    let set = Rows::default()
        .row("namespace=ml,pod=a", 5.0, &[3.0, 4.0])
        .row("namespace=ml,pod=b", 5.0, &[3.0])
        .by_pod();
    let ask = Ask::of(metric(vec![input("vllm", signal, formula)]), snapshot(set, 9.0));
    assert_eq!(said(&ask), ("m: b has no waiting".into(), "incomplete"));
    assert_eq!(ask.selecting("pod=a").value(), 7.0, "only what is selected must be complete");
}

#[test]
fn when_nothing_was_observed() {
    let mean = |signal| metric(vec![input("vllm", signal, MEAN)]);
    let idle = || {
        Rows::default().cells("namespace=ml,pod=a", 5.0, [(Column::Sum, 0.0), (Column::Count, 0.0)]).by_pod()
    };
    let ttft = series_signal(Kind::Mean, &["ttft"], Some(90), Element::Pod);
    let ask = Ask::of(Metric { aggregate: Aggregate::Avg, ..mean(ttft) }, snapshot(idle(), 9.0));
    assert_eq!(
        said(&ask),
        ("m: undefined, since ttft{_sum,_count} saw no observations in the last 1m30s".into(), "idle")
    );
    let instant = series_signal(Kind::Mean, &["ttft"], None, Element::Pod);
    let ask = Ask::of(mean(instant), snapshot(idle(), 9.0));
    assert_eq!(said(&ask).0, "m: undefined, since ttft{_sum,_count} saw no observations");
}

#[test]
fn when_the_number_cannot_be_told() {
    let of = |value: f64| Ask::waiting(Rows::default().row("namespace=ml,pod=a", 5.0, &[value]).by_pod());
    for (value, sentence) in [
        (f64::NAN, "m: the value is not a finite number"),
        (f64::INFINITY, "m: the value is not a finite number"),
        (
            -1.0,
            "m: the value -1.0 is negative, which would make the autoscaler ask for its maximum of replicas",
        ),
        (
            9.3e15,
            "m: the value 9300000000000000.0 is above 1e12, the largest that the autoscaler reads reliably",
        ),
    ] {
        assert_eq!(said(&of(value)), (sentence.into(), "unservable"));
    }
    assert_eq!(of(1e-9).reading().quantity.milli(), 0, "a residue is nothing");
    assert_eq!(of(-0.0).reading().quantity.milli(), 0);
}

#[test]
fn a_broken_number_among_good_ones_is_refused_by_every_aggregate() {
    for aggregate in
        [Aggregate::Sum, Aggregate::Avg, Aggregate::Max, Aggregate::Min, Aggregate::Count, Aggregate::Pooled]
    {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let set = Rows::default()
                .row("namespace=ml,pod=a", 5.0, &[1.0])
                .row("namespace=ml,pod=b", 5.0, &[bad])
                .by_pod();
            let ask = Ask::waiting(set).with(|metric| metric.aggregate = aggregate);
            assert_eq!(said(&ask).0, "m: the value is not a finite number", "{aggregate} with {bad}");
        }
    }
}

fn silent(of: &str, engine: Option<&str>, known: bool) -> Silent {
    Silent {
        labels: labels(of),
        engine: engine.map(Into::into),
        speaks_for_others: true,
        cause: "connection refused".into(),
        known,
    }
}

/// One pod's number, with a target that does not answer.
fn beside(silent: Silent) -> Ask {
    let set = Rows::default().row("instance=a,job=pods,namespace=ml,pod=a", 5.0, &[3.0]).by_pod();
    Ask::waiting(set.with_silent(vec![silent]))
}

#[test]
fn when_a_target_has_never_answered() {
    let ask = beside(silent("instance=b:8000,namespace=ml", None, false));
    let sentence = "m: target b:8000 of source main gives no metrics, so requests_waiting is not known: connection refused";
    assert_eq!(said(&ask), (sentence.into(), "silent"));
    for (of, engine, selector, is_concerned) in [
        ("namespace=ml", Some("vllm"), "", true),
        ("namespace=ml", Some("sglang"), "", false),
        ("namespace=other", None, "", false),
        ("", None, "", true),
        ("namespace=ml,pod=b", None, "pod=b", true),
        ("namespace=ml,pod=b", None, "pod=a", false),
        ("namespace=ml", None, "pod=a", true),
        ("namespace=ml", Some("vllm"), "engine=sglang", false),
        ("namespace=ml,zone=x", None, "zone!=x", false),
    ] {
        let ask = beside(silent(of, engine, false)).selecting(selector);
        let is_silent = matches!(ask.explained().0, Err(Refusal::Silent { .. }));
        assert_eq!(is_silent, is_concerned, "{of} {engine:?} {selector}");
        let known = beside(silent(of, engine, true)).selecting(selector);
        assert!(
            !matches!(known.explained().0, Err(Refusal::Silent { .. })),
            "{of}: its last number is known"
        );
    }
    let cluster = beside(silent("namespace=other", None, false)).with(|metric| metric.scope = Scope::Cluster);
    assert_eq!(cluster.refusal().reason(), "silent");
}

#[test]
fn when_a_target_may_have_the_price() {
    let mut signal = waiting();
    let Signal::Series(series) = &mut signal else { unreachable!() };
    let price = SeriesRef { name: "price".into(), matchers: Vec::new() };
    series.terms[0].factor = Some(Factor { series: price, on: vec!["node".into()] });
    let mut ask = beside(silent("namespace=costs", None, false));
    assert_eq!(ask.value(), 3.0);
    ask.known[0].0.signal = Arc::new(signal);
    assert_eq!(ask.refusal().reason(), "silent");
}

#[test]
fn a_number_too_old_is_refused_by_the_cause_of_its_target() {
    let of = |instance: &str| silent(&format!("instance={instance},job=pods,namespace=ml"), None, true);
    let old = beside(of("a")).at(200.0).knowing(|snapshot| snapshot.refreshed_at = Some(at(199.0)));
    assert!(said(&old).0.ends_with("; source main: connection refused"), "{}", said(&old).0);
    let other = beside(of("b")).at(200.0).knowing(|snapshot| snapshot.refreshed_at = Some(at(199.0)));
    assert!(said(&other).0.ends_with("; source main answers"), "{}", said(&other).0);
}

#[test]
fn absence_is_no_zero_beside_a_target_that_does_not_answer() {
    let none = |silent| Ask::waiting(SeriesSet::default().with_silent(vec![silent]));
    let zero = |ask: Ask| ask.with(|metric| metric.absent = Missing::Zero);
    assert_eq!(zero(none(silent("namespace=other", None, true))).value(), 0.0);
    for known in [true, false] {
        zero(none(silent("namespace=ml", None, known))).refusal();
    }
}
