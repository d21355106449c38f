use super::*;
use crate::core::fixtures::text;
use crate::source::scrape::fixtures::{Pages, counter, gauge};

/// The pages of targets that share their layouts.
fn two() -> (Pages, Pages) {
    let one = Pages::of([&gauge()]);
    let other = Pages { layouts: Arc::clone(&one.layouts), ..Pages::of([&gauge()]) };
    (one, other)
}

fn is_shared(one: &Pages, other: &Pages) -> bool {
    Arc::ptr_eq(one.history.layout(), other.history.layout())
}

#[test]
fn pages_that_are_alike_share_one_layout() {
    let (mut one, mut other) = two();
    one.take(0.0, "g{x=\"1\"} 1\ng{x=\"2\"} 2\n");
    other.take(0.0, "h 1\ng{x=\"1\"} 3\ng{x=\"2\"} 4\n");
    assert!(is_shared(&one, &other), "what is not wanted makes no difference");
    let alone = one.layouts.bytes();

    one.take(1.0, "g{x=\"1\"} 1\ng{x=\"2\"} 2\ng{x=\"3\"} 2\n");
    assert!(!is_shared(&one, &other));
    assert!(one.layouts.bytes() > alone);
    other.take(1.0, "g{x=\"1\"} 1\ng{x=\"2\"} 2\ng{x=\"3\"} 2\n");
    assert!(is_shared(&one, &other), "they grew alike");
}

#[test]
fn a_layout_that_no_target_has_is_freed() {
    let (mut one, mut other) = two();
    one.take(0.0, "g{x=\"1\"} 1\n");
    other.take(0.0, "g{x=\"1\"} 1\n");
    let layout = Arc::downgrade(one.history.layout());
    let layouts = Arc::clone(&one.layouts);
    let alone = layouts.bytes();
    drop(one);
    assert_eq!(layouts.bytes(), alone, "the other still has it");
    other.take(1.0, "g{x=\"1\"} 1\ng{x=\"2\"} 1\n");
    assert!(layout.upgrade().is_none());
    for x in 3..10 {
        other.take(f64::from(x), &format!("g{{x=\"{x}\"}} 1\n"));
        let left = layouts.0.lock().expect("lock").len();
        assert!(left <= 2, "{left}: the one before it is in use while it is made");
    }
    drop(other);
    assert_eq!(layouts.bytes(), 0);
}

#[test]
fn a_series_is_found_where_it_is_guessed_and_where_it_is_not() {
    let mut pages = Pages::of([&gauge()]);
    pages.take(0.0, "g{x=\"1\"} 1\ng{x=\"2\"} 2\ng{x=\"3\"} 3\n");
    let layout = pages.history.layout();
    for guess in 0..5 {
        assert_eq!(layout.find(b"g{x=\"2\"}", guess), Some(1), "{guess}");
        assert_eq!(layout.find(b"g{x=\"4\"}", guess), None, "{guess}");
    }
}

#[test]
fn another_order_is_the_same_layout() {
    let mut pages = Pages::of([&gauge()]);
    pages.take(0.0, "g{x=\"1\"} 1\ng{x=\"2\"} 2\ng{x=\"3\"} 3\n");
    let before = Arc::clone(pages.history.layout());
    pages.take(1.0, "g{x=\"3\"} 30\ng{x=\"1\"} 10\n");
    assert!(Arc::ptr_eq(pages.history.layout(), &before));
    let latest = |x: &str| pages.history.latest(pages.place("g", x)).map(|(value, _)| value);
    assert_eq!(["x=1", "x=2", "x=3"].map(latest), [Some(10.0), None, Some(30.0)]);
}

#[test]
fn a_series_is_known_by_its_labels_and_a_bucket_by_its_bound() {
    use crate::core::fixtures::series_signal;
    use crate::core::signal::{Element, Kind};
    let mut pages = Pages::of([&series_signal(Kind::Buckets, &["h"], Some(60), Element::Pod)]);
    pages.take(
        0.0,
        "h_bucket{b=\"2\", a=\"x\\\"\",le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_bucket{le=\"\"} 1\nh_count{le=\"1\"} 1\n",
    );
    let known: Vec<_> = pages
        .history
        .layout()
        .series()
        .map(|one| (one.name.to_string(), text(&one.labels), one.bound))
        .collect();
    let expected = [
        ("h_bucket", "a=x\",b=2", Some(0.5)),
        ("h_bucket", "", Some(f64::INFINITY)),
        ("h_bucket", "", None),
        ("h_count", "le=1", None),
    ];
    assert_eq!(known, expected.map(|(name, labels, bound)| (name.to_owned(), labels.to_owned(), bound)));
}

#[test]
fn a_plan_is_made_once_for_each_signal_and_the_oldest_do_not_pile_up() {
    let mut pages = Pages::of([&gauge()]);
    pages.take(0.0, "g 1\n");
    let layout = pages.history.layout();
    let (one, same, other) = (Arc::new(gauge()), Arc::new(gauge()), Arc::new(counter(60)));
    assert!(Arc::ptr_eq(&layout.plan(&one), &layout.plan(&same)));
    assert!(!Arc::ptr_eq(&layout.plan(&one), &layout.plan(&other)));
    for window in 0..2 * PLANS as u64 {
        layout.plan(&Arc::new(counter(window)));
    }
    assert!(layout.plans.lock().expect("lock").len() <= PLANS);
}
