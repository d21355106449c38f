//! The selector grammar: text → tokens → requirements, in one pass with one token of lookahead.
//!
//! What is accepted follows `labels.Parse` of k8s.io/apimachinery, oddities included, so that a
//! selector an HPA may carry is never refused here for its form.

use super::{Operator, Requirement, SelectorError};

const MAX_TEXT_BYTES: usize = 16 * 1024;
const MAX_REQUIREMENTS: usize = 64;
const MAX_VALUES: usize = 256;
const MAX_PREFIX_BYTES: usize = 253;
/// The most that a key's name or a value has.
pub(super) const MAX_NAME_BYTES: usize = 63;
/// How much of an offending word an error message repeats.
const MAX_QUOTED_CHARS: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'t> {
    /// A key or a value; `in` and `notin` too, which are operators only where one is expected.
    Word(&'t str),
    /// Any of `, ( ) ! = == != < >`.
    Symbol(&'t str),
    End,
}

impl Token<'_> {
    fn describe(self) -> String {
        match self {
            Token::Word(text) | Token::Symbol(text) => quoted(text),
            Token::End => "the end of the text".to_owned(),
        }
    }
}

/// The requirements in the order they were written.
pub(super) fn requirements(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    if text.len() > MAX_TEXT_BYTES {
        let message = format!("found {} bytes of text, expected at most {MAX_TEXT_BYTES}", text.len());
        return Err(SelectorError { position: MAX_TEXT_BYTES, message });
    }
    let mut parser = Parser { text, token: Token::End, start: 0, rest: 0 };
    parser.advance();
    let mut found = Vec::new();
    if parser.token == Token::End {
        return Ok(found);
    }
    loop {
        if found.len() == MAX_REQUIREMENTS {
            return Err(
                parser.error(format!("found more than {MAX_REQUIREMENTS} requirements, expected fewer"))
            );
        }
        found.push(parser.requirement()?);
        match parser.token {
            Token::End => return Ok(found),
            Token::Symbol(",") => parser.advance(),
            _ => return Err(parser.unexpected("',' or the end of the text")),
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    /// The current token, which begins at byte `start`.
    token: Token<'t>,
    start: usize,
    /// Where the text after the current token begins.
    rest: usize,
}

impl<'t> Parser<'t> {
    fn advance(&mut self) {
        let tail = &self.text[self.rest..];
        let trimmed = tail.trim_start_matches(is_space);
        self.start = self.rest + (tail.len() - trimmed.len());
        let length = token_length(trimmed);
        self.rest = self.start + length;
        self.token = match &trimmed[..length] {
            "" => Token::End,
            symbol if symbol.starts_with(is_symbol) => Token::Symbol(symbol),
            word => Token::Word(word),
        };
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        if self.token == Token::Symbol("!") {
            self.advance();
            let key = self.key()?;
            return Ok(Requirement::new(key, Operator::DoesNotExist, Vec::new()));
        }
        let key = self.key()?;
        let operator = match self.token {
            Token::End | Token::Symbol(",") => Operator::Exists,
            Token::Symbol("=" | "==") => Operator::Equals,
            Token::Symbol("!=") => Operator::NotEquals,
            Token::Word("in") => Operator::In,
            Token::Word("notin") => Operator::NotIn,
            Token::Symbol("<" | ">") => {
                return Err(self.unexpected(
                    "=, ==, !=, in or notin: comparing numbers with '<' or '>' is not supported",
                ));
            }
            _ => return Err(self.unexpected("=, ==, !=, in, notin, ',' or the end of the text")),
        };
        let values = match operator {
            Operator::Exists | Operator::DoesNotExist => Vec::new(),
            Operator::Equals | Operator::NotEquals => {
                self.advance();
                vec![self.single_value()?]
            }
            Operator::In | Operator::NotIn => {
                self.advance();
                self.value_list()?
            }
        };
        Ok(Requirement::new(key, operator, values))
    }

    fn key(&mut self) -> Result<&'t str, SelectorError> {
        let Token::Word(key) = self.token else {
            return Err(self.unexpected("a label key"));
        };
        self.checked(check_key(key))?;
        self.advance();
        Ok(key)
    }

    /// The value of the current token, which is a word.
    fn value(&mut self, value: &str) -> Result<String, SelectorError> {
        self.checked(check_name(value, "label value"))?;
        self.advance();
        Ok(value.to_owned())
    }

    fn single_value(&mut self) -> Result<String, SelectorError> {
        match self.token {
            Token::Word(value) => self.value(value),
            Token::End | Token::Symbol(",") => Ok(String::new()),
            Token::Symbol(_) => Err(self.unexpected("a label value, ',' or the end of the text")),
        }
    }

    fn value_list(&mut self) -> Result<Vec<String>, SelectorError> {
        if self.token != Token::Symbol("(") {
            return Err(self.unexpected("'('"));
        }
        self.advance();
        let mut values = Vec::new();
        if self.token == Token::Symbol(")") {
            values.push(String::new());
        }
        while self.token != Token::Symbol(")") {
            if values.len() >= MAX_VALUES {
                let message = format!("found more than {MAX_VALUES} values in one list, expected fewer");
                return Err(self.error(message));
            }
            match self.token {
                Token::Word(value) => {
                    values.push(self.value(value)?);
                    if !matches!(self.token, Token::Symbol("," | ")")) {
                        return Err(self.unexpected("',' or ')'"));
                    }
                }
                Token::Symbol(",") => self.comma(&mut values)?,
                _ => return Err(self.unexpected("a value or ','")),
            }
        }
        self.advance();
        Ok(values)
    }

    /// A comma in a list stands for an empty value where no word is beside it. Kubernetes reads
    /// two commas in a row as one such value and then wants more, so it takes `(a,)` and `(a,,b)`
    /// and refuses `(a,,)`; so do we.
    fn comma(&mut self, values: &mut Vec<String>) -> Result<(), SelectorError> {
        let leading = values.is_empty();
        self.advance();
        let doubled = self.token == Token::Symbol(",");
        if doubled {
            self.advance();
            if self.token == Token::Symbol(")") {
                return Err(self.unexpected("a value or ','"));
            }
        }
        if leading || doubled || self.token == Token::Symbol(")") {
            values.push(String::new());
        }
        Ok(())
    }

    fn checked(&self, outcome: Result<(), (usize, String)>) -> Result<(), SelectorError> {
        outcome.map_err(|(offset, message)| SelectorError { position: self.start + offset, message })
    }

    fn unexpected(&self, expected: &str) -> SelectorError {
        self.error(format!("found {}, expected {expected}", self.token.describe()))
    }

    fn error(&self, message: String) -> SelectorError {
        SelectorError { position: self.start, message }
    }
}

/// Bytes of the token that `text` begins with; 0 at the end.
fn token_length(text: &str) -> usize {
    if text.starts_with("==") || text.starts_with("!=") {
        2
    } else if text.starts_with(is_symbol) {
        1
    } else {
        text.find(|c| is_symbol(c) || is_space(c)).unwrap_or(text.len())
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_symbol(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '<' | '>')
}

/// Checks a qualified name: `name` or `dns.sub.domain/name`. Errors carry an offset into `key`.
fn check_key(key: &str) -> Result<(), (usize, String)> {
    let Some((prefix, name)) = key.split_once('/') else {
        return check_name(key, "label key");
    };
    if prefix.is_empty() {
        return Err((0, "found '/', expected a DNS name before it".to_owned()));
    }
    check_length(prefix, MAX_PREFIX_BYTES, "label key prefix")?;
    let mut offset = 0;
    for label in prefix.split('.') {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        check_edges(label, "label key prefix", "a lower-case letter, a digit or '-'", fits)
            .map_err(|(inner, message)| (offset + inner, message))?;
        if label.is_empty() {
            return Err((offset, format!("found an empty part in {}, expected a DNS name", quoted(prefix))));
        }
        offset += label.len() + 1;
    }
    let start = prefix.len() + 1;
    if name.is_empty() {
        return Err((start, format!("found nothing after {}, expected a name", quoted(&key[..start]))));
    }
    check_name(name, "label key").map_err(|(inner, message)| (start + inner, message))
}

/// Whether `text` can be the value of a label.
pub(super) fn is_value(text: &str) -> bool {
    check_name(text, "label value").is_ok()
}

/// Checks the shape that a key's name and a value share. Empty text passes, as a value may.
fn check_name(name: &str, what: &str) -> Result<(), (usize, String)> {
    check_length(name, MAX_NAME_BYTES, what)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    check_edges(name, what, "a letter, a digit, '-', '_' or '.'", fits)
}

fn check_length(text: &str, most: usize, what: &str) -> Result<(), (usize, String)> {
    if text.len() <= most {
        return Ok(());
    }
    Err((0, format!("found a {what} of {} bytes, expected at most {most}", text.len())))
}

/// Every character must fit, and the outer two must be letters or digits.
fn check_edges(
    text: &str,
    what: &str,
    expected: &str,
    fits: impl Fn(char) -> bool,
) -> Result<(), (usize, String)> {
    let found = |c: char, expected: &str| {
        format!("found {} in a {what}, expected {expected}", quoted(&c.to_string()))
    };
    for (offset, c) in text.char_indices() {
        if !fits(c) {
            return Err((offset, found(c, expected)));
        }
        let at_edge = offset == 0 || offset + 1 == text.len();
        if at_edge && !c.is_ascii_alphanumeric() {
            return Err((offset, found(c, "a letter or a digit first and last")));
        }
    }
    Ok(())
}

/// Text from outside, safe to put in one line of a message or a log.
fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_QUOTED_CHARS).is_some() {
        shown.push('…');
    }
    format!("'{shown}'")
}
