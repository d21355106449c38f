use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn labels(pairs: &[(&'static str, &'static str)]) -> BTreeMap<&'static str, &'static str> {
    pairs.iter().copied().collect()
}

fn selects(selector: &str, pairs: &[(&'static str, &'static str)]) -> bool {
    let labels = labels(pairs);
    Selector::parse(selector).unwrap().matches(|key| labels.get(key).copied())
}

#[test]
fn prints_the_canonical_form() {
    let cases = [
        ("", ""),
        (" \t\r\n", ""),
        ("a=b,a==b,c!=d,k in (x,y),!n,z notin (q),exists", "a=b,c!=d,exists,k in (x,y),!n,z notin (q)"),
        ("z,y,x", "x,y,z"),
        ("a = b", "a=b"),
        ("\ta\n==\rb ", "a=b"),
        ("a=", "a="),
        ("a= ,b==", "a=,b="),
        ("a!=", "a!="),
        ("! a", "!a"),
        ("k in(y,x,y)", "k in (x,y)"),
        ("k in ()", "k in ()"),
        ("k in ( )", "k in ()"),
        ("k in (,)", "k in ()"),
        ("k in (x,,y)", "k in (,x,y)"),
        ("k in (x,)", "k in (,x)"),
        ("k in (,x)", "k in (,x)"),
        ("k in (x,,,)", "k in (,x)"),
        ("k in (,,x)", "k in (,x)"),
        ("k notin ( x , y )", "k notin (x,y)"),
        ("in in (in,notin),notin notin (in)", "in in (in,notin),notin notin (in)"),
        ("in,!notin", "in,!notin"),
        ("a=in,b!=notin", "a=in,b!=notin"),
        ("In=NOTIN", "In=NOTIN"),
        ("app.kubernetes.io/name=vllm", "app.kubernetes.io/name=vllm"),
        ("0/A_b.c-9=1.x_Y-2", "0/A_b.c-9=1.x_Y-2"),
        ("a in (x),a=x", "a=x,a in (x)"),
        ("a!=b,a=b", "a=b,a!=b"),
    ];
    for (text, canonical) in cases {
        let selector = Selector::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(selector.to_string(), canonical, "{text:?}");
        assert_eq!(canonical.parse(), Ok(selector), "{text:?}");
    }
}

#[test]
fn refuses_with_position_found_and_expected() {
    let cases = [
        (",", 0, "found ',', expected a label key"),
        ("a,", 2, "found the end of the text, expected a label key"),
        ("a,,b", 2, "found ',', expected a label key"),
        ("!", 1, "found the end of the text, expected a label key"),
        ("!!a", 1, "found '!', expected a label key"),
        ("=b", 0, "found '=', expected a label key"),
        ("(a)", 0, "found '(', expected a label key"),
        ("!a=b", 2, "found '=', expected ',' or the end of the text"),
        ("a b", 2, "found 'b', expected =, ==, !=, in, notin, ',' or the end of the text"),
        ("a !b", 2, "found '!', expected =, ==, !=, in, notin, ',' or the end of the text"),
        ("a IN (b)", 2, "found 'IN', expected =, ==, !=, in, notin, ',' or the end of the text"),
        ("a=b c", 4, "found 'c', expected ',' or the end of the text"),
        ("x==a==b", 4, "found '==', expected ',' or the end of the text"),
        ("a===b", 3, "found '=', expected a label value, ',' or the end of the text"),
        ("a!==b", 3, "found '=', expected a label value, ',' or the end of the text"),
        ("a=(b)", 2, "found '(', expected a label value, ',' or the end of the text"),
        ("a in b", 5, "found 'b', expected '('"),
        ("a in", 4, "found the end of the text, expected '('"),
        ("a in (", 6, "found the end of the text, expected a value or ','"),
        ("a in (b", 7, "found the end of the text, expected ',' or ')'"),
        ("a in (b c)", 8, "found 'c', expected ',' or ')'"),
        ("a in (b))", 8, "found ')', expected ',' or the end of the text"),
        ("a in (!b)", 6, "found '!', expected a value or ','"),
        ("a in (,,)", 8, "found ')', expected a value or ','"),
        ("a in (b,,)", 9, "found ')', expected a value or ','"),
        ("a in (b,", 8, "found the end of the text, expected a value or ','"),
        (
            "a>1",
            1,
            "found '>', expected =, ==, !=, in or notin: comparing numbers with '<' or '>' is not supported",
        ),
        (
            "a < 1",
            2,
            "found '<', expected =, ==, !=, in or notin: comparing numbers with '<' or '>' is not supported",
        ),
        ("x=a||y=b", 3, "found '|' in a label value, expected a letter, a digit, '-', '_' or '.'"),
        ("-a", 0, "found '-' in a label key, expected a letter or a digit first and last"),
        ("a.=b", 1, "found '.' in a label key, expected a letter or a digit first and last"),
        ("a=-b", 2, "found '-' in a label value, expected a letter or a digit first and last"),
        ("a in (b,c_)", 9, "found '_' in a label value, expected a letter or a digit first and last"),
        ("a=b/c", 3, "found '/' in a label value, expected a letter, a digit, '-', '_' or '.'"),
        ("/a", 0, "found '/', expected a DNS name before it"),
        ("a/", 2, "found nothing after 'a/', expected a name"),
        ("a/b/c", 3, "found '/' in a label key, expected a letter, a digit, '-', '_' or '.'"),
        ("A/b", 0, "found 'A' in a label key prefix, expected a lower-case letter, a digit or '-'"),
        ("a..b/c", 2, "found an empty part in 'a..b', expected a DNS name"),
        ("a.b-/c", 3, "found '-' in a label key prefix, expected a letter or a digit first and last"),
        ("a=\0", 2, "found '\\0' in a label value, expected a letter, a digit, '-', '_' or '.'"),
        ("é=b", 0, "found 'é' in a label key, expected a letter, a digit, '-', '_' or '.'"),
        ("a=\u{b}b", 2, "found '\\u{b}' in a label value, expected a letter, a digit, '-', '_' or '.'"),
    ];
    for (text, position, message) in cases {
        let error = Selector::parse(text).expect_err(text);
        assert_eq!((error.position, error.message.as_str()), (position, message), "{text:?}");
    }
    let shown = Selector::parse("k in(,,)").unwrap_err().to_string();
    assert_eq!(shown, "invalid label selector at character 8: found ')', expected a value or ','");
}

