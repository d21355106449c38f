//! Targets that fail, hang, lie and flood: what is known of them is never zero.

use std::io::Write as _;

use futures_util::StreamExt as _;

use super::*;
use crate::core::fixtures::{device, series_signal};
use crate::core::metric::Missing;
use crate::core::signal::Kind;

/// A body that gives this and then breaks off.
fn broken(text: &'static str) -> Body {
    let broken = async {
        // What was told must have been sent by then.
        sleep(MILLIS(20)).await;
        Err(std::io::Error::other("broken"))
    };
    Body::from_stream(stream::once(async move { Ok(text) }).chain(stream::once(broken)))
}

/// Compressed by hand: one stored block.
fn gzip(text: &str) -> Vec<u8> {
    let mut crc = !0_u32;
    for byte in text.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let length = u16::try_from(text.len()).expect("short");
    let mut body = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1];
    let _ = body.write_all(&length.to_le_bytes());
    let _ = body.write_all(&(!length).to_le_bytes());
    body.extend(text.bytes());
    let _ = body.write_all(&(!crc).to_le_bytes());
    let _ = body.write_all(&u32::from(length).to_le_bytes());
    body
}

#[tokio::test]
async fn a_compressed_page_is_read() {
    let exporter = Exporter::start(answer(|_| {
        let headers = [(header::CONTENT_ENCODING, "gzip"), (header::CONTENT_TYPE, "text/plain")];
        (headers, gzip("requests_waiting 8\n")).into_response()
    }))
    .await;
    assert_eq!(World::over(&[&exporter]).numbers().await, [8.0]);
}

#[tokio::test]
async fn formats_are_told_by_their_content_type() {
    for (content_type, body, number) in [
        ("text/plain; version=0.0.4", "requests_waiting 1\n", Some(1.0)),
        ("application/openmetrics-text; version=1.0.0", "requests_waiting 2\n# EOF\n", Some(2.0)),
        ("application/openmetrics-text", "requests_waiting 3\n", None),
        ("application/json", "requests_waiting 4\n", None),
    ] {
        let exporter =
            Exporter::start(answer(move |_| ([(header::CONTENT_TYPE, content_type)], body).into_response()))
                .await;
        let world = World::over(&[&exporter]);
        match number {
            Some(number) => assert_eq!(world.numbers().await, [number], "{content_type}"),
            None => drop(world.fetch(&waiting()).await.expect_err(content_type)),
        }
    }
}

/// A page of so many series.
fn lines(count: usize) -> String {
    let lines: Vec<_> = (0..count).map(|n| format!("requests_waiting{{n=\"{n}\"}} 0\n")).collect();
    lines.concat()
}

/// Ways to fail, with what is told of each.
fn failures() -> Vec<(&'static str, Deed, &'static str)> {
    let html = || axum::response::Html("<html>requests_waiting 0</html>").into_response();
    let trickle = || {
        let slowly = stream::unfold(0, |n| async move {
            sleep(MILLIS(30)).await;
            Some((Ok::<_, std::io::Error>("requests_waiting 0\n"), n + 1))
        });
        Body::from_stream(slowly).into_response()
    };
    let large = || format!("requests_waiting 0\n{}", "# more\n".repeat(20_000)).into_response();
    let many = || lines(60).into_response();
    let bomb = || ([(header::CONTENT_ENCODING, "gzip")], "requests_waiting 0\n").into_response();
    vec![
        ("hangs", Deed::Hang, "no answer within 1s"),
        (
            "is not there",
            answer(|_| StatusCode::NOT_FOUND.into_response()),
            "HTTP 404 Not Found: /metrics is not where",
        ),
        (
            "has a fault",
            answer(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response()),
            "unusable answer: HTTP 500",
        ),
        ("has nothing", answer(|_| StatusCode::NO_CONTENT.into_response()), "HTTP 204"),
        ("asks who it is", answer(|_| StatusCode::UNAUTHORIZED.into_response()), "check the credentials"),
        (
            "sends elsewhere",
            answer(|_| Redirect::temporary("/else").into_response()),
            "redirects are not followed",
        ),
        ("has a page for people", answer(move |_| html()), "text/html"),
        ("is too large", answer(move |_| large()), "answer too large: more than 1 MiB"),
        ("has too many series", answer(move |_| many()), "more than 50 series of all targets"),
        ("breaks off", answer(|_| broken("requests_waiting 0\n").into_response()), "answer broke off"),
        ("is not compressed as it says", answer(move |_| bomb()), "answer broke off"),
        ("trickles", answer(move |_| trickle()), "no answer within 1s"),
        ("is cut off in a line", Deed::Page("requests_waiting".to_owned()), "unusable answer"),
        ("is malformed", Deed::Page("requests_waiting 0\nrequests_waiting{ 1\n".to_owned()), "line 2"),
    ]
}

