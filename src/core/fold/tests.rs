#![expect(clippy::float_cmp, reason = "the numbers are exact")]

use proptest::prelude::*;

use super::*;
use crate::core::fixtures::{MEAN, Rows, at, device, quantile, term};
use crate::core::series::SeriesSet;

const INF: f64 = f64::INFINITY;

/// The elements of a whole set.
fn all<'a>(set: &'a SeriesSet, element: &Element) -> Vec<Folded<'a>> {
    elements(&set.all().iter().collect::<Vec<_>>(), element)
}

/// Every element's value of a formula.
fn values(set: &SeriesSet, element: &Element, formula: &Formula) -> Vec<Option<f64>> {
    let value = |one: &Folded<'_>| apply(formula, set.columns(), &one.cells).expect("complete").finish();
    all(set, element).iter().map(value).collect()
}

/// A formula over all elements at once.
fn pooled(set: &SeriesSet, element: &Element, formula: &Formula) -> Option<f64> {
    let partials =
        all(set, element).into_iter().map(|one| apply(formula, set.columns(), &one.cells).expect("complete"));
    let joined = partials.reduce(|mut all, one| {
        all.join(one);
        all
    });
    joined.expect("not empty").finish()
}

fn is_nan(value: Option<f64>) -> bool {
    value.is_some_and(f64::is_nan)
}

#[test]
fn a_time_sliced_device_counts_once_with_its_largest_number() {
    let set = Rows::default()
        .row("UUID=1,namespace=ml,pod=a", 3.0, &[80.0])
        .row("UUID=1,namespace=ml,pod=b", 1.0, &[100.0])
        .row("UUID=1,namespace=ml,pod=c", 2.0, &[90.0])
        .row("UUID=2,namespace=ml,pod=d", 0.0, &[10.0])
        .by(&device());
    let folded = all(&set, &device());
    assert_eq!(folded.iter().map(|one| one.cells[0]).collect::<Vec<_>>(), [Some(100.0), Some(10.0)]);
    assert_eq!(folded[0].first.labels.get("pod"), Some("a"));
    assert_eq!(folded[0].at, at(1.0), "as old as its oldest sample");
}

#[test]
fn slices_of_one_device_are_devices() {
    let set = Rows::default()
        .row("GPU_I_ID=1,UUID=1,pod=a", 0.0, &[0.5])
        .row("GPU_I_ID=2,UUID=1,pod=a", 0.0, &[0.25])
        .by(&device());
    assert_eq!(values(&set, &device(), &Formula::Linear(vec![term(0)])), [Some(0.5), Some(0.25)]);
}

#[test]
fn ranks_of_a_pod_add_up_before_anything_is_folded() {
    let set = Rows::default()
        .row("engine=0,namespace=ml,pod=a", 0.0, &[7.0])
        .row("engine=1,namespace=ml,pod=a", 0.0, &[1.0])
        .row("engine=0,namespace=ml,pod=b", 0.0, &[2.0])
        .by_pod();
    let mut values: Vec<f64> =
        values(&set, &Element::Pod, &Formula::Linear(vec![term(0)])).into_iter().flatten().collect();
    assert_eq!(values, [8.0, 2.0]);
    for (how, expected) in [
        (Aggregate::Sum, 10.0),
        (Aggregate::Pooled, 10.0),
        (Aggregate::Avg, 5.0),
        (Aggregate::Max, 8.0),
        (Aggregate::Min, 2.0),
        (Aggregate::Count, 2.0),
        (Aggregate::Quantile(0.5), 5.0),
        (Aggregate::Quantile(1.0), 8.0),
    ] {
        assert_eq!(aggregate(how, &mut values), Some(expected), "{how}");
    }
}

#[test]
fn nothing_folds_to_nothing() {
    for how in [Aggregate::Sum, Aggregate::Avg, Aggregate::Max, Aggregate::Count, Aggregate::Quantile(0.5)] {
        assert_eq!(aggregate(how, &mut []), None, "{how}");
    }
}

