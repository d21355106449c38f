//! Any bytes, read line by line as a schedule: start, end, dates, zone, a time in seconds.

use std::time::Duration;

use super::{Cron, Dates, Days, Schedule, Window, zone};
use crate::core::time::Timestamp;

/// Seconds of two hundred years, half of them before 1970.
const SECONDS: i64 = 100 * 366 * 86_400;

/// What is no pattern is refused at a place within it, and what is no date in words. Of a schedule, the value
/// at any time is one of those that it can have, and it stays until it changes.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (start, end) = (pattern(line()), pattern(line()));
    let days: Vec<Days> = line().split(',').filter_map(|days| Days::parse(days).ok()).collect();
    for days in &days {
        assert_eq!(Days::parse(&days.to_string()).as_ref(), Ok(days));
    }
    let zone = zone(line()).unwrap_or(jiff::tz::TimeZone::UTC);
    let seconds = line().parse::<i64>().unwrap_or(1_700_000_000) % SECONDS;
    let (Some(start), Some(end)) = (start, end) else { return };
    let ramp = Duration::from_secs(seconds.unsigned_abs() % 3 * 600);
    let dates = Dates { except: days, ..Dates::default() };
    let Ok(window) = Window::new(start, end, 3.0, ramp, dates) else { return };
    let schedule = Schedule::new(zone, vec![window], 1.0);
    let now = Timestamp::from_millis(seconds * 1000);
    let value = schedule.at(now);
    assert!((1.0..=3.0).contains(&value), "{value}");
    let until = schedule.until(now);
    assert!(until > now);
    assert_eq!(schedule.at(until.shifted(-1)).to_bits(), value.to_bits(), "until {}", schedule.local(until));
    let mut before = now;
    for change in schedule.next(now, 2) {
        assert!(change.at > before && (1.0..=3.0).contains(&change.value));
        before = change.at;
    }
}

fn pattern(text: &str) -> Option<Cron> {
    match Cron::parse(text) {
        Ok(cron) => Some(cron),
        Err(error) => {
            assert!(error.place.is_none_or(|place| text.get(place).is_some()), "{}", error.message);
            None
        }
    }
}
