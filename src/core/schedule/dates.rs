//! Dates on which windows do not open, or on which alone they do: holidays and the like.

use std::fmt;

use jiff::civil::Date;

/// A day or several in a row: of one year, or of every year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Days {
    /// From a date to a date, both included.
    Dated(Date, Date),
    /// The same from month and day to month and day, in every year. The second may come before the first:
    /// `12-24..01-01`.
    Yearly((i8, i8), (i8, i8)),
}

impl Days {
    /// Reads `2026-12-25`, `12-25`, `2026-12-24..2027-01-01` or `12-24..01-01`.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        match (date(first), date(last), of_year(first), of_year(last)) {
            (Some(first), Some(last), ..) if first <= last => Ok(Self::Dated(first, last)),
            (Some(_), Some(_), ..) => Err(format!("{last} is before {first}")),
            (_, _, Some(first), Some(last)) => Ok(Self::Yearly(first, last)),
            _ => Err(format!("`{text}` is no date")),
        }
    }

    /// Whether `date` is one of them.
    pub fn contains(&self, date: Date) -> bool {
        match *self {
            Self::Dated(first, last) => (first..=last).contains(&date),
            Self::Yearly(first, last) => {
                let day = (date.month(), date.day());
                if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last }
            }
        }
    }
}

/// `2026-12-25`, every digit of it.
fn date(text: &str) -> Option<Date> {
    text.parse().ok().filter(|date: &Date| date.to_string() == text)
}

/// `12-25`, or `02-29`.
fn of_year(text: &str) -> Option<(i8, i8)> {
    let leap = date(&format!("2000-{text}"))?;
    Some((leap.month(), leap.day()))
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_year = |(month, day): &(i8, i8)| format!("{month:02}-{day:02}");
        let (first, last) = match self {
            Self::Dated(first, last) => (first.to_string(), last.to_string()),
            Self::Yearly(first, last) => (of_year(first), of_year(last)),
        };
        if first == last { f.write_str(&first) } else { write!(f, "{first}..{last}") }
    }
}

/// The dates on which a window may open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Dates {
    /// Not on these.
    pub except: Vec<Days>,
    /// On these alone, unless there are none here.
    pub only: Vec<Days>,
}

impl Dates {
    /// Whether a window may open on `date`.
    pub fn admit(&self, date: Date) -> bool {
        let among = |days: &[Days]| days.iter().any(|days| days.contains(date));
        (self.only.is_empty() || among(&self.only)) && !among(&self.except)
    }

    /// The ranges of one year's dates on which alone it may.
    pub(super) fn dated(&self) -> impl Iterator<Item = (Date, Date)> {
        self.only.iter().filter_map(|days| match days {
            Days::Dated(first, last) => Some((*first, *last)),
            Days::Yearly(..) => None,
        })
    }
}

impl fmt::Display for Dates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, days) in [("except on", &self.except), ("only on", &self.only)] {
            if !days.is_empty() {
                let days: Vec<String> = days.iter().map(Days::to_string).collect();
                write!(f, " {what} {}", days.join(", "))?;
            }
        }
        Ok(())
    }
}
