//! How problems are ordered, shown and serialized.

use crate::config::{Diagnostics, Report, did_you_mean, parse};

/// Reports a warning and an error on the values of a document's only list.
fn sample(yaml: &str) -> Report {
    let mut diags = Diagnostics::default();
    let nodes = parse("config.yaml", yaml, &mut diags);
    let items = nodes[0].items(&mut diags, "a list").unwrap();
    diags.error_at(&items[1].span, "second");
    diags.warning_at(&items[0].span, "first").hint("try harder");
    diags.finish()
}

#[test]
fn suggestions() {
    let fields = ["promql", "name", "window", "target_value"];
    for (word, expected) in [
        ("promql", Some("promql")),
        ("promqll", Some("promql")),
        ("prmoql", Some("promql")),
        ("promQL", Some("promql")),
        ("prom_ql", Some("promql")),
        ("PROM-QL", Some("promql")),
        ("targetValue", Some("target_value")),
        ("nmae", Some("name")),
        ("windows", Some("window")),
        ("query", None),
        ("n", None),
        ("", None),
    ] {
        assert_eq!(did_you_mean(word, fields), expected, "{word}");
    }
    // The nearest wins, whatever the order.
    assert_eq!(did_you_mean("window2", ["window31", "window1", "window2"]), Some("window2"));
    assert_eq!(did_you_mean(&"x".repeat(1 << 20), fields), None);
}

#[test]
fn problems_are_shown_in_order() {
    insta::assert_snapshot!(sample("- one\n- zwölf\n"), @r"
    warning: first
     --> config.yaml:1:3
      |
    1 | - one
      |   ^^^ try harder

    error: second
     --> config.yaml:2:3
      |
    2 | - zwölf
      |   ^^^^^
    ");
}

#[test]
fn colour_is_ansi() {
    let report = sample("[one, two]");
    let coloured = report.render(true);
    assert!(coloured.starts_with("\x1b[1;33mwarning\x1b[0m\x1b[1m: first\x1b[0m\n"));
    let strip = ["\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"];
    let stripped = strip.iter().fold(coloured.clone(), |text, code| text.replace(code, ""));
    assert_eq!(stripped, report.render(false));
}

#[test]
fn reports_serialize() {
    insta::assert_json_snapshot!(sample("- one\n- two\n"), @r#"
    {
      "diagnostics": [
        {
          "severity": "warning",
          "file": "config.yaml",
          "line": 1,
          "column": 3,
          "width": 3,
          "message": "first",
          "hint": "try harder",
          "snippet": "- one"
        },
        {
          "severity": "error",
          "file": "config.yaml",
          "line": 2,
          "column": 3,
          "width": 3,
          "message": "second",
          "hint": null,
          "snippet": "- two"
        }
      ],
      "errors": 1,
      "warnings": 1,
      "omitted": 0
    }
    "#);
}

#[test]
fn problems_of_several_files_keep_their_files() {
    let mut diags = Diagnostics::default();
    let first = parse("a.yaml", "x: 1\n", &mut diags);
    let second = parse("b.yaml", "y: 2\n", &mut diags);
    diags.error_in("c.yaml", "cannot be read: permission denied").hint("who owns it?");
    diags.error_at(&second[0].entries(&mut Diagnostics::default(), "").unwrap()[0].0.span, "also here");
    diags.error_at(&first[0].entries(&mut Diagnostics::default(), "").unwrap()[0].1.span, "here");
    insta::assert_snapshot!(diags.finish(), @r"
    error: here
     --> a.yaml:1:4
      |
    1 | x: 1
      |    ^

    error: also here
     --> b.yaml:1:1
      |
    1 | y: 2
      | ^

    error: cannot be read: permission denied
     --> c.yaml:1:1
      = who owns it?
    ");
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let report = sample(&format!("['{}', 'here', '{}']", "é".repeat(300), "y".repeat(300)));
    let second = &report.diagnostics[1];
    assert_eq!((second.column, second.width), (306, 6));
    insta::assert_snapshot!(second, @r"
    error: second
     --> config.yaml:1:306
      |
    1 | …ééééééééééééééééééééééééééééééééééééééééééééééééééééééééé', 'here', 'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…
      |                                                              ^^^^^^
    ");
}

#[test]
fn snippets_cannot_harm_a_terminal_or_show_passwords() {
    let mut diags = Diagnostics::default();
    parse("c.yaml", "[\"\u{9b}31m\t\", 'http://user:p@ss/w@host/x'", &mut diags);
    let report = diags.finish();
    let snippet = report.diagnostics[0].snippet.as_deref();
    assert_eq!(snippet, Some("[\"\u{fffd}31m \", 'http://***********@host/x'"));
}

#[test]
fn absurdly_many_problems_are_counted_rather_than_kept() {
    let mut diags = Diagnostics::default();
    let nodes = parse("c.yaml", "a", &mut diags);
    for n in 0..1000 {
        diags.error_at(&nodes[0].span, format!("problem {n}"));
    }
    let report = diags.finish();
    assert_eq!((report.diagnostics.len(), report.errors, report.omitted), (500, 1000, 500));
    assert!(report.to_string().ends_with("… and 500 more\n"));
}
