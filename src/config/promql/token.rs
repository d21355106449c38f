//! The words of a PromQL expression with their places, which the parser does not tell.

use std::ops::Range;

use crate::config::source::quoted;
use crate::config::units::Refusal;

/// Far more than a query anybody maintains, and little enough for every walk over its tree.
const MAX_TOKENS: usize = 1000;

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name of a series, a function, a label, or a keyword.
    Name,
    /// A number or a duration.
    Number,
    /// A string in quotes.
    Text,
    /// An operator or punctuation.
    Symbol,
}

/// A word and where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    pub(super) start: usize,
}

impl Token<'_> {
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    pub(super) fn is(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }
}

/// The words of an expression, its brackets and quotes known to be paired.
pub(super) struct Tokens<'t> {
    pub(super) all: Vec<Token<'t>>,
    /// For each opening bracket, by index, the index of the one that closes it.
    pub(super) closes: Vec<usize>,
    /// Where comments stand.
    pub(super) comments: Vec<Range<usize>>,
}

/// Splits an expression into words.
pub(super) fn tokens(text: &str) -> Result<Tokens<'_>, Refusal> {
    let mut all = Vec::new();
    let mut comments = Vec::new();
    // In a range, as in `[5m:1m]`, a colon is punctuation; in a name it is a letter.
    let mut in_range = false;
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        let rest = &text[start..];
        let (kind, length) = match first {
            c if c.is_whitespace() => {
                start += c.len_utf8();
                continue;
            }
            '#' => {
                // For Prometheus a carriage return ends it as well.
                let end = start + rest.find(['\n', '\r']).unwrap_or(rest.len());
                comments.push(start..end);
                start = end;
                continue;
            }
            '"' | '\'' | '`' => (Kind::Text, string_length(rest, first, start)?),
            c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit())) => {
                let length = number_length(rest);
                let is_duration = in_range || all.iter().rev().take(2).any(is_offset);
                if is_duration && is_endless(&rest[..length]) {
                    return Err(Refusal::new(format!("`{}` is no duration", &rest[..length]))
                        .over(start..start + length)
                        .hint("write it with a unit, as `5m`"));
                }
                (Kind::Number, length)
            }
            c if is_letter(c) && !(c == ':' && in_range) => {
                let end = rest.find(|c| !(is_letter(c) || c.is_ascii_digit()));
                (Kind::Name, end.unwrap_or(rest.len()))
            }
            c => (Kind::Symbol, symbol_length(rest, c, start)?),
        };
        in_range = (in_range || first == '[') && first != ']';
        all.push(Token { kind, text: &rest[..length], start });
        start += length;
        if all.len() > MAX_TOKENS {
            let message = format!("the expression has more than {MAX_TOKENS} words");
            return Err(Refusal::new(message).hint("move parts of it into recording rules"));
        }
    }
    let closes = pair(&all)?;
    Ok(Tokens { all, closes, comments })
}

fn is_offset(token: &Token<'_>) -> bool {
    token.text.eq_ignore_ascii_case("offset")
}

/// Whether a number is more seconds than a duration can have, of which the parser would panic.
fn is_endless(number: &str) -> bool {
    /// Three thousand years.
    const MOST: f64 = 1e11;
    number.parse().map_or(number.len() > 16, |seconds: f64| seconds > MOST)
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '_' | ':')
}

fn string_length(rest: &str, quote: char, start: usize) -> Result<usize, Refusal> {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return Ok(at + 1),
            _ => {}
        }
    }
    Err(Refusal::new("this quote is never closed").at(start))
}

fn number_length(rest: &str) -> usize {
    let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
    let mut after_exponent = false;
    rest.find(|c: char| {
        let within = c.is_ascii_alphanumeric() || c == '.' || (after_exponent && matches!(c, '+' | '-'));
        after_exponent = !is_hex && matches!(c, 'e' | 'E');
        !within
    })
    .unwrap_or(rest.len())
}

fn symbol_length(rest: &str, first: char, start: usize) -> Result<usize, Refusal> {
    if ["=~", "!~", "!=", "==", ">=", "<="].iter().any(|symbol| rest.starts_with(symbol)) {
        return Ok(2);
    }
    if "()[]{},+-*/%^=<>@:".contains(first) {
        return Ok(1);
    }
    let shown = quoted(first.encode_utf8(&mut [0; 4]));
    let refusal = Refusal::new(format!("{shown} has no meaning in PromQL")).at(start);
    Err(match first {
        '$' => refusal.hint("variables belong to dashboards; write the value out"),
        '&' | '|' | '!' => refusal.hint("the logical operators are `and`, `or` and `unless`"),
        _ => refusal,
    })
}

fn pair(all: &[Token<'_>]) -> Result<Vec<usize>, Refusal> {
    let mut closes = vec![0; all.len()];
    let mut open: Vec<usize> = Vec::new();
    for (index, token) in all.iter().enumerate().filter(|(_, token)| token.kind == Kind::Symbol) {
        let opener = match token.text {
            "(" | "[" | "{" => {
                open.push(index);
                continue;
            }
            ")" => "(",
            "]" => "[",
            "}" => "{",
            _ => continue,
        };
        match open.pop() {
            Some(from) if all[from].text == opener => closes[from] = index,
            Some(from) => {
                let message = format!("`{}` is closed by `{}`", all[from].text, token.text);
                return Err(Refusal::new(message).at(token.start));
            }
            None => return Err(Refusal::new(format!("`{}` closes nothing", token.text)).at(token.start)),
        }
    }
    match open.pop() {
        Some(from) => Err(Refusal::new(format!("`{}` is never closed", all[from].text)).at(all[from].start)),
        None => Ok(closes),
    }
}
