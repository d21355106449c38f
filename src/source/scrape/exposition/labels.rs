//! What is between the braces.

use std::borrow::Cow;
use std::iter::FusedIterator;

use memchr::memchr2;

use super::Fault;

/// The most labels of a line.
pub const MAX_LABELS: usize = 128;

/// The label that holds the metric's name, which therefore nobody may write.
const METRIC_NAME: &str = "__name__";

/// The labels of a sample in the order written, decoded: name and value.
#[derive(Debug, Clone)]
pub struct Labels<'a>(Scan<'a>);

impl<'a> Labels<'a> {
    /// Of the text after an opening brace, which has been checked; or of none.
    pub(super) fn new(inside: &'a str) -> Self {
        Self(Scan::new(inside))
    }
}

impl<'a> Iterator for Labels<'a> {
    type Item = (Cow<'a, str>, Cow<'a, str>);

    fn next(&mut self) -> Option<Self::Item> {
        // Checked text has no fault but its end.
        while let Ok(Some(entry)) = self.0.entry() {
            if let Entry::Label(name, value) = entry {
                return Some((name.decoded(), value.decoded()));
            }
        }
        None
    }
}

impl FusedIterator for Labels<'_> {}

/// One entry between the braces.
enum Entry<'a> {
    /// A metric's name in quotes.
    Metric(Written<'a>),
    /// A label's name and value.
    Label(Written<'a>, Written<'a>),
}

/// A name or value as it is written, without its quotes.
#[derive(Clone, Copy)]
struct Written<'a> {
    text: &'a str,
    has_escapes: bool,
}

impl<'a> Written<'a> {
    /// What is meant. A backslash before another character than `\`, `"` and `n` stands for itself,
    /// as OpenMetrics says and as Prometheus reads both formats.
    fn decoded(self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.text);
        }
        let mut decoded = String::with_capacity(self.text.len());
        let mut rest = self.text;
        while let Some((plain, escaped)) = rest.split_once('\\') {
            decoded.push_str(plain);
            let meant = match escaped.as_bytes().first() {
                Some(b'n') => "\n",
                Some(b'"') => "\"",
                Some(b'\\') => "\\",
                _ => {
                    decoded.push('\\');
                    ""
                }
            };
            decoded.push_str(meant);
            rest = &escaped[meant.len()..];
        }
        decoded.push_str(rest);
        Cow::Owned(decoded)
    }
}

/// Goes from the opening brace to the closing one.
#[derive(Debug, Clone)]
pub(super) struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    /// Begins after the opening brace.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// How far it has come: after [`Scan::check`], past the closing brace.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Checks everything up to the closing brace and returns the metric's name if it is there.
    /// `names` is room to work in.
    pub(super) fn check(&mut self, names: &mut Vec<&'a str>) -> Result<Option<&'a str>, Fault> {
        let mut metric = None;
        names.clear();
        names.push(METRIC_NAME);
        while let Some(entry) = self.entry()? {
            match entry {
                Entry::Metric(name) if metric.is_some() || name.text.is_empty() => return Err(Fault::Name),
                Entry::Metric(name) => metric = Some(name.text),
                Entry::Label(..) if names.len() > MAX_LABELS => return Err(Fault::TooManyLabels),
                Entry::Label(name, _) if names.contains(&name.text) => return Err(Fault::LabelTwice),
                Entry::Label(name, _) => names.push(name.text),
            }
        }
        Ok(metric)
    }

    /// The next entry and the comma after it; nothing at the closing brace.
    #[inline]
    fn entry(&mut self) -> Result<Option<Entry<'a>>, Fault> {
        let (name, is_quoted) = match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b'"') => (self.quoted()?, true),
            _ => (self.bare()?, false),
        };
        let entry = match self.peek() {
            Some(b',' | b'}') if is_quoted => Entry::Metric(name),
            Some(b'=') if !name.text.is_empty() => {
                self.at += 1;
                self.peek();
                Entry::Label(name, self.quoted()?)
            }
            _ => return Err(Fault::Labels),
        };
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(b'}') => {}
            _ => return Err(Fault::Labels),
        }
        Ok(Some(entry))
    }

    /// Skips blanks and looks at what follows.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        loop {
            match self.text.as_bytes().get(self.at).copied() {
                Some(b' ' | b'\t') => self.at += 1,
                next => return next,
            }
        }
    }

    /// Passes a name without quotes, which may turn out empty.
    #[inline]
    fn bare(&mut self) -> Result<Written<'a>, Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|&byte| !IS_NAME[usize::from(byte)]).unwrap_or(rest.len());
        if rest.first().is_some_and(u8::is_ascii_digit) {
            return Err(Fault::Labels);
        }
        let begin = self.at;
        self.at += length;
        Ok(Written { text: &self.text[begin..self.at], has_escapes: false })
    }

    /// Passes a text in quotes.
    #[inline]
    fn quoted(&mut self) -> Result<Written<'a>, Fault> {
        let bytes = self.text.as_bytes();
        if bytes.get(self.at) != Some(&b'"') {
            return Err(Fault::Labels);
        }
        let begin = self.at + 1;
        let mut end = begin;
        let mut has_escapes = false;
        loop {
            let rest = bytes.get(end..).ok_or(Fault::Labels)?;
            end += memchr2(b'"', b'\\', rest).ok_or(Fault::Labels)?;
            if bytes[end] == b'"' {
                self.at = end + 1;
                return Ok(Written { text: &self.text[begin..end], has_escapes });
            }
            // Whatever the backslash stands before.
            end += 2;
            has_escapes = true;
        }
    }
}

/// Which bytes a label's name without quotes may have: a table, for names are gone through byte by
/// byte.
const IS_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        byte += 1;
    }
    table
};
