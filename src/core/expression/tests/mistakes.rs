use super::super::{Expression, MAX_BYTES, MAX_DEPTH, MAX_NODES};
use super::{compile, mistakes};

/// What each mistake underlines, and what it says.
fn told(source: &str) -> Vec<(String, String)> {
    mistakes(source)
        .into_iter()
        .map(|mistake| (source[mistake.at.clone()].to_owned(), mistake.message))
        .collect()
}

#[track_caller]
fn assert_told(source: &str, expected: &[(&str, &str)]) {
    let told = told(source);
    let told: Vec<_> = told.iter().map(|(at, message)| (at.as_str(), message.as_str())).collect();
    assert_eq!(told, expected, "{source}");
}

#[test]
fn syntax() {
    for (source, at, message) in [
        ("", "", "the expression is empty"),
        (" \n", "", "the expression is empty"),
        ("// nothing", "", "the expression ends too early"),
        ("1 +", "", "the expression ends too early"),
        ("(1 + 2", "", "a `)` is missing at the end"),
        ("max(1, 2", "", "the expression ends too early"),
        ("(1 2)", "2", "a `)` is missing before `2`"),
        ("1 + 2)", ")", "`)` is not expected here"),
        ("waiting kv", "kv", "`kv` is not expected here"),
        ("waiting > 1 ? 2", "", "this `?` lacks its `:`"),
        ("waiting = 1", "=", "`=` is not expected here"),
        ("kv & 1", "&", "`&` is not expected here"),
        ("kv | 1", "|", "`|` is not expected here"),
        ("kv ^ 2", "^", "`^` is not expected here"),
        ("* 2", "*", "`*` is not expected here"),
        ("max(1,)", ")", "`)` is not expected here"),
        ("1 + $x", "$", "`$` is not expected here"),
        ("größe", "ö", "`ö` is not expected here"),
        ("1 + 🦀", "🦀", "`🦀` is not expected here"),
        ("1 + \u{0}", "\u{0}", r"`\0` is not expected here"),
        ("for + 1", "for", "`for` is a word that CEL keeps for itself"),
        ("`waiting`", "`waiting`", "``waiting`` is not expected here"),
        ("1 + 'abc", "'abc", "what is quoted here does not end"),
        ("9223372036854775808", "9223372036854775808", "`9223372036854775808` is more than a number can be"),
        ("1 + 1e999", "1e999", "`1e999` is more than a number can be"),
        ("1 +\n  2x", "2x", "`2x` is no number"),
        ("0x", "0x", "`0x` is no number"),
        ("1e", "1e", "`1e` is no number"),
    ] {
        assert_told(source, &[(at, message)]);
    }
}

#[test]
fn places_are_those_of_the_source() {
    let source = "// größer\nhas(limit) ? 1 :\n  unknown";
    assert_told(source, &[("unknown", "`unknown` is unknown")]);
    assert_eq!(mistakes("1 +\n  )")[0].at, 6..7);
    assert_eq!(mistakes("// ö\n)")[0].at, 6..7);
}

#[test]
fn what_is_quoted_is_one_short_line() {
    let source = format!("(waiting\n   +   {}) && true ? 1 : 0", ["ready"; 20].join(" + "));
    let [mistake] = &mistakes(&source)[..] else { panic!("one mistake") };
    let message = "a condition is wanted here, and `waiting + ready + ready + ready + ready …` is a number";
    assert_eq!(mistake.message, message);
    let [mistake] = &mistakes(&"x".repeat(500))[..] else { panic!("one mistake") };
    assert_eq!(mistake.message, format!("`{}…` is unknown", "x".repeat(40)));
}

#[test]
fn names_are_known() {
    let [mistake] = &mistakes("wating * 2")[..] else { panic!("one mistake") };
    assert_eq!(mistake.unknown.as_deref(), Some("wating"));
    assert_eq!(
        mistake.hint.as_deref(),
        Some("known are: waiting, ready, spare, kv, ttft, delta, limit, hot")
    );
    let Err(alone) = Expression::compile("x", &[]) else { panic!("there is no x") };
    assert_eq!(alone[0].hint.as_deref(), Some("there is nothing that could be named here"));
    let [mistake] = &mistakes("max * 2")[..] else { panic!("one mistake") };
    assert_eq!(mistake.hint.as_deref(), Some("it is a function: write `max(…)`"));
}

