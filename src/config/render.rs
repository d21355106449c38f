//! Showing diagnostics to people, in the style of rustc.

use super::diagnostic::{Diagnostic, Report, Severity};
use std::fmt::{self, Write};

/// ANSI codes, or nothing when colour was not asked for.
struct Palette {
    error: &'static str,
    warning: &'static str,
    gutter: &'static str,
    bold: &'static str,
    reset: &'static str,
}

const PLAIN: Palette = Palette { error: "", warning: "", gutter: "", bold: "", reset: "" };
const COLOUR: Palette = Palette {
    error: "\x1b[1;31m",
    warning: "\x1b[1;33m",
    gutter: "\x1b[1;34m",
    bold: "\x1b[1m",
    reset: "\x1b[0m",
};

impl Diagnostic {
    fn write(&self, out: &mut impl Write, palette: &Palette) -> fmt::Result {
        let Palette { gutter, bold, reset, .. } = palette;
        let (colour, severity) = match self.severity {
            Severity::Error => (palette.error, "error"),
            Severity::Warning => (palette.warning, "warning"),
        };
        let number = self.line.to_string();
        let pad = " ".repeat(number.len());
        let hint = self.hint.as_deref();
        writeln!(out, "{colour}{severity}{reset}{bold}: {}{reset}", self.message)?;
        writeln!(out, "{pad}{gutter}-->{reset} {}:{}:{}", self.file, self.line, self.column)?;
        let Some(snippet) = &self.snippet else {
            return hint.map_or(Ok(()), |hint| writeln!(out, "{pad} {gutter}={reset} {hint}"));
        };
        let indent = " ".repeat(self.lead);
        let carets = "^".repeat(self.width);
        let hint = hint.map(|hint| format!(" {hint}")).unwrap_or_default();
        writeln!(out, "{pad} {gutter}|{reset}")?;
        writeln!(out, "{gutter}{number} |{reset} {snippet}")?;
        writeln!(out, "{pad} {gutter}|{reset} {indent}{colour}{carets}{hint}{reset}")
    }
}

impl Report {
    /// The report as text, with ANSI colours when asked.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out, if colour { &COLOUR } else { &PLAIN });
        out
    }

    fn write(&self, out: &mut impl Write, palette: &Palette) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            diagnostic.write(out, palette)?;
        }
        if self.omitted > 0 {
            writeln!(out, "\n… and {} more", self.omitted)?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &PLAIN)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &PLAIN)
    }
}
