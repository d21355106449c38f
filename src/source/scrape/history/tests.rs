use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::core::fixtures::{at, seconds, series_signal};
use crate::core::signal::{Element, Kind};
use crate::source::scrape::fixtures::{Pages, counter, gauge};
use crate::source::scrape::page::Unfit;

impl Pages {
    /// A number on the latest page, and the second of its sample.
    fn latest(&self, name: &str, labels: &str) -> Option<(f64, f64)> {
        let (value, time) = self.history.latest(self.place(name, labels))?;
        Some((value, (time.as_millis() - at(0.0).as_millis()) as f64 / 1e3))
    }

    /// The rate of the counter without labels.
    fn rate(&self, window: u64) -> Option<f64> {
        self.history.rate(self.place("c", ""), seconds(window))
    }
}

/// Pages with the counter alone, one each ten seconds.
fn counted(window: u64, values: &[&str]) -> Pages {
    let mut pages = Pages::of([&counter(window)]);
    for (index, value) in values.iter().enumerate() {
        let text = if value.is_empty() { String::new() } else { format!("c {value}\n") };
        pages.take(index as f64 * 10.0, &text);
    }
    pages
}

#[test]
fn the_latest_page_is_told_and_nothing_from_before_it() {
    let mut pages = Pages::of([&gauge()]);
    assert_eq!(pages.history.held(), 0);
    pages.take(0.0, "g{x=\"1\"} 1\ng{x=\"2\"} NaN\nother 3\n");
    assert_eq!(pages.latest("g", "x=1"), Some((1.0, 0.0)));
    assert!(pages.latest("g", "x=2").is_some_and(|(value, _)| value.is_nan()), "a NaN is a number told");
    assert_eq!(pages.history.layout().len(), 2, "what is not wanted is not kept");
    pages.take(2.0, "g{x=\"2\"} 5\n");
    assert_eq!((pages.latest("g", "x=1"), pages.latest("g", "x=2")), (None, Some((5.0, 2.0))));
    assert_eq!(pages.history.held(), 2, "one of them on an older page");
}

#[test]
fn rates_are_over_the_window_that_ends_with_the_latest_page() {
    let pages = counted(20, &["0", "10", "30", "70", "70"]);
    assert_eq!(pages.rate(20), Some(2.0));
    assert_eq!(pages.rate(10), Some(0.0), "a shorter window than the longest");
    assert_eq!(counted(20, &["5"]).rate(20), None);
}

#[test]
fn slopes_are_of_the_numbers_as_they_are_told() {
    let slope = series_signal(Kind::Slope, &["c"], Some(40), Element::Pod);
    let alone = |values: &[&str]| {
        let mut pages = Pages::of([&slope]);
        for (index, value) in values.iter().enumerate() {
            pages.take(
                index as f64 * 10.0,
                &if value.is_empty() { String::new() } else { format!("c {value}\n") },
            );
        }
        pages.history.slope(pages.place("c", ""), seconds(40))
    };
    assert_eq!(alone(&["80", "60", "40", "20", "0"]), Some(-2.0));
    assert_eq!(alone(&["5"]), None, "it has just appeared");
    assert_eq!(alone(&["", "", "", "", "5"]), None, "as a series of a known target");
    assert_eq!(alone(&["0", "0", "0", "0", "0", "10"]), Some(0.2), "over the window's samples alone");
    // Somebody else counts it, for whom every fall is a reset.
    let mut both = Pages::of([&slope, &counter(40)]);
    for (index, value) in [80, 60, 40, 20, 0].into_iter().enumerate() {
        both.take(index as f64 * 10.0, &format!("c {value}\n"));
    }
    assert_eq!(both.history.slope(both.place("c", ""), seconds(40)), Some(-2.0));
    assert!(both.rate(40).is_some_and(|rate| rate > 0.0));
}

