//! Any bytes, read as a label selector and as a text that a label's value stands for.

use super::encoded::{decode, encode};
use super::parse::{MAX_NAME_BYTES, is_value};
use super::{Operator, Selector};

/// As a selector: it is refused at a place within the text, or what it says is made of characters that
/// mean nothing anywhere else, is met by what it names, and survives being printed.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let selector = match Selector::parse(text) {
        Ok(selector) => selector,
        Err(error) => {
            assert!(text.get(..error.position).is_some_and(str::is_ascii), "{error}");
            assert!(error.message.len() < 400 && !error.message.contains(char::is_control), "{error}");
            return;
        }
    };
    for one in selector.requirements() {
        assert!(one.key().len() <= 253 + 1 + MAX_NAME_BYTES && is_literal(one.key()), "{selector}");
        assert!(one.values().iter().all(|value| value.len() <= MAX_NAME_BYTES && is_literal(value)));
        let wants = matches!(one.operator(), Operator::Equals | Operator::In);
        for value in one.values() {
            assert_eq!(one.matches(Some(value)), wants, "{one}");
            if let Some(stands_for) = decode(value) {
                assert_eq!(one.matches(Some(&stands_for)), wants, "{one}");
            }
        }
        assert_eq!(one.matches(None), !wants && one.operator() != Operator::Exists, "{one}");
    }
    let printed = selector.to_string();
    // A text of the largest size may need a blank more.
    if printed.len() <= text.len().max(1024) {
        assert_eq!(Selector::parse(&printed), Ok(selector));
    }
}

/// As a text that is asked for by a label's value: what encodes it stands for it alone, and a selector
/// that names it finds it.
pub(crate) fn encoded(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match encode(text) {
        Ok(value) => {
            assert!(is_value(&value), "{value}");
            let stands_for = decode(&value);
            assert_eq!(stands_for.as_deref().unwrap_or(&value), text);
            let selector = Selector::parse(&format!("model={value}")).expect("the value is one");
            assert!(selector.matches(|_| Some(text)));
        }
        Err(error) => assert!(error.length > MAX_NAME_BYTES),
    }
    if let Some(stands_for) = decode(text) {
        assert_eq!(encode(&stands_for).as_deref(), Ok(text));
    }
}

fn is_literal(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
}
