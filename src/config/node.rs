//! A YAML document as a tree in which every value knows its place.

use super::diagnostic::Diagnostics;
use super::source::{Span, quoted};
use std::ops::Range;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What is there.
    pub value: Value,
    /// Where it is.
    pub span: Span,
    /// For scalars, where the lines of the text stand in the source; empty when escapes blur that.
    pub(super) marks: Box<[Mark]>,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Nothing, `~` or `null`.
    Null,
    /// Text exactly as written: `no`, `012` and `1_000` stay what they are.
    Scalar {
        /// The text, after YAML's folding and unescaping.
        text: String,
        /// Whether it was written without quotes, so that it may stand for a number or a boolean.
        plain: bool,
    },
    /// A list.
    Sequence(Vec<Node>),
    /// Fields in the order written, each key once.
    Mapping(Vec<(Key, Node)>),
    /// Something already reported, such as an alias. Decoding it fails without a second report.
    Invalid,
}

/// The key of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name.
    pub text: String,
    /// Where it is.
    pub span: Span,
}

/// Says that the text from byte `offset` on is found in the source at a line and column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    offset: usize,
    line: usize,
    column: usize,
}

impl Node {
    pub(super) fn new(value: Value, span: Span) -> Self {
        Self { value, span, marks: Box::default() }
    }

    /// The line and column of a byte of a scalar's text, so that a mistake inside an expression can be
    /// shown where it is. Exact unless the scalar contains escapes; then it is the start of the node.
    pub fn locate(&self, offset: usize) -> (usize, usize) {
        let index = self.marks.partition_point(|mark| mark.offset <= offset);
        let mark = index.checked_sub(1).and_then(|index| self.marks.get(index)).or(self.marks.first());
        let (Some(mark), Value::Scalar { text, .. }) = (mark, &self.value) else {
            return (self.span.line, self.span.column);
        };
        // Where a line was folded or ends, stay on that line: just behind its last character.
        let line = text[mark.offset..].char_indices().take_while(|&(_, c)| c != '\n');
        let ahead = line.take_while(|&(at, _)| mark.offset + at < offset).count();
        (mark.line, mark.column + ahead)
    }

    /// The span of one character of a scalar's text: [`Node::locate`] for use with
    /// [`Diagnostics::error_at`].
    pub fn at(&self, offset: usize) -> Span {
        let (line, column) = self.locate(offset);
        self.span.at(line, column)
    }

    /// The span of a part of a scalar's text, given in bytes; the whole node when escapes blur where that is.
    pub fn part(&self, range: &Range<usize>) -> Span {
        if self.marks.is_empty() {
            return self.span;
        }
        let (line, column) = self.locate(range.start);
        let (end_line, end_column) = self.locate(range.end);
        let span = self.span.at(line, column);
        if end_line == line && end_column <= column { span } else { Span { end_line, end_column, ..span } }
    }

    /// The value of a field, for documents whose other fields are none of our business.
    pub fn field(&self, name: &str) -> Option<&Node> {
        let Value::Mapping(entries) = &self.value else { return None };
        entries.iter().find(|(key, _)| key.text == name).map(|(_, node)| node)
    }

    /// The text of a scalar, for documents that others check.
    pub fn text(&self) -> Option<&str> {
        if let Value::Scalar { text, .. } = &self.value { Some(text) } else { None }
    }

    /// The items of a list; `what` says in a report what was expected instead of something else.
    pub fn items(&self, diags: &mut Diagnostics, what: &str) -> Option<&[Node]> {
        let Value::Sequence(items) = &self.value else { return self.expected(diags, what) };
        Some(items)
    }

    /// The fields of a mapping with free keys. For known keys use [`Node::mapping`].
    pub fn entries(&self, diags: &mut Diagnostics, what: &str) -> Option<&[(Key, Node)]> {
        let Value::Mapping(entries) = &self.value else { return self.expected(diags, what) };
        Some(entries)
    }

    /// The text of a scalar and whether it is written without quotes.
    pub fn scalar(&self, diags: &mut Diagnostics, what: &str) -> Option<(&str, bool)> {
        let Value::Scalar { text, plain } = &self.value else { return self.expected(diags, what) };
        Some((text, *plain))
    }

    fn expected<T>(&self, diags: &mut Diagnostics, what: &str) -> Option<T> {
        let found = match &self.value {
            Value::Null => "nothing",
            Value::Scalar { text, .. } => &quoted(text),
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
            Value::Invalid => return None,
        };
        diags.error_at(&self.span, format!("expected {what}, found {found}"));
        None
    }
}

/// Finds the lines of `text` in `source`, which starts at `line` and `column` with the same text in YAML's
/// notation. Folding and indentation only touch white space, so the two agree in all other characters; an
/// escape makes them differ, and then there is no answer.
pub(super) fn align(text: &str, source: &str, mut line: usize, mut column: usize) -> Option<Box<[Mark]>> {
    let blank = |c: &char| matches!(c, ' ' | '\t' | '\n' | '\r');
    let mut wanted = text.char_indices().filter(|(_, c)| !blank(c)).peekable();
    let mut marks: Vec<Mark> = Vec::new();
    let mut chars = source.chars().peekable();
    while wanted.peek().is_some() {
        let c = chars.next()?;
        if c == '\n' || (c == '\r' && chars.peek() != Some(&'\n')) {
            (line, column) = (line + 1, 1);
            continue;
        }
        if !blank(&c) {
            let (offset, _) = wanted.next().filter(|&(_, wanted)| wanted == c)?;
            if marks.last().is_none_or(|mark| mark.line != line) {
                // Spaces at the start of a text line are content, and stand in the source as well, except
                // for one that YAML made of a line break.
                let before = text[..offset].trim_end_matches([' ', '\t']);
                let starts_line = before.is_empty() || before.ends_with('\n');
                let spaces = if starts_line { (offset - before.len()).min(column - 1) } else { 0 };
                marks.push(Mark { offset: offset - spaces, line, column: column - spaces });
            }
        }
        column += 1;
    }
    Some(marks.into())
}
