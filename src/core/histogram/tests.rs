use proptest::prelude::*;

use super::*;

const INF: f64 = f64::INFINITY;

fn of(q: f64, pairs: &[(f64, f64)]) -> f64 {
    quantile(q, &mut buckets(pairs))
}

fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
    pairs.iter().map(|&(upper, count)| Bucket { upper, count }).collect()
}

#[track_caller]
fn assert_close(actual: f64, expected: f64) {
    let same = actual.is_nan() && expected.is_nan()
        || actual.to_bits() == expected.to_bits()
        || (actual - expected).abs() <= 1e-12 * expected.abs();
    assert!(same, "{actual} is not {expected}");
}

#[test]
fn interpolates_within_the_bucket() {
    // 10 observations up to 1, 30 in (1, 2], 60 in (2, 4], none above.
    let h = &[(1.0, 10.0), (2.0, 40.0), (4.0, 100.0), (INF, 100.0)];
    assert_close(of(0.0, h), 0.0);
    assert_close(of(0.05, h), 0.5);
    assert_close(of(0.1, h), 1.0);
    assert_close(of(0.25, h), 1.5);
    assert_close(of(0.4, h), 2.0);
    assert_close(of(0.7, h), 3.0);
    assert_close(of(1.0, h), 4.0);
    let shuffled = &[(INF, 100.0), (2.0, 40.0), (4.0, 100.0), (1.0, 10.0)];
    assert_close(of(0.7, shuffled), 3.0);
}

#[test]
fn above_the_highest_finite_bound_nothing_more_is_known() {
    let h = &[(1.0, 10.0), (2.0, 20.0), (INF, 100.0)];
    assert_close(of(0.2, h), 2.0);
    assert_close(of(0.21, h), 2.0);
    assert_close(of(1.0, h), 2.0);
    assert_close(of(0.5, &[(3.0, 0.0), (INF, 5.0)]), 3.0);
    assert_close(of(0.5, &[(1.0, 1.0), (INF, f64::NAN)]), 1.0);
}

#[test]
fn the_first_bucket_starts_at_zero_unless_its_bound_is_not_positive() {
    assert_close(of(0.5, &[(-1.0, 10.0), (1.0, 12.0), (INF, 12.0)]), -1.0);
    assert_close(of(0.5, &[(0.0, 10.0), (1.0, 12.0), (INF, 12.0)]), 0.0);
    assert_close(of(0.75, &[(-2.0, 10.0), (2.0, 20.0), (INF, 20.0)]), 0.0);
    assert_close(of(0.5, &[(8.0, 10.0), (INF, 10.0)]), 4.0);
    assert_close(of(0.5, &[(-INF, 10.0), (INF, 10.0)]), -INF);
}

#[test]
fn a_share_is_exact_at_a_bound_and_on_the_line_between_two() {
    let of = |upto: f64, pairs: &[(f64, f64)]| share(upto, &mut buckets(pairs));
    // 10 observations up to 1, 30 in (1, 2], 40 in (2, 4], 20 above.
    let h = &[(1.0, 10.0), (2.0, 40.0), (4.0, 80.0), (INF, 100.0)];
    for (upto, expected) in [
        (-1.0, 0.0),
        (0.0, 0.0),
        (0.5, 0.05),
        (1.0, 0.1),
        (1.5, 0.25),
        (2.0, 0.4),
        (3.5, 0.7),
        (4.0, 0.8),
        // Nobody knows how far above 4 the others are.
        (4.1, 0.8),
        (1e9, 0.8),
        (INF, 1.0),
    ] {
        assert_close(of(upto, h), expected);
    }
    let shuffled = &[(INF, 100.0), (2.0, 20.0), (4.0, 80.0), (2.0, 20.0), (1.0, 10.0)];
    assert_close(of(1.5, shuffled), 0.25);
    assert_close(of(1.5, &[(1.0, 6.0), (2.0, 4.0), (INF, 8.0)]), 0.75);
    assert_close(of(-1.5, &[(-1.0, 6.0), (2.0, 6.0), (INF, 8.0)]), 0.0);
    assert_close(of(-1.0, &[(-1.0, 6.0), (2.0, 6.0), (INF, 8.0)]), 0.75);
}

#[test]
fn there_is_no_share_without_data() {
    let of = |upto: f64, pairs: &[(f64, f64)]| share(upto, &mut buckets(pairs));
    assert!(of(1.0, &[]).is_nan());
    assert!(of(1.0, &[(1.0, 10.0), (2.0, 10.0)]).is_nan(), "no +Inf bucket");
    assert!(of(1.0, &[(1.0, 0.0), (INF, 0.0)]).is_nan(), "no observation");
    assert!(of(f64::NAN, &[(1.0, 5.0), (INF, 10.0)]).is_nan());
    assert!(of(1.0, &[(INF, 10.0)]).is_nan(), "no other bucket");
}

