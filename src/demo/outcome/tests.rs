use std::sync::Arc;

use super::*;
use crate::demo::fleet::Setup;
use crate::demo::policy::Policy;
use crate::demo::scrape::Scraping;
use crate::demo::trace::Day;

#[test]
fn an_outcome_is_what_the_simulation_has_come_to() {
    let trace = Arc::new(Day { seconds: 3_600.0, ..Day::default() }.trace());
    let mut simulation =
        Simulation::new(Policy::fixed(2), Setup::default(), Scraping::default(), trace.clone());
    simulation.advance(f64::INFINITY);
    let outcome = Outcome::of(&simulation);
    assert_eq!(outcome.arrived, trace.arrivals.len() as u64);
    assert_eq!(outcome.arrived, outcome.finished + outcome.unserved + outcome.in_system);
    assert!(outcome.unserved > 0 && 0.0 < outcome.within && outcome.within < 1.0);
    assert!(outcome.ttft_p50 < outcome.ttft_p95);
    assert_eq!((outcome.replica_hours, outcome.cost, outcome.peak), (2.0, 8.0, 2));
    assert_eq!(outcome.points.len(), 480);
}

fn outcome(name: &str, within: f64, cost: f64) -> Outcome {
    Outcome {
        name: name.into(),
        settings: String::new(),
        within,
        ttft_p50: 0.125,
        ttft_p95: f64::INFINITY,
        replica_hours: cost / 4.0,
        cost,
        peak: 8,
        arrived: 10_000,
        finished: 9_000,
        unserved: 1_000,
        in_system: 0,
        points: Vec::new(),
    }
}

#[test]
fn a_table_is_aligned_markdown() {
    let text = table(&[outcome("fixed fleet of 8", 0.9996, 1_152.0), outcome("CPU", 0.1, 96.0)]);
    assert_eq!(
        text,
        "\
| policy           | first tokens in time | TTFT p50 | TTFT p95 | GPU-hours |   cost | peak | unserved |
| ---------------- | -------------------: | -------: | -------: | --------: | -----: | ---: | -------: |
| fixed fleet of 8 |               99.9 % |   0.12 s |    never |     288.0 | $1,152 |    8 |    1,000 |
| CPU              |               10.0 % |   0.12 s |    never |      24.0 |    $96 |    8 |    1,000 |
"
    );
}

#[test]
fn all_is_only_said_of_all() {
    let shares = [1.0, 0.999_999, 0.9816, 0.000_01, 0.0].map(percent);
    assert_eq!(shares, ["100.0 %", "99.9 %", "98.2 %", "0.1 %", "0.0 %"]);
}

#[test]
fn numbers_are_readable() {
    assert_eq!([0.0, 9.994, 10.4, f64::INFINITY].map(seconds), ["0.00 s", "9.99 s", "10 s", "never"]);
    assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!(dollars(1_151.7), "$1,152");
}
