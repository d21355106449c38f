use std::time::Duration;

use proptest::prelude::*;

use super::{Point, rate};
use crate::core::fixtures::{at, seconds};

fn points(of: &[(f64, f64)]) -> Vec<Point> {
    of.iter().map(|(time, value)| Point { at: at(*time), value: *value }).collect()
}

/// The rate over 60 s at 60 s.
fn minute(of: &[(f64, f64)]) -> Option<f64> {
    rate(points(of), seconds(60), at(60.0))
}

#[track_caller]
fn assert_is(found: Option<f64>, expected: f64) {
    let found = found.expect("a rate");
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

/// Prometheus 2.42 says the same of the first, third and fourth (`promtool test rules`, interval 15s),
/// but for the second 0.625: it takes a counter that it has not seen before for one that began then.
#[test]
fn without_older_samples_the_line_goes_on_to_zero_at_most() {
    // 100+15x4: the whole window covered.
    assert_is(minute(&[(0.0, 100.0), (15.0, 115.0), (30.0, 130.0), (45.0, 145.0), (60.0, 160.0)]), 1.0);
    // _ _ 100+15x2: it is seen from half way on, and was there before.
    assert_is(minute(&[(30.0, 100.0), (45.0, 115.0), (60.0, 130.0)]), 1.0);
    // _ _ 0+15x2: a counter that begins at zero was not below it before.
    assert_is(minute(&[(30.0, 0.0), (45.0, 15.0), (60.0, 30.0)]), 0.5);
    // 100+15x2 _ _: it falls silent, so half a gap is added behind.
    assert_is(minute(&[(0.0, 100.0), (15.0, 115.0), (30.0, 130.0)]), 0.625);
}

#[test]
fn it_takes_two_samples_in_the_window() {
    assert_eq!(minute(&[]), None);
    assert_eq!(minute(&[(60.0, 5.0)]), None);
    assert_eq!(minute(&[(-5.0, 1.0), (60.0, 5.0)]), None, "one of them is older");
    assert_eq!(minute(&[(30.0, 1.0), (61.0, 5.0)]), None, "one of them is not there yet");
    assert_is(minute(&[(0.0, 0.0), (60.0, 60.0)]), 1.0);
}

#[test]
fn an_older_sample_tells_the_value_at_the_windows_start() {
    // Half of the 20 counted between -10 s and 10 s fall into the window.
    let of = [(-10.0, 0.0), (10.0, 20.0), (30.0, 30.0), (50.0, 40.0), (60.0, 40.0)];
    assert_is(minute(&of), 30.0 / 60.0);
    let of = [(-1000.0, 7.0), (-10.0, 0.0), (10.0, 20.0), (60.0, 40.0)];
    assert_is(minute(&of), 30.0 / 60.0);
}

#[test]
fn a_target_that_falls_silent_is_prolonged_by_half_a_gap() {
    let of: Vec<_> = (-1..=4).map(|n| (f64::from(n) * 10.0, f64::from(n) * 10.0)).collect();
    assert_is(minute(&of), 45.0 / 60.0);
}

#[test]
fn what_is_not_a_number_stays_none() {
    assert!(minute(&[(0.0, 0.0), (30.0, f64::NAN), (60.0, f64::NAN)]).is_some_and(f64::is_nan));
    assert!(minute(&[(0.0, 0.0), (60.0, f64::INFINITY)]).is_some_and(|rate| !rate.is_finite()));
}

proptest! {
    /// A steady counter has its own rate, whatever of its samples is there, as long as they cover the
    /// window.
    #[test]
    fn a_steady_counter_is_read_exactly(
        slope in 0.0..1e6_f64,
        base in 0.0..1e9_f64,
        step in 1_u32..10,
        phase in 0.0..1.0_f64,
        skipped in proptest::collection::vec(any::<bool>(), 200),
        older in any::<bool>(),
    ) {
        let step = f64::from(step);
        let newest: f64 = 120.0 - phase * step;
        let mut times: Vec<f64> = (0..200).map(|n| newest - f64::from(n) * step).collect();
        times.retain(|time| older || *time >= 0.0);
        // The newest two and the oldest stay: what lies between may be thinned out.
        let last = times.len() - 1;
        let kept = times.iter().enumerate().filter(|(n, _)| *n < 2 || *n == last || !older || !skipped[*n]);
        let mut kept: Vec<_> = kept.map(|(_, time)| Point { at: at(*time), value: base + slope * (time + 1e4) }).collect();
        kept.reverse();
        let found: f64 = rate(kept, Duration::from_mins(2), at(120.0)).expect("a rate");
        // Times have milliseconds.
        prop_assert!((found - slope).abs() <= slope * 1e-3 + 1e-6 * base.max(1.0), "{found} is not {slope}");
    }

    #[test]
    fn no_rate_of_a_counter_is_negative(
        steps in proptest::collection::vec((0.0..50.0_f64, 0.0..1e6_f64), 0..40),
        now in 0.0..400.0_f64,
    ) {
        let (mut time, mut value) = (0.0, 0.0);
        let of: Vec<_> = steps.iter().map(|(gap, more)| {
            time += gap;
            value += more;
            (time, value)
        }).collect();
        if let Some(rate) = rate(points(&of), Duration::from_mins(2), at(now)) {
            prop_assert!(rate >= 0.0, "{rate}");
        }
    }
}
