//! Decode functions for scalars.

use super::decode::accept;
use super::diagnostic::Diagnostics;
use super::node::Node;
use super::source::quoted;
use super::suggest::did_you_mean;
use super::units::{Refusal, parse_duration, parse_size, parse_whole};
use reqwest::Url;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// The longest name a metric can have in the URL of the metrics APIs.
const MAX_NAME: usize = 253;

/// Reads text in any notation.
fn text<T>(
    diags: &mut Diagnostics,
    node: &Node,
    what: &str,
    parse: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Option<T> {
    let (text, _) = node.scalar(diags, what)?;
    accept(diags, node, parse(text))
}

/// Reads what would be a string if it stood in quotes.
fn plain<T>(
    diags: &mut Diagnostics,
    node: &Node,
    what: &str,
    parse: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Option<T> {
    let (text, plain) = node.scalar(diags, what)?;
    let result = parse(text).and_then(|value| {
        let quotes = || Refusal::new(format!("expected {what}, found a string")).hint("remove the quotes");
        if plain { Ok(value) } else { Err(quotes()) }
    });
    accept(diags, node, result)
}

fn unlike(what: &str, text: &str) -> Refusal {
    Refusal::new(format!("expected {what}, found {}", quoted(text)))
}

/// A string that is not blank. Plain `no` or `012` is the string it looks like.
pub fn string(diags: &mut Diagnostics, node: &Node) -> Option<String> {
    text(diags, node, "a string", not_blank)
}

fn not_blank(text: &str) -> Result<String, Refusal> {
    if text.trim().is_empty() { Err(Refusal::new("this must not be empty")) } else { Ok(text.to_owned()) }
}

/// `true` or `false`.
pub fn boolean(diags: &mut Diagnostics, node: &Node) -> Option<bool> {
    plain(diags, node, "true or false", |text| {
        let refusal = unlike("true or false", text);
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => refusal.hint("write `true`"),
                "false" | "no" | "off" | "n" => refusal.hint("write `false`"),
                _ => refusal,
            }),
        }
    })
}

/// A finite number as JSON would write it.
pub fn number(diags: &mut Diagnostics, node: &Node) -> Option<f64> {
    plain(diags, node, "a number", |text| {
        let number = text.parse::<serde_json::Number>().ok().and_then(|number| number.as_f64());
        number.filter(|number| number.is_finite()).ok_or_else(|| unlike("a number", text))
    })
}

/// A whole number within a range.
pub fn integer(range: RangeInclusive<u64>) -> impl Fn(&mut Diagnostics, &Node) -> Option<u64> {
    let (low, high) = (*range.start(), *range.end());
    let what = match (low, high) {
        (0, u64::MAX) => "a whole number".to_owned(),
        (_, u64::MAX) => format!("a whole number of at least {low}"),
        _ => format!("a whole number from {low} to {high}"),
    };
    move |diags, node| {
        plain(diags, node, &what, |text| {
            let value = parse_whole(text)?;
            if range.contains(&value) { Ok(value) } else { Err(unlike(&what, text)) }
        })
    }
}

/// One of a list of names.
pub fn one_of<T: Copy>(names: &[(&str, T)]) -> impl Fn(&mut Diagnostics, &Node) -> Option<T> {
    move |diags, node| {
        let list = names.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let what = format!("one of {}", list.join(", "));
        text(diags, node, &what, |text| {
            let found = names.iter().find(|(name, _)| *name == text);
            found.map(|(_, value)| *value).ok_or_else(|| match did_you_mean(text, list.iter().copied()) {
                Some(name) => unlike(&what, text).hint(format!("did you mean `{name}`?")),
                None => unlike(&what, text),
            })
        })
    }
}

/// A positive duration, as read by [`parse_duration`].
pub fn duration(diags: &mut Diagnostics, node: &Node) -> Option<Duration> {
    text(diags, node, "a duration", parse_duration)
}

/// A positive number of bytes, as read by [`parse_size`].
pub fn byte_size(diags: &mut Diagnostics, node: &Node) -> Option<u64> {
    text(diags, node, "a size", parse_size)
}

/// An absolute path, or one relative to wherever the reader of the setting says.
pub fn path(diags: &mut Diagnostics, node: &Node) -> Option<PathBuf> {
    text(diags, node, "a path", |text| match text.find('\0') {
        Some(_) => Err(Refusal::new("a path cannot contain a NUL character")),
        None => not_blank(text).map(PathBuf::from),
    })
}

/// An `http://` or `https://` URL to which a path and a query can be added.
pub fn http_url(diags: &mut Diagnostics, node: &Node) -> Option<Url> {
    text(diags, node, "a URL", parse_http_url)
}

fn parse_http_url(text: &str) -> Result<Url, Refusal> {
    let refusal = unlike("an http or https URL", text);
    if !text.starts_with("http://") && !text.starts_with("https://") {
        let bare = !text.contains("://") && text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let complete = if bare { format!("http://{text}") } else { "http://prometheus:9090".to_owned() };
        return Err(refusal.hint(format!("write it like {}", quoted(&complete))));
    }
    // The URL standard drops these without a word.
    if let Some(offset) = text.find(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(Refusal::new("a URL cannot contain this character").at(offset));
    }
    let url = Url::parse(text).map_err(|error| refusal.hint(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refusal::new("a URL must not contain credentials").hint("use `auth` for them"));
    }
    for (part, start) in [(url.query(), '?'), (url.fragment(), '#')] {
        if let (Some(_), Some(offset)) = (part, text.find(start)) {
            return Err(Refusal::new("this URL is a base, without a query or fragment")
                .at(offset)
                .hint(format!("remove everything from `{start}` on")));
        }
    }
    Ok(url)
}

/// The name of a metric in the metrics APIs, where it is a part of a path.
pub fn metric_name(diags: &mut Diagnostics, node: &Node) -> Option<String> {
    text(diags, node, "a metric name", |text| {
        parse_name(text, "a metric name", "a-z", |c| c.is_ascii_lowercase())
    })
}

/// The name of a series as exporters write it, upper case included.
pub fn series_name(diags: &mut Diagnostics, node: &Node) -> Option<String> {
    text(diags, node, "a series name", |text| {
        parse_name(text, "a series name", "a-z, A-Z", |c| c.is_ascii_alphabetic())
    })
}

fn parse_name(text: &str, what: &str, letters: &str, letter: fn(char) -> bool) -> Result<String, Refusal> {
    let start = |c| letter(c) || matches!(c, '_' | ':');
    let within = |c: char| start(c) || c.is_ascii_digit() || matches!(c, '.' | '-');
    if text.len() > MAX_NAME {
        return Err(Refusal::new(format!("{what} has at most {MAX_NAME} characters")));
    }
    let Some(first) = text.chars().next() else { return Err(Refusal::new("this must not be empty")) };
    let wrong = text.char_indices().find(|&(at, c)| if at == 0 { !start(c) } else { !within(c) });
    let Some((offset, c)) = wrong else { return Ok(text.to_owned()) };
    let (place, others) =
        if offset == 0 && within(first) { ("start with", "") } else { ("contain", ", 0-9, ., -") };
    Err(Refusal::new(format!("{what} cannot {place} {}", quoted(c.encode_utf8(&mut [0; 4]))))
        .at(offset)
        .hint(format!("allowed are {letters}, _, :{others}")))
}
