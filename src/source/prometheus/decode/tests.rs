use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::core::fixtures::{at, series_signal, text, tokens, waiting};
use crate::core::signal::{Element, Kind, QuerySignal};

mod again;
mod hostile;

/// When the server evaluated, as it writes it, and when we asked: a second earlier by our clock.
const EVALUATED: f64 = 1_700_000_100.25;

fn asked() -> Timestamp {
    at(100.25)
}

fn answer(samples: &[(Value, f64)]) -> String {
    let sample = |(metric, value): &(Value, f64)| {
        let value = match *value {
            value if value.is_nan() => "NaN".to_owned(),
            f64::INFINITY => "+Inf".to_owned(),
            f64::NEG_INFINITY => "-Inf".to_owned(),
            value => value.to_string(),
        };
        json!({ "metric": metric, "value": [EVALUATED, value] })
    };
    let result: Vec<_> = samples.iter().map(sample).collect();
    json!({ "status": "success", "data": { "resultType": "vector", "result": result } }).to_string()
}

fn decoded(body: &str, signal: &Signal) -> Result<Decoded, SourceError> {
    decode(body.as_bytes(), StatusCode::OK, signal, asked(), 1000, None)
}

fn set(samples: &[(Value, f64)], signal: &Signal) -> SeriesSet {
    decoded(&answer(samples), signal).expect("decodes").set
}

fn error(samples: &[(Value, f64)], signal: &Signal) -> String {
    decoded(&answer(samples), signal).map(|_| ()).expect_err("an error").to_string()
}

fn query(promql: &str) -> Signal {
    Signal::Query(QuerySignal {
        promql: promql.into(),
        window: None,
        element: Element::Series,
        timed: true,
        of_samples: false,
    })
}

#[test]
fn parts_become_rows_with_their_true_time() {
    let set = set(
        &[
            (json!({ "__name__": "requests_waiting", "namespace": "ml", "pod": "a", "_part": "0" }), 7.0),
            (json!({ "__name__": "requests_waiting", "namespace": "ml", "pod": "b", "_part": "0" }), 2.5),
            (json!({ "namespace": "ml", "pod": "a", "_part": "t" }), 1_700_000_090.5),
            (json!({ "namespace": "ml", "pod": "b", "_part": "t" }), 1_700_000_091.0),
            (json!({ "namespace": "ml", "pod": "blank", "_part": "t" }), 1_700_000_091.0),
        ],
        &waiting(),
    );
    let rows: Vec<_> = set.all().iter().map(|one| (text(&one.labels), one.at, one.cells[0])).collect();
    assert_eq!(
        rows,
        [
            ("namespace=ml,pod=a".to_owned(), at(90.5), Some(7.0)),
            ("namespace=ml,pod=b".to_owned(), at(91.0), Some(2.5)),
            ("namespace=ml,pod=blank".to_owned(), at(91.0), None),
        ]
    );
}

#[test]
fn the_difference_of_the_clocks_is_told_by_the_evaluation() {
    let samples =
        [(json!({ "pod": "a", "_part": "0" }), 7.0), (json!({ "pod": "a", "_part": "t" }), 1_700_000_090.0)];
    for skew in [0, 600_000, -600_000] {
        let now = asked().shifted(skew);
        let set = decode(answer(&samples).as_bytes(), StatusCode::OK, &waiting(), now, 10, None)
            .expect("decodes")
            .set;
        let series = &set.all()[0];
        assert_eq!(series.at, at(90.0), "the source's own time");
        assert_eq!(now.since(set.sampled_at(series)).as_millis(), 10_250, "its age");
    }
}

#[test]
fn no_sample_is_from_the_future() {
    for time in [1_700_009_999.0, f64::INFINITY, 1e300] {
        let samples =
            [(json!({ "pod": "a", "_part": "0" }), 7.0), (json!({ "pod": "a", "_part": "t" }), time)];
        assert_eq!(set(&samples, &waiting()).all()[0].at, asked(), "{time}");
    }
    for time in [f64::NAN, f64::NEG_INFINITY, -1.0] {
        let samples =
            [(json!({ "pod": "a", "_part": "0" }), 7.0), (json!({ "pod": "a", "_part": "t" }), time)];
        assert!(
            set(&samples, &waiting()).all()[0].at <= Timestamp::from_millis(0),
            "{time} is as old as can be"
        );
    }
}

