use super::*;
use crate::catalog::Catalog;
use crate::core::composite::Fact;
use crate::demo::fleet::Setup;
use crate::demo::random::Random;
use crate::demo::scrape::Scraping;
use crate::demo::trace::Arrival;

const DEMAND: Demand = Demand { capacity: 2.0, window_seconds: 30.0, drain_seconds: 60.0, recounts: false };

#[test]
fn demand_is_arrivals_and_backlog_in_replicas() {
    for (arrivals, backlog, wanted, loading, expected) in [
        (8.0, 0.0, 4.0, false, 4.0),
        (8.0, 240.0, 4.0, false, 6.0),
        (0.0, 0.0, 4.0, false, 0.0),
        // What loads was ordered for the backlog: no more of it, but no less either.
        (8.0, 240.0, 5.0, true, 5.0),
        (8.0, 240.0, 7.0, true, 6.0),
        // Arrivals alone justify more than what loads.
        (12.0, 240.0, 5.0, true, 6.0),
    ] {
        let seen = DEMAND.replicas(arrivals, backlog, wanted, loading);
        assert!((seen - expected).abs() < 1e-9, "{arrivals} {backlog} {wanted} {loading}: {seen}");
    }
    let again = Demand { recounts: true, ..DEMAND };
    assert!((again.replicas(8.0, 240.0, 5.0, true) - 6.0).abs() < 1e-9);
}

/// With what one replica serves as its target, the catalog's metric asks for the same replicas.
#[test]
fn demand_is_that_of_the_catalog() {
    let metric = Catalog::built_in().expect("loads").resolve("inference_demand_requests_per_second");
    let composite = metric.and_then(|metric| metric.composite).expect("a composite");
    let value = composite.value.as_ref().expect("an expression");
    let mut random = Random::new(1);
    let mut held = 0;
    for _ in 0..2_000 {
        let mut up_to = |most: f64| random.uniform() * most;
        let capacity = up_to(10.0) + 0.1;
        let (finished, change, backlog) = (up_to(40.0), up_to(60.0) - 30.0, up_to(1_000.0).floor());
        let (wanted, loading) = (up_to(20.0).ceil(), (up_to(4.0) - 2.0).max(0.0).ceil());
        let mut values = vec![None; composite.parts.len() + Fact::ALL.len()];
        let parts = composite.parts.iter().map(|part| &*part.name);
        let names = parts.chain(Fact::ALL.map(Fact::name)).collect::<Vec<_>>();
        for (name, number) in [
            ("finished", finished),
            ("change", change),
            ("waiting", backlog),
            ("replicas", wanted),
            ("ready", wanted - loading),
            ("loading", loading),
            ("target", capacity),
        ] {
            let index = names.iter().position(|one| *one == name).expect(name);
            values[index] = Some(number);
        }
        let theirs = value.evaluate(&values).expect("all is there") / capacity;
        let demand = Demand { capacity, ..DEMAND };
        let arrivals = (finished + change).max(0.0);
        let ours = demand.replicas(arrivals, backlog, wanted, loading > 0.0);
        assert!((ours - theirs).abs() < 1e-9, "{ours} here, {theirs} there");
        held += u32::from(ours < demand.replicas(arrivals, backlog, wanted, false));
    }
    assert!(held > 100, "a backlog was held back {held} times");
}

/// A fleet of 2 that has been busy for a minute with `requests`, and who has watched it.
fn busy(requests: u32) -> (Fleet, Scraper) {
    let mut fleet = Fleet::new(Setup::default(), 2);
    let mut scraper = Scraper::new(Scraping::default());
    for n in 0..requests {
        let at = f64::from(n) * 60.0 / f64::from(requests);
        while scraper.seen(at + 15.0).map_or(0.0, |scrape| scrape.at + 15.0) <= at {
            let next = scraper.seen(at + 15.0).map_or(0.0, |scrape| scrape.at + 15.0);
            fleet.advance(next);
            scraper.take(&fleet);
        }
        fleet.offer(Arrival { at, prompt: 1_000, output: 300, cut: false });
    }
    fleet.advance(60.0);
    scraper.take(&fleet);
    fleet.advance(75.0);
    (fleet, scraper)
}

