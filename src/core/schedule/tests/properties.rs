//! Random windows against a walk through the minutes that knows nothing of how they are looked up.

use jiff::ToSpan;
use jiff::civil::DateTime;
use proptest::prelude::*;

use super::*;

/// A zone, and a jump of its clocks.
const JUMPS: [(&str, &str); 7] = [
    ("Europe/Amsterdam", "2026-03-29T01:00:00Z"),
    ("Europe/Amsterdam", "2026-10-25T01:00:00Z"),
    ("America/New_York", "2026-03-08T07:00:00Z"),
    ("America/New_York", "2026-11-01T06:00:00Z"),
    ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
    ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
    // Back at midnight, so that a date comes twice.
    ("Asia/Beirut", "2026-10-24T21:00:00Z"),
];

/// A pattern in pieces.
#[derive(Debug, Clone)]
struct Plain {
    minutes: Vec<i8>,
    /// `None` for every hour.
    hours: Option<Vec<i8>>,
    /// From Sunday; `None` for all.
    weekdays: Option<Vec<i8>>,
}

impl Plain {
    fn text(&self) -> String {
        let list = |items: &[i8]| items.iter().map(i8::to_string).collect::<Vec<_>>().join(",");
        let or_all = |items: &Option<Vec<i8>>| items.as_deref().map_or("*".to_owned(), list);
        format!("{} {} * * {}", list(&self.minutes), or_all(&self.hours), or_all(&self.weekdays))
    }

    fn matches(&self, shown: DateTime) -> bool {
        let among = |items: &Option<Vec<i8>>, item| items.as_ref().is_none_or(|items| items.contains(&item));
        self.minutes.contains(&shown.minute())
            && among(&self.hours, shown.hour())
            && among(&self.weekdays, shown.weekday().to_sunday_zero_offset())
    }

    /// Whether it comes in a minute that shows this: `late` if it is made up for what was skipped, and
    /// `again` if it was shown before.
    fn comes(&self, shown: DateTime, late: bool, again: bool) -> bool {
        self.matches(shown) && (self.hours.is_none() && !late || self.hours.is_some() && !again)
    }
}

/// Whether a window is open in each minute from `from` on, known once an end or start has been seen.
fn walk(zone: &TimeZone, from: Timestamp, minutes: i64, start: &Plain, end: &Plain) -> Vec<Option<bool>> {
    let shown = |minute: i64| {
        let at = from.shifted(minute * 60_000);
        zone.to_datetime(jiff::Timestamp::from_millisecond(at.as_millis()).unwrap())
    };
    let (mut latest, mut is_open) = (shown(-1), None);
    let mut before = latest;
    let mut states = Vec::new();
    for minute in 0..minutes {
        let now = shown(minute);
        let mut see = |at: DateTime, late: bool, again: bool| {
            if end.comes(at, late, again) {
                is_open = Some(false);
            }
            if start.comes(at, late, again) {
                is_open = Some(true);
            }
        };
        let mut skipped = before.checked_add(1.minute()).unwrap();
        while skipped < now {
            see(skipped, true, false);
            skipped = skipped.checked_add(1.minute()).unwrap();
        }
        see(now, false, now <= latest);
        states.push(is_open);
        (before, latest) = (now, latest.max(now));
    }
    states
}

fn some(from: std::ops::Range<i8>, most: usize) -> impl Strategy<Value = Vec<i8>> {
    proptest::collection::btree_set(from, 1..=most).prop_map(|set| set.into_iter().collect())
}

fn plain() -> impl Strategy<Value = Plain> {
    // Mostly within the hours in which clocks jump.
    let hours = prop_oneof![some(0..5, 2), some(0..24, 3)];
    let hours = proptest::option::weighted(0.8, hours);
    let weekdays = proptest::option::weighted(0.4, some(0..7, 4));
    (some(0..60, 3), hours, weekdays).prop_map(|(minutes, hours, weekdays)| Plain {
        minutes,
        hours,
        weekdays,
    })
}

const MINUTES: i64 = 21 * 24 * 60;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_minute_of_three_weeks_around_a_jump(
        (zone_name, jump) in proptest::sample::select(&JUMPS[..]),
        start in plain(),
        end in plain(),
    ) {
        let (from, to) = (Cron::parse(&start.text()).unwrap(), Cron::parse(&end.text()).unwrap());
        let Ok(window) = Window::new(from, to, 1.0, Duration::ZERO, Dates::default()) else { return Ok(()) };
        let schedule = schedule(zone_name, vec![window]);
        // A week and a bit is enough to have seen everything once.
        let first = at(jump).shifted(-(MINUTES / 2) * 60_000);
        let minute = |index: usize| first.plus(Duration::from_mins(index as u64));
        let states = walk(&schedule.zone, first, MINUTES, &start, &end);
        let mut expected = Vec::new();
        let warm = 8 * 24 * 60;
        for index in warm..states.len() {
            let is_open = states[index].expect("each comes once a week");
            let has_changed = states[index - 1] != states[index];
            if has_changed || index % 61 == 0 {
                prop_assert_eq!(schedule.at(minute(index)) > 0.5, is_open, "at {}", schedule.local(minute(index)));
            }
            if has_changed && index > warm {
                expected.push((minute(index), is_open));
            }
        }
        let mut found = Vec::new();
        let mut now = minute(warm);
        while found.len() < expected.len() {
            let next = schedule.next(now, 20);
            prop_assert!(!next.is_empty(), "after {}", schedule.local(now));
            // The walk is over before what comes next may be.
            found.extend(next.iter().map(|change| (change.at, change.value > 0.5)));
            now = next.last().map_or(now, |last| last.at);
            prop_assert!(schedule.until(now) > now);
        }
        found.truncate(expected.len());
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_text_is_too_odd(text in "[0-9*/,L#?+WMONFRIJA \\-]{0,24}", wild in any::<String>()) {
        for text in [text, wild] {
            if let Err(error) = Cron::parse(&text) && let Some(place) = error.place {
                prop_assert!(text.get(place).is_some());
            }
            let _ = Days::parse(&text);
        }
    }
}
