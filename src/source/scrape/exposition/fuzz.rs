//! Any bytes, read as a metrics page. The reader neither panics nor stalls; a page read in part gives
//! what it gives when read in whole; and what was read, written anew, reads the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Exposition, Format, MAX_LABELS, MAX_LINE, Malformed, Sample};

/// Reads `body` in both formats, in whole and in part.
pub(crate) fn check(body: &[u8]) {
    for format in [Format::Text, Format::OpenMetrics] {
        let whole = read(body, format, |_| true);
        // Half of the names.
        let is_wanted = |name: &str| name.bytes().map(u32::from).sum::<u32>().is_multiple_of(2);
        let part = read(body, format, is_wanted);
        match (whole, part) {
            (Ok(mut whole), Ok(part)) => {
                whole.retain(|row| is_wanted(row.name));
                assert_eq!(whole, part);
            }
            (Err(whole), Err(part)) => assert!(whole.line <= part.line, "{whole}, but in part {part}"),
            (Ok(_), Err(part)) => panic!("refused in part only: {part}"),
            // The fault is in a line that is not wanted.
            (Err(_), Ok(_)) => {}
        }
    }
}

/// A sample in a form that equals itself.
#[derive(Debug, PartialEq)]
struct Row<'a> {
    series: &'a [u8],
    name: &'a str,
    labels: Vec<(String, String)>,
    bits: u64,
    time: Option<i64>,
}

fn read(body: &[u8], format: Format, wanted: impl Fn(&str) -> bool) -> Result<Vec<Row<'_>>, Malformed> {
    let mut exposition = Exposition::new(body, format);
    let mut rows = Vec::new();
    loop {
        match exposition.next(&wanted) {
            Ok(Some(sample)) => rows.push(row(&sample, body)),
            Ok(None) => {
                assert!(matches!(exposition.next(&wanted), Ok(None)));
                return Ok(rows);
            }
            Err(error) => {
                assert!(error.line <= 1 + memchr::memchr_iter(b'\n', body).count());
                assert_eq!(exposition.next(&wanted).err(), Some(error));
                return Err(error);
            }
        }
        assert!(rows.len() <= body.len());
    }
}

fn row<'a>(sample: &Sample<'a>, body: &[u8]) -> Row<'a> {
    let labels: Vec<_> =
        sample.labels().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    assert!(body.as_ptr_range().contains(&sample.series.as_ptr()) && sample.series.len() <= MAX_LINE);
    assert!(!sample.name.is_empty() && labels.len() <= MAX_LABELS);
    assert!(labels.iter().all(|(name, _)| !name.is_empty() && name != "__name__"));
    let Sample { series, name, value, time, .. } = *sample;
    let row = Row { series, name, labels, bits: value.to_bits(), time };
    check_written_anew(&row);
    row
}

fn check_written_anew(row: &Row<'_>) {
    let mut line = format!("{{\"{}\"", row.name);
    for (name, value) in &row.labels {
        write!(line, ",\"{}\"=\"{}\"", escaped(name), escaped(value)).expect("a string takes all");
    }
    write!(line, "}} {}", f64::from_bits(row.bits)).expect("a string takes all");
    if let Some(time) = row.time {
        write!(line, " {time}").expect("a string takes all");
    }
    // Two names that are written differently may mean the same, and escapes take room.
    let names: BTreeMap<_, _> = row.labels.iter().cloned().collect();
    if names.len() < row.labels.len() || line.len() > MAX_LINE {
        return;
    }
    let mut exposition = Exposition::new(line.as_bytes(), Format::Text);
    let again = exposition.next(|_| true).expect("a page").expect("a sample");
    let labels: Vec<_> =
        again.labels().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    assert_eq!((again.name, &labels), (row.name, &row.labels));
    assert_eq!((again.value.to_bits(), again.time), (row.bits, row.time));
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