#[test]
fn the_mask_of_has_is_never_seen() {
    assert_told(
        "phase + HAS + has",
        &[("phase", "`phase` is unknown"), ("HAS", "`HAS` is unknown"), ("has", "`has` is unknown")],
    );
    assert_told(
        "HAS(limit) ? 1 : 0",
        &[("HAS", "there is no function `HAS`"), ("limit", "`limit` may be missing here")],
    );
}

#[test]
fn functions_and_their_arguments() {
    for (source, at, message) in [
        ("max()", "max()", "`max` does not take 0 arguments"),
        ("max(kv)", "max(kv)", "`max` does not take 1 argument"),
        ("1 + abs(kv, 2)", "abs(kv, 2)", "`abs` does not take 2 arguments"),
        ("clamp(kv, 1)", "clamp(kv, 1)", "`clamp` does not take 2 arguments"),
        ("clamp(kv, 2, 1)", "clamp(kv, 2, 1)", "nothing is at least 2 and at most 1"),
        ("avg(kv, 1)", "avg", "there is no function `avg`"),
        ("size(kv)", "size", "there is no function `size`"),
        ("has() ? 1 : 0", "has()", "`has` does not take 0 arguments"),
        ("has(limit, hot) ? 1 : 0", "has(limit, hot)", "`has` does not take 2 arguments"),
        ("has(1) ? 1 : 0", "1", "`has` asks about a name, and this is none"),
        ("default(1 + 2, 3)", "1 + 2", "`default` asks about a name, and this is none"),
        ("default(limit)", "default(limit)", "`default` does not take 1 argument"),
    ] {
        assert_eq!(told(source)[0], (at.to_owned(), message.to_owned()), "{source}");
    }
}

#[test]
fn types() {
    for (source, at, message) in [
        ("waiting > 1", "waiting > 1", "a number is wanted here, and `waiting > 1` is true or false"),
        ("true", "true", "a number is wanted here, and `true` is true or false"),
        ("1 + (kv > 1)", "kv > 1", "a number is wanted here, and `kv > 1` is true or false"),
        ("1 + (!(kv > 1))", "!(kv > 1)", "a number is wanted here, and `!(kv > 1)` is true or false"),
        ("has(limit)", "has(limit)", "a number is wanted here, and `has(limit)` is true or false"),
        ("max(has(limit), 1)", "has(limit)", "a number is wanted here, and `has(limit)` is true or false"),
        ("true == false ? 1 : 0", "true", "a number is wanted here, and `true` is true or false"),
        ("1 < 2 < 3 ? 1 : 0", "1 < 2", "a number is wanted here, and `1 < 2` is true or false"),
        ("kv ? 1 : 0", "kv", "a condition is wanted here, and `kv` is a number"),
        ("!kv ? 1 : 0", "kv", "a condition is wanted here, and `kv` is a number"),
        ("kv > 1 && - 5e-1 ? 1 : 0", "- 5e-1", "a condition is wanted here, and `- 5e-1` is a number"),
        (
            "kv > 1 || max(kv, -2) ? 1 : 0",
            "max(kv, -2)",
            "a condition is wanted here, and `max(kv, -2)` is a number",
        ),
        (
            "((kv + 1) * 2) ? 1 : 0",
            "(kv + 1) * 2",
            "a condition is wanted here, and `(kv + 1) * 2` is a number",
        ),
        ("-(kv > 1)", "kv > 1", "a number is wanted here, and `kv > 1` is true or false"),
        ("(kv > 1 ? true : kv > 2) ? 1 : 0", "true", "a number is wanted here, and `true` is true or false"),
    ] {
        assert_eq!(told(source)[0], (at.to_owned(), message.to_owned()), "{source}");
    }
}