#[test]
fn has_no_answer_without_data() {
    let h = &[(1.0, 10.0), (INF, 10.0)];
    assert!(of(f64::NAN, h).is_nan());
    assert_close(of(-0.1, h), -INF);
    assert_close(of(1.1, h), INF);
    assert_close(of(-0.1, &[]), -INF);
    assert!(of(0.5, &[]).is_nan());
    assert!(of(0.5, &[(1.0, 10.0), (2.0, 20.0)]).is_nan(), "no +Inf bucket");
    assert!(of(0.5, &[(1.0, 10.0), (-INF, 20.0)]).is_nan(), "no +Inf bucket");
    assert!(of(0.5, &[(INF, 10.0)]).is_nan(), "one bucket");
    assert!(of(0.5, &[(INF, 10.0), (INF, 10.0)]).is_nan(), "one bucket, twice");
    assert!(of(0.5, &[(1.0, 0.0), (INF, 0.0)]).is_nan(), "no observation");
    assert!(of(0.0, &[(1.0, 0.0), (2.0, 5.0), (INF, 5.0)]).is_nan(), "0/0, as in Prometheus");
    assert!(of(0.5, &[(f64::NAN, 1.0), (1.0, 1.0), (INF, 2.0)]).is_nan());
}

#[test]
fn merges_equal_bounds_and_mends_counts() {
    let mut mixed = buckets(&[(INF, 4.0), (1.0, 2.0), (INF, 6.0), (1.0, 3.0), (0.0, 1.0), (-0.0, 1.0)]);
    assert_close(quantile(0.35, &mut mixed), 0.5);
    assert_eq!(mixed, buckets(&[(-0.0, 2.0), (1.0, 5.0), (INF, 10.0)]));

    let mut falling = buckets(&[(1.0, 10.0), (2.0, 5.0), (3.0, 8.0), (4.0, 20.0), (INF, 19.0)]);
    assert_close(quantile(0.75, &mut falling), 3.5);
    assert_eq!(falling, buckets(&[(1.0, 10.0), (2.0, 10.0), (3.0, 10.0), (4.0, 20.0), (INF, 20.0)]));

    let above = 10.0 * (1.0 + 1e-13);
    let below = 10.0 * (1.0 - 1e-13);
    let mut noisy = buckets(&[(1.0, 10.0), (2.0, above), (4.0, below), (INF, above)]);
    assert_close(quantile(1.0, &mut noisy), 1.0);
    assert_eq!(noisy, buckets(&[(1.0, 10.0), (2.0, 10.0), (4.0, 10.0), (INF, 10.0)]));

    let real = 10.0 * (1.0 + 1e-11);
    assert_close(of(1.0, &[(1.0, 10.0), (2.0, real), (INF, real)]), 2.0);
    assert_close(of(1.0, &[(1.0, 0.0), (2.0, 1e-300), (INF, 1e-300)]), 2.0);
}

#[test]
fn reads_bounds() {
    let cases = [
        ("+Inf", Some(INF)),
        ("Inf", Some(INF)),
        ("-Inf", Some(-INF)),
        ("1", Some(1.0)),
        ("1.0", Some(1.0)),
        ("1e-05", Some(1e-5)),
        ("+2.5E3", Some(2500.0)),
        ("-0.5", Some(-0.5)),
        ("NaN", None),
        ("1e999", None),
        ("", None),
        (" 1", None),
        ("1s", None),
        ("infinit", None),
    ];
    for (text, bound) in cases {
        assert_eq!(parse_le(text), bound, "{text:?}");
    }
}

#[test]
fn quantile_of_plain_values() {
    let of = |values: &[f64], q| quantile_of(&mut values.to_vec(), q);
    let four = &[4.0, 1.0, 3.0, 2.0];
    assert_close(of(four, 0.0), 1.0);
    assert_close(of(four, 0.5), 2.5);
    assert_close(of(four, 0.95), 3.85);
    assert_close(of(four, 1.0), 4.0);
    assert_close(of(&[7.0], 0.3), 7.0);
    assert_close(of(&[10.0, 0.0], 0.25), 2.5);
    assert_close(of(four, -0.1), -INF);
    assert_close(of(four, 1.1), INF);
    assert!(of(four, f64::NAN).is_nan());
    assert!(of(&[], 0.5).is_nan() && of(&[], 2.0).is_nan());
    assert!(of(&[2.0, f64::NAN, 1.0], 0.0).is_nan(), "NaN is the lowest");
    assert_close(of(&[2.0, -f64::NAN, 1.0], 1.0), 2.0);
    assert!(of(&[1.0, 2.0, INF], 1.0).is_nan(), "Inf · 0, as in Prometheus");
    assert!(of(&[1.0, INF], 0.0).is_nan(), "0 · Inf, likewise");
}

