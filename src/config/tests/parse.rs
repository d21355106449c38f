//! What is read, and what is refused where.

use crate::config::{Diagnostics, Node, Report, Value, parse};
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn read(text: &str) -> (Vec<Node>, Report) {
    let mut diags = Diagnostics::default();
    let nodes = parse("config.yaml", text, &mut diags);
    (nodes, diags.finish())
}

/// A short form of nodes: text bare if plain and quoted if not.
fn show(node: &Node) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match &node.value {
        Value::Null => "~".to_owned(),
        Value::Scalar { text, plain: true } => text.clone(),
        Value::Scalar { text, plain: false } => format!("{text:?}"),
        Value::Sequence(items) => format!("[{}]", list(items.iter().map(show).collect())),
        Value::Mapping(entries) => {
            let field = |(key, value): &(crate::config::Key, Node)| format!("{}: {}", key.text, show(value));
            format!("{{{}}}", list(entries.iter().map(field).collect()))
        }
        Value::Invalid => "!".to_owned(),
    }
}

#[test]
fn scalars_keep_their_text() {
    for (yaml, expected) in [
        ("", ""),
        ("# nothing\n", ""),
        ("a: no\nb: 012\nc: 1_000\nd: 'yes'", "{a: no, b: 012, c: 1_000, d: \"yes\"}"),
        ("a:\nb: ~\nc: null\nd: 'null'\ne: ''", "{a: ~, b: ~, c: ~, d: \"null\", e: \"\"}"),
        ("a: |\n  sum(x)\n   / y\n", r#"{a: "sum(x)\n / y\n"}"#),
        ("a: >-\n  sum(x)\n  / y\n", r#"{a: "sum(x) / y"}"#),
        ("a: !!str 5\nb: !!int 5\nc: ! 5", "{a: \"5\", b: 5, c: \"5\"}"),
        ("- 1\n- [x, {y: z}]\n", "[1, [x, {y: z}]]"),
        ("\u{feff}a: 1\r\nb: 2\r\n", "{a: 1, b: 2}"),
        ("a: 1\n---\nb: 2\n...\n---\n", "{a: 1}|{b: 2}|~"),
    ] {
        let (nodes, report) = read(yaml);
        assert_eq!(report.to_string(), "", "{yaml}");
        assert_eq!(nodes.iter().map(show).collect::<Vec<_>>().join("|"), expected, "{yaml}");
    }
}

#[test]
fn refusals_are_located() {
    for (yaml, expected, tree) in [
        ("a: &x 1\nb: *x\n", "1:4 anchors are not supported|2:4 aliases are not supported", "{a: 1, b: !}"),
        ("a: *x\n", "1:4 aliases are not supported", "{a: !}"),
        ("a:\n  <<: {b: 1}\n", "2:3 merge keys are not supported", "{a: {}}"),
        ("a: 1\nb: 2\na: 3\n", "3:1 duplicate field `a`", "{a: 1, b: 2}"),
        ("a: !env HOME\n", "1:4 the tag `!env` is not supported here", "{a: HOME}"),
        ("a: !!binary aGk=\n", "1:4 the tag `!!binary` is not supported here", "{a: aGk=}"),
        ("a: !!map x\n", "1:4 the tag `!!map` is not supported here", "{a: x}"),
        ("? [a]\n: 1\nb: 2\n", "1:3 a field's name must be a word", "{b: 2}"),
        (": 1\nb: 2\n", "1:1 a field has no name", "{b: 2}"),
        ("*x : 1\nb: 2\n", "1:1 aliases are not supported", "{b: 2}"),
    ] {
        let (nodes, report) = read(yaml);
        assert_eq!(problems(&report), expected, "{yaml}");
        assert_eq!(nodes.iter().map(show).collect::<String>(), tree, "{yaml}");
    }
}

#[test]
fn syntax_errors_are_located_and_leave_other_documents_alone() {
    for (yaml, expected) in [
        ("a: [1, 2\n", "1:4 `[` is never closed"),
        ("a: [1}\n", "1:4 `[` is closed by `}`"),
        ("a: ]\n", "1:4 this bracket closes nothing"),
        ("a: \"x\n", "2:1 a quoted text goes on without indentation"),
        ("a: \"\\q\"\n", "1:4 unknown escape in a double-quoted text"),
        ("a: @x\n", "1:4 a value cannot start with `@`"),
        ("a: b: c\n", "1:5 a second `:` on one line, or a field indented too far"),
        ("a: 1\nb\nc: 2\n", "2:1 expected a field like `name: value`"),
        ("- 1\nb: 2\n", "2:1 expected a list item like `- value`"),
        ("a:\n\tb: 2\n", "2:2 a tab cannot indent"),
        ("a: 'x' y\n", "1:8 text after the closing quote"),
        ("a: {b: c, d: \"e\" f}\n", "1:18 text after the closing quote"),
        ("a: \0\n", "1:4 a value cannot start with `\\0`"),
    ] {
        let (nodes, report) = read(&format!("{yaml}---\nok: 1\n"));
        assert_eq!(problems(&report), expected, "{yaml}");
        assert_eq!(nodes.iter().map(show).collect::<String>(), "{ok: 1}", "{yaml}");
    }
}

fn problems(report: &Report) -> String {
    let problem = |d: &crate::config::Diagnostic| format!("{}:{} {}", d.line, d.column, d.message);
    report.diagnostics.iter().map(problem).collect::<Vec<_>>().join("|")
}

#[test]
fn hostile_documents_are_refused_quickly() {
    let laughs = (1..=9).fold("a0: &a0 [lol]\n".to_owned(), |text, n| {
        let references = vec![format!("*a{}", n - 1); 9].join(",");
        format!("{text}a{n}: &a{n} [{references}]\n")
    });
    let big = 1024 * 1024 - 64;
    for (name, text) in [
        ("laughs", laughs),
        ("huge", "a: 1\n".repeat(400_000)),
        ("flow", "[".repeat(big)),
        ("flow maps", "{a: ".repeat(big / 4)),
        ("block", (0..1000).fold(String::new(), |text, n| format!("{text}{}a:\n", " ".repeat(n)))),
        ("dashes", "- ".repeat(big / 2)),
        ("explicit keys", "? ".repeat(big / 2)),
        ("aliases", format!("[{}]", "*a,".repeat(big / 3))),
        ("anchors", format!("[{}]", "&a b,".repeat(big / 5))),
        ("duplicates", "a: 1\n".repeat(big / 5)),
        ("broken documents", "---\n]\n".repeat(big / 6)),
        ("quotes", "'".repeat(big + 1)),
        ("urls", format!("[{}", "://@".repeat(big / 4))),
    ] {
        let start = Instant::now();
        let (_, report) = read(&text);
        let elapsed = start.elapsed();
        assert!(report.has_errors(), "{name}");
        let shown = report.to_string();
        assert!(shown.len() < 500_000, "{name}: {}", shown.len());
        // Unoptimized on a shared machine; what it rules out is quadratic time.
        assert!(elapsed < Duration::from_secs(5), "{name}: {elapsed:?}");
    }
}

#[test]
fn the_depth_limit_is_exact() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(!read(&nested(64)).1.has_errors());
    let (nodes, report) = read(&nested(65));
    assert!(nodes.is_empty());
    assert_eq!(problems(&report), "1:65 nested more than 64 levels deep");
}

/// YAML-like soup finds more than arbitrary characters do.
fn soup() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "a",
        "b: ",
        "- ",
        "? ",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        "\"",
        "\\",
        "|\n  ",
        ">-\n  ",
        "&x ",
        "*x",
        "!!str ",
        "!e ",
        "<<",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "#",
        " ",
        "\t",
        "\r",
        "\0",
        "é",
        "\u{feff}",
        "\u{2028}",
        "~",
        "://u:p@h",
        "1_0",
    ]);
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

