use proptest::prelude::*;

use super::*;
use crate::core::fixtures::{at, seconds};

/// The slope over 60 s at 60 s.
fn minute(of: &[(f64, f64)]) -> Option<f64> {
    let points = of.iter().map(|(time, value)| Point { at: at(*time), value: *value });
    slope(points, seconds(60), at(60.0))
}

/// One value each 15 s, the last at 60 s.
fn even(values: &[f64]) -> Vec<(f64, f64)> {
    let first = 60.0 - 15.0 * (values.len() - 1) as f64;
    values.iter().enumerate().map(|(index, value)| (first + 15.0 * index as f64, *value)).collect()
}

#[track_caller]
fn assert_is(found: Option<f64>, expected: f64) {
    let found = found.expect("a slope");
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

/// Prometheus 2.42 says the same (`promtool test rules`, interval 15s, `deriv(x[60s])` at 60 s).
#[test]
fn evenly_spaced_samples_give_what_promql_does() {
    for (values, expected) in [
        (&[100.0, 115.0, 130.0, 145.0, 160.0][..], 1.0),
        (&[10.0, 10.0, 10.0, 70.0, 70.0], 1.2),
        (&[40.0, 31.0, 22.0, 13.0, 4.0], -0.6),
        (&[5.0, 8.0], 0.2),
        (&[7.0, 7.0, 7.0, 7.0, 7.0], 0.0),
        (&[5.0, 3.0, 9.0, 1.0, 12.0], 0.08),
    ] {
        assert_is(minute(&even(values)), expected);
    }
}

#[test]
fn it_takes_two_samples_in_the_window() {
    assert_eq!(minute(&[]), None);
    assert_eq!(minute(&[(60.0, 8.0)]), None, "one that has just appeared");
    assert_eq!(minute(&[(-1.0, 1.0), (60.0, 8.0)]), None, "one of them is older");
    assert_eq!(minute(&[(30.0, 1.0), (61.0, 8.0)]), None, "one of them is not there yet");
    assert_is(minute(&[(0.0, 8.0), (60.0, 2.0)]), -0.1);
}

#[test]
fn what_is_outside_the_window_does_not_count() {
    let inside = [(0.0, 1.0), (20.0, 5.0), (40.0, 4.0), (60.0, 9.0)];
    let more = [&[(-20.0, 1000.0)][..], &inside, &[(80.0, -1000.0)]].concat();
    assert_eq!(minute(&more), minute(&inside));
}

#[test]
fn a_gauge_that_stands_still_has_a_slope_of_exactly_zero() {
    for value in [0.0, 0.1, 1e300, -7.3] {
        assert_eq!(minute(&[(1.3, value), (17.9, value), (44.4, value), (59.1, value)]), Some(0.0));
    }
}

/// By plain least squares, the many at the end would make it 2.4 and more.
#[test]
fn many_samples_in_a_short_time_do_not_outvote_few_in_a_long_one() {
    let step = |time: f64| if time < 30.0 { 0.0 } else { 60.0 };
    let all: Vec<_> = (0..=60).map(|time| (f64::from(time), step(f64::from(time)))).collect();
    let thinned: Vec<_> =
        all.iter().filter(|(time, _)| *time >= 40.0 || time % 5.0 == 0.0).copied().collect();
    let (all, thinned) = (minute(&all).expect("a slope"), minute(&thinned).expect("a slope"));
    assert!((all - thinned).abs() < 0.05 * all, "{thinned} of the thinned, {all} of all");
}

#[test]
fn what_is_not_finite_gives_nothing_finite() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for index in 0..4 {
            let mut values = [1.0, 2.0, 3.0, 4.0];
            values[index] = bad;
            let found = minute(&even(&values)).expect("a slope");
            assert!(!found.is_finite(), "{found} of {values:?}");
        }
        assert!(minute(&even(&[bad, bad])).is_some_and(|found| !found.is_finite()));
    }
}

proptest! {
    #[test]
    fn a_line_has_its_own_slope_however_it_is_sampled(
        times in proptest::collection::btree_set(0..=60_000u32, 2..20),
        start in -1e3..1e3f64,
        rise in -1e2..1e2f64,
    ) {
        let points: Vec<_> = times
            .iter()
            .map(|time| f64::from(*time) / 1e3)
            .map(|time| (time, start + rise * time))
            .collect();
        let found = minute(&points).expect("a slope");
        prop_assert!((found - rise).abs() < 1e-6 * (1.0 + rise.abs()) / (points[points.len() - 1].0 - points[0].0).min(1.0));
    }

    /// Waiting and running are two series of a pod: the slope of their sum is the sum of their slopes.
    #[test]
    fn slopes_of_the_same_samples_add_up(
        pairs in proptest::collection::vec((0..500u16, 0..500u16), 2..12),
    ) {
        let of = |value: &dyn Fn(&(u16, u16)) -> u16| {
            let points: Vec<_> =
                pairs.iter().enumerate().map(|(index, pair)| (index as f64 * 5.0, f64::from(value(pair)))).collect();
            minute(&points).expect("a slope")
        };
        let parts = of(&|pair| pair.0) + of(&|pair| pair.1);
        prop_assert!((of(&|pair| pair.0 + pair.1) - parts).abs() < 1e-9);
    }
}
