use super::*;
use crate::demo::fleet::Setup;
use crate::demo::trace::{Arrival, Day};

#[test]
fn a_policy_sees_nothing_younger_than_the_lag() {
    let mut fleet = Fleet::new(Setup::default(), 1);
    let mut scraper = Scraper::new(Scraping { interval: 10.0, lag: 15.0 });
    for at in [0.0, 10.0, 20.0] {
        fleet.advance(at);
        scraper.take(&fleet);
    }
    let seen = |now| scraper.seen(now).map(|scrape| scrape.at);
    assert_eq!(seen(14.0), None);
    assert_eq!([seen(15.0), seen(24.9), seen(25.0), seen(90.0)], [0.0, 0.0, 10.0, 20.0].map(Some));
}

#[test]
fn old_samples_are_forgotten() {
    let mut fleet = Fleet::new(Setup::default(), 1);
    let mut scraper = Scraper::new(Scraping::default());
    for n in 0..200 {
        fleet.advance(f64::from(n) * 15.0);
        scraper.take(&fleet);
    }
    assert_eq!(scraper.scrapes.len(), 42);
}

#[test]
fn what_a_loading_pod_does_not_show_is_not_counted() {
    let mut fleet = Fleet::new(Setup::default(), 1);
    fleet.scale_to(2);
    for _ in 0..40 {
        fleet.offer(Arrival { at: 1.0, prompt: 100, output: 500, cut: false });
    }
    fleet.advance(5.0);
    let scrape = Scrape::of(&fleet);
    assert_eq!((scrape.pods.len(), scrape.serving().count()), (2, 1));
    assert!((scrape.waiting() - 8.0).abs() < 1e-9);
    assert!((scrape.in_system() - 40.0).abs() < 1e-9);
    assert!(scrape.pods[1].cpu > 0.0);
}

/// Counts arrivals as the scraper does, while the fleet is overloaded, scaled and drained.
#[test]
fn arrivals_are_known_from_what_ended_and_what_is_there() {
    let day = Day::default().steady(8.0, 1_800.0);
    let mut fleet = Fleet::new(Setup::default(), 2);
    let mut scraper = Scraper::new(Scraping::default());
    let trace = day.trace();
    let mut arrivals = trace.arrivals.iter().peekable();
    let mut errors = Vec::new();
    for n in 0..120_u32 {
        let now = f64::from(n) * 15.0;
        while let Some(arrival) = arrivals.next_if(|arrival| arrival.at <= now) {
            fleet.offer(*arrival);
        }
        fleet.advance(now);
        scraper.take(&fleet);
        fleet.scale_to(2 + n / 15 % 4);
        if let Some(seen) = scraper.arrivals(now, 60.0) {
            let (from, to) = (now - 75.0, now - 15.0);
            let count = trace.arrivals.iter().filter(|arrival| arrival.at > from && arrival.at <= to).count();
            errors.push((seen - count as f64 / 60.0).abs());
        }
    }
    // Exact but for the windows in which a pod came or went, whose last requests nobody has seen end.
    assert!(errors.len() > 110);
    assert!(errors[3..].iter().filter(|error| **error > 0.01).count() < 30, "{errors:?}");
    assert!(errors[3..].iter().all(|error| *error < 2.0), "{errors:?}");
}
