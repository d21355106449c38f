//! Cron patterns on the clock of a place.
//!
//! A pattern says what the clock shows; a time zone says when it shows that. Where clocks go forward, some
//! times are never shown, and where they go back, some are shown twice:
//!
//! - A time that is skipped counts when the clock has jumped: 02:30 is at 03:00 on that day.
//! - A time that is repeated counts when it is shown first.
//! - A pattern for every hour (`*` or `*/2` as its hour) goes by the clock as it is: what is skipped is
//!   left out, and what is repeated counts twice. It would otherwise pile up at the jump.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use croner::parser::{CronParser, Seconds, Year};
use croner::{CronPattern, Weekday};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::core::time::Timestamp;

/// So many days are looked at: a leap day that has to be a Monday comes every 28 years, or 40 around 2100.
const HORIZON: u32 = 41 * 366;

/// Every minute of an hour as a list fits, and more than one of them.
const LONGEST: usize = 400;

/// Where the calendar is looked at for what does not depend on now.
const REFERENCE: Date = jiff::civil::date(2000, 1, 1);

/// A field: what it is, what it may hold, and its words.
const FIELDS: [(&str, &str, &[&str]); 5] = [
    ("minute", "0 to 59", &[]),
    ("hour", "0 to 23", &[]),
    (
        "day of the month",
        "1 to 31, `L` for the last one, or `15W` for the working day next to it",
        &["L", "W", "LW"],
    ),
    (
        "month",
        "1 to 12, or JAN to DEC",
        &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    ),
    (
        "day of the week",
        "0 to 7 with Sunday as 0 and 7, SUN to SAT, `FRI#2` for the second Friday, or `FRIL` for the last",
        &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "L"],
    ),
];

/// A pattern of five fields: minute, hour, day of the month, month, day of the week.
#[derive(Debug, Clone)]
pub struct Cron {
    text: String,
    pattern: CronPattern,
    /// The times of its days, in order.
    times: Vec<Time>,
    /// Whether it is for every hour.
    by_clock: bool,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadCron {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
    /// Which bytes of the text are to blame.
    pub place: Option<Range<usize>>,
}

/// A point in time, and what the pattern calls it. Of those at one time, as after a jump of the clock, the
/// pattern's own times decide the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) at: Timestamp,
    shown: DateTime,
}

