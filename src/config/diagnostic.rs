//! Problems found in configuration, collected rather than thrown.

use super::source::{Lines, Source, Span, printable};
use serde::Serialize;
use std::sync::Arc;

/// More problems than anybody reads; what matters is that a hostile file cannot fill the memory.
const MAX_PROBLEMS: usize = 500;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used, but probably does not do what was meant.
    Warning,
}

/// A problem with all that is needed to show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the user named it.
    pub file: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters of the line are concerned.
    pub width: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The line concerned; a window of it when it is very long. Credentials in URLs are masked.
    pub snippet: Option<String>,
    /// Characters of the snippet in front of the place, which a window makes different from the column.
    #[serde(skip)]
    pub(super) lead: usize,
}

/// A reported problem, to which a hint can still be added.
#[derive(Debug)]
pub struct Problem {
    severity: Severity,
    span: Span,
    message: String,
    hint: Option<String>,
}

impl Problem {
    /// Says what to do about the problem, in a few words.
    pub fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

/// Collects problems while configuration is read.
#[derive(Debug, Default)]
pub struct Diagnostics {
    sources: Vec<Source>,
    problems: Vec<Problem>,
    errors: usize,
    warnings: usize,
}

impl Diagnostics {
    /// Registers a source text that spans can then refer to by the returned index.
    pub(super) fn add_source(&mut self, file: &str, text: &str) -> usize {
        self.sources.push(Source { file: file.into(), text: text.to_owned() });
        self.sources.len() - 1
    }

    /// Reports an error at `span`.
    pub fn error_at(&mut self, span: &Span, message: impl Into<String>) -> &mut Problem {
        self.report(Severity::Error, span, message.into())
    }

    /// Reports a warning at `span`.
    pub fn warning_at(&mut self, span: &Span, message: impl Into<String>) -> &mut Problem {
        self.report(Severity::Warning, span, message.into())
    }

    /// Reports an error about a file as a whole, such as one that cannot be read.
    pub fn error_in(&mut self, file: &str, message: impl Into<String>) -> &mut Problem {
        let source = self.add_source(file, "");
        self.error_at(&Span { source, line: 1, column: 1, end_line: 1, end_column: 1 }, message)
    }

    fn report(&mut self, severity: Severity, span: &Span, message: String) -> &mut Problem {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        // Past the limit the newest replaces the one before it: the caller needs something to put its hint on.
        self.problems.truncate(MAX_PROBLEMS - 1);
        self.problems.push_mut(Problem { severity, span: *span, message, hint: None })
    }

    /// Keeps what stands at `span` out of everything shown, because it is or may be a secret.
    pub fn conceal(&mut self, span: &Span) {
        self.sources[span.source].conceal(span);
    }

    /// Whether anything makes the configuration unusable.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// How many errors have been found so far, to tell whether a piece of work added any.
    pub(super) fn errors(&self) -> usize {
        self.errors
    }

    /// Whether further errors are only counted, so that looking for them is not worth the time.
    pub(super) fn is_full(&self) -> bool {
        self.errors >= MAX_PROBLEMS
    }

    /// Everything found, in the order of the files and of the places in them.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.problems.sort_by_key(|p| (p.span.source, p.span.line, p.span.column));
        let mut lines: Option<(usize, Lines)> = None;
        let mut diagnostics = Vec::with_capacity(self.problems.len());
        for problem in &self.problems {
            let index = problem.span.source;
            let source = &self.sources[index];
            if lines.as_ref().is_none_or(|(of, _)| *of != index) {
                lines = Some((index, Lines::of(&source.text)));
            }
            let lines = lines.as_ref().map(|(_, lines)| lines);
            diagnostics.push(problem.locate(source, lines));
        }
        let omitted = self.errors + self.warnings - diagnostics.len();
        Report { diagnostics, errors: self.errors, warnings: self.warnings, omitted }
    }
}

impl Problem {
    fn locate(&self, source: &Source, lines: Option<&Lines>) -> Diagnostic {
        let snippet = lines.and_then(|lines| lines.snippet(&self.span));
        let clean = |text: &String| text.chars().map(printable).collect::<String>();
        Diagnostic {
            severity: self.severity,
            file: Arc::clone(&source.file),
            line: self.span.line,
            column: self.span.column,
            width: snippet.as_ref().map_or(1, |snippet| snippet.width),
            message: clean(&self.message),
            hint: self.hint.as_ref().map(clean),
            lead: snippet.as_ref().map_or(0, |snippet| snippet.lead),
            snippet: snippet.map(|snippet| snippet.text),
        }
    }
}

/// All problems of a set of files, ready to be shown or serialized.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The problems in the order of their places.
    pub diagnostics: Vec<Diagnostic>,
    /// How many errors were found.
    pub errors: usize,
    /// How many warnings were found.
    pub warnings: usize,
    /// How many of them are left out of `diagnostics`, because there are absurdly many.
    pub omitted: usize,
}

impl Report {
    /// Whether anything makes the configuration unusable.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }
}
