//! Texts that a label's value cannot hold, written so that it can: the model `meta-llama/Llama-3-8B` as
//! `x_meta-llama_2FLlama-3-8B`.
//!
//! After `x_`, `__` stands for an underscore, `_` and two upper-case hexadecimal digits for a byte of the
//! text's UTF-8, and every other character for itself. Only what could not stand otherwise is written as a
//! byte (an underscore at the end, where `__` may not stand, is `_5F`), and only what needs it is encoded:
//! each text has one form, and two texts never share one. So that this holds for every text, one that reads
//! as an encoding itself needs encoding, too.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::Selector;
use super::parse::{MAX_NAME_BYTES, is_value};

const PREFIX: &str = "x_";

/// Why a text has no form that a label's value can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("encoded it has {length} characters, and a label's value has at most {MAX_NAME_BYTES}")]
pub struct TooLong {
    /// The characters that its encoding would have.
    pub length: usize,
}

/// The value by which a selector asks for `text`: the text itself where that can be, otherwise its encoding.
///
/// # Errors
/// [`TooLong`] if no label's value has room for it.
pub fn encode(text: &str) -> Result<Cow<'_, str>, TooLong> {
    if !needs_encoding(text) {
        return Ok(Cow::Borrowed(text));
    }
    let written = escaped(text);
    if written.len() > MAX_NAME_BYTES {
        return Err(TooLong { length: written.len() });
    }
    Ok(Cow::Owned(written))
}

/// The text that `value` encodes; `None` where it stands for itself alone, because it is no encoding or not
/// the one that [`encode`] gives.
pub fn decode(value: &str) -> Option<String> {
    if value.len() > MAX_NAME_BYTES {
        return None;
    }
    // Each step takes the prefix away, so a value of this length ends it soon.
    unescaped(value).filter(|text| escaped(text) == value && needs_encoding(text))
}

fn needs_encoding(text: &str) -> bool {
    !is_value(text) || decode(text).is_some()
}

fn escaped(text: &str) -> String {
    let mut written = PREFIX.to_owned();
    for (index, byte) in text.bytes().enumerate() {
        let is_last = index + 1 == text.len();
        match byte {
            b'_' if !is_last => written.push_str("__"),
            b'-' | b'.' if !is_last => written.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => written.push(byte.into()),
            // Writing to a string does not fail.
            _ => _ = write!(written, "_{byte:02X}"),
        }
    }
    written
}

fn unescaped(value: &str) -> Option<String> {
    let mut rest = value.strip_prefix(PREFIX)?.as_bytes();
    let mut text = Vec::with_capacity(rest.len());
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, after) = match (first, tail) {
            (b'_', [b'_', after @ ..]) => (b'_', after),
            (b'_', [high, low, after @ ..]) => (digit(*high)? << 4 | digit(*low)?, after),
            (b'_', _) => return None,
            (byte, after) => (byte, after),
        };
        text.push(byte);
        rest = after;
    }
    String::from_utf8(text).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

impl Selector {
    /// A label for a message to whoever wrote this selector: `name=value`, with how to write the value where
    /// the selector asks for that label and the value must be encoded.
    pub fn shown(&self, name: &str, value: &str) -> String {
        let is_asked_for = self.requirements.iter().any(|one| one.key == name);
        match encode(value) {
            Ok(Cow::Owned(written)) if is_asked_for => format!("{name}={value} (write {written})"),
            _ => format!("{name}={value}"),
        }
    }
}

#[cfg(test)]
mod tests;
