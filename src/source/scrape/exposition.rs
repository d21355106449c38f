//! Reads metrics pages: the Prometheus text format and OpenMetrics.
//!
//! Nothing is copied and nothing is allocated for a line. A page has hundreds of lines of which a
//! few are wanted: until its name turns out to be wanted, a line costs its name and the way to its
//! end. Time is linear in the page's length.
//!
//! A page with a malformed line is to be refused whole, as Prometheus refuses it: half a page gives
//! half of a sum. What is malformed follows the parsers of Prometheus's scraper, with exceptions.
//!
//! Accepted here, refused there:
//! - Of a line that is not wanted, the name must be well-formed and nothing else. Comments are
//!   skipped unread, `HELP`, `TYPE` and `UNIT` too, and so are exemplars: none changes a sample.
//! - Lines may end in CRLF, as some proxies and hand-written exporters send them.
//! - OpenMetrics may have the blank lines, comments and spacing of the text format. Its end mark is
//!   required: without it a page that was cut short looks whole.
//! - In the text format a line may begin with blanks and a time with a sign, as for
//!   `promtool check metrics`.
//!
//! Refused here, accepted there:
//! - A line feed in a label value of the text format, where the format wants it escaped.
//! - Labels without a comma between them, a value right after a name, and a zero byte instead of a
//!   line, where Prometheus takes the page to end.
//! - A label `__name__` or two of one name, and an empty name in quotes: Prometheus refuses them at
//!   its next step.
//! - Lines above [`MAX_LINE`], more than [`MAX_LABELS`] labels in one, and times of OpenMetrics that
//!   64 bits of milliseconds cannot hold.
//!
//! Times of OpenMetrics are rounded to the millisecond. Prometheus cuts them off, which makes
//! 1000 ms of 1.001 s.

use memchr::{memchr, memchr_iter};

pub use self::labels::{Labels, MAX_LABELS};
pub use self::malformed::{Fault, Malformed};

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod labels;
mod line;
mod malformed;
mod number;
#[cfg(test)]
mod tests;

/// The longest line that is read, in bytes.
pub const MAX_LINE: usize = 64 << 10;

/// The last line of an OpenMetrics page.
const END_MARK: &[u8] = b"# EOF";

/// Which of the two text formats a page is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The Prometheus text format.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// From the value of a `Content-Type` header, whose parameters do not matter. `Text` when there
    /// is none; `None` when it names something else, such as protobuf, JSON or HTML.
    pub fn of(content_type: Option<&str>) -> Option<Self> {
        let content_type = content_type.unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is = |name| media_type.eq_ignore_ascii_case(name);
        if is("") || is("text/plain") {
            Some(Self::Text)
        } else if is("application/openmetrics-text") {
            Some(Self::OpenMetrics)
        } else {
            None
        }
    }
}

/// One sample line.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Name and labels as they are written: the same bytes mean the same series, so that they can
    /// serve as a key without being decoded.
    pub series: &'a [u8],
    /// The metric's name. One in quotes is given as it stands between them, its escapes not decoded.
    pub name: &'a str,
    /// The value. Every NaN is the same one.
    pub value: f64,
    /// The sample's own time in milliseconds since the Unix epoch, if the line has one.
    pub time: Option<i64>,
    /// What is between the braces, well-formed.
    labels: &'a str,
}

impl<'a> Sample<'a> {
    /// The labels in the order written, decoded: name and value. No name is written twice.
    pub fn labels(&self) -> Labels<'a> {
        Labels::new(self.labels)
    }
}

/// A page, read sample by sample.
#[derive(Debug)]
pub struct Exposition<'a> {
    body: &'a [u8],
    format: Format,
    /// Where the next line begins, or what follows its leading blanks.
    at: usize,
    /// The latest name and whether it is wanted: the samples of a name come in a row.
    latest: Option<(&'a str, bool)>,
    /// The label names of one line, kept for their room.
    names: Vec<&'a str>,
}

impl<'a> Exposition<'a> {
    /// A reader of `body`, a whole page.
    pub fn new(body: &'a [u8], format: Format) -> Self {
        Self { body, format, at: 0, latest: None, names: Vec::new() }
    }

    /// The next sample whose name `wanted` accepts; `None` at the end of the page.
    ///
    /// `wanted` is asked once for lines in a row that have the same name, so that its answer must
    /// depend on nothing else. Lines with a name in quotes are read whole before it is asked.
    ///
    /// # Errors
    /// The page is malformed and is to be refused whole. Every further call says the same.
    pub fn next(&mut self, mut wanted: impl FnMut(&str) -> bool) -> Result<Option<Sample<'a>>, Malformed> {
        loop {
            let rest = &self.body[self.at..];
            let passed = match rest {
                [] if self.format == Format::Text => return Ok(None),
                [] => return Err(self.malformed(Fault::NoEndMark)),
                [b' ' | b'\t' | b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..] => 1,
                [b'#', ..] if self.format == Format::OpenMetrics && is_end_mark(rest) => {
                    let is_last = rest[END_MARK.len()..].iter().all(u8::is_ascii_whitespace);
                    return if is_last { Ok(None) } else { Err(self.malformed(Fault::AfterEndMark)) };
                }
                [b'#', ..] => line_length(rest),
                [b'{', ..] => {
                    let length = line_length(rest);
                    let sample = self.read(&rest[..length], None)?;
                    if wanted(sample.name) {
                        self.at += length;
                        return Ok(Some(sample));
                    }
                    length
                }
                _ => {
                    let (name, is_wanted) = match self.latest {
                        Some((name, is_wanted)) if begins_with_name(rest, name) => (name, is_wanted),
                        _ => {
                            let name = line::name(rest).ok_or_else(|| self.malformed(Fault::Name))?;
                            *self.latest.insert((name, wanted(name)))
                        }
                    };
                    let length = name.len() + line_length(&rest[name.len()..]);
                    if is_wanted {
                        let sample = self.read(&rest[..length], Some(name))?;
                        self.at += length;
                        return Ok(Some(sample));
                    }
                    length
                }
            };
            self.at += passed;
        }
    }

    /// Reads `line`, which is at `self.at`.
    fn read(&mut self, line: &'a [u8], name: Option<&'a str>) -> Result<Sample<'a>, Malformed> {
        line::read(line, name, self.format, &mut self.names).map_err(|what| self.malformed(what))
    }

    /// The error that the line at `self.at` is.
    #[cold]
    fn malformed(&self, what: Fault) -> Malformed {
        Malformed { line: 1 + memchr_iter(b'\n', &self.body[..self.at]).count(), what }
    }
}

/// How far it is to the next line, or to the end of the page.
fn line_length(rest: &[u8]) -> usize {
    memchr(b'\n', rest).map_or(rest.len(), |end| end + 1)
}

/// Whether this is the name of the line, and nothing longer.
fn begins_with_name(rest: &[u8], name: &str) -> bool {
    rest.starts_with(name.as_bytes()) && rest.get(name.len()).is_some_and(|&next| line::ends_name(next))
}

/// Whether this line is the end mark.
fn is_end_mark(rest: &[u8]) -> bool {
    rest.strip_prefix(END_MARK)
        .is_some_and(|after| matches!(after, [] | [b'\n', ..] | [b'\r'] | [b'\r', b'\n', ..]))
}