fn bounded(settings: &mut Settings) {
    (settings.max_body, settings.max_series) = (100_000, 50);
}

#[tokio::test]
async fn a_target_that_never_answered_leaves_the_sum_unknown() {
    let well = Exporter::start(page(3)).await;
    for (name, deed, told) in failures() {
        let exporter = Exporter::start(deed).await;
        let places = Places::of([well.place("namespace=ai,pod=a"), exporter.place("namespace=ai,pod=b")]);
        let world = World::with(places, bounded);
        let (snapshot, refused) = world.evaluated(&Snapshot::default()).await;
        let refused = refused.expect_err(name);
        assert!(matches!(refused, Refusal::Silent { .. }), "{name}: {refused}");
        until(|| world.source.vitals().is_some_and(|vitals| vitals.silent == 1)).await;
        let (snapshot, refused) = world.evaluated(&snapshot).await;
        let refused = refused.expect_err(name);
        let words = refused.to_string();
        assert!(words.contains(&format!("target {} of source", exporter.address)), "{name}: {words}");
        assert!(words.contains(told), "{name}: {words}");
        let set = snapshot.set.as_ref().expect("a set");
        assert_eq!(set.all().len(), 1, "{name}: the other one is known");
        let [silent] = set.silent() else { panic!("{name}: {:?}", set.silent()) };
        assert!(!silent.known && silent.labels.get("pod") == Some("b"), "{name}");
        assert_eq!(
            world.source.vitals().map(|vitals| (vitals.targets, vitals.silent)),
            Some((2, 1)),
            "{name}"
        );

        exporter.set(page(4));
        world.until_numbers(&[3.0, 4.0]).await;
        let (_, reading) = world.evaluated(&snapshot).await;
        assert!((reading.expect(name).value - 7.0).abs() < 1e-9, "{name}");
    }
}

#[tokio::test]
async fn a_target_that_fails_keeps_its_numbers_with_their_true_time() {
    for (name, deed, told) in failures() {
        let (well, exporter) = (Exporter::start(page(3)).await, Exporter::start(page(4)).await);
        let places = Places::of([well.place("namespace=ai,pod=a"), exporter.place("namespace=ai,pod=b")]);
        let world = World::with(places, bounded);
        let (mut snapshot, reading) = world.evaluated(&Snapshot::default()).await;
        assert!((reading.expect(name).value - 7.0).abs() < 1e-9, "{name}");
        exporter.set(deed);
        let is_silent = || world.source.vitals().is_some_and(|vitals| vitals.silent == 1);
        until(is_silent).await;
        let failed = world.now();
        let asked = well.asked().len();
        until(|| well.asked().len() > asked + 3).await;
        let reading;
        (snapshot, reading) = world.evaluated(&snapshot).await;
        let reading = reading.expect(name);
        assert!((reading.value - 7.0).abs() < 1e-9, "{name}: held");
        assert!(reading.at < failed, "{name}: as old as the oldest");
        let set = snapshot.set.as_ref().expect("a set");
        let newest = set.newest().expect("a row");
        assert!(newest.since(reading.at) > MILLIS(90), "{name}: the other one is new");
        assert!(matches!(set.silent(), [silent] if silent.known), "{name}");

        // No hold: what is older than it may be is refused, by its cause.
        let mut strict = sum_of(waiting());
        strict.hold = Duration::ZERO;
        snapshot.cadence = Some(MILLIS(1));
        let refusal = async {
            loop {
                snapshot = world.known(&snapshot, &waiting()).await;
                match world.judge(&strict, &snapshot) {
                    Err(refusal) => break refusal,
                    Ok(reading) => assert!((reading.value - 7.0).abs() < 1e-9, "{name}"),
                }
                sleep(MILLIS(10)).await;
            }
        };
        let refusal = timeout(Duration::from_secs(5), refusal).await.expect(name);
        assert!(matches!(refusal, Refusal::Stale { .. }), "{name}: {refusal}");
        assert!(refusal.to_string().contains(told), "{name}: {refusal}");
    }
}

