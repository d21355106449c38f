//! Clocks that go forward and back, in three time zones, one of which does so by half an hour.

use super::*;

/// What is read one second before a jump of the clocks, at it and an hour after.
fn around(schedule: &Schedule, jump: &str) -> [String; 3] {
    [-1_000, 0, 3_600_000].map(|millis| {
        let now = at(jump).shifted(millis);
        format!("{} {}", schedule.local(now), schedule.at(now))
    })
}

#[test]
fn amsterdam_goes_forward() {
    // 02:00 is 03:00. The start at 02:30 is when the clock has jumped, the end at 07:00 an hour sooner.
    let night = schedule("Europe/Amsterdam", vec![window("30 2 * * *", "0 7 * * *", 3.0)]);
    assert_eq!(
        changes(&night, "2026-03-27T12:00:00Z", 6),
        [
            "2026-03-28T02:30:00+01:00 3",
            "2026-03-28T07:00:00+01:00 0",
            "2026-03-29T03:00:00+02:00 3",
            "2026-03-29T07:00:00+02:00 0",
            "2026-03-30T02:30:00+02:00 3",
            "2026-03-30T07:00:00+02:00 0",
        ]
    );
    assert_eq!(
        around(&night, "2026-03-29T01:00:00Z"),
        ["2026-03-29T01:59:59+01:00 0", "2026-03-29T03:00:00+02:00 3", "2026-03-29T04:00:00+02:00 3"]
    );
}

#[test]
fn amsterdam_goes_back() {
    // 03:00 is 02:00. The start at 02:30 is when that is shown first, and not once more.
    let night = schedule("Europe/Amsterdam", vec![window("30 2 * * *", "0 7 * * *", 3.0)]);
    assert_eq!(
        changes(&night, "2026-10-23T12:00:00Z", 6),
        [
            "2026-10-24T02:30:00+02:00 3",
            "2026-10-24T07:00:00+02:00 0",
            "2026-10-25T02:30:00+02:00 3",
            "2026-10-25T07:00:00+01:00 0",
            "2026-10-26T02:30:00+01:00 3",
            "2026-10-26T07:00:00+01:00 0",
        ]
    );
    assert_eq!(
        around(&night, "2026-10-25T01:00:00Z"),
        ["2026-10-25T02:59:59+02:00 3", "2026-10-25T02:00:00+01:00 3", "2026-10-25T03:00:00+01:00 3"]
    );
    // An end within what is repeated closes for good, though the clock shows an earlier time again.
    let early = schedule("Europe/Amsterdam", vec![window("0 1 * * *", "30 2 * * *", 3.0)]);
    assert_eq!(
        changes(&early, "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T01:00:00+02:00 3", "2026-10-25T02:30:00+02:00 0"]
    );
    assert_eq!(early.at(at("2026-10-25T02:10:00+01:00")).to_bits(), 0_f64.to_bits());
}

#[test]
fn new_york_goes_forward() {
    let shift = schedule("America/New_York", vec![window("15 2 * * 0", "0 3 * * 1", 4.0)]);
    assert_eq!(
        changes(&shift, "2026-03-01T12:00:00Z", 5),
        [
            "2026-03-02T03:00:00-05:00 0",
            "2026-03-08T03:00:00-04:00 4",
            "2026-03-09T03:00:00-04:00 0",
            "2026-03-15T02:15:00-04:00 4",
            "2026-03-16T03:00:00-04:00 0",
        ]
    );
    assert_eq!(
        around(&shift, "2026-03-08T07:00:00Z"),
        ["2026-03-08T01:59:59-05:00 0", "2026-03-08T03:00:00-04:00 4", "2026-03-08T04:00:00-04:00 4"]
    );
}

#[test]
fn new_york_goes_back() {
    let night = schedule("America/New_York", vec![window("0 22 * * *", "30 1 * * *", 4.0)]);
    assert_eq!(
        changes(&night, "2026-10-30T12:00:00Z", 6),
        [
            "2026-10-30T22:00:00-04:00 4",
            "2026-10-31T01:30:00-04:00 0",
            "2026-10-31T22:00:00-04:00 4",
            "2026-11-01T01:30:00-04:00 0",
            "2026-11-01T22:00:00-05:00 4",
            "2026-11-02T01:30:00-05:00 0",
        ]
    );
    assert_eq!(
        around(&night, "2026-11-01T06:00:00Z"),
        ["2026-11-01T01:59:59-04:00 0", "2026-11-01T01:00:00-05:00 0", "2026-11-01T02:00:00-05:00 0"]
    );
}

