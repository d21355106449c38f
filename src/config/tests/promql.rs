//! Expressions, right and wrong, and the places of their parts.

use std::time::Duration;

use proptest::prelude::*;

use crate::catalog::{Catalog, promql as compiler};
use crate::config::promql::{Tree, parse};
use crate::core::freshness::Coverage;

/// What every placed node of an expression underlines, in the order of a walk.
fn underlined(text: &str) -> Vec<&str> {
    let query = parse(text).unwrap();
    let mut parts = Vec::new();
    query.tree().walk(&mut |node: &Tree<'_>, _: &[&Tree<'_>]| {
        parts.extend(node.at.clone().map(|at| &text[at]));
    });
    parts
}

#[test]
fn parts_have_places() {
    for (text, expected) in [
        ("x", vec!["x"]),
        ("-x{a=\"b)\"} # c(\n+ (y)", vec!["+", "x{a=\"b)\"}", "y"]),
        ("sum by (a, b) (rate(x[5m:1m])) / 100", vec!["/", "sum", "rate", "x"]),
        ("sum(x) by (a) - sum without () (y)", vec!["-", "sum", "x", "sum", "y"]),
        ("quantile(scalar(a), b)", vec!["quantile", "scalar", "a", "b"]),
        ("a * on (x) group_left (y) -b offset -5m", vec!["*", "a", "b"]),
        ("a @ start() > bool time() == -1e-3", vec!["==", ">", "a", "time"]),
        ("{__name__=\"x\"}[1h] offset 1d unless y", vec![]),
        (
            "a AND b or c unless d ^ 2 atan2 e",
            vec!["or", "AND", "a", "b", "unless", "c", "atan2", "^", "d", "e"],
        ),
        ("Sum(MAX_over_time(x[5m]))", vec![]),
    ] {
        let Ok(_) = parse(text) else {
            assert!(expected.is_empty(), "{text}");
            continue;
        };
        assert_eq!(underlined(text), expected, "{text}");
    }
}

#[test]
fn every_query_of_the_catalog_is_placed() {
    let catalog = Catalog::built_in().unwrap();
    for name in catalog.names() {
        for input in catalog.resolve(name).unwrap().inputs {
            let text = compiler::compile(&input.signal, &Coverage::Cluster);
            assert_eq!(
                underlined(&text)[0],
                if text.contains("\nor ") { "or" } else { "label_replace" },
                "{text}"
            );
        }
    }
}

#[test]
fn what_is_sent_is_clean_and_a_vector() {
    let query = parse("\n# why\nsum(x{a=\"#\"}) # because\n").unwrap();
    assert_eq!(query.text, "sum(x{a=\"#\"})");
    assert_eq!(query.window, None);
    let query = parse("1 + 1").unwrap();
    assert_eq!(query.text, "vector(1 + 1)");
    let query = parse("max_over_time(rate(x[5m])[1h:1m]) + rate(y[2m])").unwrap();
    assert_eq!(query.window, Some(Duration::from_hours(1)));
}

#[test]
fn huge_expressions_are_refused() {
    for text in ["x+".repeat(600) + "x", "(".repeat(20_000), "-".repeat(1_100) + "x", "x ".repeat(16 * 1024)]
    {
        let refusal = parse(&text).unwrap_err().to_string();
        assert!(refusal.contains("more than"), "{refusal}");
    }
    assert!(parse(&("(".repeat(400) + "x" + &")".repeat(400))).is_ok());
}

proptest! {
    #[test]
    fn nothing_panics_and_blame_stays_inside(words in proptest::collection::vec(prop::sample::select(vec![
        "sum", "rate", "x", "by", "on", "(", ")", "[", "]", "{", "}", "5m", "1", "+", "-", "*", "==", "bool", "a=\"b\"",
        "offset", "@", "start", ",", "'é'", "\"", "# c\n", "or", "and", "group_left", " ", "é", ":", "=~", "topk", "$", "!",
    ]), 0..20)) {
        for glue in ["", " "] {
            let text = words.join(glue);
            match parse(&text) {
                Ok(query) => query.tree().walk(&mut |node, _| {
                    if let Some(at) = &node.at {
                        assert!(!text[at.clone()].is_empty());
                    }
                }),
                Err(refusal) => {
                    if let Some(place) = refusal.place {
                        assert!(place.start <= text.len() && text.is_char_boundary(place.start));
                    }
                }
            }
        }
    }
}
