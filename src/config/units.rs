//! Durations and sizes as people write them.

use super::source::quoted;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Why a text is not a value of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub(super) message: String,
    pub(super) hint: Option<String>,
    pub(super) place: Option<Range<usize>>,
}

impl Refusal {
    /// A refusal with its reason.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, place: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Adds which byte of the text is to blame.
    #[must_use]
    pub fn at(self, offset: usize) -> Self {
        self.over(offset..offset + 1)
    }

    /// Adds which bytes of the text are to blame.
    #[must_use]
    pub fn over(self, place: Range<usize>) -> Self {
        Self { place: Some(place), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

impl std::error::Error for Refusal {}

const DURATION_UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Reads a positive duration: `500ms`, `15s`, `1m30s`, `1d`. Units go from large to small, as in Prometheus.
pub fn parse_duration(text: &str) -> Result<Duration, Refusal> {
    let refuse =
        |hint: &str| Err(Refusal::new(format!("expected a duration, found {}", quoted(text))).hint(hint));
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return refuse(&format!("write {}", quoted(&format!("{text}s"))));
    }
    let usage = "write whole numbers with the units d, h, m, s, ms, like `1m30s`";
    let mut units = DURATION_UNITS.iter();
    let mut millis = 0_u64;
    let mut rest = text;
    while !rest.is_empty() {
        let (digits, tail) = split_number(rest);
        let unit_end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, after) = tail.split_at(unit_end);
        // Searching on from the last unit rejects what is out of order or repeated.
        let (Ok(count), Some((_, scale))) = (digits.parse::<u64>(), units.find(|(name, _)| *name == unit))
        else {
            return refuse(usage);
        };
        let Some(sum) = count.checked_mul(*scale).and_then(|part| millis.checked_add(part)) else {
            return refuse("that is too long");
        };
        millis = sum;
        rest = after;
    }
    match (text, millis) {
        ("", _) => refuse(usage),
        (_, 0) => refuse("it must be longer than zero"),
        _ => Ok(Duration::from_millis(millis)),
    }
}

/// Reads a positive number of bytes: `1000000`, `8MiB`, `64Mi`, `5MB`.
pub fn parse_size(text: &str) -> Result<u64, Refusal> {
    let refuse =
        |hint: &str| Err(Refusal::new(format!("expected a size, found {}", quoted(text))).hint(hint));
    let (digits, unit) = split_number(text);
    let scale: u64 = match unit.strip_suffix('B').unwrap_or(unit) {
        "" => 1,
        "k" => 1000,
        "M" => 1000_u64.pow(2),
        "G" => 1000_u64.pow(3),
        "T" => 1000_u64.pow(4),
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        _ => return refuse("write a whole number of bytes, or one with a unit, like `8MiB` or `5MB`"),
    };
    if digits.is_empty() {
        return refuse("write a number in front of the unit, like `8MiB`");
    }
    match parse_whole(digits)?.checked_mul(scale) {
        None => refuse("that is too large"),
        Some(0) => refuse("it must be more than zero"),
        Some(bytes) => Ok(bytes),
    }
}

/// Reads a whole number, without anything that one dialect of YAML or another takes for something else.
pub(super) fn parse_whole(text: &str) -> Result<u64, Refusal> {
    let refusal = Refusal::new(format!("expected a whole number, found {}", quoted(text)));
    let digits = text.replace('_', "");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(refusal);
    }
    let significant = digits.trim_start_matches('0');
    let canonical = if significant.is_empty() { "0" } else { significant };
    if canonical != text {
        return Err(refusal.hint(format!("write {}", quoted(canonical))));
    }
    text.parse().map_err(|_| refusal.hint("that is too large"))
}

fn split_number(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}