#[test]
fn buckets_sums_and_counts_become_columns() {
    let of = |part: &str| json!({ "pod": "a", "_part": part });
    let bucket = |le: &str| json!({ "pod": "a", "_part": "b", "le": le });
    let time = (of("t"), 1_700_000_090.0);
    let ttft = series_signal(Kind::Buckets, &["ttft"], Some(120), Element::Pod);
    let buckets = set(
        &[
            (bucket("+Inf"), 9.0),
            (bucket("0.5"), 3.0),
            (bucket("1e+01"), 8.0),
            (bucket("nonsense"), 1.0),
            time.clone(),
        ],
        &ttft,
    );
    assert_eq!(buckets.columns(), [Column::Bucket(0.5), Column::Bucket(10.0), Column::Bucket(f64::INFINITY)]);
    assert_eq!(*buckets.all()[0].cells, [Some(3.0), Some(8.0), Some(9.0)]);
    let two_spellings = set(&[(bucket("1"), 3.0), (bucket("1.0"), 4.0), time.clone()], &ttft);
    assert_eq!(*two_spellings.all()[0].cells, [Some(7.0)], "an upgrade in the middle of the window");
    let mean = set(&[(of("c"), 4.0), (of("s"), 2.0), time], &ttft);
    assert_eq!(mean.columns(), [Column::Sum, Column::Count]);
    assert_eq!(*mean.all()[0].cells, [Some(2.0), Some(4.0)]);
}

#[test]
fn numbers_that_are_none_are_kept_for_the_core_to_refuse() {
    let samples = |value| {
        [(json!({ "pod": "a", "_part": "0" }), value), (json!({ "pod": "a", "_part": "t" }), 1_700_000_090.0)]
    };
    for value in [f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300, 9.3e15, 1e-9, -1.0] {
        assert_eq!(set(&samples(value), &waiting()).all()[0].cells[0], Some(value));
    }
    assert!(set(&samples(f64::NAN), &waiting()).all()[0].cells[0].is_some_and(f64::is_nan));
}

#[test]
fn an_empty_answer_is_an_empty_set() {
    let set = set(&[], &waiting());
    assert!(set.all().is_empty() && set.newest().is_none());
}

#[test]
fn labels_may_be_escaped_empty_or_neutral() {
    let Signal::Series(mut signal) = waiting() else { panic!("series") };
    signal.labels.engine = Some("vllm".into());
    signal.labels.model = vec!["model_name".into()];
    let body = answer(&[
        (json!({ "pod": "ä\"\\\n", "model_name": "llama", "engine": "1", "x": "", "_part": "0" }), 1.0),
        (
            json!({ "pod": "ä\"\\\n", "model_name": "llama", "engine": "1", "x": "", "_part": "t" }),
            1_700_000_090.0,
        ),
    ]);
    let set = decoded(&body, &Signal::Series(signal)).expect("decodes").set;
    let labels = &set.all()[0].labels;
    assert_eq!(labels.get("pod"), Some("ä\"\\\n"));
    assert_eq!(labels.get("x"), None);
    assert_eq!((labels.get("engine"), labels.get("engine_index")), (Some("vllm"), Some("1")));
    assert_eq!(labels.get("model"), Some("llama"));
}