#[test]
fn a_thinned_history_keeps_its_slope() {
    let mut pages = Pages::of([&series_signal(Kind::Slope, &["c"], Some(600), Element::Pod)]);
    let level = |second: u32| if second < 300 { 10.0 } else { 70.0 };
    for second in 0..=600 {
        pages.take(f64::from(second), &format!("c {}\n", level(second)));
    }
    assert!(pages.history.pages() < 120, "{} pages", pages.history.pages());
    let found = pages.history.slope(pages.place("c", ""), seconds(600)).expect("a slope");
    // A step half way: one and a half times its height over the window.
    let expected = 1.5 * 60.0 / 600.0;
    assert!((found - expected).abs() < 0.05 * expected, "{found} and not {expected}");
}

#[test]
fn resets_are_made_good() {
    for (name, values, increase) in [
        ("one", &["0", "100", "4", "10"][..], 110.0),
        ("to the same number it would have had", &["0", "100", "0", "100"], 200.0),
        ("several", &["50", "60", "5", "2", "1", "0", "7"], 10.0 + 5.0 + 2.0 + 1.0 + 7.0),
        ("while it was missing", &["100", "", "", "5"], 5.0),
        ("before and after it was missing", &["100", "7", "", "5"], 7.0 + 5.0),
        ("none while it was missing", &["100", "", "", "105"], 5.0),
    ] {
        let window = 10 * (values.len() as u64 - 1);
        let pages = counted(window, values);
        assert_eq!(pages.rate(window), Some(increase / window as f64), "{name}");
    }
}

#[test]
fn what_was_lost_from_an_infinite_number_is_not_known_until_the_window_has_passed() {
    let values = ["1", "+Inf", "3", "4", "5", "6", "7"];
    for known in 2..=4 {
        let rate = counted(20, &values[..known]).rate(20).expect("a rate");
        assert!(!rate.is_finite(), "{rate} after {known} pages");
    }
    assert_eq!(counted(20, &values[..6]).rate(20), Some(0.1));
    assert_eq!(counted(20, &values).rate(20), Some(0.1));
}

#[test]
fn a_gauge_may_fall() {
    let mut pages = Pages::of([&gauge(), &counter(60)]);
    for (time, value) in [(0.0, 10), (10.0, 3), (20.0, 1)] {
        pages.take(time, &format!("g {value}\nc 1\n"));
    }
    assert!(pages.history.pages.iter().all(|page| page.lost.is_empty()));
}

#[test]
fn a_series_told_twice_counts_once() {
    let mut pages = Pages::of([&gauge()]);
    let twice = "g{x=\"1\"} 1\ng{x=\"1\"} 9\ng{x=\"2\"} 2\ng{x=\"1\"} 9\n";
    for time in [0.0, 1.0] {
        pages.try_take(time, twice, 2).expect("two series");
        assert_eq!(pages.history.layout().len(), 2);
        assert_eq!(pages.latest("g", "x=1"), Some((1.0, time)), "the first number stays");
        assert_eq!(pages.latest("g", "x=2"), Some((2.0, time)));
    }
}

#[test]
fn own_times_are_told_unless_they_are_ahead() {
    let mut pages = Pages::of([&gauge()]);
    let time = |seconds: f64| at(seconds).as_millis();
    let text = format!("g{{x=\"1\"}} 1 {}\ng{{x=\"2\"}} 2\ng{{x=\"3\"}} 3 {}\n", time(-30.0), time(30.0));
    pages.take(0.0, &text);
    assert_eq!(pages.latest("g", "x=1"), Some((1.0, -30.0)));
    assert_eq!(pages.latest("g", "x=2"), Some((2.0, 0.0)));
    assert_eq!(pages.latest("g", "x=3"), Some((3.0, 0.0)), "no sample is from the future");
}

#[test]
fn a_sample_taken_while_its_page_was_on_the_way_keeps_its_time() {
    let mut pages = Pages::of([&gauge()]);
    let time = |seconds: f64| at(seconds).as_millis();
    let text = format!("g{{x=\"1\"}} 1 {}\ng{{x=\"2\"}} 2\ng{{x=\"3\"}} 3 {}\n", time(0.2), time(0.6));
    pages.try_take_between((0.0, 0.5), &text, usize::MAX).expect("a page");
    assert_eq!(pages.latest("g", "x=1"), Some((1.0, 0.2)));
    assert_eq!(
        pages.latest("g", "x=2"),
        Some((2.0, 0.0)),
        "without a time of its own it is as old as the question"
    );
    assert_eq!(pages.latest("g", "x=3"), Some((3.0, 0.5)), "no sample is from the future");
}

