//! What one replica can do: the profiling that comes before a policy which reckons in replicas.

use super::fleet::{Fleet, Setup};
use super::trace::Day;

/// Seconds of steady traffic at each rate tried, of which the first part fills the batch.
const SECONDS: f64 = 1_800.0;

/// Requests per second at which one replica still sends the share `within` of its first tokens within
/// the engine's target, under steady Poisson arrivals of the day's sizes. Found by bisection, to 1 %.
pub fn capacity(setup: &Setup, day: &Day, within: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while share(setup, day, high) >= within {
        (low, high) = (high, high * 2.0);
    }
    while high - low > 0.01 * high {
        let middle = f64::midpoint(low, high);
        if share(setup, day, middle) >= within {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// The share of first tokens within the target at `rate`.
fn share(setup: &Setup, day: &Day, rate: f64) -> f64 {
    let mut fleet = Fleet::new(*setup, 1);
    for arrival in day.steady(rate, SECONDS).trace().arrivals {
        fleet.offer(arrival);
    }
    fleet.advance(SECONDS + setup.engine.patience * 2.0);
    let tally = fleet.tally();
    tally.within as f64 / tally.arrived.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_below_what_the_batch_can_carry_and_falls_with_the_share_wanted() {
        let (setup, day) = (Setup::default(), Day::default());
        let strict = capacity(&setup, &day, 0.99);
        let loose = capacity(&setup, &day, 0.90);
        assert!(0.0 < strict && strict < loose, "{strict} {loose}");
        assert!(share(&setup, &day, strict) >= 0.99);
        // A full batch of 32 that decodes alone ends this many requests a second, at the very most.
        let engine = setup.engine;
        let step = engine.step_seconds + 32.0 * engine.step_seconds_per_sequence;
        assert!(loose < 32.0 / (211.0 * step), "{loose}");
    }
}