/// A well-formed histogram: rising bounds, then +Inf; not empty.
fn histogram() -> impl Strategy<Value = Vec<Bucket>> {
    prop::collection::vec((0.01..10.0_f64, 0_u32..1000), 1..20).prop_map(|steps| {
        let (mut upper, mut count) = (0.0, 1.0);
        let mut all: Vec<_> = steps
            .iter()
            .map(|&(width, observations)| {
                upper += width;
                count += f64::from(observations);
                Bucket { upper, count }
            })
            .collect();
        all.push(Bucket { upper: INF, count: count + 1.0 });
        all
    })
}

proptest! {
    #[test]
    fn a_share_undoes_a_quantile(
        rises in proptest::collection::vec((1..20u8, 0.5..10.0f64), 1..8),
        q in 0.01..1.0f64,
    ) {
        let (mut upper, mut count) = (0.0, 0.0);
        let mut pairs: Vec<(f64, f64)> = rises
            .iter()
            .map(|(width, rise)| {
                upper += f64::from(*width);
                count += rise;
                (upper, count)
            })
            .collect();
        pairs.push((INF, count));
        let at_most = share(of(q, &pairs), &mut buckets(&pairs));
        prop_assert!((at_most - q).abs() < 1e-9, "{} and not {}", at_most, q);
    }

    #[test]
    fn stays_within_bounds_and_rises_with_q(h in histogram(), a in 0.0..=1.0_f64, b in 0.0..=1.0_f64) {
        let (low, high) = (quantile(a.min(b), &mut h.clone()), quantile(a.max(b), &mut h.clone()));
        let highest = h[h.len() - 2].upper;
        prop_assert!(0.0 <= low && low <= high + 1e-9 && high <= highest + 1e-9, "{} {}", low, high);
    }

    #[test]
    fn replicas_with_the_same_histogram_have_its_quantile(
        h in histogram(), q in 0.0..=1.0_f64, replicas in 1..5_usize,
    ) {
        let mut merged = h.repeat(replicas);
        assert_close_enough(quantile(q, &mut merged), quantile(q, &mut h.clone()))?;
        prop_assert_eq!(merged.len(), h.len());
    }

    #[test]
    fn order_does_not_matter(
        (h, shuffled) in histogram().prop_flat_map(|h| (Just(h.clone()), Just(h).prop_shuffle())),
        q in 0.0..=1.0_f64,
    ) {
        prop_assert_eq!(quantile(q, &mut shuffled.clone()).to_bits(), quantile(q, &mut h.clone()).to_bits());
    }

    #[test]
    fn any_buckets_are_survived_and_mended(
        pairs in prop::collection::vec((any::<f64>(), any::<f64>()), 0..30), q in any::<f64>(),
    ) {
        let mut all = buckets(&pairs);
        let _ = quantile(q.fract().abs(), &mut all);
        prop_assert!(all.is_sorted_by(|a, b| a.upper.total_cmp(&b.upper).is_lt()));
        prop_assert!(all.is_sorted_by(|a, b| a.count <= b.count || a.count.is_nan() || b.count.is_nan()));
    }

    #[test]
    fn quantile_of_lies_between_min_and_max(
        values in prop::collection::vec(-1e6..1e6_f64, 1..50), a in 0.0..=1.0_f64, b in 0.0..=1.0_f64,
    ) {
        let (low, high) = (quantile_of(&mut values.clone(), a.min(b)), quantile_of(&mut values.clone(), a.max(b)));
        let min = values.iter().copied().fold(INF, f64::min);
        let max = values.iter().copied().fold(-INF, f64::max);
        prop_assert!(min - 1e-9 <= low && low <= high + 1e-9 && high <= max + 1e-9);
    }

    #[test]
    fn parse_le_reads_what_rust_prints(bound in any::<f64>(), text in any::<String>()) {
        prop_assert_eq!(parse_le(&bound.to_string()), (!bound.is_nan()).then_some(bound));
        let _ = parse_le(&text);
    }
}

fn assert_close_enough(actual: f64, expected: f64) -> Result<(), TestCaseError> {
    prop_assert!((actual - expected).abs() <= 1e-9 * (1.0 + expected.abs()), "{actual} is not {expected}");
    Ok(())
}