#[test]
fn the_rest_of_cel() {
    for (source, what) in [
        ("'text'", "texts are"),
        ("b'bytes'", "texts are"),
        ("null", "`null` is"),
        ("[1, 2]", "lists are"),
        ("{'a': 1}", "maps are"),
        ("waiting{a: 1}", "maps are"),
        ("pods.waiting", "fields, and dots in names, are"),
        ("has(pods.waiting) ? 1 : 0", "`has` asks about a name, and this is none"),
        ("waiting[0]", "lists and `[…]` are"),
        ("waiting % 2", "`%` is"),
        ("waiting in [1] ? 1 : 0", "`in` is"),
        ("[1].map(x, x + 1)", "macros over lists are"),
        ("[1].exists(x, x > 1) ? 1 : 0", "macros over lists are"),
        ("waiting.max(2)", "calls after a dot are"),
        (".waiting", "a dot before a name is"),
        (".max(1, 2)", "a dot before a name is"),
    ] {
        let mistakes = mistakes(source);
        let mistake = mistakes.iter().find(|mistake| mistake.message.starts_with(what));
        let mistake = mistake.unwrap_or_else(|| panic!("{source}: {mistakes:#?}"));
        assert!(mistake.hint.is_some(), "{source}");
    }
    assert_eq!(mistakes("1 + 'text'")[0].at, 4..10);
}

#[test]
fn optional_ones_are_asked_about_before_they_are_used() {
    for (source, times) in [
        ("limit", 1),
        ("limit + hot", 2),
        ("max(limit, 1)", 1),
        ("has(limit) ? 1 : limit", 1),
        ("has(hot) ? limit : 1", 1),
        ("!has(limit) ? limit : 1", 1),
        ("has(limit) || kv > 1 ? limit : 1", 1),
        ("has(limit) || limit > 1 ? 1 : 0", 1),
        ("limit > 1 && has(limit) ? 1 : 0", 1),
        ("(has(limit) ? 1 : 0) + limit", 1),
        ("default(limit, limit)", 1),
        ("default(hot, limit)", 1),
        ("has(limit) && has(hot) ? 1 : limit", 1),
    ] {
        let told = told(source);
        assert_eq!(told.len(), times, "{source}: {told:?}");
        assert!(
            told.iter().all(|(_, message)| message.ends_with("may be missing here")),
            "{source}: {told:?}"
        );
    }
}

#[test]
fn required_ones_need_no_asking() {
    assert_told("has(kv) ? 1 : 0", &[("has(kv)", "`kv` is never missing, so `has` has nothing to ask")]);
    assert_told(
        "default(kv, 1)",
        &[("default(kv, 1)", "`kv` is never missing, so `default` has nothing to ask")],
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    assert_told(
        "wating + max(kv) * (has(limit) && redy > 1 ? limit : true) / foo(bar)",
        &[
            ("wating", "`wating` is unknown"),
            ("max(kv)", "`max` does not take 1 argument"),
            ("redy", "`redy` is unknown"),
            ("true", "a number is wanted here, and `true` is true or false"),
            ("foo", "there is no function `foo`"),
            ("bar", "`bar` is unknown"),
        ],
    );
}

#[test]
fn limits() {
    let longest = format!("1{}", " ".repeat(MAX_BYTES - 1));
    assert_eq!(compile(&longest).evaluate(&[]), Ok(1.0));
    let [mistake] = &mistakes(&format!("{longest} "))[..] else { panic!("one mistake") };
    assert_eq!(mistake.message, "the expression has 1001 bytes, more than 1000");
    assert_eq!(mistake.at, 1000..1001);

    // A chain of n numbers has n - 1 operators.
    let chain = |numbers: usize| vec!["1"; numbers].join("+");
    assert_eq!(compile(&chain(MAX_NODES / 2)).evaluate(&[]), Ok(100.0));
    let [mistake] = &mistakes(&chain(MAX_NODES / 2 + 1))[..] else { panic!("one mistake") };
    assert_eq!(mistake.message, "the expression has more than 200 numbers, names, operators and calls");

    let nested = |depth: usize| format!("{}1{}", "abs(".repeat(depth), ")".repeat(depth));
    assert_eq!(compile(&nested(MAX_DEPTH.into())).evaluate(&[]), Ok(1.0));
    let [mistake] = &mistakes(&nested(usize::from(MAX_DEPTH) + 1))[..] else { panic!("one mistake") };
    assert_eq!(mistake.message, "parentheses and calls are more than 32 deep within one another");
}
