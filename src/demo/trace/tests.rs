use super::*;

fn mean(values: impl Iterator<Item = u32>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + f64::from(value), count + 1.0));
    sum / count
}

#[test]
fn one_seed_is_one_day() {
    let day = Day { seconds: 3_600.0, ..Day::default() };
    assert_eq!(day.trace().arrivals, day.trace().arrivals);
    assert_ne!(day.trace().arrivals, Day { seed: 2, ..day }.trace().arrivals);
}

#[test]
fn arrivals_follow_the_rate_in_order_of_time() {
    let trace = Day { seconds: 24_000.0, ..Day::default() }.trace();
    assert!(trace.arrivals.is_sorted_by(|a, b| a.at < b.at));
    assert!(trace.arrivals.last().unwrap().at < 24_000.0);
    for (from, to) in [(0.0, 6_000.0), (6_000.0, 9_000.0), (9_000.0, 17_000.0), (17_000.0, 24_000.0)] {
        let seen = trace.arrivals.iter().filter(|arrival| (from..to).contains(&arrival.at)).count() as f64;
        let steps = (to - from) as u32;
        let expected: f64 = (0..steps).map(|second| trace.rate(from + f64::from(second) + 0.5)).sum();
        assert!((seen - expected).abs() < 5.0 * expected.sqrt(), "{from}: {seen} for {expected}");
    }
}

#[test]
fn a_day_has_a_night_a_plateau_and_bursts() {
    let day = Day::default();
    let trace = day.trace();
    assert!((trace.rate(3_600.0) - day.night).abs() < 1e-9);
    let plateau = (36_000..61_200).map(|second| trace.rate(f64::from(second)));
    let busy = plateau.clone().filter(|rate| *rate > day.plateau * 1.4).count() as f64;
    let lasting = f64::from(day.bursts) * day.burst_seconds;
    assert!((0.7 * lasting..=lasting).contains(&busy), "{busy}");
    assert!(
        plateau.clone().all(|rate| rate >= day.plateau - 1e-9 && rate <= day.plateau * day.burst_height.1)
    );
    assert!((trace.peak_rate() - plateau.fold(0.0, f64::max)).abs() < 1e-9);
}

#[test]
fn bursts_of_a_short_day_do_not_meet() {
    let day = Day { seconds: 7_200.0, ..Day::default() };
    let trace = day.trace();
    let calm = (2_700..5_100).filter(|second| trace.rate(f64::from(*second)) <= day.plateau + 1e-9).count();
    assert!(calm >= 1_100, "{calm}");
}

#[test]
fn sizes_have_the_means_that_the_documentation_claims() {
    let trace = Day::default().steady(10.0, 10_000.0).trace();
    let prompt = mean(trace.arrivals.iter().map(|arrival| arrival.prompt));
    let output = mean(trace.arrivals.iter().map(|arrival| arrival.output));
    assert!((prompt - 1_155.0).abs() < 20.0, "{prompt}");
    assert!((output - 211.0).abs() < 3.0, "{output}");
    assert!(trace.arrivals.iter().all(|arrival| arrival.prompt >= 1 && arrival.output >= 1));
    assert!(trace.arrivals.iter().any(|arrival| arrival.cut && arrival.output == 1_000));
}

#[test]
fn a_steady_day_has_one_rate() {
    let trace = Day::default().steady(3.0, 10_000.0).trace();
    assert!((0..100).all(|n| (trace.rate(f64::from(n) * 100.0) - 3.0).abs() < 1e-9));
    assert!((trace.mean_rate() - 3.0).abs() < 0.1);
}