#[tokio::test]
async fn where_none_answers_the_source_is_down() {
    let address = nobody().await;
    let world = World::new([place(address, "namespace=ai")]);
    let error = world.fetch(&waiting()).await.expect_err("down");
    assert_eq!(error.kind(), "unreachable");
    assert_eq!(error.to_string(), format!("{address}: Connection refused (os error 111)"));

    let hung = Exporter::start(Deed::Hang).await;
    let world = World::new([hung.place("namespace=ai"), place(address, "namespace=b")]);
    world.fetch(&waiting()).await.expect_err("down");
    until(|| world.source.vitals().is_some_and(|vitals| vitals.silent == 2)).await;
    let error = world.fetch(&waiting()).await.expect_err("down").to_string();
    assert_eq!(error, format!("none of 2 targets answers; {}: no answer within 1s", hung.address));
}

#[tokio::test]
async fn silence_concerns_those_who_may_have_numbers_of_the_target() {
    let well = Exporter::start(Deed::Page("requests_waiting 3\nutil{UUID=\"g\"} 1\n".to_owned())).await;
    let away = nobody().await;
    let mut sglang = place(away, "namespace=ai");
    sglang.engine = Some("sglang".into());
    let mut stranger = place(away, "namespace=b");
    stranger.speaks_for_others = false;
    let util = || series_signal(Kind::Gauge, &["util"], None, device());
    for (name, silent, signal, is_concerned) in [
        ("the same namespace", place(away, "namespace=ai"), waiting(), true),
        ("another namespace", place(away, "namespace=b"), waiting(), false),
        ("any namespace", place(away, ""), waiting(), true),
        ("a device, in any namespace", place(away, "namespace=b"), util(), true),
        ("a device of whom only its own concern", stranger, util(), false),
        ("another engine", sglang.clone(), waiting(), false),
        ("another engine's device", sglang, util(), false),
    ] {
        let world = World::new([well.place("namespace=ai"), silent]);
        let snapshot = world.known(&Snapshot::default(), &signal).await;
        let outcome = world.judge(&sum_of(signal), &snapshot);
        assert_eq!(matches!(outcome, Err(Refusal::Silent { .. })), is_concerned, "{name}: {outcome:?}");
        assert_eq!(outcome.is_ok(), !is_concerned, "{name}: {outcome:?}");
    }
}

/// A page without what is asked for.
fn other_series() -> Deed {
    Deed::Page("other 1\n".to_owned())
}