impl Cron {
    /// How often it comes on one of its days.
    pub fn times_a_day(&self) -> usize {
        self.times.len()
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong and where; also for a pattern that no day matches, such as 30 February.
    pub fn parse(text: &str) -> Result<Self, BadCron> {
        if text.len() > LONGEST {
            return Err(BadCron {
                message: format!("a pattern has at most {LONGEST} characters"),
                hint: "use ranges and steps, like `8-18` and `*/5`".to_owned(),
                place: None,
            });
        }
        let fields: Vec<(usize, &str)> = text
            .split_whitespace()
            .map(|field| (field.as_ptr() as usize - text.as_ptr() as usize, field))
            .collect();
        let [_, (_, hour), ..] = fields[..] else { return Err(miscounted(text, fields.len())) };
        if fields.len() != FIELDS.len() {
            return Err(miscounted(text, fields.len()));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        for (index, (offset, field)) in fields.iter().enumerate() {
            let (what, allowed, words) = FIELDS[index];
            // By itself, to know which one is to blame.
            let mut alone = ["*"; 5];
            alone[index] = field;
            if !is_plausible(field, words) || parser.parse(&alone.join(" ")).is_err() {
                return Err(BadCron {
                    message: format!("`{field}` is no {what}"),
                    hint: format!("write {allowed}; also `*`, lists, ranges and steps like `*/5`"),
                    place: Some(*offset..offset + field.len()),
                });
            }
        }
        let by_clock = hour.contains('*');
        let text = fields.iter().map(|(_, field)| *field).collect::<Vec<_>>().join(" ");
        let pattern = parser.parse(&text).map_err(|_| miscounted(&text, fields.len()))?.pattern;
        let hours = pattern.hours.values();
        let minutes = pattern.minutes.values();
        let times = hours.iter().flat_map(|hour| minutes.iter().map(|minute| (*hour, *minute)));
        let times = times.filter_map(|(hour, minute)| Time::new(hour as i8, minute as i8, 0, 0).ok());
        let cron = Self { text, times: times.collect(), pattern, by_clock };
        if cron.times.is_empty() || !cron.comes(|_| true) {
            return Err(BadCron {
                message: format!("`{}` never comes: no day is like that", cron.text),
                hint: "see the day of the month, the month and the day of the week".to_owned(),
                place: None,
            });
        }
        Ok(cron)
    }

    /// Whether it means the same times as `other`, however written.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.times == other.times
            && days(REFERENCE).take(5 * 366).all(|day| self.matches(day) == other.matches(day))
    }

    /// Whether any day from `first` to `last` matches and is admitted, a cycle of the calendar at most.
    pub(super) fn comes_within(&self, first: Date, last: Date, admits: impl Fn(Date) -> bool) -> bool {
        let days = days(first).take(HORIZON as usize).take_while(|day| *day <= last);
        days.into_iter().any(|day| self.matches(day) && admits(day))
    }

    /// Whether any day of a cycle of the calendar matches and is admitted.
    pub(super) fn comes(&self, admits: impl Fn(Date) -> bool) -> bool {
        self.comes_within(REFERENCE, Date::MAX, admits)
    }

    /// The latest moment up to `now` whose date is admitted.
    pub(super) fn before(
        &self,
        zone: &TimeZone,
        now: Timestamp,
        admits: impl Fn(Date) -> bool,
    ) -> Option<Moment> {
        // A day of tomorrow's date can have begun: a clock that goes back at midnight shows it twice.
        let mut date = today(zone, now)?.tomorrow().ok()?;
        let mut found: Option<Moment> = None;
        let mut left = HORIZON;
        while left > 0 {
            if self.matches(date) && admits(date) {
                let latest = self.moments(zone, date).into_iter().filter(|moment| moment.at <= now).max();
                found = found.max(latest);
            }
            left = if found.is_some() { left.min(2) } else { left } - 1;
            let Ok(yesterday) = date.yesterday() else { break };
            date = yesterday;
        }
        found
    }

    /// The earliest moment after `now` whose date is admitted.
    pub(super) fn after(
        &self,
        zone: &TimeZone,
        now: Timestamp,
        admits: impl Fn(Date) -> bool,
    ) -> Option<Moment> {
        let mut date = today(zone, now)?.yesterday().ok()?;
        let mut found: Option<Moment> = None;
        let mut left = HORIZON;
        while left > 0 {
            if self.matches(date) && admits(date) {
                let earliest = self.moments(zone, date).into_iter().filter(|moment| moment.at > now).min();
                found = [found, earliest].into_iter().flatten().min();
            }
            left = if found.is_some() { left.min(2) } else { left } - 1;
            let Ok(tomorrow) = date.tomorrow() else { break };
            date = tomorrow;
        }
        found
    }

    fn matches(&self, date: Date) -> bool {
        let (month, day) = (date.month() as u32, date.day() as u32);
        let weekday = Weekday::from_days_from_sunday(date.weekday().to_sunday_zero_offset() as u32);
        self.pattern.month_match(month).unwrap_or(false)
            && self.pattern.day_match(date.year().into(), month, day, weekday).unwrap_or(false)
    }

    fn moments(&self, zone: &TimeZone, date: Date) -> Vec<Moment> {
        let mut moments = Vec::with_capacity(self.times.len());
        for time in &self.times {
            let shown = date.to_datetime(*time);
            let known = zone.to_ambiguous_timestamp(shown);
            let (first, second) = match known.offset() {
                AmbiguousOffset::Unambiguous { .. } => (known.unambiguous().ok(), None),
                AmbiguousOffset::Fold { .. } => {
                    (known.earlier().ok(), known.later().ok().filter(|_| self.by_clock))
                }
                AmbiguousOffset::Gap { .. } if self.by_clock => (None, None),
                AmbiguousOffset::Gap { .. } => {
                    let jump = known.earlier().ok().and_then(|before| zone.following(before).next());
                    (jump.map(|jump| jump.timestamp()), None)
                }
            };
            let moment =
                |at: jiff::Timestamp| Moment { at: Timestamp::from_millis(at.as_millisecond()), shown };
            moments.extend(first.into_iter().chain(second).map(moment));
        }
        moments
    }
}

/// The date at `now`; `None` beyond the calendar.
fn today(zone: &TimeZone, now: Timestamp) -> Option<Date> {
    let now = jiff::Timestamp::from_millisecond(now.as_millis()).ok()?;
    Some(zone.to_datetime(now).date())
}

/// The days from `first` on.
fn days(first: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |date| date.tomorrow().ok())
}

fn miscounted(text: &str, count: usize) -> BadCron {
    let known = match text.trim().to_ascii_lowercase().as_str() {
        "@yearly" | "@annually" => Some("0 0 1 1 *"),
        "@monthly" => Some("0 0 1 * *"),
        "@weekly" => Some("0 0 * * 0"),
        "@daily" | "@midnight" => Some("0 0 * * *"),
        "@hourly" => Some("0 * * * *"),
        _ => None,
    };
    BadCron {
        message: format!("a pattern has five fields, not {count}"),
        hint: known.map_or_else(
            || {
                "they are minute, hour, day of the month, month and day of the week, like `30 7 * * 1-5`"
                    .to_owned()
            },
            |known| format!("write `{known}`"),
        ),
        place: None,
    }
}

/// Whether a field has only words that belong there and leaves none of its parts empty: the parser replaces
/// words wherever they stand and reads over what is empty.
fn is_plausible(field: &str, words: &[&str]) -> bool {
    let upper = field.to_ascii_uppercase();
    // `FRIL` and `FRI#L` are two words.
    let named = |word: &str| {
        let (name, last) = word.split_at(word.len().min(3));
        word.is_empty()
            || words.contains(&word)
            || (words.contains(&name) && last == "L" && words.contains(&last))
    };
    field.is_ascii()
        && upper.split(',').all(|part| !part.is_empty())
        && upper.split(|c: char| !c.is_ascii_alphabetic()).all(named)
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl Hash for Cron {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