#[test]
fn a_users_query_is_as_old_as_its_oldest_sample() {
    let time = |namespace: &str, seconds: f64| {
        (json!({ "namespace": namespace, "_part": "t" }), 1_700_000_000.0 + seconds)
    };
    let row = |labels: Value| {
        let mut labels = labels;
        labels["_part"] = json!("0");
        (labels, 1.0)
    };
    let ages = |samples: &[(Value, f64)]| {
        set(samples, &query("q")).all().iter().map(|one| one.at).collect::<Vec<_>>()
    };
    let (ml, qa, none) = (json!({ "namespace": "ml" }), json!({ "namespace": "qa" }), json!({}));
    assert_eq!(ages(&[row(ml.clone()), row(qa), time("ml", 90.0), time("qa", 40.0)]), [at(90.0), at(40.0)]);
    assert_eq!(ages(&[row(none.clone()), time("ml", 90.0)]), [at(90.0)]);
    // What spans namespaces may hide a stale one.
    assert_eq!(ages(&[row(none.clone()), time("ml", 90.0), time("qa", 40.0)]), [at(40.0)]);
    assert_eq!(ages(&[row(json!({ "namespace": "other" })), time("ml", 90.0), time("qa", 40.0)]), [at(40.0)]);
    assert_eq!(ages(&[row(none.clone())]), [asked()], "no samples: as old as the evaluation");
    assert_eq!(ages(&[row(ml), time("ml", 900.0)]), [asked()], "not from the future");
    let no_namespace = (json!({ "_part": "t" }), 1_700_000_050.0);
    assert_eq!(ages(&[row(none), no_namespace]), [at(50.0)]);
}

#[test]
fn what_only_a_range_window_remembers_is_left_out_of_a_users_query() {
    let Signal::Query(query) = query("sum by (namespace) (rate(a[5m]))") else {
        unreachable!("it is a query")
    };
    let query = Signal::Query(QuerySignal { of_samples: true, ..query });
    let row = |namespace: Option<&str>| {
        let own = namespace
            .map_or_else(|| json!({ "_part": "0" }), |name| json!({ "namespace": name, "_part": "0" }));
        (own, 1.0)
    };
    let time = (json!({ "namespace": "ml", "_part": "t" }), 1_700_000_090.0);
    let told = |samples: &[(Value, f64)]| {
        let set = set(samples, &query);
        set.all().iter().map(|one| (text(&one.labels), one.at)).collect::<Vec<_>>()
    };
    let of = |namespace: &str| (format!("namespace={namespace}"), at(90.0));
    assert_eq!(told(&[row(Some("ml")), row(Some("gone")), time.clone()]), [of("ml")]);
    assert_eq!(told(&[row(Some("gone"))]), []);
    assert_eq!(told(&[row(None), time]), [(String::new(), at(90.0))], "of all namespaces some is there");
    assert_eq!(told(&[row(None)]), []);
}

#[test]
fn a_users_query_keeps_its_buckets_apart() {
    let bucket = |le: &str| json!({ "le": le, "_part": "0" });
    let set = set(&[(bucket("1"), 3.0), (bucket("+Inf"), 4.0)], &query("a_bucket"));
    let rows: Vec<_> = set.all().iter().map(|one| (text(&one.labels), one.cells[0])).collect();
    assert_eq!(rows, [("le=+Inf".to_owned(), Some(4.0)), ("le=1".to_owned(), Some(3.0))]);
}

#[test]
fn duplicate_series_are_an_error_not_a_choice() {
    let of = |name: &str| (json!({ "__name__": name, "pod": "a", "_part": "0" }), 1.0);
    assert_eq!(
        error(&[of("a"), of("b")], &query("{__name__=~\"a|b\"}")),
        "unusable answer: two series with the same labels"
    );
    assert_eq!(error(&[of("a"), of("a")], &waiting()), "unusable answer: two series with the same labels");
    let sum = (json!({ "pod": "a", "_part": "s" }), 1.0);
    assert_eq!(error(&[sum.clone(), sum], &tokens()), "unusable answer: two series with the same labels");
}

#[test]
fn unknown_parts_are_an_error() {
    for part in ["1", "99999999", "-1", "x", "", "0x0"] {
        assert_eq!(
            error(&[(json!({ "pod": "a", "_part": part }), 1.0)], &waiting()),
            "unusable answer: an unknown part",
            "{part}"
        );
    }
    assert_eq!(
        error(&[(json!({ "pod": "a" }), 1.0)], &waiting()),
        "unusable answer: a series without its part"
    );
}

