//! Patterns and dates as people write them.

use super::*;

#[test]
fn patterns_are_read() {
    for (text, first) in [
        ("30 7 * * 1-5", "2026-11-23T07:30"),
        ("  30   7 * *  MON-FRI ", "2026-11-23T07:30"),
        ("*/20 8 * * *", "2026-11-23T08:00"),
        ("0 0 1 * *", "2026-12-01T00:00"),
        ("0 0 L * *", "2026-11-30T00:00"),
        ("0 0 LW * *", "2026-11-30T00:00"),
        ("0 0 15W jan *", "2027-01-15T00:00"),
        ("0 0 * * FRI#2", "2026-12-11T00:00"),
        ("0 0 * * FRIL", "2026-11-27T00:00"),
        ("0 0 * * 5L", "2026-11-27T00:00"),
        ("0 0 13 * +FRI", "2027-08-13T00:00"),
        // One or the other, as everywhere.
        ("0 0 13 * FRI", "2026-11-27T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 29 2 +MON", "2044-02-29T00:00"),
        ("0 12 * * 7", "2026-11-29T12:00"),
    ] {
        let cron = Cron::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let next = cron.after(&TimeZone::UTC, at("2026-11-22T23:00:00Z"), |_| true).unwrap();
        assert_eq!(next.at, at(&format!("{first}:00Z")), "{text}");
        let back = cron.before(&TimeZone::UTC, next.at, |_| true);
        assert_eq!(back, Some(next), "{text}");
    }
    assert_eq!(Cron::parse(" 0  8 * * 1").unwrap().to_string(), "0 8 * * 1");
}

#[test]
fn mistakes_are_found_where_they_are() {
    for (text, message, place) in [
        ("61 7 * * 1-5", "`61` is no minute", Some(0..2)),
        ("30 24 * * *", "`24` is no hour", Some(3..5)),
        ("30 7 0 * *", "`0` is no day of the month", Some(5..6)),
        ("30 7 * 13 *", "`13` is no month", Some(7..9)),
        ("30 7 * * MON-FRY", "`MON-FRY` is no day of the week", Some(9..16)),
        ("30 7 * * 1,,2", "`1,,2` is no day of the week", Some(9..13)),
        ("MON 7 * * *", "`MON` is no minute", Some(0..3)),
        ("30 7 * MON *", "`MON` is no month", Some(7..10)),
        ("30 L * * *", "`L` is no hour", Some(3..4)),
        ("30 7 * * é", "`é` is no day of the week", Some(9..11)),
        ("30 7 * * MONDAY", "`MONDAY` is no day of the week", Some(9..15)),
        ("*/0 7 * * *", "`*/0` is no minute", Some(0..3)),
        ("30 8-7 * * *", "`8-7` is no hour", Some(3..6)),
        ("30 7 * *", "a pattern has five fields, not 4", None),
        ("0 30 7 * * 1-5", "a pattern has five fields, not 6", None),
        ("", "a pattern has five fields, not 0", None),
        ("@daily", "a pattern has five fields, not 1", None),
        ("0 0 30 2 *", "`0 0 30 2 *` never comes: no day is like that", None),
        ("0 0 31 4,6,9,11 *", "`0 0 31 4,6,9,11 *` never comes: no day is like that", None),
        ("0 0 1 * +MON#2", "`0 0 1 * +MON#2` never comes: no day is like that", None),
    ] {
        let error = Cron::parse(text).expect_err(text);
        assert_eq!((error.message.as_str(), error.place.clone()), (message, place), "{text}");
        assert!(!error.hint.is_empty(), "{text}");
    }
    assert_eq!(Cron::parse("@Daily").unwrap_err().hint, "write `0 0 * * *`");
}

#[test]
fn dates_are_read_and_written() {
    for text in ["2026-12-25", "12-25", "2026-12-24..2027-01-01", "12-24..01-01", "02-29", "01-01..12-31"] {
        assert_eq!(Days::parse(text).unwrap().to_string(), text);
    }
    for (text, why) in [
        ("2026-02-29", "`2026-02-29` is no date"),
        ("02-30", "`02-30` is no date"),
        ("25-12", "`25-12` is no date"),
        ("2026-1-5", "`2026-1-5` is no date"),
        ("20261225", "`20261225` is no date"),
        ("2026-12-25..12-26", "`2026-12-25..12-26` is no date"),
        ("2026-12-25..", "`2026-12-25..` is no date"),
        ("2027-01-01..2026-12-24", "2026-12-24 is before 2027-01-01"),
    ] {
        assert_eq!(Days::parse(text).unwrap_err(), why);
    }
    let turn = Days::parse("12-24..01-01").unwrap();
    let among = |text: &str| turn.contains(text.parse().unwrap());
    assert!(among("2026-12-24") && among("2030-01-01") && !among("2026-12-23") && !among("2026-01-02"));
}

#[test]
fn zones_are_known_by_their_names() {
    assert!(zone("UTC").is_some() && zone("America/New_York").is_some() && zone("Etc/GMT+2").is_some());
    assert!(zone("Europe/Atlantis").is_none() && zone("").is_none() && zone("Etc/Unknown").is_none());
    assert!(zone_names().count() > 400);
}
