use super::*;
use crate::core::fixtures::{at, seconds, series_signal};
use crate::core::signal::{Element, Factor, NeutralLabels, QuerySignal, SeriesRef, Term};

fn signal(kind: Kind, name: &str, window: Option<u64>) -> Arc<Signal> {
    Arc::new(series_signal(kind, &[name], window, Element::Pod))
}

fn names(wants: &Wants) -> Vec<(String, u64)> {
    let wanted = wants.wanted();
    let mut names: Vec<_> =
        wanted.names.iter().map(|(name, window)| (name.to_string(), window.as_secs())).collect();
    names.sort();
    names
}

#[test]
fn each_kind_wants_its_own_names() {
    let presence = Signal::Presence(["a".into(), "b".into()].into());
    let query = QuerySignal {
        promql: "sum(x)".to_owned(),
        window: None,
        element: Element::Pod,
        timed: true,
        of_samples: false,
    };
    for (signal, expected) in [
        (signal(Kind::Gauge, "x", None), &[("x", 0)][..]),
        // The window of other terms is none of a gauge's.
        (signal(Kind::Gauge, "x", Some(60)), &[("x", 0)]),
        // A gauge may fall: that is no reset.
        (signal(Kind::Slope, "x", Some(60)), &[("x", 0)]),
        (signal(Kind::Counter, "x_total", Some(60)), &[("x_total", 60)]),
        (signal(Kind::Buckets, "x", Some(120)), &[("x_bucket", 120), ("x_count", 120)]),
        (signal(Kind::Mean, "x", Some(120)), &[("x_count", 120), ("x_sum", 120)]),
        (Arc::new(presence), &[("a", 0), ("b", 0)]),
        (Arc::new(Signal::Query(query)), &[]),
    ] {
        let wants = Wants::default();
        wants.ask(&signal, at(0.0));
        let expected: Vec<_> = expected.iter().map(|(name, window)| ((*name).to_owned(), *window)).collect();
        assert_eq!(names(&wants), expected, "{signal}");
    }
}

#[test]
fn pages_are_kept_for_slopes_too() {
    let wants = Wants::default();
    wants.ask(&signal(Kind::Slope, "x", Some(60)), at(0.0));
    assert_eq!(wants.wanted().keep(), seconds(60));
    wants.ask(&signal(Kind::Counter, "x", Some(30)), at(0.0));
    assert_eq!(wants.wanted().keep(), seconds(60));
}

#[test]
fn alternatives_and_factors_are_wanted_too() {
    let one = |name: &str| SeriesRef { name: name.to_owned(), matchers: Vec::new() };
    let factor = Factor { series: one("price"), on: vec!["node".to_owned()] };
    let term = Term { factor: Some(factor), ..Term::new(Kind::Counter, vec![one("new"), one("old")]) };
    let signal = Signal::Series(SeriesSignal {
        terms: vec![term, Term::new(Kind::Gauge, vec![one("other")])],
        window: Some(seconds(60)),
        element: Element::Pod,
        labels: NeutralLabels::default(),
        blank_from: None,
    });
    let wants = Wants::default();
    wants.ask(&Arc::new(signal), at(0.0));
    let expected = [("new", 60), ("old", 60), ("other", 0), ("price", 0)];
    assert_eq!(names(&wants), expected.map(|(name, window)| (name.to_owned(), window)));
}

#[test]
fn the_longest_window_of_a_name_counts_and_the_longest_of_all_is_kept() {
    let wants = Wants::default();
    assert!(wants.wanted().is_empty());
    for (kind, name, window) in [
        (Kind::Counter, "x", Some(60)),
        (Kind::Counter, "x", Some(300)),
        (Kind::Gauge, "x", None),
        (Kind::Gauge, "y", None),
    ] {
        wants.ask(&signal(kind, name, window), at(0.0));
    }
    let wanted = wants.wanted();
    assert_eq!(names(&wants), [("x".to_owned(), 300), ("y".to_owned(), 0)]);
    assert_eq!(wanted.keep(), seconds(300));
    assert!(wanted.is_counted("x") && !wanted.is_counted("y") && !wanted.is_counted("z"));
    assert!(wanted.has("y") && !wanted.has("z") && !wanted.is_empty());
}

#[test]
fn a_signal_keeps_its_version_and_its_beginning() {
    let wants = Wants::default();
    let (one, other) = (signal(Kind::Gauge, "x", None), signal(Kind::Gauge, "y", None));
    let first = wants.ask(&one, at(0.0));
    assert_eq!((first.since, first.version), (at(0.0), wants.wanted().version));
    let second = wants.ask(&other, at(1.0));
    assert!(second.version > first.version);
    assert_eq!(second.version, wants.wanted().version);
    let again = wants.ask(&one, at(2.0));
    assert_eq!((again.since, again.version), (first.since, first.version));
    assert_eq!(wants.wanted().version, second.version, "asking again changes nothing");
}

#[test]
fn what_nobody_asks_for_is_forgotten_and_begins_anew() {
    let wants = Wants::default();
    let (one, other) = (signal(Kind::Counter, "x", Some(600)), signal(Kind::Gauge, "y", None));
    let first = wants.ask(&one, at(0.0));
    wants.ask(&other, at(0.0));
    wants.ask(&other, at(300.0));
    wants.forget(at(0.0).plus(IDLE).shifted(-1));
    assert!(wants.wanted().has("x"), "a metric that is refreshed every five minutes asks in time");
    wants.forget(at(0.0).plus(IDLE));
    assert!(!wants.wanted().has("x") && wants.wanted().has("y"));
    assert_eq!(wants.wanted().keep(), Duration::ZERO);
    let again = wants.ask(&one, at(400.0));
    assert_eq!(again.since, at(400.0));
    assert!(again.version > first.version, "pages read meanwhile lack it");
    wants.forget(at(10_000.0));
    assert!(wants.wanted().is_empty());
}

#[test]
fn more_is_told_at_once_and_less_wakes_nobody() {
    let wants = Wants::default();
    let one = signal(Kind::Gauge, "x", None);
    let mut changes = wants.changes();
    wants.ask(&one, at(0.0));
    assert!(changes.has_changed().expect("open"));
    let version = changes.borrow_and_update().version;
    wants.ask(&one, at(1.0));
    assert!(!changes.has_changed().expect("open"));
    wants.forget(at(10_000.0));
    assert!(!changes.has_changed().expect("open"));
    assert!(changes.borrow().version > version);
}