#[tokio::test]
async fn a_page_without_any_sample_or_cut_in_its_last_line_is_no_answer() {
    for (text, why) in
        [("", "no sample"), ("# HELP a b\n\n", "no sample"), ("requests_waiting 12", "breaks off")]
    {
        let (good, bad) = (Exporter::start(page(100)).await, Exporter::start(page(50)).await);
        let world = World::over(&[&good, &bad]);
        let mut numbers = world.numbers().await;
        numbers.sort_by(f64::total_cmp);
        assert_eq!(numbers, [50.0, 100.0], "{why}");
        bad.set(Deed::Page(text.to_owned()));
        until(|| world.source.vitals().is_some_and(|vitals| vitals.silent == 1)).await;
        let set = world.fetch(&waiting()).await.expect("an answer").set;
        assert_eq!(set.all().len(), 2, "its last number stays: {why}");
        assert!(set.silent()[0].cause.contains(why), "{}", set.silent()[0].cause);
    }
}

#[tokio::test]
async fn absence_is_no_zero_while_a_target_is_silent() {
    let (empty, other) = (Exporter::start(other_series()).await, Exporter::start(other_series()).await);
    let world = World::over(&[&empty, &other]);
    let zero = || Metric { absent: Missing::Zero, ..sum_of(waiting()) };
    let mut snapshot = world.known(&Snapshot::default(), &waiting()).await;
    // As if it had been asked for long: just after its start, a source is not settled.
    let settle = |snapshot: &mut Snapshot| snapshot.settled_from = None;
    settle(&mut snapshot);
    assert_eq!(world.judge(&zero(), &snapshot).map(|reading| reading.value), Ok(0.0));
    other.set(Deed::Hang);
    until(|| world.source.vitals().is_some_and(|vitals| vitals.silent == 1)).await;
    snapshot = world.known(&snapshot, &waiting()).await;
    settle(&mut snapshot);
    let refused = world.judge(&zero(), &snapshot).expect_err("not known");
    assert!(matches!(refused, Refusal::NoSeries { .. }), "{refused}");

    let world = World::new([empty.place("namespace=ai"), place(nobody().await, "namespace=ai")]);
    snapshot = world.known(&Snapshot::default(), &waiting()).await;
    settle(&mut snapshot);
    let refused = world.judge(&zero(), &snapshot).expect_err("not known");
    assert!(matches!(refused, Refusal::Silent { .. }), "{refused}");
}

#[tokio::test]
async fn a_bound_on_series_is_one_for_all_targets() {
    let many = |count| Deed::Page(lines(count));
    let (one, other) = (Exporter::start(many(30)).await, Exporter::start(many(10)).await);
    let places = Places::of([one.place("namespace=ai"), other.place("namespace=ai")]);
    let world = World::with(places, |settings| settings.max_series = 50);
    assert_eq!(world.numbers().await.len(), 40);
    let vitals = world.source.vitals().expect("vitals");
    assert_eq!((vitals.targets, vitals.silent, vitals.series), (2, 0, 40));
    assert!((40 * 8..40 * 500).contains(&vitals.bytes), "{vitals:?}");

    other.set(many(21));
    until(|| world.source.vitals().is_some_and(|vitals| vitals.silent == 1)).await;
    assert_eq!(world.numbers().await.len(), 40, "its last page stays");
    other.set(many(20));
    until(|| world.source.vitals().is_some_and(|vitals| vitals.series == 50)).await;
    assert_eq!(world.numbers().await.len(), 50);
}

#[tokio::test]
async fn a_page_of_megabytes_is_read_and_keeps_nobody_waiting() {
    let unwanted = "engine_inner_seconds_bucket{le=\"0.5\",stage=\"prefill\"} 17\n".repeat(200_000);
    let exporter = Exporter::start(Deed::Page(format!("{unwanted}requests_waiting 3\n"))).await;
    let world = World::with(Places::of([exporter.place("namespace=ai")]), |settings| {
        (settings.timeout, settings.max_body) = (Duration::from_secs(20), 16 << 20);
    });
    assert_eq!(world.numbers().await, [3.0]);
    assert_eq!(world.source.vitals().map(|vitals| vitals.series), Some(1));
    let asked = exporter.asked().len();
    until(|| exporter.asked().len() > asked + 2).await;
    assert_eq!(world.numbers().await, [3.0]);
}