#[test]
fn lord_howe_goes_forward_by_half_an_hour() {
    // 02:00 is 02:30.
    let night = schedule("Australia/Lord_Howe", vec![window("15 2 * * *", "0 5 * * *", 2.0)]);
    assert_eq!(
        changes(&night, "2026-10-02T12:00:00Z", 6),
        [
            "2026-10-03T02:15:00+10:30 2",
            "2026-10-03T05:00:00+10:30 0",
            "2026-10-04T02:30:00+11:00 2",
            "2026-10-04T05:00:00+11:00 0",
            "2026-10-05T02:15:00+11:00 2",
            "2026-10-05T05:00:00+11:00 0",
        ]
    );
    assert_eq!(
        around(&night, "2026-10-03T15:30:00Z"),
        ["2026-10-04T01:59:59+10:30 0", "2026-10-04T02:30:00+11:00 2", "2026-10-04T03:30:00+11:00 2"]
    );
}

#[test]
fn lord_howe_goes_back_by_half_an_hour() {
    // 02:00 is 01:30.
    let night = schedule("Australia/Lord_Howe", vec![window("45 1 * * *", "0 5 * * *", 2.0)]);
    assert_eq!(
        changes(&night, "2026-04-03T12:00:00Z", 6),
        [
            "2026-04-04T01:45:00+11:00 2",
            "2026-04-04T05:00:00+11:00 0",
            "2026-04-05T01:45:00+11:00 2",
            "2026-04-05T05:00:00+10:30 0",
            "2026-04-06T01:45:00+10:30 2",
            "2026-04-06T05:00:00+10:30 0",
        ]
    );
    assert_eq!(
        around(&night, "2026-04-04T15:00:00Z"),
        ["2026-04-05T01:59:59+11:00 2", "2026-04-05T01:30:00+10:30 2", "2026-04-05T02:30:00+10:30 2"]
    );
}

#[test]
fn a_window_that_the_clock_jumps_over_is_not_there() {
    for (start, end) in [("10 2 * * *", "50 2 * * *"), ("30 2 * * *", "0 3 * * *")] {
        let skipped = schedule("Europe/Amsterdam", vec![ramped(start, end, 3.0, 60)]);
        let days: Vec<String> = skipped
            .next(at("2026-03-28T12:00:00Z"), 3)
            .iter()
            .map(|change| skipped.local(change.at)[..10].to_owned())
            .collect();
        assert_eq!(days, ["2026-03-30"; 3], "{start} to {end}: its ramp is not there either");
    }
    // What ends within the gap is over before what starts behind it.
    let two = schedule("Europe/Amsterdam", vec![window("0 1,3 * * *", "30 2,5 * * *", 3.0)]);
    assert_eq!(
        changes(&two, "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T01:00:00+01:00 3", "2026-03-29T05:30:00+02:00 0"]
    );
}

#[test]
fn what_is_for_every_hour_goes_by_the_clock() {
    let half = schedule("Europe/Amsterdam", vec![window("0 * * * *", "30 * * * *", 1.0)]);
    let hours = |after: &str| -> Vec<String> {
        changes(&half, after, 6).iter().map(|line| line[11..].to_owned()).collect()
    };
    assert_eq!(
        hours("2026-03-29T00:40:00Z"),
        [
            "03:00:00+02:00 1",
            "03:30:00+02:00 0",
            "04:00:00+02:00 1",
            "04:30:00+02:00 0",
            "05:00:00+02:00 1",
            "05:30:00+02:00 0"
        ]
    );
    assert_eq!(
        hours("2026-10-24T23:40:00Z"),
        [
            "02:00:00+02:00 1",
            "02:30:00+02:00 0",
            "02:00:00+01:00 1",
            "02:30:00+01:00 0",
            "03:00:00+01:00 1",
            "03:30:00+01:00 0"
        ]
    );
}

#[test]
fn a_ramp_takes_its_time_whatever_the_clock_does() {
    let morning = schedule("Europe/Amsterdam", vec![ramped("0 4 * * *", "0 20 * * *", 2.0, 120)]);
    assert_eq!(
        changes(&morning, "2026-03-28T20:00:00Z", 2),
        ["2026-03-29T03:00:00+02:00 1", "2026-03-29T04:00:00+02:00 2"]
    );
}
