//! One sample line.

use std::str;

use super::labels::Scan;
use super::number;
use super::{Fault, Format, MAX_LINE, Sample};

/// The name that a line begins with. `rest` is the page from there on.
pub(super) fn name(rest: &[u8]) -> Option<&str> {
    let length = rest.iter().position(|&byte| !is_name(byte))?;
    let is_whole = length > 0 && !rest[0].is_ascii_digit() && ends_name(rest[length]);
    str::from_utf8(&rest[..length]).ok().filter(|_| is_whole)
}

/// Whether a byte can follow a name.
pub(super) fn ends_name(byte: u8) -> bool {
    matches!(byte, b'{' | b' ' | b'\t')
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':')
}

/// Reads a line. `name` is its name, unless it begins with a brace. `names` is room to work in.
pub(super) fn read<'a>(
    line: &'a [u8],
    name: Option<&'a str>,
    format: Format,
    names: &mut Vec<&'a str>,
) -> Result<Sample<'a>, Fault> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > MAX_LINE {
        return Err(Fault::TooLong);
    }
    let line = str::from_utf8(line).map_err(|_| Fault::Encoding)?;
    let mut series = name.unwrap_or_default();
    let mut rest = trimmed(&line[series.len()..]);
    let (mut labels, mut quoted) = ("", None);
    if let Some(inside) = rest.strip_prefix('{') {
        let mut scan = Scan::new(inside);
        quoted = scan.check(names)?;
        (labels, rest) = inside.split_at(scan.at());
        series = &line[..line.len() - rest.len()];
        rest = trimmed(rest);
    }
    let ((Some(name), None) | (None, Some(name))) = (name, quoted) else { return Err(Fault::Name) };
    let (value, rest) = token(rest);
    let value = number::value(value).ok_or(Fault::Value)?;
    let is_over = |rest: &str| rest.is_empty() || format == Format::OpenMetrics && rest.starts_with('#');
    let (time, rest) = if is_over(rest) {
        (None, rest)
    } else {
        let (time, rest) = token(rest);
        (Some(number::time(time, format).ok_or(Fault::Time)?), rest)
    };
    if !is_over(rest) {
        return Err(Fault::Surplus);
    }
    Ok(Sample { series: series.as_bytes(), name, value, time, labels })
}

/// What precedes the next blank, and what follows the blanks.
fn token(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
    let (token, rest) = text.split_at(end);
    (token, trimmed(rest))
}

/// The text without the blanks it begins with.
fn trimmed(text: &str) -> &str {
    &text[text.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count()..]
}
