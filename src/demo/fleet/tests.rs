use super::*;
use crate::demo::trace::Day;

fn setup() -> Setup {
    Setup { load_seconds: (100.0, 100.0), grace_seconds: 30.0, ..Setup::default() }
}

fn arrival(at: f64, output: u32) -> Arrival {
    Arrival { at, prompt: 1_000, output, cut: false }
}

#[test]
fn no_request_is_ever_lost_from_sight() {
    let day = Day { seconds: 3_600.0, plateau: 20.0, ..Day::default() };
    let mut random = Random::new(9);
    let mut fleet = Fleet::new(Setup { grace_seconds: 5.0, ..Setup::default() }, 3);
    let mut next_change = 0.0;
    let (mut cut_off, mut hung_up) = (0, 0);
    for arrival in day.trace().arrivals {
        fleet.offer(arrival);
        if arrival.at > next_change {
            next_change += 20.0;
            fleet.scale_to((random.bits() % 9) as u32);
        }
        let tally = fleet.tally();
        assert_eq!(tally.arrived, tally.finished + tally.unserved() + fleet.in_system() as u64);
        assert!(tally.within <= tally.first_tokens && tally.first_tokens <= tally.arrived);
        (cut_off, hung_up) = (tally.cut_off, tally.hung_up);
    }
    assert!(cut_off > 0 && hung_up > 0, "{cut_off} {hung_up}");
}

#[test]
fn a_new_replica_serves_when_it_has_loaded_and_costs_from_the_start() {
    let mut fleet = Fleet::new(setup(), 1);
    fleet.advance(1_000.0);
    fleet.scale_to(3);
    fleet.advance(1_099.0);
    assert_eq!((fleet.replicas(), fleet.ready()), (3, 1));
    assert_eq!(fleet.pods().iter().filter(|pod| pod.serves_metrics()).count(), 1);
    fleet.advance(1_100.0);
    assert_eq!(fleet.ready(), 3);
    fleet.advance(1_900.0);
    let hours = (1_900.0 + 2.0 * 900.0) / 3_600.0;
    assert!((fleet.replica_hours() - hours).abs() < 1e-9);
    assert!((fleet.cost() - 4.0 * hours).abs() < 1e-9);
    assert_eq!(fleet.peak(), 3);
}

#[test]
fn load_times_are_drawn_between_the_bounds() {
    let mut fleet = Fleet::new(Setup::default(), 0);
    fleet.scale_to(50);
    let until = |pod: &Pod| match pod.phase {
        Phase::Loading { until } => until,
        phase => panic!("{phase:?}"),
    };
    let times: Vec<f64> = fleet.pods().iter().map(until).collect();
    assert!(times.iter().all(|until| (75.0..120.0).contains(until)));
    assert!(
        times.iter().fold(0.0, |a: f64, b| a.max(*b)) - times.iter().fold(200.0, |a: f64, b| a.min(*b))
            > 30.0
    );
}

#[test]
fn requests_go_to_the_replica_with_the_fewest() {
    let mut fleet = Fleet::new(setup(), 3);
    for n in 0..30 {
        fleet.offer(arrival(f64::from(n) * 1e-3, 500));
    }
    assert!(fleet.pods().iter().all(|pod| pod.replica.outstanding() == 10));
}

#[test]
fn without_a_ready_replica_requests_wait_at_the_load_balancer() {
    let mut fleet = Fleet::new(setup(), 0);
    fleet.scale_to(1);
    fleet.offer(arrival(10.0, 10));
    fleet.offer(arrival(90.0, 10));
    assert_eq!((fleet.waiting(), fleet.running()), (2, 0));
    fleet.advance(110.0);
    let tally = fleet.tally();
    // The first has hung up after 60 s; the second was served as soon as the replica was ready.
    assert_eq!((tally.hung_up, tally.finished), (1, 1));
    assert_eq!(fleet.in_system(), 0);
}

#[test]
fn the_youngest_go_first_and_those_that_load_before_all() {
    let mut fleet = Fleet::new(setup(), 2);
    fleet.advance(10.0);
    fleet.scale_to(3);
    fleet.advance(200.0);
    fleet.scale_to(4);
    let ids = |fleet: &Fleet| fleet.pods().iter().map(|pod| pod.id).collect::<Vec<_>>();
    assert_eq!(ids(&fleet), [0, 1, 2, 3]);
    fleet.scale_to(3);
    assert_eq!(ids(&fleet), [0, 1, 2]);
    fleet.scale_to(2);
    assert_eq!(ids(&fleet), [0, 1]);
}

#[test]
fn a_draining_replica_finishes_its_batch_and_hands_over_its_queue() {
    let mut fleet = Fleet::new(setup(), 2);
    for n in 0..80 {
        fleet.offer(arrival(f64::from(n) * 1e-3, 300));
    }
    fleet.advance(6.0);
    let queue = fleet.pods()[1].replica.waiting();
    assert!(queue > 0);
    fleet.scale_to(1);
    let [stays, goes] = fleet.pods() else { panic!("{:?}", fleet.pods()) };
    assert!(stays.is_ready() && goes.is_draining() && goes.serves_metrics());
    assert_eq!((goes.replica.waiting(), stays.replica.outstanding()), (0, 40 + queue));
    assert_eq!((fleet.replicas(), fleet.ready()), (1, 1));
    fleet.advance(100.0);
    assert_eq!(fleet.pods().len(), 1);
    assert_eq!((fleet.tally().finished, fleet.tally().unserved()), (80, 0));
}

#[test]
fn what_outlasts_the_grace_period_is_cut_off() {
    let mut fleet = Fleet::new(Setup { grace_seconds: 2.0, ..setup() }, 2);
    fleet.offer(arrival(0.0, 1_000));
    fleet.offer(arrival(0.0, 1_000));
    fleet.advance(5.0);
    fleet.scale_to(1);
    fleet.advance(7.5);
    assert_eq!((fleet.tally().cut_off, fleet.pods().len()), (1, 1));
    let hours = (7.5 + 7.0) / 3_600.0;
    assert!((fleet.replica_hours() - hours).abs() < 1e-9, "{}", fleet.replica_hours() * 3_600.0);
}

#[test]
fn names_are_unlike_each_other() {
    let mut fleet = Fleet::new(setup(), 0);
    fleet.scale_to(30);
    let names: std::collections::BTreeSet<&str> = fleet.pods().iter().map(|pod| pod.name.as_str()).collect();
    assert_eq!(names.len(), 30);
    assert!(names.iter().all(|name| name.len() == "vllm-7c9d8b6f5-xxxxx".len()));
}
