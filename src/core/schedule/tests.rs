use std::collections::HashSet;

use super::*;

mod clocks;
mod patterns;
mod properties;

/// A time in RFC 3339.
fn at(text: &str) -> Timestamp {
    Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn window(start: &str, end: &str, value: f64) -> Window {
    ramped(start, end, value, 0)
}

fn ramped(start: &str, end: &str, value: f64, minutes: u64) -> Window {
    let (start, end) = (Cron::parse(start).unwrap(), Cron::parse(end).unwrap());
    Window::new(start, end, value, Duration::from_mins(minutes), Dates::default()).unwrap()
}

fn dated(start: &str, end: &str, except: &[&str], only: &[&str]) -> Result<Window, BadWindow> {
    let days = |texts: &[&str]| texts.iter().map(|text| Days::parse(text).unwrap()).collect();
    let dates = Dates { except: days(except), only: days(only) };
    Window::new(Cron::parse(start).unwrap(), Cron::parse(end).unwrap(), 3.0, Duration::ZERO, dates)
}

fn schedule(zone_name: &str, windows: Vec<Window>) -> Schedule {
    Schedule::new(zone(zone_name).unwrap(), windows, 0.0)
}

/// The changes after a time, as the clocks there show them; each is checked to be one.
fn changes(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let line = |change: &Transition| {
        let before = schedule.at(change.at.shifted(-1));
        assert!(before.total_cmp(&change.value).is_ne(), "{before} before {change:?}");
        assert_eq!(schedule.at(change.at).to_bits(), change.value.to_bits());
        format!("{} {}", schedule.local(change.at), change.value)
    };
    schedule.next(at(after), count).iter().map(line).collect()
}

#[test]
fn office_hours_and_a_weekend() {
    let office = schedule("Europe/Amsterdam", vec![window("30 7 * * 1-5", "0 20 * * 1-5", 3.0)]);
    // A Friday.
    assert_eq!(
        changes(&office, "2026-11-20T12:00:00Z", 3),
        ["2026-11-20T20:00:00+01:00 0", "2026-11-23T07:30:00+01:00 3", "2026-11-23T20:00:00+01:00 0"]
    );
    for (time, value) in [
        ("2026-11-23T07:29:59.999+01:00", 0.0),
        ("2026-11-23T07:30:00+01:00", 3.0),
        ("2026-11-23T19:59:59.999+01:00", 3.0),
        ("2026-11-23T20:00:00+01:00", 0.0),
        ("2026-11-22T12:00:00+01:00", 0.0),
    ] {
        assert_eq!(office.at(at(time)).to_bits(), f64::to_bits(value), "{time}");
    }
    assert_eq!(
        office.to_string(),
        "3 from `30 7 * * 1-5` to `0 20 * * 1-5`, otherwise 0, in Europe/Amsterdam"
    );
}

#[test]
fn a_night_goes_over_midnight() {
    let night = schedule("UTC", vec![window("0 22 * * *", "0 4 * * *", 8.0)]);
    for (time, value) in [("21:59", 0.0), ("22:00", 8.0), ("23:59", 8.0), ("00:00", 8.0), ("03:59", 8.0)] {
        assert_eq!(night.at(at(&format!("2026-11-22T{time}:00Z"))).to_bits(), f64::to_bits(value), "{time}");
    }
    assert_eq!(night.at(at("2026-11-22T04:00:00Z")).to_bits(), 0_f64.to_bits());
}

#[test]
fn an_end_closes_what_began_before_it_and_a_start_at_the_same_time_opens_anew() {
    let week = schedule("UTC", vec![window("0 0 * * 1-5", "0 0 * * 2-6", 2.0)]);
    assert_eq!(
        changes(&week, "2026-11-22T12:00:00Z", 2),
        ["2026-11-23T00:00:00+00:00 2", "2026-11-28T00:00:00+00:00 0"]
    );
}

#[test]
fn of_overlapping_windows_the_largest_wins() {
    let both = schedule(
        "UTC",
        vec![window("0 8 * * *", "0 20 * * *", 3.0), window("0 12 * * *", "0 14 * * *", 5.0)],
    );
    assert_eq!(
        changes(&both, "2026-11-22T00:00:00Z", 4),
        [
            "2026-11-22T08:00:00+00:00 3",
            "2026-11-22T12:00:00+00:00 5",
            "2026-11-22T14:00:00+00:00 3",
            "2026-11-22T20:00:00+00:00 0"
        ]
    );
    // The smaller within the larger changes nothing.
    let within = schedule(
        "UTC",
        vec![window("0 8 * * *", "0 20 * * *", 3.0), window("0 12 * * *", "0 14 * * *", 1.0)],
    );
    assert_eq!(changes(&within, "2026-11-22T09:00:00Z", 1), ["2026-11-22T20:00:00+00:00 0"]);
    // What holds otherwise does not hold within, so that a window can also ask for less.
    let less = Schedule::new(zone("UTC").unwrap(), vec![window("0 1 * * *", "0 5 * * *", 1.0)], 4.0);
    assert_eq!(
        changes(&less, "2026-11-22T00:00:00Z", 2),
        ["2026-11-22T01:00:00+00:00 1", "2026-11-22T05:00:00+00:00 4"]
    );
}

#[test]
fn on_a_holiday_no_window_starts() {
    let fixed = dated("0 8 * * *", "0 20 * * *", &["12-25..12-26", "2026-12-31"], &[]).unwrap();
    assert_eq!(
        changes(&schedule("UTC", vec![fixed]), "2026-12-24T12:00:00Z", 5),
        [
            "2026-12-24T20:00:00+00:00 0",
            "2026-12-27T08:00:00+00:00 3",
            "2026-12-27T20:00:00+00:00 0",
            "2026-12-28T08:00:00+00:00 3",
            "2026-12-28T20:00:00+00:00 0"
        ]
    );
    // The date of the start counts, there and not in UTC: the night before the holiday lasts into it.
    let night = dated("0 22 * * *", "0 4 * * *", &["2026-12-25"], &[]).unwrap();
    assert_eq!(
        changes(&schedule("America/New_York", vec![night]), "2026-12-24T22:00:00Z", 3),
        ["2026-12-24T22:00:00-05:00 3", "2026-12-25T04:00:00-05:00 0", "2026-12-26T22:00:00-05:00 3"]
    );
}

#[test]
fn a_window_can_be_for_some_dates_alone() {
    let sale = dated("0 9 * * *", "0 18 * * *", &[], &["11-27..11-28", "2027-01-02"]).unwrap();
    let sale = schedule("UTC", vec![sale]);
    assert_eq!(
        changes(&sale, "2026-11-22T00:00:00Z", 5),
        [
            "2026-11-27T09:00:00+00:00 3",
            "2026-11-27T18:00:00+00:00 0",
            "2026-11-28T09:00:00+00:00 3",
            "2026-11-28T18:00:00+00:00 0",
            "2027-01-02T09:00:00+00:00 3"
        ]
    );
    // Dates that have passed are no mistake: what was right stays right.
    let past = dated("0 9 * * *", "0 18 * * *", &[], &["2026-05-01"]).unwrap();
    let past = schedule("UTC", vec![past]);
    assert_eq!(past.next(at("2026-11-22T00:00:00Z"), 3), []);
    assert!(past.until(at("2026-11-22T00:00:00Z")) > at("2026-11-22T00:00:00Z"));
    // What can never be is one.
    assert_eq!(dated("0 9 1 1 *", "0 18 * * *", &[], &["12-25"]).unwrap_err(), BadWindow::Dates);
    assert!(dated("0 9 * * 1", "0 18 * * *", &[], &["2061-02-28"]).is_ok(), "a Monday, beyond the reference");
    assert_eq!(dated("0 9 * * 2", "0 18 * * *", &[], &["2061-02-28"]).unwrap_err(), BadWindow::Dates);
}

#[test]
fn a_ramp_grows_in_whole_replicas_and_is_there_at_the_start() {
    let morning = schedule("UTC", vec![ramped("0 8 * * *", "0 20 * * *", 3.0, 15)]);
    assert_eq!(
        changes(&morning, "2026-11-22T00:00:00Z", 4),
        [
            "2026-11-22T07:50:00+00:00 1",
            "2026-11-22T07:55:00+00:00 2",
            "2026-11-22T08:00:00+00:00 3",
            "2026-11-22T20:00:00+00:00 0"
        ]
    );
    assert_eq!(morning.at(at("2026-11-22T07:49:59.999Z")).to_bits(), 0_f64.to_bits());
    // From the value of another window, which the ramp does not fall below when that one ends.
    let relay = schedule(
        "UTC",
        vec![window("0 0 * * *", "56 7 * * *", 4.0), ramped("0 8 * * *", "0 20 * * *", 8.0, 16)],
    );
    assert_eq!(
        changes(&relay, "2026-11-22T01:00:00Z", 4),
        [
            "2026-11-22T07:48:00+00:00 5",
            "2026-11-22T07:52:00+00:00 6",
            "2026-11-22T07:56:00+00:00 7",
            "2026-11-22T08:00:00+00:00 8"
        ]
    );
    // From more than its own there is nothing to grow.
    let down = Schedule::new(zone("UTC").unwrap(), vec![ramped("0 8 * * *", "0 20 * * *", 1.0, 15)], 5.0);
    assert_eq!(changes(&down, "2026-11-22T01:00:00Z", 1), ["2026-11-22T08:00:00+00:00 1"]);
    // Thirds and such: no step is told twice or left out.
    let many = schedule("UTC", vec![ramped("0 8 * * *", "0 20 * * *", 49.0, 7)]);
    let values: Vec<f64> =
        many.next(at("2026-11-22T01:00:00Z"), 49).iter().map(|change| change.value).collect();
    assert_eq!(values, (1..=49).map(f64::from).collect::<Vec<_>>());
}

#[test]
fn a_ramp_does_not_begin_on_a_holiday() {
    let mut window = dated("0 0 * * *", "0 20 * * *", &["2026-12-25"], &[]).unwrap();
    window.ramp = Duration::from_mins(30);
    assert_eq!(
        changes(&schedule("UTC", vec![window]), "2026-12-24T21:00:00Z", 2),
        ["2026-12-25T23:40:00+00:00 1", "2026-12-25T23:50:00+00:00 2"]
    );
}

#[test]
fn what_makes_no_window_is_refused() {
    let new = |start: &str, end: &str, minutes: u64| {
        let (start, end) = (Cron::parse(start).unwrap(), Cron::parse(end).unwrap());
        Window::new(start, end, 3.0, Duration::from_mins(minutes), Dates::default()).map(|_| ())
    };
    assert_eq!(new("0 8 * * *", "00 08 * * *", 0), Err(BadWindow::Same));
    assert_eq!(new("0 8 * * 0", "0 8 * * sun", 0), Err(BadWindow::Same));
    assert_eq!(new("0 8 * * 0", "0 8 * * 1", 0), Ok(()));
    assert_eq!(new("0 8 * * *", "0 7 * * *", 60), Ok(()));
    assert_eq!(new("0 8 * * *", "0 7 * * *", 61), Err(BadWindow::Ramp(Duration::from_hours(1))));
    let error = new("30 * * * *", "40 * * * *", 55).unwrap_err();
    assert_eq!(error.to_string(), "the ramp is longer than the shortest time between two windows, 50m");
}

#[test]
fn a_schedule_is_the_same_as_long_as_its_text_is() {
    let zones = [zone("Europe/Amsterdam").unwrap(), zone("europe/paris").unwrap()];
    let build = |zone: usize, end: &str, value: f64, otherwise: f64| {
        Schedule::new(zones[zone].clone(), vec![window("0 8 * * *", end, value)], otherwise)
    };
    let all = [
        build(0, "0 9 * * *", 1.0, 0.0),
        build(0, "0 9 * * *", 1.0, 0.0),
        build(1, "0 9 * * *", 1.0, 0.0),
        build(0, "0 10 * * *", 1.0, 0.0),
        build(0, "0 9 * * *", 2.0, 0.0),
        build(0, "0 9 * * *", 1.0, 1.0),
    ];
    assert_eq!(all[0], all[1]);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 5);
    assert_eq!(all[2].zone_name(), "Europe/Paris");
}

#[test]
fn times_beyond_the_calendar_harm_nobody() {
    let one = schedule("Europe/Amsterdam", vec![ramped("0 8 * * *", "0 20 * * *", 3.0, 15)]);
    for now in [Timestamp::MAX, Timestamp::from_millis(i64::MIN)] {
        assert_eq!(one.at(now).to_bits(), 0_f64.to_bits());
        assert_eq!(one.next(now, 3), []);
    }
}