fn wanted(signal: Signal, (fleet, scraper): &(Fleet, Scraper)) -> u32 {
    let policy = Policy::new(signal, 2, 16);
    Autoscaler::new(&policy).sync(fleet, scraper).unwrap().replicas
}

#[test]
fn each_signal_reads_its_own_number() {
    let overloaded = busy(600);
    let seen = overloaded.1.seen(75.0).unwrap().clone();
    assert!(seen.waiting() > 40.0, "{seen:?}");
    // More than Kubernetes lets a fleet of two grow in one step, to six.
    assert_eq!(wanted(Signal::Waiting { per_replica: 5.0 }, &overloaded), 6);
    assert_eq!(wanted(Signal::InSystem { per_replica: 16.0 }, &overloaded), 6);
    assert_eq!(wanted(Signal::Demand(DEMAND), &overloaded), 6);
    let calm = busy(60);
    assert_eq!(wanted(Signal::Waiting { per_replica: 5.0 }, &calm), 2);
    let there = calm.1.seen(75.0).unwrap().in_system();
    assert!((3.0..=6.0).contains(&there), "{there}");
    assert_eq!(wanted(Signal::InSystem { per_replica: 1.0 }, &calm), there as u32);
    assert_eq!(wanted(Signal::Demand(Demand { capacity: 0.25, ..DEMAND }), &calm), 4);
}

#[test]
fn the_cpu_never_asks_for_more() {
    let overloaded = busy(600);
    assert!(overloaded.1.seen(75.0).unwrap().pods.iter().all(|pod| pod.cpu < 15.0));
    assert_eq!(wanted(Signal::Cpu { percent: 50.0 }, &overloaded), 2);
    assert_eq!(wanted(Signal::Cpu { percent: 5.0 }, &overloaded), 5);
}

#[test]
fn a_fixed_fleet_has_no_autoscaler() {
    let (fleet, scraper) = busy(10);
    assert_eq!(Autoscaler::new(&Policy::fixed(2)).sync(&fleet, &scraper), None);
}

#[test]
fn without_a_sample_the_fleet_stays_as_it_is() {
    let fleet = Fleet::new(Setup::default(), 5);
    let scraper = Scraper::new(Scraping::default());
    for signal in
        [Signal::Waiting { per_replica: 5.0 }, Signal::Cpu { percent: 50.0 }, Signal::Demand(DEMAND)]
    {
        let decision = Autoscaler::new(&Policy::new(signal, 2, 16)).sync(&fleet, &scraper).unwrap();
        assert_eq!((decision.replicas, decision.failures.len()), (5, 1));
    }
}

#[test]
fn a_fleet_that_loads_as_a_whole_is_unknown_not_idle() {
    let mut fleet = Fleet::new(Setup::default(), 0);
    let mut scraper = Scraper::new(Scraping::default());
    fleet.scale_to(4);
    fleet.advance(30.0);
    scraper.take(&fleet);
    fleet.advance(45.0);
    let policy = Policy::new(Signal::InSystem { per_replica: 16.0 }, 2, 16);
    let decision = Autoscaler::new(&policy).sync(&fleet, &scraper).unwrap();
    assert_eq!((decision.replicas, decision.failures.len()), (4, 1));
}

#[test]
fn policies_tell_their_settings() {
    let told = |signal| Policy::new(signal, 2, 16).to_string();
    assert_eq!(Policy::fixed(8).to_string(), "8 replicas, no autoscaler");
    assert_eq!(
        told(Signal::Waiting { per_replica: 5.0 }),
        "External inference_requests_waiting, AverageValue 5; 2 to 16 replicas; \
         default behavior (down: the most of 5 minutes)"
    );
    assert!(told(Signal::Demand(DEMAND)).contains("_per_second (arrivals over 30 s"));
    assert!(told(Signal::Demand(DEMAND)).contains("but not again while replicas load), AverageValue 2.00;"));
    let mut quick = Policy::new(Signal::Cpu { percent: 50.0 }, 1, 4);
    quick.behavior.scale_down.stabilization = std::time::Duration::from_mins(2);
    assert_eq!(
        quick.to_string(),
        "Resource cpu, Utilization 50; 1 to 4 replicas; stabilization up 0s, down 2m"
    );
}
