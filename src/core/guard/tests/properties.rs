//! What holds whatever is seen and however often is asked.

use proptest::prelude::*;

use super::*;

/// Gaps between questions in milliseconds, and what is evaluated then.
fn history() -> impl Strategy<Value = Vec<(u32, Option<f64>)>> {
    let value = prop_oneof![
        3 => (0.0..50.0_f64).prop_map(Some),
        1 => Just(Some(0.0)),
        2 => Just(None),
    ];
    prop::collection::vec((prop_oneof![0..3_000_u32, 10_000..20_000_u32, 0..900_000_u32], value), 1..80)
}

fn play(asked: &mut Asked, history: &[(u32, Option<f64>)]) -> Vec<(f64, Option<f64>, Option<Reading>)> {
    let mut time = 0.0;
    let mut seen = Vec::new();
    for (gap, value) in history {
        time += f64::from(*gap) / 1000.0;
        seen.push((time, *value, asked.see(time, *value).ok()));
    }
    seen
}

proptest! {
    #[test]
    fn a_clamped_value_is_in_bounds(history in history(), min in 0.0..20.0_f64, span in 0.001..20.0_f64) {
        let clamp = Clamp { min: Some(min), max: Some(min + span) };
        let mut asked = Asked::of(Guards { slew: Some(slew()), clamp: Some(clamp), ..Guards::default() });
        for (_, _, served) in play(&mut asked, &history) {
            prop_assert!(served.is_none_or(|reading| (min..=min + span).contains(&reading.value)));
        }
    }

    #[test]
    fn a_slew_is_never_outrun(history in history()) {
        let mut asked = Asked::of(Guards { slew: Some(slew()), ..Guards::default() });
        let mut last: Option<(f64, f64)> = None;
        for (time, value, served) in play(&mut asked, &history) {
            let Some(served) = served.map(|reading| reading.value) else { continue };
            if let Some((before, at)) = last.filter(|(_, at)| time - at <= 600.0) {
                let (rise, fall) = ((time - at) * 1.0, (time - at) * 0.5);
                // Times are whole milliseconds there.
                prop_assert!(served <= before + rise + 0.002 && served >= before - fall - 0.002);
            } else {
                prop_assert_eq!(Some(served), value);
            }
            last = Some((served, time));
        }
    }

    /// However many ask in between, after the same time it is as far.
    #[test]
    fn a_slew_does_not_count_questions(mut asks in prop::collection::vec(0..60_000_u32, 0..50)) {
        asks.sort_unstable();
        let mut asked = Asked::of(Guards { slew: Some(slew()), ..Guards::default() });
        asked.known(0.0, 0.0);
        for ask in asks {
            asked.known(f64::from(ask) / 1000.0, 1e6);
        }
        prop_assert!((asked.known(60.0, 1e6).value - 60.0).abs() < 1e-6);
    }

    #[test]
    fn an_activation_gives_nothing_or_what_is_active(
        history in history(), threshold in 0.5..30.0_f64, share in 0.1..=1.0_f64, hold in 0..200_u64,
    ) {
        let reset = threshold * share;
        let mut asked = Asked::activation(threshold, reset, hold);
        let mut active = true;
        for (_, value, served) in play(&mut asked, &history) {
            let (Some(value), Some(served)) = (value, served) else { continue };
            let least = if active { reset } else { threshold };
            prop_assert!(served.value <= 0.0 || served.value >= least, "{value} became {}", served.value);
            if value >= threshold {
                prop_assert_eq!(served.value.to_bits(), value.to_bits());
            }
            active = served.value > 0.0;
        }
    }

    /// Whatever came before: once values are known for long enough, they are served.
    #[test]
    fn a_fallback_ends(
        history in history(), after in 0..300_u64, failures in prop::option::of(1..5_u32), until in 30..200_u64,
    ) {
        for with in [Substitute::Value(99.0), Substitute::Replicas(4), Substitute::Last(seconds(90))] {
            let mut asked = Asked::fallback(after, failures, until, with);
            asked.askers = vec![asker("a", Goal::AverageValue(10.0), 2, 2)];
            let end = play(&mut asked, &history).last().map_or(0.0, |(time, ..)| *time);
            let mut time = end + 1.0;
            while time <= end + 1.0 + until as f64 {
                asked.known(time, 3.0);
                time += 15.0;
            }
            let served = asked.known(time, 3.0);
            prop_assert!(!served.held && (served.value - 3.0).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn the_last_value_is_never_outlived(history in history(), limit in 1..300_u64) {
        let mut asked = Asked::fallback(0, None, 30, Substitute::Last(seconds(limit)));
        let mut known: Option<(f64, f64)> = None;
        for (time, value, served) in play(&mut asked, &history) {
            if let Some(value) = value {
                known = Some((value, time));
            }
            match (served, known) {
                (Some(served), Some((value, at))) => {
                    prop_assert_eq!(served.value.to_bits(), value.to_bits());
                    prop_assert!(time - at <= limit as f64 + 0.002);
                }
                (served, _) => prop_assert!(served.is_none()),
            }
        }
    }

    /// A number stands in for what is not known only where that was said.
    #[test]
    fn without_a_fallback_unknown_stays_unknown(history in history()) {
        let clamp = Some(Clamp { min: Some(5.0), max: None });
        let activation = Some(Activation { threshold: 9.0, reset_below: 6.0, hold: seconds(60) });
        let mut asked = Asked::of(Guards { slew: Some(slew()), clamp, activation, fallback: None });
        for (_, value, served) in play(&mut asked, &history) {
            prop_assert_eq!(value.is_some(), served.is_some());
        }
    }
}
