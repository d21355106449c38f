//! What is sent to break it. Everything runs on the stack of a worker thread, 2 MiB; what crashes or does
//! not end fails the test.

use proptest::prelude::*;

use super::super::Expression;
use super::{VALUES, variables};

/// Compiles `source`; of what is refused, every mistake is one line of plain words and lies in the source.
fn survives(source: &str) {
    match Expression::compile(source, &variables()) {
        Ok(expression) => {
            expression.evaluate(&VALUES).ok();
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "{source:?}");
            for mistake in mistakes {
                assert!(source.get(mistake.at.clone()).is_some(), "{source:?}: {mistake:?}");
                let words = format!("{} {}", mistake.message, mistake.hint.unwrap_or_default());
                assert!(!words.contains(char::is_control) && words.len() < 500, "{source:?}: {words}");
                for raw in ["ERROR", "Syntax error", "<EOF>", "<input>", "Tok"] {
                    assert!(!words.contains(raw), "{source:?}: {words}");
                }
            }
        }
    }
}

/// Each as long as fits, and far beyond.
fn corpus() -> Vec<String> {
    let mut corpus = Vec::new();
    let motifs = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "((",
        "()",
        "[(",
        "{1:",
        "{(",
        "-(",
        "!(",
        "-!",
        "!-",
        "- ",
        "--",
        "!",
        "1+",
        "1-",
        "1*",
        "1/",
        "kv/",
        "1<",
        "1==",
        "true&&",
        "true||",
        "(true||",
        "1?",
        "1:",
        "1?1:",
        "true?1:",
        "(true?1:",
        "?",
        ":",
        "kv>0?kv/",
        "(kv>0?1:2)>",
        "!(kv>0&&",
        "!(kv>0||",
        "((kv>0&&",
        "max(",
        "max(1,",
        "abs(",
        "has(",
        "has(limit)&&",
        "!has(limit)||",
        "default(limit,",
        "a.",
        ".",
        "a[",
        "a[0].",
        "a{",
        "a{b:",
        "1,",
        ",",
        ",,",
        "[1].map(x,",
        "[1].all(x,",
        "[1].filter(x,",
        "[x].exists(x,",
        "x.exists_one(x,",
        "[1].map(x,[1].map(y,",
        "'",
        "\"",
        "'''",
        "\"\"\"",
        "r'",
        "b'",
        "br\"",
        "'\\",
        "\\",
        "`",
        "'a'+",
        "\"\\u00e9\"",
        "'\\U00110000'",
        "b'\\xff'",
        "//",
        "/*",
        "//\n",
        "\n",
        "\t",
        "\r",
        "\u{b}",
        " ",
        "\u{0}",
        "\u{7f}",
        "\u{1b}[31m",
        "\u{202e}",
        "\u{200b}",
        "\u{feff}",
        "é",
        "🦀",
        "e\u{301}",
        "９",
        "1",
        "9",
        "0x",
        "0xf",
        "1e",
        "1e9",
        "1e999+",
        "1.",
        "1..",
        ".5",
        "5u",
        "in",
        " in ",
        "1 in ",
        "null",
        "true",
        "for ",
        "&",
        "|",
        "=",
        "==",
        "%",
        "$",
        "@",
        "#",
        "^",
        "~",
        ";",
        "!!(!!!!!!(!!!!(((((!!(!!(!!!!((",
        "[?",
        "a.?b",
        "a[?0]",
        "{?",
        "<EOF>",
    ];
    for motif in motifs {
        for length in [1, 100, 1_000, 100_000] {
            let times = (length / motif.len()).max(1);
            let repeated = motif.repeat(times);
            corpus.push(format!("{repeated}1"));
            corpus.push(format!("1{repeated}"));
            corpus.push(repeated);
        }
    }
    for (open, close) in [
        ("(", ")"),
        ("-(", ")"),
        ("1+(", ")"),
        ("(1+", ")"),
        ("abs(", ")"),
        ("max(1,", ")"),
        ("[", "]"),
        ("{1:", "}"),
        ("[1].map(x,", ")"),
        ("(kv>0?", ":0)"),
        ("((", ")>0?1:2)"),
        ("(kv>0?kv/(", "):0)"),
    ] {
        for depth in [1, 10, 30, 33, 60, 200, 50_000] {
            corpus.push(format!("{}1{}", open.repeat(depth), close.repeat(depth)));
        }
    }
    // Conditions within conditions, where what is known could be asked for again and again.
    let mut negated = "kv>0".to_owned();
    let mut chosen = "kv".to_owned();
    let mut divided = "kv".to_owned();
    for _ in 0..30 {
        negated = format!("!({negated}&&ttft>0)");
        chosen = format!("({chosen}>0?1:2)");
        divided = format!("({divided}>0?kv/ttft:2)");
    }
    corpus.extend([format!("{negated}?1:2"), chosen, divided]);
    // From the library's own reports: a panic after recovery.
    corpus.push(format!(">{}?[{}{}l\u{0}?(-", "{".repeat(63), "(".repeat(11), "{".repeat(26)));
    corpus.extend(["1 +", "(", ")", "!-\u{1}", "x(1,)", "1 + ()"].map(str::to_owned));
    corpus.push("x".repeat(10_000_000));
    corpus
}

#[test]
fn the_corpus() {
    let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
        for source in corpus() {
            survives(&source);
        }
    });
    worker.expect("a thread starts").join().expect("all survive");
}

fn soup() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "waiting", "kv", "limit", "x", "1", "0", "2.5", "-1", "true", "+", "-", "*", "/", "%", "<", ">=",
        "==", "!=", "&&", "||", "!", "?", ":", "(", ")", "max(", "clamp(", "has(", "default(", "abs(", ",",
        " ", "\n", ".", "[", "]", "{", "}", "in", "'a'", "é", "\u{0}", "//", "has", ".map(",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4_000) })]

    #[test]
    fn any_text_survives(source in "\\PC{0,80}|(.|\\n){0,40}") {
        survives(&source);
    }

    #[test]
    fn any_words_survive(source in soup()) {
        survives(&source);
    }
}
