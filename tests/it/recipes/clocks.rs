//! Recipes by the clock. Nobody can set the clock of the binary, so the schedule of a recipe is read from its
//! file and asked for other times, and what the binary serves is held against what it says of now.

use std::sync::Arc;

use inferometer::catalog::Catalog;
use inferometer::config::{Diagnostics, load};
use inferometer::core::hpa::Observation;
use inferometer::core::schedule::Schedule;
use inferometer::core::signal::Signal;
use inferometer::core::time::Timestamp;

use super::rows::{Row, print};
use super::stage::{autoscaler, configuration};

/// The schedule that a recipe's metric is.
pub(crate) fn schedule(slug: &str, metric: &str) -> Arc<Schedule> {
    let yaml = configuration(slug).expect("a schedule is configured");
    let catalog = Catalog::built_in().expect("the catalog");
    let configuration = load(slug, &yaml, &catalog, &mut Diagnostics::default()).expect("it is accepted");
    let metric = configuration.metric(metric).expect("the metric is there");
    match metric.inputs[0].signal.as_ref() {
        Signal::Schedule(schedule) => Arc::clone(schedule),
        other => panic!("{slug}: {other:?} is no schedule"),
    }
}

/// What it wants now.
pub(crate) fn now(schedule: &Schedule) -> f64 {
    schedule.at(Timestamp::from_millis(jiff::Timestamp::now().as_millisecond()))
}

/// Plays a recipe's HPA at these times with nothing else to do: when, how many replicas there are, what the
/// schedule wants then, and what the HPA does at once.
fn play(slug: &str, metric: &str, others: usize, times: &[(&str, &str, u32, f64, u32)]) {
    let (schedule, autoscaler) = (schedule(slug, metric), autoscaler(slug));
    let rows = times.iter().map(|(case, at, replicas, wanted, then)| {
        let at: jiff::Timestamp = at.parse().expect("a time");
        let at = Timestamp::from_millis(at.as_millisecond());
        let floor = schedule.at(at);
        assert!((floor - wanted).abs() < f64::EPSILON, "{slug} at {}: {floor}", schedule.local(at));
        let mut seen = vec![Observation::Value(0.0); others];
        let index = if slug == "business-hours" { 0 } else { others };
        seen.insert(index, Observation::Value(floor));
        let outcome = autoscaler.decide(*replicas, &seen);
        assert_eq!(outcome.decision.replicas, *then, "{slug} at {}", schedule.local(at));
        Row::plain(slug, case, &schedule.local(at), *replicas, &seen, &outcome)
    });
    print(&rows.collect::<Vec<_>>());
}

#[test]
fn business_hours_are_those_of_amsterdam() {
    let times = [
        ("before", "2026-11-23T06:29:59Z", 1, 0.0, 1),
        ("open", "2026-11-23T06:30:00Z", 1, 3.0, 3),
        ("last second", "2026-11-23T18:59:59Z", 3, 3.0, 3),
        ("closed", "2026-11-23T19:00:00Z", 3, 0.0, 3),
        ("weekend", "2026-11-22T12:00:00Z", 1, 0.0, 1),
        ("holiday", "2026-12-25T12:00:00Z", 1, 0.0, 1),
        // Clocks go forward on 28 March 2027: the same hour on the wall is an hour earlier in UTC.
        ("winter time", "2027-03-26T06:29:59Z", 1, 0.0, 1),
        ("winter time, open", "2027-03-26T06:30:00Z", 1, 3.0, 3),
        ("summer time", "2027-03-29T05:29:59Z", 1, 0.0, 1),
        ("summer time, open", "2027-03-29T05:30:00Z", 1, 3.0, 3),
    ];
    play("business-hours", "business_hours", 1, &times);
}

#[test]
fn the_night_begins_and_ends_by_the_clocks_on_the_wall() {
    let times = [
        ("day", "2026-11-23T12:00:00Z", 0, 0.0, 0),
        ("begins", "2026-11-23T21:00:00Z", 0, 8.0, 8),
        ("ends", "2026-11-24T05:00:00Z", 8, 0.0, 8),
        // The night in which clocks go forward has seven hours, that in which they go back nine.
        ("short night", "2027-03-27T21:00:00Z", 0, 8.0, 8),
        ("short night, last second", "2027-03-28T03:59:59Z", 8, 8.0, 8),
        ("short night, over", "2027-03-28T04:00:00Z", 8, 0.0, 8),
        ("long night", "2026-10-24T20:00:00Z", 0, 8.0, 8),
        ("long night, last second", "2026-10-25T04:59:59Z", 8, 8.0, 8),
        ("long night, over", "2026-10-25T05:00:00Z", 8, 0.0, 8),
    ];
    play("night-batch", "night_shift", 0, &times);
}

#[test]
fn replicas_are_there_before_people_are() {
    let times = [
        ("night", "2026-11-23T06:29:59Z", 2, 0.0, 2),
        ("first", "2026-11-23T06:35:00Z", 2, 1.0, 2),
        ("half", "2026-11-23T06:45:00Z", 2, 3.0, 3),
        ("all", "2026-11-23T07:00:00Z", 5, 6.0, 6),
        ("evening", "2026-11-23T18:00:00Z", 6, 0.0, 6),
    ];
    play("production", "working_hours", 3, &times);
}
