//! Syntax errors in words.

use super::parse::MAX_DEPTH;
use granit_parser::{ErrorKind, ScanError};

pub(super) fn too_deep() -> String {
    format!("nested more than {MAX_DEPTH} levels deep")
}

/// The parser's own messages name grammar rules; the common mistakes deserve words.
pub(super) fn explain(error: &ScanError) -> (String, Option<&'static str>) {
    use ErrorKind as E;
    let (message, hint): (&str, _) = match error.kind() {
        E::RecursionLimitExceeded => return (too_deep(), None),
        E::UnclosedFlowCollection { open } => return (format!("`{open}` is never closed"), None),
        E::MismatchedFlowCollectionEnd { open, close } => {
            return (format!("`{open}` is closed by `{close}`"), None);
        }
        E::UnexpectedCharacter { character } => {
            return (
                format!("a value cannot start with `{}`", character.escape_debug()),
                Some("put it in quotes"),
            );
        }
        E::MisplacedFlowCollectionEnd => ("this bracket closes nothing", None),
        E::UnclosedQuotedScalar => ("this quote is never closed", None),
        E::InvalidQuotedScalarIndent => {
            ("a quoted text goes on without indentation", Some("is its closing quote missing?"))
        }
        E::InvalidTrailingSingleQuotedScalar | E::InvalidTrailingDoubleQuotedScalar => {
            ("text after the closing quote", Some("put all of it in quotes"))
        }
        E::UnknownQuotedScalarEscape => {
            ("unknown escape in a double-quoted text", Some("write `\\\\` or use single quotes"))
        }
        E::TabInBlockIndentation | E::TabInIndentation | E::TabNotAllowed | E::TabAtBlockScalarStart => {
            ("a tab cannot indent", Some("use spaces"))
        }
        E::MappingValueNotAllowed => (
            "a second `:` on one line, or a field indented too far",
            Some("put values that contain `: ` in quotes, or fix the indentation"),
        ),
        E::SimpleKeyExpected | E::ExpectedBlockMappingKey => {
            ("expected a field like `name: value`", Some("is a `:` missing or the indentation wrong?"))
        }
        E::ExpectedBlockSequenceEntry => {
            ("expected a list item like `- value`", Some("is the indentation wrong?"))
        }
        E::InvalidIndentation => ("this indentation matches no line above", None),
        E::ExpectedFlowMappingSeparator => ("expected `,` or `}`", Some("put the value in quotes")),
        E::ExpectedFlowSequenceSeparator => ("expected `,` or `]`", None),
        // A name for the rest; the messages are a feature of the parser that some other crate turns on.
        kind => {
            let info = error.info();
            return (if info.is_empty() { format!("{kind:?}") } else { info }, None);
        }
    };
    (message.to_owned(), hint)
}
