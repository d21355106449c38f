use super::*;
use crate::demo::policy::Signal;
use crate::demo::trace::Day;

fn trace() -> Arc<Trace> {
    Arc::new(Day { seconds: 7_200.0, bursts: 2, ..Day::default() }.trace())
}

fn simulation(signal: Signal) -> Simulation {
    Simulation::new(Policy::new(signal, 2, 12), Setup::default(), Scraping::default(), trace())
}

#[test]
fn one_seed_gives_one_result_however_time_is_cut() {
    let mut whole = simulation(Signal::InSystem { per_replica: 16.0 });
    whole.advance(f64::INFINITY);
    let mut cut = simulation(Signal::InSystem { per_replica: 16.0 });
    for second in 1..=7_200 {
        cut.advance(f64::from(second));
    }
    assert_eq!(whole.fleet().tally().within, cut.fleet().tally().within);
    assert_eq!(whole.points().len(), cut.points().len());
    for (one, other) in whole.points().iter().zip(cut.points()) {
        assert_eq!((one.waiting, one.running, one.ready), (other.waiting, other.running, other.ready));
    }
    let mut again = simulation(Signal::InSystem { per_replica: 16.0 });
    again.advance(f64::INFINITY);
    assert_eq!(whole.points(), again.points());
}

#[test]
fn every_request_is_accounted_for_under_every_policy() {
    for signal in [Signal::Fixed, Signal::Cpu { percent: 50.0 }, Signal::Waiting { per_replica: 5.0 }] {
        let mut simulation = simulation(signal);
        simulation.advance(f64::INFINITY);
        let (fleet, tally) = (simulation.fleet(), simulation.fleet().tally());
        assert_eq!(tally.arrived, simulation.trace().arrivals.len() as u64);
        assert_eq!(tally.arrived, tally.finished + tally.unserved() + fleet.in_system() as u64);
        assert!(simulation.points().iter().all(|point| (0.0..=1.0).contains(&point.kv_usage)));
    }
}

#[test]
fn points_cover_the_day_and_add_up_to_it() {
    let mut simulation = simulation(Signal::InSystem { per_replica: 16.0 });
    simulation.advance(f64::INFINITY);
    let points = simulation.points();
    assert_eq!(points.len(), POINTS as usize);
    let every = 7_200.0 / f64::from(POINTS);
    let arrived: f64 = points.iter().map(|point| point.arrivals * every).sum();
    assert!((arrived - simulation.fleet().tally().arrived as f64).abs() < 1.0);
    assert!(points.is_sorted_by(|a, b| a.at < b.at && a.cost < b.cost));
    assert!(points.iter().all(|point| point.ready <= 12 && point.wanted >= 2));
    let scaled = points.iter().any(|point| point.wanted > point.ready);
    assert!(scaled && points.iter().any(|point| point.ready > 4));
}

#[test]
fn a_fixed_fleet_costs_its_size_times_the_day() {
    let policy = Policy::fixed(5);
    let mut simulation = Simulation::new(policy, Setup::default(), Scraping::default(), trace());
    simulation.advance(f64::INFINITY);
    assert!((simulation.fleet().replica_hours() - 10.0).abs() < 1e-9);
    assert!((simulation.fleet().cost() - 40.0).abs() < 1e-9);
}