#[test]
fn what_is_not_finite_survives_every_fold() {
    let folds = [
        Aggregate::Sum,
        Aggregate::Pooled,
        Aggregate::Avg,
        Aggregate::Max,
        Aggregate::Min,
        Aggregate::Count,
        Aggregate::Quantile(0.5),
    ];
    for how in folds {
        for bad in [f64::NAN, INF, -INF] {
            for values in [[bad, 1.0, 2.0], [1.0, bad, 2.0], [1.0, 2.0, bad]] {
                assert!(is_nan(aggregate(how, &mut values.clone())), "{how} of {values:?}");
            }
        }
    }
}

#[test]
fn what_is_not_finite_survives_the_joining_of_a_device() {
    for bad in [f64::NAN, INF, -INF] {
        let set =
            Rows::default().row("UUID=1,pod=a", 0.0, &[bad]).row("UUID=1,pod=b", 0.0, &[5.0]).by(&device());
        assert!(is_nan(all(&set, &device())[0].cells[0]), "{bad}");
    }
}

#[test]
fn a_ratio_of_sums_is_not_the_mean_of_ratios() {
    let set = Rows::default()
        .row("pod=a,namespace=n", 0.0, &[90.0, 100.0])
        .row("pod=b,namespace=n", 0.0, &[0.0, 1.0])
        .by_pod();
    let ratio = Formula::Ratio { numerator: vec![term(0)], denominator: vec![term(1)] };
    assert_eq!(pooled(&set, &Element::Pod, &ratio), Some(90.0 / 101.0));
    let mut each: Vec<f64> = values(&set, &Element::Pod, &ratio).into_iter().flatten().collect();
    assert_eq!(aggregate(Aggregate::Avg, &mut each), Some(0.45));
}

#[test]
fn the_mean_of_a_distribution_weighs_pods_by_their_observations() {
    // Pitfall 8: an idle pod neither counts nor spoils the mean.
    let mean = |sum, count| [(Column::Sum, sum), (Column::Count, count)];
    let set = Rows::default()
        .cells("pod=busy,namespace=n", 0.0, mean(8.0, 4.0))
        .cells("pod=slow,namespace=n", 0.0, mean(6.0, 1.0))
        .cells("pod=idle,namespace=n", 0.0, mean(0.0, 0.0))
        .by_pod();
    assert_eq!(values(&set, &Element::Pod, &MEAN), [Some(2.0), None, Some(6.0)]);
    assert_eq!(pooled(&set, &Element::Pod, &MEAN), Some(2.8));
}

#[test]
fn a_ratio_is_undefined_over_nothing_and_broken_over_what_is_not_finite() {
    for (above, below, expected) in
        [(0.0, 0.0, None), (3.0, 0.0, None), (3.0, -0.0, None), (1.0, 4.0, Some(0.25))]
    {
        assert_eq!(Partial::Ratio(above, below).finish(), expected);
    }
    for (above, below) in
        [(1.0, INF), (INF, 1.0), (f64::NAN, 1.0), (1.0, f64::NAN), (f64::NAN, 0.0), (INF, 0.0)]
    {
        assert!(is_nan(Partial::Ratio(above, below).finish()), "{above} / {below}");
    }
}

#[test]
fn a_missing_term_is_named_and_an_optional_one_is_nothing() {
    let columns = [Column::Term(0), Column::Term(2)];
    let linear = |terms: Vec<Weighted>| apply(&Formula::Linear(terms), &columns, &[Some(5.0), None]);
    assert_eq!(linear(vec![term(0), term(1)]), Err(MissingTerm(1)), "no such column");
    assert_eq!(linear(vec![term(0), term(2)]), Err(MissingTerm(2)), "no such cell");
    let optional = |index| Weighted { optional: true, weight: -1.0, ..term(index) };
    assert_eq!(linear(vec![term(0), optional(1), optional(2)]), Ok(Partial::Sum(5.0)));
    assert_eq!(linear(vec![term(0), optional(0)]), Ok(Partial::Sum(0.0)));
    let ratio = Formula::Ratio { numerator: vec![term(0)], denominator: vec![term(0), term(2)] };
    assert_eq!(apply(&ratio, &columns, &[Some(5.0), None]), Err(MissingTerm(2)));
    assert_eq!(apply(&MEAN, &columns, &[Some(5.0), None]), Err(MissingTerm(0)));
    assert_eq!(apply(&quantile(0.5), &columns, &[Some(5.0), None]), Err(MissingTerm(0)));
}

