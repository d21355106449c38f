//! Places inside the text of scalars.

use crate::config::{Diagnostics, Value, parse};

/// The place of `needle`, which stands once in the value of `q`, next to the place where the source has it.
fn located(yaml: &str, needle: &str) -> ((usize, usize), (usize, usize)) {
    let mut diags = Diagnostics::default();
    let nodes = parse("c.yaml", yaml, &mut diags);
    assert!(!diags.has_errors(), "{}", diags.finish());
    let Value::Mapping(fields) = &nodes[0].value else { panic!("a mapping") };
    let Value::Scalar { text, .. } = &fields[0].1.value else { panic!("a scalar") };
    let head = &yaml[..yaml.find(needle).unwrap()];
    let line = head.rsplit('\n').next().unwrap();
    let real = (head.matches('\n').count() + 1, line.chars().count() + 1);
    (fields[0].1.locate(text.find(needle).unwrap()), real)
}

#[test]
fn text_without_escapes_is_located_exactly() {
    for yaml in [
        "q: sum(a) + X\n",
        "q: 'sum(a) + X'\n",
        "q: \"süm(a) + X\"\n",
        "q: X",
        "q: |\n  X\n",
        "q: |  # why\n\n  # not a comment\n    sum(é)\n  / X\n",
        "q: |2\n    deep\n  X\n",
        "q: |+\n  sum(\n\n    X\n  )\n\n",
        "q: |\r\n  a\r\n  b X\r\n",
        "q: >-\n  sum(a)\n  / on ()\n  X\n",
        "q: >\n  sum(a)\n\n    more X\n",
        "q: plain\n  goes on  X\n",
        "q: 'quoted\n   goes on X'\n",
        "q: !!str X\n",
        "q:\n  X\n",
    ] {
        let (found, real) = located(yaml, "X");
        assert_eq!(found, real, "{yaml}");
    }
}

#[test]
fn leading_spaces_in_a_literal_are_content() {
    let yaml = "q: |\n  a\n     X\n";
    let (found, real) = located(yaml, "   X");
    assert_eq!(found, real);
}

#[test]
fn escapes_fall_back_to_the_start_of_the_node() {
    for yaml in [r#"q: "a \"b\" X""#, "q: 'it''s X'", r#"q: "a\tX""#] {
        assert_eq!(located(yaml, "X").0, (1, 4), "{yaml}");
    }
}

#[test]
fn an_offset_at_the_end_is_behind_the_last_character() {
    let mut diags = Diagnostics::default();
    let nodes = parse("c.yaml", "- |\n  sum(\n- ab\n", &mut diags);
    let items = nodes[0].items(&mut diags, "a list").unwrap();
    assert_eq!([items[0].locate(4), items[0].locate(5)], [(2, 7); 2]);
    assert_eq!(items[1].locate(2), (3, 5));
    assert_eq!(items[1].at(1).column, 4);
}