#[test]
fn injected_promql_is_no_selector() {
    for value in ["\"} or vector(1e9) #", "a\\", "a\nb", "a\0b", "аpp", "a|b", "a*", ".*", "${x}", "'"] {
        for text in [format!("a={value}"), format!("a in ({value})"), format!("{value}=a")] {
            assert!(Selector::parse(&text).is_err(), "{text:?}");
        }
    }
    assert!(!selects("a in (a.c)", &[("a", "abc")]), "a dot is a dot");
}

#[test]
fn matches_as_kubernetes_does() {
    let abc: &[_] = &[("a", "b"), ("e", "")];
    let cases = [
        ("", true),
        ("a=b", true),
        ("a=c", false),
        ("x=b", false),
        ("x=", false),
        ("e=", true),
        ("a!=b", false),
        ("a!=c", true),
        ("x!=b", true),
        ("e!=", false),
        ("a in (b,c)", true),
        ("a in (c,d)", false),
        ("x in (b)", false),
        ("x in ()", false),
        ("e in ()", true),
        ("a notin (b,c)", false),
        ("a notin (c)", true),
        ("x notin (b)", true),
        ("e notin ()", false),
        ("a,e", true),
        ("x", false),
        ("!x", true),
        ("!e", false),
        ("a=b,x", false),
        ("a=b,e=,!x,x!=y", true),
        ("a=b,a=c", false),
    ];
    for (text, expected) in cases {
        assert_eq!(selects(text, abc), expected, "{text:?}");
    }
    assert!(Selector::everything().is_everything());
    assert!(!Selector::parse("a").unwrap().is_everything());
}

#[test]
fn bounds_everything() {
    let ok = |text: &str| Selector::parse(text).is_ok();
    let list = |n: usize| (0..n).map(|i| format!("k{i}")).collect::<Vec<_>>().join(",");
    let (most, dns) = ("a".repeat(63), format!("{}a", "a.".repeat(126)));
    assert!(ok(&format!("{dns}/{most}={most}")) && dns.len() == 253);
    assert!(!ok(&format!("{most}a")) && !ok(&format!("a={most}a")) && !ok(&format!("b{dns}/a")));
    assert!(ok(&list(64)) && !ok(&list(65)));
    assert!(ok(&format!("a in ({})", list(256))) && !ok(&format!("a in ({})", list(257))));
    assert!(ok(&" ".repeat(16 * 1024)) && !ok(&" ".repeat(16 * 1024 + 1)));
}

