//! Label selectors: what the HPA sends as `labelSelector`, and whether a set of labels matches.
//!
//! The grammar and the meaning are those of Kubernetes. Selector text ends here: what leaves this
//! module is a tree of checked keys and values, so nothing a caller typed can become PromQL.
//! Two things that Kubernetes accepts are refused: the numeric comparisons `<` and `>`, and a NUL
//! byte, at which its lexer silently stops reading. One is added: a value may be [encoded](encode).

mod encoded;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod parse;

use std::fmt;
use std::str::FromStr;

pub use encoded::{TooLong, decode, encode};

/// How a [`Requirement`] relates its key to its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// `key=value` or `key==value`: the label is present and has the one value.
    Equals,
    /// `key!=value`: the label is absent or has another value.
    NotEquals,
    /// `key in (a,b)`: the label is present and has one of the values.
    In,
    /// `key notin (a,b)`: the label is absent or has none of the values.
    NotIn,
    /// `key`: the label is present, with any value.
    Exists,
    /// `!key`: the label is absent.
    DoesNotExist,
}

/// One condition on one label; a [`Selector`] is the conjunction of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
    /// What those of the values that are encodings stand for, sorted.
    decoded: Box<[String]>,
}

/// A parsed label selector.
///
/// Requirements are sorted by key and free of duplicates, and so are each requirement's values:
/// two texts that differ only in order, spacing, repetition or `=` for `==` compare, hash and
/// print the same. The printed form parses back to an equal selector.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

/// Why a text is not a label selector; meant to be shown to whoever wrote it.
///
/// The printed position counts characters from 1. (Whatever precedes an error has been accepted,
/// hence is ASCII, so byte and character offsets agree.)
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid label selector at character {}: {message}", .position.saturating_add(1))]
pub struct SelectorError {
    /// Byte offset into the text, from 0; the text's length when it ended too early.
    pub position: usize,
    /// What was found there and what was expected: one line of bounded length, control characters
    /// escaped.
    pub message: String,
}

impl Requirement {
    /// A requirement in canonical form; the caller has checked key and values.
    fn new(key: &str, operator: Operator, mut values: Vec<String>) -> Self {
        values.sort_unstable();
        values.dedup();
        // Here and not when it is matched, which happens for every series.
        let mut decoded: Box<[String]> = values.iter().filter_map(|value| decode(value)).collect();
        decoded.sort_unstable();
        Self { key: key.to_owned(), operator, values, decoded }
    }

    /// The label key: a name of 1 to 63 characters, with an optional `dns.sub.domain/` before it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How the key relates to the values.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values, sorted and distinct: one for `=` and `!=`, at least one for `in` and `notin`
    /// (possibly the empty string), none for the two existence tests. As written: some may be encoded.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Whether a label with this value, or `None` for an absent label, meets the requirement. One that
    /// lists an [encoded](encode) value lists the text that it stands for, too.
    pub fn matches(&self, label: Option<&str>) -> bool {
        match self.operator {
            Operator::Equals | Operator::In => label.is_some_and(|value| self.lists(value)),
            Operator::NotEquals | Operator::NotIn => !label.is_some_and(|value| self.lists(value)),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
        }
    }

    fn lists(&self, value: &str) -> bool {
        let is_in = |all: &[String]| all.binary_search_by(|listed| listed.as_str().cmp(value)).is_ok();
        is_in(&self.values) || is_in(&self.decoded)
    }
}

impl Selector {
    /// Parses a selector from its URL-decoded text. Empty or blank text selects everything.
    ///
    /// Besides text outside the grammar, more than 16 KiB of text, 64 requirements, or 256 values
    /// in one requirement are errors, so that a hostile query costs little. Time is linear in the
    /// text's length but for the sorting.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parse::requirements(text).map(Self::new)
    }

    /// The selector without requirements, which matches every set of labels.
    pub fn everything() -> Self {
        Self::default()
    }

    fn new(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_unstable();
        requirements.dedup();
        Self { requirements }
    }

    /// Whether there is no requirement at all.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether labels of which only some are known may match.
    pub fn may_match<'v>(&self, get: impl Fn(&str) -> Option<&'v str>) -> bool {
        self.requirements.iter().all(|one| get(one.key()).is_none_or(|value| one.matches(Some(value))))
    }

    /// The requirements, sorted by key, then operator, then values.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether the labels that `get` reads (by key, `None` when absent) meet every requirement.
    ///
    /// Allocates nothing, and asks `get` once for each requirement until one fails.
    pub fn matches<'v>(&self, get: impl Fn(&str) -> Option<&'v str>) -> bool {
        self.requirements.iter().all(|requirement| requirement.matches(get(&requirement.key)))
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_joined(f, &self.requirements)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, after, close) = match self.operator {
            Operator::Equals => ("", "=", ""),
            Operator::NotEquals => ("", "!=", ""),
            Operator::In => ("", " in (", ")"),
            Operator::NotIn => ("", " notin (", ")"),
            Operator::Exists => ("", "", ""),
            Operator::DoesNotExist => ("!", "", ""),
        };
        write!(f, "{before}{}{after}", self.key)?;
        write_joined(f, &self.values)?;
        f.write_str(close)
    }
}

fn write_joined(f: &mut fmt::Formatter<'_>, items: &[impl fmt::Display]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