#[test]
fn own_times_decide_over_which_time_a_counter_grew() {
    let mut pages = Pages::of([&counter(60)]);
    let mut take = |seconds: f64, value: u64, own: f64| {
        pages.take(seconds, &format!("c {value} {}\n", at(own).as_millis()));
        pages.rate(60)
    };
    assert_eq!(take(0.0, 0, -5.0), None);
    assert_eq!(take(2.0, 0, -5.0), None, "told again, it is one sample");
    take(30.0, 10, 25.0);
    take(60.0, 30, 55.0);
    let rate = take(65.0, 30, 55.0).expect("a rate");
    // 20 in 30 seconds; half of the 10 in 30 s before; the five seconds after it as before them.
    let expected = (30.0 - 10.0 / 3.0) / 50.0 * 60.0 / 60.0;
    assert!((rate - expected).abs() < 1e-9, "{rate} is not {expected}");
    let before = pages.rate(60);
    pages.take(66.0, &format!("c 30 {}\n", at(40.0).as_millis()));
    assert!(
        pages.rate(60).is_some_and(f64::is_finite),
        "{before:?}, and a time that goes back is passed over"
    );
}

#[test]
fn a_page_that_is_unfit_changes_nothing() {
    let mut pages = Pages::of([&gauge()]);
    pages.take(0.0, "g{x=\"1\"} 1\n");
    let layout = Arc::clone(pages.history.layout());
    for (text, most) in [("g{x=\"1\"} 2\ng{x=\"2\"} 2\ng{x=\"3 5\n", 9), ("g{x=\"1\"} 2\ng{x=\"2\"} 2\n", 1)]
    {
        let unfit = pages.try_take(5.0, text, most).expect_err("unfit");
        assert_eq!(matches!(unfit, Unfit::TooMany), most == 1, "{unfit}");
        assert_eq!(pages.latest("g", "x=1"), Some((1.0, 0.0)));
        assert!(Arc::ptr_eq(pages.history.layout(), &layout));
        assert_eq!(pages.history.pages.len(), 1);
    }
    pages.try_take(5.0, "g{x=\"1\"} 2\nother 2\n", 1).expect("one wanted series");
}

#[test]
fn series_that_come_and_go_are_forgotten_and_those_that_stay_are_not_disturbed() {
    let (count, steps, window) = (70, 120, 30);
    let mut pages = Pages::of([&counter(window)]);
    for step in 0..steps {
        let own = at(f64::from(step)).as_millis();
        let mut text = String::new();
        for one in 0..count {
            let _ = writeln!(text, "c{{request=\"{}\"}} 1 {own}", step * count + one);
        }
        // Every fifteen seconds it is lost, whatever else happens then.
        let _ = writeln!(text, "c {} {own}", step % 15 * 2);
        pages.take(f64::from(step), &text);
        // No more than the pages of a window hold.
        let layout = pages.history.layout().len();
        assert!(layout <= (count as usize + 1) * (window as usize + 2) + ROOM, "{layout} after {step} s");
        if step > window as i32 {
            let rate = pages.rate(window).expect("a rate");
            // Of thirty in fifteen seconds the two at the reset are not seen.
            let expected = 28.0 / 15.0;
            assert!((rate - expected).abs() < 0.1 * expected, "{rate} after {step} s");
            assert_eq!(pages.latest("c", ""), Some((f64::from(step % 15 * 2), f64::from(step))));
        }
    }
    for step in steps..steps + 2 * window as i32 {
        pages.take(f64::from(step), "c 1\n");
    }
    assert!(pages.history.layout().len() <= 2 + ROOM);
}

/// How many pages a steady state needs at most: dense ones as long as two intervals are more than a
/// part of their age, and then two for each such part.
fn most_pages(interval: f64, keep: f64) -> usize {
    let grain = f64::from(GRAIN);
    let dense = 2.0 * grain;
    let parts = (keep / (dense * interval)).max(1.0).ln() / (grain / (grain - 1.0)).ln();
    (dense + 2.0 * parts) as usize + 4
}