#[test]
fn codes_count_where_they_are_not_zero() {
    let errors = Formula::Linear(vec![Weighted { nonzero: true, ..term(0) }]);
    let set = Rows::default()
        .row("UUID=1", 0.0, &[43.0])
        .row("UUID=2", 0.0, &[0.0])
        .row("UUID=3", 0.0, &[79.0])
        .row("UUID=4", 0.0, &[f64::NAN])
        .by(&device());
    let values = values(&set, &device(), &errors);
    assert_eq!(values[..3], [Some(1.0), Some(0.0), Some(1.0)]);
    assert!(is_nan(values[3]), "what is unknown is no error");
}

#[test]
fn quantiles_are_taken_of_merged_buckets() {
    let buckets = |low, high| [(1.0, low), (2.0, high), (INF, high)];
    let set = Rows::default()
        .histogram("pod=a,namespace=n", 0.0, &buckets(0.0, 8.0))
        .histogram("pod=b,namespace=n", 0.0, &buckets(2.0, 2.0))
        .histogram("pod=c,namespace=n", 0.0, &buckets(0.0, 0.0))
        .by_pod();
    let median = quantile(0.5);
    assert_eq!(values(&set, &Element::Pod, &median), [Some(1.5), Some(0.5), None]);
    assert_eq!(pooled(&set, &Element::Pod, &median), Some(1.375));
}

#[test]
fn pods_with_other_bounds_are_merged_without_losing_observations() {
    // During a rollout: the old release's bounds end at 10 s, the new one's at 60 s.
    let set = Rows::default()
        .histogram("pod=old,namespace=n", 0.0, &[(1.0, 5.0), (10.0, 10.0), (INF, 10.0)])
        .histogram("pod=new,namespace=n", 0.0, &[(2.0, 10.0), (60.0, 10.0), (INF, 10.0)])
        .by_pod();
    // By bound alone the sum would be 5, 10, 10, 10 and 20, and half of all above 60 s.
    let Partial::Buckets(_, merged) = all(&set, &Element::Pod)
        .into_iter()
        .map(|one| apply(&quantile(0.5), set.columns(), &one.cells).expect("complete"))
        .reduce(|mut all, one| {
            all.join(one);
            all
        })
        .expect("two pods")
    else {
        panic!("buckets")
    };
    let counts: Vec<_> = merged.iter().map(|bucket| (bucket.upper, bucket.count)).collect();
    let at_two = 10.0 + (5.0 + 5.0 / 9.0);
    assert_eq!(counts, [(1.0, 10.0), (2.0, at_two), (10.0, 20.0), (60.0, 20.0), (INF, 20.0)]);
    assert_eq!(pooled(&set, &Element::Pod, &quantile(1.0)), Some(10.0));
}

#[test]
fn engines_that_observe_in_other_units_are_merged_in_one() {
    let [seconds, milliseconds] = [1.0, 0.001].map(|times| {
        let set = Rows::default()
            .histogram("pod=a,namespace=n", 0.0, &[(1.0 / times, 4.0), (2.0 / times, 8.0), (INF, 8.0)])
            .cells("pod=a,namespace=n", 0.0, [(Column::Sum, 10.0 / times), (Column::Count, 8.0)])
            .by_pod();
        let apply = |formula| apply(&formula, set.columns(), &all(&set, &Element::Pod)[0].cells);
        let quantile = apply(Formula::Quantile { q: 0.75, times }).expect("complete");
        (quantile, apply(Formula::Mean { times }).expect("complete"))
    });
    assert_eq!(milliseconds, seconds);
    let join = |mut one: Partial, other| {
        one.join(other);
        one.finish()
    };
    assert_eq!(join(seconds.0, milliseconds.0), Some(1.5));
    assert_eq!(join(seconds.1, milliseconds.1), Some(1.25));
}

