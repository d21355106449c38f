//! Source texts and places in them.

use std::borrow::Cow;
use std::sync::Arc;

/// The longest snippet shown, in characters. One line can be a whole minified document.
const MAX_SNIPPET: usize = 160;
/// How much of a long line is kept in front of the place of interest.
const LEAD: usize = 60;
/// The longest piece of the user's text repeated inside a message, in characters.
const MAX_QUOTED: usize = 40;

/// A range of characters in one of the sources registered with a
/// [`Diagnostics`](super::Diagnostics). Lines and columns count from 1; the end is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Which source, so that problems across several files need no further context.
    pub(super) source: usize,
    /// Line of the first character.
    pub line: usize,
    /// Column of the first character, in characters.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column after the last character.
    pub end_column: usize,
}

impl Span {
    /// A single character in the same source.
    #[must_use]
    pub fn at(&self, line: usize, column: usize) -> Self {
        Self { source: self.source, line, column, end_line: line, end_column: column + 1 }
    }
}

/// A file's name and text.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: Arc<str>,
    pub(super) text: String,
}

impl Source {
    /// Replaces what stands at `span`, places and lines left as they are.
    pub(super) fn conceal(&mut self, span: &Span) {
        let (mut line, mut column) = (1, 1);
        let mut chars = self.text.chars().peekable();
        let mut concealed = String::with_capacity(self.text.len());
        while let Some(c) = chars.next() {
            let is_within = (line, column) >= (span.line, span.column)
                && (line, column) < (span.end_line, span.end_column);
            concealed.push(if is_within && !c.is_whitespace() { '*' } else { c });
            column += 1;
            if c == '\n' || (c == '\r' && chars.peek() != Some(&'\n')) {
                (line, column) = (line + 1, 1);
            }
        }
        drop(chars);
        self.text = concealed;
    }
}

/// The piece of a line that a diagnostic shows.
pub(super) struct Snippet {
    pub(super) text: String,
    /// Characters of `text` in front of the place of interest.
    pub(super) lead: usize,
    /// Characters to underline.
    pub(super) width: usize,
}

/// The lines of a source, made safe to show: credentials in URLs masked, control characters replaced.
pub(super) struct Lines(Vec<String>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let text = mask_credentials(text);
        // The line breaks of YAML: LF, CRLF, and CR alone.
        let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        Self(lines.flat_map(|line| line.split('\r')).map(str::to_owned).collect())
    }

    /// The line `span` starts on, cut down to a window around it when it is very long.
    pub(super) fn snippet(&self, span: &Span) -> Option<Snippet> {
        let line = self.0.get(span.line.checked_sub(1)?).filter(|line| !line.is_empty())?;
        let lead = span.column.saturating_sub(1);
        let skipped = if line.len() > MAX_SNIPPET { lead.saturating_sub(LEAD) } else { 0 };
        let mut rest = line.chars().skip(skipped);
        let mut text: String = rest.by_ref().take(MAX_SNIPPET).map(printable).collect();
        if rest.next().is_some() {
            text.push('…');
        }
        if skipped > 0 {
            text.insert(0, '…');
        }
        let lead = lead - skipped + usize::from(skipped > 0);
        let to_end_of_line = text.chars().count().saturating_sub(lead);
        let width = if span.end_line == span.line { span.end_column - span.column } else { usize::MAX };
        Some(Snippet { text, lead, width: width.min(to_end_of_line).max(1) })
    }
}

/// A control character could move a terminal's cursor or colour the rest of its output.
pub(super) fn printable(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// The user's text for a message: in backticks, short, on one line and without passwords.
pub(super) fn quoted(text: &str) -> String {
    let masked = mask_credentials(text);
    let mut chars = masked.chars();
    let mut shown: String =
        chars.by_ref().take(MAX_QUOTED).map(|c| if c == '\n' { ' ' } else { printable(c) }).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// Hides what stands between `://` and the last `@` of the same word, character by character so that
/// columns stay right. A password can itself contain `/` or `@`, so this would rather hide too much.
fn mask_credentials(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(scheme) = rest.find("://") {
        let (head, tail) = rest.split_at(scheme + 3);
        let end = tail.find(|c: char| c.is_whitespace() || c == '"' || c == '\'').unwrap_or(tail.len());
        let (word, after) = tail.split_at(end);
        let (secret, visible) = word.split_at(word.rfind('@').unwrap_or(0));
        masked.push_str(head);
        masked.extend(secret.chars().map(|_| '*'));
        masked.push_str(visible);
        rest = after;
    }
    masked.push_str(rest);
    Cow::Owned(masked)
}