/// Every place lies within the text, and the characters of located scalars stand where they are said to.
fn visit(node: &Node, lines: &[Vec<char>]) {
    assert!((1..=lines.len()).contains(&node.span.line) && node.span.column >= 1, "{node:?}");
    match &node.value {
        Value::Scalar { text, .. } => {
            for (offset, c) in text.char_indices() {
                let (line, column) = node.locate(offset);
                // The parser does not count a byte order mark that starts a later document.
                let blurred = c.is_whitespace() || lines[line - 1].contains(&'\u{feff}');
                let found = lines[line - 1].get(column - 1);
                assert!(node.marks.is_empty() || blurred || found == Some(&c), "{node:?} {offset}");
            }
            let end = node.locate(text.len() + 1);
            assert!(end.0 <= lines.len());
        }
        Value::Sequence(items) => items.iter().for_each(|item| visit(item, lines)),
        Value::Mapping(entries) => entries.iter().for_each(|(_, value)| visit(value, lines)),
        Value::Null | Value::Invalid => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn nothing_panics_and_places_are_right(text in prop_oneof![soup(), any::<String>(), "[ -~\n]{0,200}"]) {
        let (nodes, report) = read(&text);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n").replace('\r', "\n");
        let lines: Vec<Vec<char>> = text.split('\n').map(|line| line.chars().collect()).collect();
        for node in &nodes {
            visit(node, &lines);
        }
        prop_assert!(report.diagnostics.iter().all(|d| d.line <= lines.len() && d.width >= 1));
        prop_assert!(!report.render(false).contains('\x1b'));
    }
}