#[test]
fn a_share_is_that_of_the_merged_buckets() {
    let share = |upto| Formula::Share { upto, times: 1.0 };
    let set = Rows::default()
        .histogram("pod=a,namespace=n", 0.0, &[(1.0, 30.0), (2.0, 40.0), (INF, 40.0)])
        .histogram("pod=b,namespace=n", 0.0, &[(1.0, 0.0), (2.0, 5.0), (INF, 10.0)])
        .histogram("pod=c,namespace=n", 0.0, &[(1.0, 0.0), (2.0, 0.0), (INF, 0.0)])
        .by_pod();
    assert_eq!(values(&set, &Element::Pod, &share(1.0)), [Some(0.75), Some(0.0), None]);
    assert_eq!(pooled(&set, &Element::Pod, &share(1.0)), Some(0.6), "not the mean of shares");
    assert_eq!(pooled(&set, &Element::Pod, &share(60.0)), Some(0.9), "above the last bound");
    let idle = Rows::default().histogram("pod=a,namespace=n", 0.0, &[(1.0, 0.0), (INF, 0.0)]).by_pod();
    assert_eq!(pooled(&idle, &Element::Pod, &share(1.0)), None);
    let without = Rows::default().cells("pod=a", 0.0, [(Column::Sum, 1.0)]).by_pod();
    let cells = &all(&without, &Element::Pod)[0].cells;
    assert_eq!(apply(&share(1.0), without.columns(), cells), Err(MissingTerm(0)));
    for bad in [f64::NAN, INF] {
        let set = Rows::default().histogram("pod=a", 0.0, &[(1.0, 4.0), (2.0, bad), (INF, 8.0)]).by_pod();
        assert!(is_nan(pooled(&set, &Element::Pod, &share(1.0))), "{bad}");
    }
}

#[test]
fn a_share_is_up_to_a_number_in_the_metrics_unit() {
    let [seconds, milliseconds] = [1.0, 0.001].map(|times: f64| {
        let set = Rows::default()
            .histogram("pod=a", 0.0, &[(0.5 / times, 4.0), (1.0 / times, 8.0), (INF, 8.0)])
            .by_pod();
        let share = Formula::Share { upto: 0.75, times };
        apply(&share, set.columns(), &all(&set, &Element::Pod)[0].cells).expect("complete")
    });
    assert_eq!(milliseconds, seconds);
    assert_eq!(seconds.finish(), Some(0.75));
}

#[test]
fn a_broken_bucket_never_becomes_a_quantile() {
    for bad in [f64::NAN, INF, -INF] {
        for index in 0..3 {
            let mut buckets = [(1.0, 4.0), (2.0, 8.0), (INF, 8.0)];
            buckets[index].1 = bad;
            for q in [0.0, 0.5, 0.99, 1.0] {
                let set = Rows::default()
                    .histogram("pod=a,namespace=n", 0.0, &buckets)
                    .histogram("pod=b,namespace=n", 0.0, &[(1.0, 4.0), (2.0, 8.0), (INF, 8.0)])
                    .by_pod();
                assert!(is_nan(pooled(&set, &Element::Pod, &quantile(q))), "{buckets:?} at {q}");
            }
        }
        for mean in [[(Column::Sum, bad), (Column::Count, 2.0)], [(Column::Sum, 2.0), (Column::Count, bad)]] {
            let set = Rows::default().cells("pod=a", 0.0, mean).by_pod();
            assert!(is_nan(pooled(&set, &Element::Pod, &MEAN)), "{mean:?}");
        }
    }
}

