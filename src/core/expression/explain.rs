//! Mistakes of syntax in plain words. The parser's own name its tokens and draw carets.

use std::ops::Range;

use cel::parser::ParseError;

use super::{MAX_BYTES, MAX_DEPTH, MAX_NODES, Mistake};

/// What an expression is made of.
pub(super) const LANGUAGE: &str = "an expression is made of numbers, names, `+ - * /`, `< <= > >= == !=`, \
    `&& || !`, `? :` and the functions min, max, clamp, abs, ceil, floor, round, has and default";

/// A piece of the source for a message: one line, not long, nothing in it that a terminal would obey.
pub(super) fn quote(text: &str) -> String {
    const MOST: usize = 40;
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut quoted = String::from("`");
    for (index, letter) in words.chars().enumerate() {
        if index == MOST {
            quoted.push('…');
            break;
        }
        match letter {
            '"' | '\'' | '\\' => quoted.push(letter),
            _ => quoted.extend(letter.escape_debug()),
        }
    }
    quoted + "`"
}

pub(super) fn too_long(source: &str) -> Mistake {
    Mistake {
        message: format!("the expression has {} bytes, more than {MAX_BYTES}", source.len()),
        hint: Some("divide it into metrics, and combine these".to_owned()),
        at: source.floor_char_boundary(MAX_BYTES)..source.len(),
        unknown: None,
    }
}

pub(super) fn too_large(source: &str) -> Mistake {
    Mistake {
        message: format!("the expression has more than {MAX_NODES} numbers, names, operators and calls"),
        hint: Some("divide it into metrics, and combine these".to_owned()),
        at: 0..source.len(),
        unknown: None,
    }
}

/// The first of the parser's errors.
pub(super) fn explain(errors: &[ParseError], source: &str) -> Mistake {
    // What follows too deep a place is not read any more, and is then said to be missing. Else the first with
    // a place: the parser also says that it gives up, which tells nothing.
    let too_deep = errors.iter().any(|error| error.msg.starts_with("expression recursion limit"));
    let Some(error) = errors.iter().find(|error| error.pos.0 > 0 && !too_deep) else {
        return Mistake {
            message: format!("parentheses and calls are more than {MAX_DEPTH} deep within one another"),
            hint: Some("divide the expression into metrics, and combine these".to_owned()),
            at: 0..source.len(),
            unknown: None,
        };
    };
    if error.msg.starts_with("expression count exceeds") {
        return too_large(source);
    }
    let at = place(error, source);
    let (message, hint) = words(&error.msg, &source[at.clone()], source);
    Mistake { message, hint: hint.map(str::to_owned), at, unknown: None }
}

fn words(error: &str, found: &str, source: &str) -> (String, Option<&'static str>) {
    let end = found.is_empty();
    if source.trim().is_empty() {
        return ("the expression is empty".to_owned(), Some(LANGUAGE));
    }
    match error {
        "expected ')'" if end => ("a `)` is missing at the end".to_owned(), None),
        "expected ')'" => (format!("a `)` is missing before {}", quote(found)), None),
        "expected ':' in conditional expression" => {
            ("this `?` lacks its `:`".to_owned(), Some("write `condition ? number : number`"))
        }
        _ if error.starts_with("invalid") && error.ends_with("literal") => (
            format!("{} is more than a number can be", quote(found)),
            Some("whole numbers go to 9223372036854775807, others, such as 1e20, to 1.7e308"),
        ),
        _ if error.contains("literal") && !error.starts_with("unterminated") => {
            (format!("{} is no number", quote(found)), Some("numbers are written as 5, 0.5, 5e-1 or 0xff"))
        }
        _ if error.starts_with("reserved identifier") => {
            (format!("{} is a word that CEL keeps for itself", quote(found)), Some("choose another name"))
        }
        _ if error.starts_with("unterminated") => {
            ("what is quoted here does not end".to_owned(), Some(LANGUAGE))
        }
        _ if end => {
            ("the expression ends too early".to_owned(), Some("a number, a name or a `)` is missing"))
        }
        _ => (format!("{} is not expected here", quote(found)), Some(instead(found))),
    }
}

/// What may be meant by what CEL does not know.
fn instead(found: &str) -> &'static str {
    match found {
        "=" => "to compare, write `==`",
        "&" => "write `&&`",
        "|" => "write `||`",
        "^" => "there are no powers; write `x * x`",
        ")" => "a `(` is missing, or a number before it",
        _ => LANGUAGE,
    }
}

/// The token that the error is about, made whole characters; empty at the end.
fn place(error: &ParseError, source: &str) -> Range<usize> {
    let known = error.source_info.as_ref().filter(|_| error.expr_id != 0);
    let (start, end) = known.and_then(|places| places.offset_for(error.expr_id)).map_or_else(
        || {
            let before = usize::try_from(error.pos.0 - 1).unwrap_or(0);
            let line: usize = source.split_inclusive('\n').take(before).map(str::len).sum();
            let start = line + usize::try_from(error.pos.1 - 1).unwrap_or(0);
            (start, start + 1)
        },
        |(start, end)| (start as usize, end as usize),
    );
    source.floor_char_boundary(start.min(source.len()))..source.ceil_char_boundary(end.min(source.len()))
}