#[test]
fn warnings_are_told_and_annotations_told_apart() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[]},
        "warnings":["store gateway x is away","PromQL warning: a rate of a gauge"],"infos":["PromQL info: metric might not be a counter"]}"#;
    let warnings = decoded(body, &waiting()).expect("decodes").warnings;
    assert_eq!(warnings, ["store gateway x is away", "PromQL warning: a rate of a gauge"]);
    assert_eq!(warnings.iter().map(|one| is_annotation(one)).collect::<Vec<_>>(), [false, true]);
    assert!(is_annotation("PromQL info: metric might not be a counter, name does not end in _total"));
}

#[test]
fn an_answer_that_calls_itself_partial_is_one() {
    for (says, warned) in [("true", true), ("false", false)] {
        let body = format!(
            r#"{{"status":"success","isPartial":{says},"data":{{"resultType":"vector","result":[]}}}}"#
        );
        let warnings = decoded(&body, &waiting()).expect("decodes").warnings;
        assert_eq!(warnings.iter().any(|one| !is_annotation(one)), warned, "{says}: {warnings:?}");
    }
}

#[test]
fn the_start_time_is_read_from_runtime_information() {
    let body =
        br#"{"status":"success","data":{"startTime":"2023-11-14T22:13:20.5Z","CWD":"/","GOMAXPROCS":2}}"#;
    assert_eq!(start_time(body), Some(at(0.5)));
    assert_eq!(
        start_time(br#"{"data":{"startTime":"2023-11-14T23:13:20.123456789+01:00"}}"#),
        Some(at(0.123))
    );
    for body in [
        &b""[..],
        b"{}",
        b"404 page not found",
        br#"{"data":{}}"#,
        br#"{"data":{"startTime":"yesterday"}}"#,
        b"null",
    ] {
        assert_eq!(start_time(body), None);
    }
}

#[test]
fn the_servers_clock_is_read_from_its_date() {
    let date = |text: &str| http_date(HeaderValue::from_str(text).ok().as_ref());
    assert_eq!(date("Tue, 14 Nov 2023 22:13:20 GMT"), Some(at(0.0)));
    for text in ["", "now", "2023-11-14T22:13:20Z", "Tue, 99 Nov 2023 22:13:20 GMT"] {
        assert_eq!(date(text), None, "{text}");
    }
    assert_eq!(http_date(None), None);
    assert_eq!(http_date(HeaderValue::from_bytes(b"\xff").ok().as_ref()), None);
}

proptest! {
    #[test]
    fn bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&body, StatusCode::OK, &waiting(), asked(), 10, None);
        let _ = start_time(&body);
        let _ = HeaderValue::from_bytes(&body).map(|value| http_date(Some(&value)));
    }

    #[test]
    fn broken_answers_never_panic(cut in 0..400usize, at in 0..400usize, byte in any::<u8>()) {
        let whole = answer(&[
            (json!({ "namespace": "ml", "pod": "a", "_part": "0", "le": "1" }), 7.0),
            (json!({ "namespace": "ml", "pod": "a", "_part": "t" }), 1_700_000_090.0),
        ]);
        let mut body = whole.into_bytes();
        let last = body.len() - 1;
        body[at.min(last)] = byte;
        let _ = decode(&body, StatusCode::OK, &waiting(), asked(), 10, None);
        body.truncate(cut);
        prop_assert!(cut > last || decode(&body, StatusCode::OK, &waiting(), asked(), 10, None).is_err());
    }

    #[test]
    fn any_value_and_time_is_taken_or_refused(value in any::<f64>(), time in any::<f64>()) {
        let samples = [(json!({ "pod": "a", "_part": "0" }), value), (json!({ "pod": "a", "_part": "t" }), time)];
        let set = decoded(&answer(&samples), &waiting()).expect("decodes").set;
        prop_assert!(set.all()[0].at <= asked());
    }
}