#[test]
fn a_broken_bucket_survives_other_bounds() {
    let set = Rows::default()
        .histogram("pod=a,namespace=n", 0.0, &[(1.0, f64::NAN), (2.0, 8.0), (INF, 8.0)])
        .histogram("pod=b,namespace=n", 0.0, &[(1.5, 4.0), (INF, 8.0)])
        .by_pod();
    assert!(is_nan(pooled(&set, &Element::Pod, &quantile(0.5))));
}

#[test]
fn results_of_two_engines_join_before_the_last_step() {
    let join = |mut one: Partial, other| {
        one.join(other);
        one.finish()
    };
    assert_eq!(join(Partial::Sum(3.0), Partial::Sum(4.0)), Some(7.0));
    assert_eq!(join(Partial::Ratio(1.0, 2.0), Partial::Ratio(0.0, 8.0)), Some(0.1));
    let bucket = |upper, count| Bucket { upper, count };
    let vllm = Partial::Buckets(Wanted::Quantile(0.5), vec![bucket(1.0, 1.0), bucket(INF, 1.0)]);
    let sglang =
        Partial::Buckets(Wanted::Quantile(0.5), vec![bucket(1.0, 0.0), bucket(4.0, 3.0), bucket(INF, 3.0)]);
    // Four observations, the second a third of the way between 1 and 4.
    assert_eq!(join(vllm, sglang), Some(2.0));
}

proptest! {
    #[test]
    fn merging_histograms_keeps_what_each_of_them_tells(
        one in proptest::collection::btree_map(1..50u8, 0.0..10.0f64, 1..6),
        other in proptest::collection::btree_map(1..50u8, 0.0..10.0f64, 1..6),
    ) {
        let histogram = |rises: &std::collections::BTreeMap<u8, f64>| {
            let mut total = 0.0;
            let mut buckets: Vec<Bucket> = rises
                .iter()
                .map(|(upper, rise)| {
                    total += rise;
                    Bucket { upper: f64::from(*upper), count: total }
                })
                .collect();
            buckets.push(Bucket { upper: INF, count: total });
            buckets
        };
        let (a, b) = (histogram(&one), histogram(&other));
        let mut merged = a.clone();
        histogram::add(&mut merged, &b);
        let mut swapped = b.clone();
        histogram::add(&mut swapped, &a);
        prop_assert_eq!(&merged, &swapped);
        prop_assert!(merged.windows(2).all(|pair| pair[0].upper < pair[1].upper));
        prop_assert!(merged.windows(2).all(|pair| pair[0].count <= pair[1].count + 1e-9));
        let total = a.last().unwrap().count + b.last().unwrap().count;
        prop_assert_eq!(merged.last().unwrap().count, total);
        // The merged quantile lies between the two histograms' own.
        let own = |buckets: &[Bucket]| Partial::Buckets(Wanted::Quantile(0.9), buckets.to_vec()).finish();
        if let (Some(a), Some(b), Some(both)) = (own(&a), own(&b), own(&merged)) {
            prop_assert!(a.min(b) - 1e-6 <= both && both <= a.max(b) + 1e-6, "{a} {b} {both}");
        }
    }

    #[test]
    fn folds_lie_where_they_must(values in proptest::collection::vec(0.0..1e6f64, 1..20)) {
        let fold = |how| aggregate(how, &mut values.clone()).unwrap();
        let (low, high) = (fold(Aggregate::Min), fold(Aggregate::Max));
        prop_assert!(low <= fold(Aggregate::Avg) + 1e-6 && fold(Aggregate::Avg) <= high + 1e-6);
        prop_assert!(low <= fold(Aggregate::Quantile(0.5)) && fold(Aggregate::Quantile(0.5)) <= high);
        prop_assert!(high <= fold(Aggregate::Sum) + 1e-6);
    }
}