#[test]
fn the_number_of_pages_is_bounded_for_any_interval_and_window() {
    for interval in [0.25, 1.0, 2.0, 15.0, 60.0] {
        for keep in [0_u64, 1, 30, 120, 1200, 3600] {
            let mut pages = Pages::of([&counter(keep), &gauge()]);
            let mut most = 0;
            for step in 0..(2.0 * keep as f64 / interval) as u32 + 20 {
                pages.take(f64::from(step) * interval, "c 1\ng 1\n");
                most = most.max(pages.history.pages.len());
            }
            let bound = if keep == 0 { 2 } else { most_pages(interval, keep as f64) };
            assert!(most <= bound, "{most} pages of {interval} s for {keep} s, at most {bound}");
            let oldest = pages.history.pages[0].at;
            let newest = pages.history.pages.last().expect("a page").at;
            assert!(
                newest.since(oldest) >= seconds(keep),
                "{interval} s for {keep} s: one from before the window"
            );
        }
    }
}

#[test]
fn memory_is_what_the_pages_hold() {
    let series = 500_usize;
    let mut pages = Pages::of([&counter(120)]);
    let page = |value: u64| {
        let lines: Vec<_> = (0..series).map(|x| format!("c{{x=\"{x}\"}} {value}\n")).collect();
        lines.concat()
    };
    for step in 0..600_u64 {
        pages.take(step as f64, &page(step));
    }
    let numbers = 8 * series * pages.history.pages.len();
    let bytes = pages.history.bytes();
    assert!((numbers..numbers + numbers / 10).contains(&bytes), "{bytes} for {numbers}");

    // A restart: what was lost is held once, and only as long as a window reaches back before it.
    pages.take(600.0, &page(0));
    for step in 601..610_u64 {
        pages.take(step as f64, &page(step - 600));
    }
    let more = pages.history.bytes() - 8 * series * pages.history.pages.len();
    assert!((8 * series..2 * 8 * series).contains(&more), "{more}");
    for step in 610..800_u64 {
        pages.take(step as f64, &page(step - 600));
    }
    assert!(pages.history.pages.iter().all(|page| page.lost.is_empty()));
    assert_eq!(pages.history.rate(0, seconds(120)), Some(1.0));
}

/// What a counter does in a second.
#[derive(Debug, Clone, Copy)]
enum Step {
    Grow(u32),
    Reset(u32),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        20 => Just(Step::Grow(0)),
        20 => (0..20_u32).prop_map(Step::Grow),
        2 => (1000..100_000_u32).prop_map(Step::Grow),
        1 => (0..50_u32).prop_map(Step::Reset),
    ];
    proptest::collection::vec(step, 400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Thinning moves a rate by no more than what was counted in a part of the window.
    #[test]
    fn rates_from_thinned_pages_are_right(steps in steps(), window in 20_u64..180, grow in any::<bool>()) {
        let mut pages = Pages::of([&counter(window), &counter(180)]);
        let (mut value, mut total) = (5_u64, 5_u64);
        let mut all: Vec<Point> = Vec::new();
        for (second, step) in steps.into_iter().enumerate() {
            let before = value;
            value = match step {
                Step::Reset(to) if !grow => u64::from(to),
                Step::Reset(by) | Step::Grow(by) => value + u64::from(by),
            };
            total += if value < before { value } else { value - before };
            all.push(Point { at: at(second as f64), value: total as f64 });
            pages.take(second as f64, &format!("c {value}\n"));
            if second as u64 <= window {
                continue;
            }
            let now = at(second as f64);
            let thinned = pages.rate(window).expect("a rate") * window as f64;
            let exact = rate(all.iter().copied(), seconds(window), now).expect("a rate") * window as f64;
            // A gap that begins before the window is a twelfth of its own age, which is longer.
            let span = (window as f64 / f64::from(GRAIN - 1)).ceil() as usize;
            let start = second - window as usize;
            let count = |second: usize| all[second.min(all.len() - 1)].value;
            let most = (start.saturating_sub(span)..=start).map(|from| count(from + span) - count(from));
            let most = most.fold(0.0, f64::max);
            prop_assert!((thinned - exact).abs() <= most + 1e-6, "{thinned} for {exact} at {second} s: more than {most}");
        }
    }
}