#[test]
fn junk_of_the_largest_size_is_cheap_and_its_error_short() {
    let started = Instant::now();
    for unit in ["(", ")", ",", "=", "!", "a", " ", "a,", "a=b,", "a in (", "\u{301}", "in ", "\0", "a.", "<"]
    {
        for start in ["", "a in (", "a=", "a,", "!", "a/"] {
            let room = 16 * 1024 - start.len();
            let text = format!("{start}{}", unit.repeat(room / unit.len()));
            if let Err(error) = Selector::parse(&text) {
                assert!(error.to_string().len() < 400, "{error}");
            }
        }
    }
    assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
}

/// A requirement as a test writes it: kept apart from the type under test.
#[derive(Debug, Clone)]
struct Written {
    key: &'static str,
    operator: Operator,
    values: Vec<&'static str>,
}

impl Written {
    fn text(&self, space: &str) -> String {
        let (key, first) = (self.key, self.values[0]);
        let list = self.values.join(&format!("{space},{space}"));
        match self.operator {
            Operator::Equals => format!("{key}{space}={space}{first}"),
            Operator::NotEquals => format!("{space}{key}{space}!={space}{first}"),
            Operator::In => format!("{key} {space}in{space}({space}{list}{space})"),
            Operator::NotIn => format!("{key} {space}notin{space}({space}{list}{space}){space}"),
            Operator::Exists => format!("{space}{key}{space}"),
            Operator::DoesNotExist => format!("!{space}{key}{space}"),
        }
    }

    /// The documented meaning, spelled out case by case.
    fn holds(&self, labels: &BTreeMap<&str, &str>) -> bool {
        let label = labels.get(self.key);
        match (self.operator, label) {
            (Operator::Equals, Some(value)) => *value == self.values[0],
            (Operator::NotEquals, Some(value)) => *value != self.values[0],
            (Operator::In, Some(value)) => self.values.contains(value),
            (Operator::NotIn, Some(value)) => !self.values.contains(value),
            (Operator::Exists, Some(_))
            | (Operator::NotEquals | Operator::NotIn | Operator::DoesNotExist, None) => true,
            (Operator::DoesNotExist, Some(_))
            | (Operator::Equals | Operator::In | Operator::Exists, None) => false,
        }
    }
}

const KEYS: [&str; 5] = ["a", "b", "in", "notin", "app.kubernetes.io/name"];
const VALUES: [&str; 5] = ["x", "y", "in", "7b-v0.1_Q", "notin"];

fn written() -> impl Strategy<Value = Written> {
    let operator = prop::sample::select(vec![
        Operator::Equals,
        Operator::NotEquals,
        Operator::In,
        Operator::NotIn,
        Operator::Exists,
        Operator::DoesNotExist,
    ]);
    let values = prop::collection::vec(prop::sample::select(VALUES.to_vec()), 1..4);
    (prop::sample::select(KEYS.to_vec()), operator, values).prop_map(|(key, operator, values)| Written {
        key,
        operator,
        values,
    })
}

proptest! {
    #[test]
    fn agrees_with_the_naive_reference(
        written in prop::collection::vec(written(), 0..6),
        space in "[ \t\r\n]{0,2}",
        labels in prop::collection::btree_map(
            prop::sample::select(KEYS.to_vec()), prop::sample::select(VALUES.to_vec()), 0..5),
    ) {
        let text = written.iter().map(|w| w.text(&space)).collect::<Vec<_>>().join(",");
        let selector = Selector::parse(&text).unwrap();
        let expected = written.iter().all(|w| w.holds(&labels));
        prop_assert_eq!(selector.matches(|key| labels.get(key).copied()), expected, "{}", text);
        prop_assert_eq!(selector.is_everything(), written.is_empty());

        let reversed = written.iter().rev().map(|w| w.text("")).collect::<Vec<_>>().join(",");
        prop_assert_eq!(Selector::parse(&reversed), Ok(selector.clone()));
        prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
    }

    #[test]
    fn never_panics(text in any::<String>()) {
        let _ = Selector::parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn what_parses_prints_and_parses_again(text in "([ab]|in|notin|[=!,() /.<é-]){0,14}") {
        match Selector::parse(&text) {
            Ok(selector) => prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector)),
            Err(error) => {
                prop_assert!(error.position <= text.len());
                prop_assert!(text[..error.position].is_ascii(), "the position counts characters too");
                prop_assert!(error.message.starts_with("found ") && error.message.contains(", expected "));
            }
        }
    }
}
