use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::core::fixtures::{at, seconds, text};
use crate::core::signal::{Element, NeutralLabels, SeriesRef, SeriesSignal};
use crate::source::scrape::fixtures::Pages;

/// A selector from `name` or `name{label="value",…}`, with any of the four operators.
fn selector(written: &str) -> SeriesRef {
    let (name, matchers) = written.split_once('{').unwrap_or((written, "}"));
    let matcher = |one: &str| {
        let (op, sign) = [
            (MatchOp::NotEqual, "!="),
            (MatchOp::Matches, "=~"),
            (MatchOp::MatchesNot, "!~"),
            (MatchOp::Equal, "="),
        ]
        .into_iter()
        .find(|(_, sign)| one.contains(sign))
        .expect("an operator");
        let (name, value) = one.split_once(sign).expect("an operator");
        LabelMatcher { name: name.to_owned(), op, value: value.trim_matches('"').to_owned() }
    };
    let matchers = matchers.trim_end_matches('}').split(',').filter(|one| !one.is_empty()).map(matcher);
    SeriesRef { name: name.to_owned(), matchers: matchers.collect() }
}

fn term(kind: Kind, alternatives: &[&str]) -> Term {
    Term::new(kind, alternatives.iter().map(|one| selector(one)).collect())
}

fn without(kind: Kind, alternatives: &[&str], fold: Fold, labels: &[&str]) -> Term {
    let without = labels.iter().map(|name| (*name).to_owned()).collect();
    Term { without, fold, ..term(kind, alternatives) }
}

fn signal(terms: Vec<Term>, window: u64, blank_from: Option<u64>) -> Signal {
    Signal::Series(SeriesSignal {
        terms,
        window: (window > 0).then(|| seconds(window)),
        element: Element::Pod,
        labels: NeutralLabels::default(),
        blank_from,
    })
}

fn gauge(term: Term) -> Signal {
    signal(vec![term], 0, None)
}

/// The rows of a signal, each as `labels: column=number … @second`, sorted.
fn rows(signal: &Signal, pages: &[(f64, &str)]) -> Vec<String> {
    let mut known = Pages::of([signal]);
    for (seconds, text) in pages {
        known.take(*seconds, text);
    }
    let plan = known.history.layout().plan(&Arc::new(signal.clone()));
    let mut rows: Vec<String> = plan
        .read(&known.history)
        .map(|found| {
            let mut numbers: Vec<String> = found
                .numbers
                .iter()
                .map(|(column, value)| match column {
                    Column::Term(index) => format!(" {index}={value}"),
                    Column::Bucket(bound) => format!(" le{bound}={value}"),
                    Column::Sum => format!(" sum={value}"),
                    Column::Count => format!(" count={value}"),
                })
                .collect();
            numbers.sort();
            let second = (found.at.as_millis() - at(0.0).as_millis()) as f64 / 1e3;
            format!("{}:{} @{second}", text(found.labels), numbers.concat())
        })
        .collect();
    rows.sort();
    rows
}

/// Ten seconds apart, over a window of ten seconds: a rate is a tenth of the difference.
#[track_caller]
fn assert_rows(name: &str, signal: &Signal, pages: &[&str], expected: &[&str]) {
    let pages: Vec<_> = pages.iter().enumerate().map(|(index, text)| (index as f64 * 10.0, *text)).collect();
    assert_eq!(rows(signal, &pages), expected, "{name}");
}

#[test]
fn gauges() {
    let one = gauge(term(Kind::Gauge, &["g"]));
    assert_rows("each by itself", &one, &["g 1\ng{x=\"a\"} 2\nh 3\n"], &[": 0=1 @0", "x=a: 0=2 @0"]);
    assert_rows("the latest", &one, &["g 1\n", "g 4\n"], &[": 0=4 @10"]);
    assert_rows("gone", &one, &["g 1\n", "h 4\n"], &[]);
    assert_rows("not a number", &one, &["g NaN\n"], &[": 0=NaN @0"]);
    let two = signal(vec![term(Kind::Gauge, &["g"]), term(Kind::Gauge, &["h"])], 0, None);
    assert_rows("joined by labels", &two, &["g 1\nh 2\nh{x=\"a\"} 3\n"], &[": 0=1 1=2 @0", "x=a: 1=3 @0"]);
}

#[test]
fn alternatives_give_way_by_target() {
    let by_target =
        |kind| Term { join: Join::Target, ..without(kind, &["new{m=a}", "old"], Fold::Max, &["r"]) };
    let or = gauge(by_target(Kind::Gauge));
    assert_rows("only one", &or, &["old{x=\"a\"} 2\n"], &["x=a: 0=2 @0"]);
    assert_rows(
        "both, of other labels",
        &or,
        &["old{x=\"a\"} 2\nnew{m=\"a\",r=\"0\"} 1\nnew{m=\"a\",r=\"1\"} 1\n"],
        &["m=a: 0=1 @0"],
    );
    assert_rows("none that is meant", &or, &["old 2\nnew{m=\"b\"} 1\n"], &[": 0=2 @0"]);
    assert_rows("gone again", &or, &["old 2\nnew{m=\"a\"} 1\n", "old 3\n"], &[": 0=3 @10"]);
    let rate = signal(vec![by_target(Kind::Counter)], 10, None);
    assert_rows(
        "rates",
        &rate,
        &["old 0\nnew{m=\"a\"} 0\n", "old 100\nnew{m=\"a\"} 10\n"],
        &["m=a: 0=1 @10"],
    );
    let apart = signal(vec![by_target(Kind::Gauge), term(Kind::Gauge, &["other"])], 0, None);
    assert_rows(
        "another term is nothing to give way to",
        &apart,
        &["old{x=\"a\"} 2\nother 7\n"],
        &[": 1=7 @0", "x=a: 0=2 @0"],
    );
}

#[test]
fn alternatives_are_joined_series_by_series() {
    let or = gauge(term(Kind::Gauge, &["new", "old"]));
    assert_rows("only one", &or, &["old 2\n"], &[": 0=2 @0"]);
    assert_rows("both", &or, &["old 2\nnew 1\n"], &[": 0=1 @0"]);
    assert_rows(
        "each where it is",
        &or,
        &["old{x=\"a\"} 1\nold{x=\"b\"} 2\nnew{x=\"b\"} 3\n"],
        &["x=a: 0=1 @0", "x=b: 0=3 @0"],
    );
    assert_rows("an upgrade", &or, &["old 2\n", "new 1\n"], &[": 0=1 @10"]);
    let rate = signal(vec![term(Kind::Counter, &["new", "old"])], 10, None);
    assert_rows("the one that has a rate", &rate, &["old 0\n", "old 20\nnew 5\n"], &[": 0=2 @10"]);
    assert_rows("both have", &rate, &["old 0\nnew 0\n", "old 20\nnew 50\n"], &[": 0=5 @10"]);
    let slope = signal(vec![term(Kind::Slope, &["new", "old"])], 10, None);
    assert_rows("the one that has a slope", &slope, &["old 20\n", "old 0\nnew 5\n"], &[": 0=-2 @10"]);
    assert_rows("both have one", &slope, &["old 20\nnew 0\n", "old 0\nnew 50\n"], &[": 0=5 @10"]);
    assert_rows("it has just appeared", &slope, &["h 1\n", "h 1\nold 5\n"], &[": @10"]);
    assert_rows("gone", &slope, &["old 20\n", "h 1\n"], &[]);
    let slopes = signal(vec![term(Kind::Slope, &["g"]), term(Kind::Slope, &["h"])], 10, None);
    assert_rows("side by side", &slopes, &["g 0\nh 30\n", "g 10\nh 10\n"], &[": 0=1 1=-2 @10"]);
}

#[test]
fn matchers() {
    let page = "g{x=\"a\"} 1\ng{x=\"ab\"} 2\ng{x=\"\"} 3\ng{y=\"a\"} 4\ng{x=\"a\\nb\"} 5\n";
    for (written, expected) in [
        ("g{x=\"a\"}", &[1.0][..]),
        ("g{x!=\"a\"}", &[2.0, 3.0, 4.0, 5.0]),
        ("g{x=\"\"}", &[3.0, 4.0]),
        ("g{x!=\"\"}", &[1.0, 2.0, 5.0]),
        ("g{x=~\"a|b\"}", &[1.0]),
        ("g{x=~\"a.*\"}", &[1.0, 2.0, 5.0]),
        ("g{x=~\"|a\"}", &[1.0, 3.0, 4.0]),
        ("g{x!~\"a.*\"}", &[3.0, 4.0]),
        ("g{x!~\"a\"}", &[2.0, 3.0, 4.0, 5.0]),
        ("g{x!~\"\"}", &[1.0, 2.0, 5.0]),
        ("g{x=\"a\",y=\"\"}", &[1.0]),
        ("g{x=\"a\",y=\"a\"}", &[]),
    ] {
        let mut pages = Pages::of([&gauge(term(Kind::Gauge, &["g"]))]);
        pages.take(0.0, page);
        let plan = Plan::new(&gauge(term(Kind::Gauge, &[written])), pages.history.layout());
        let mut found: Vec<f64> =
            plan.read(&pages.history).flat_map(|row| row.numbers).map(|(_, value)| value).collect();
        found.sort_by(f64::total_cmp);
        assert_eq!(found, expected, "{written}");
    }
}

#[test]
fn labels_are_folded_away_before_alternatives_are_joined() {
    let page = "new{x=\"a\",r=\"1\"} 1\nnew{x=\"a\",r=\"2\"} 2\nold{x=\"a\"} 9\nold{x=\"b\",r=\"1\"} 4\nold{x=\"b\",r=\"2\"} 5\n";
    let by = |fold| gauge(without(Kind::Gauge, &["new", "old"], fold, &["r"]));
    assert_rows("parts", &by(Fold::Sum), &[page], &["x=a: 0=3 @0", "x=b: 0=9 @0"]);
    assert_rows("repeats", &by(Fold::Max), &[page], &["x=a: 0=2 @0", "x=b: 0=5 @0"]);
    let broken = "new{r=\"1\"} 1\nnew{r=\"2\"} NaN\nnew{r=\"3\"} 2\n";
    assert_rows("a part is none", &by(Fold::Sum), &[broken], &[": 0=NaN @0"]);
    assert_rows("a repeat is none", &by(Fold::Max), &[broken], &[": 0=NaN @0"]);
    let rate = signal(vec![without(Kind::Counter, &["c"], Fold::Sum, &["reason"])], 10, None);
    assert_rows(
        "rates, and then the sum",
        &rate,
        &[
            "c{reason=\"a\"} 5\nc{reason=\"b\"} 50\n",
            "c{reason=\"a\"} 10\nc{reason=\"b\"} 10\nc{reason=\"n\"} 3\n",
        ],
        // A reset of one is no reset of the other, and what is new has no rate yet.
        &[": 0=1.5 @10"],
    );
}

#[test]
fn histograms() {
    let buckets = signal(vec![term(Kind::Buckets, &["h"])], 10, None);
    let page = |n: u32| {
        format!("h_bucket{{le=\"0.5\"}} {n}\nh_bucket{{le=\"+Inf\"}} {}\nh_sum 7\nh_count {}\n", 2 * n, 2 * n)
    };
    let (first, second) = (page(0), page(10));
    assert_rows("rates of buckets", &buckets, &[&first, &second], &[": le0.5=1 leinf=2 @10"]);
    assert_rows("no rate yet, but there", &buckets, &[&second], &[": @0"]);
    assert_rows("without a count it is not there", &buckets, &["h_bucket{le=\"1\"} 1\n"], &[]);

    // After an upgrade that spells the bound in another way.
    let spelled = |le: &str, n: u32| format!("h_bucket{{le=\"{le}\"}} {n}\nh_count {n}\n");
    let pages = [spelled("1", 0), spelled("1.0", 10), spelled("1.0", 40)];
    assert_rows(
        "a bound spelled in two ways is one bound",
        &buckets,
        &[&pages[0], &pages[1], &pages[2]],
        &[": le1=3 @20"],
    );
    let both = "h_bucket{le=\"1\"} 10\nh_bucket{le=\"1.0\"} 20\nh_count 30\n";
    let none = "h_bucket{le=\"1\"} 0\nh_bucket{le=\"1.0\"} 0\nh_count 0\n";
    assert_rows("and of two on one page the first stays", &buckets, &[none, both], &[": le1=1 @10"]);

    let or = signal(vec![term(Kind::Buckets, &["new", "old"])], 10, None);
    let page = |n: u32| {
        ["new", "old"].map(|name| format!("{name}_bucket{{le=\"+Inf\"}} {n}\n{name}_count {n}\n")).concat()
    };
    assert_rows("alternatives count once", &or, &[&page(0), &page(10)], &[": leinf=1 @10"]);

    let fold = signal(vec![without(Kind::Buckets, &["h"], Fold::Sum, &["r"])], 10, None);
    let page = |n: u32| {
        ["a", "b"].map(|r| format!("h_bucket{{r=\"{r}\",le=\"1\"}} {n}\nh_count{{r=\"{r}\"}} {n}\n")).concat()
    };
    assert_rows("parts of a bucket", &fold, &[&page(0), &page(10)], &[": le1=2 @10"]);

    let mean = signal(vec![term(Kind::Mean, &["h"])], 10, None);
    let page = |n: u32| format!("h_sum {}\nh_count {n}\n", 3 * n);
    assert_rows("sum and count", &mean, &[&page(0), &page(10)], &[": count=1 sum=3 @10"]);
    assert_rows("without a count it is not there", &mean, &["h_sum 1\n", "h_sum 2\n"], &[]);
}

#[test]
fn blank_values_are_none() {
    let blank = signal(vec![term(Kind::Gauge, &["new", "old"])], 0, Some(100));
    assert_rows("below", &blank, &["new 99\n"], &[": 0=99 @0"]);
    assert_rows("from there on", &blank, &["new 100\n"], &[": @0"]);
    assert_rows("another alternative has one", &blank, &["new 100\nold 7\n"], &[": 0=7 @0"]);
    assert_rows("not a number is none either", &blank, &["new NaN\nold 7\n"], &[": 0=7 @0"]);
    let folded = signal(vec![without(Kind::Gauge, &["g"], Fold::Max, &["x"])], 0, Some(100));
    assert_rows("left out of a fold", &folded, &["g{x=\"a\"} 500\ng{x=\"b\"} 2\n"], &[": 0=2 @0"]);
    let counter = signal(vec![term(Kind::Counter, &["c"])], 10, Some(100));
    assert_rows("a counter has none", &counter, &["c 1000\n", "c 1010\n"], &[": 0=1 @10"]);
}

#[test]
fn presence_is_a_row_for_each_name_that_is_there() {
    let presence = Signal::Presence(["a:x".into(), "b:x".into(), "c:x".into()].into());
    let page = "a:x{pod=\"1\"} 1\na:x{pod=\"2\"} 7\nb:x NaN\nd:x 1\n";
    assert_rows("two of three", &presence, &[page], &["series=a:x: 0=7 @0", "series=b:x: 0=NaN @0"]);
    assert_rows("gone", &presence, &[page, "d:x 1\n"], &[]);
}

#[test]
fn a_row_is_as_old_as_its_oldest_sample() {
    let own = |text: &str, seconds: f64| format!("{text} {}\n", at(seconds).as_millis());
    let sum = signal(vec![term(Kind::Gauge, &["g"]), term(Kind::Gauge, &["h"])], 0, None);
    assert_rows("of its terms", &sum, &[&(own("g 1", -5.0) + &own("h 1", -9.0))], &[": 0=1 1=1 @-9"]);
    let fold = gauge(without(Kind::Gauge, &["g"], Fold::Max, &["x"]));
    let page = own("g{x=\"a\"} 1", -5.0) + &own("g{x=\"b\"} 2", -3.0);
    assert_rows("of what is folded", &fold, &[&page], &[": 0=2 @-5"]);
    let or = gauge(term(Kind::Gauge, &["new", "old"]));
    let page = own("new 1", -1.0) + &own("old 2", -30.0);
    assert_rows("not of what is not used", &or, &[&page], &[": 0=1 @-1"]);
    let buckets = signal(vec![term(Kind::Buckets, &["h"])], 10, None);
    let page = own("h_bucket{le=\"1\"} 1", -30.0) + &own("h_count 2", -2.0);
    assert_rows("a histogram is as old as its count", &buckets, &[&page], &[": @-2"]);
}

// === The same by the words of PromQL ===

type Vector = BTreeMap<BTreeMap<String, String>, f64>;

/// `name{…} < blank`
fn select(
    samples: &[(String, BTreeMap<String, String>, f64)],
    one: &SeriesRef,
    blank: Option<u64>,
) -> Vector {
    let accepts = |labels: &BTreeMap<String, String>| {
        one.matchers.iter().all(|matcher| {
            let value = labels.get(&matcher.name).map_or("", String::as_str);
            let is_match = || Regex::new(&format!("^(?:{})$", matcher.value)).expect("valid").is_match(value);
            match matcher.op {
                MatchOp::Equal => value == matcher.value,
                MatchOp::NotEqual => value != matcher.value,
                MatchOp::Matches => is_match(),
                MatchOp::MatchesNot => !is_match(),
            }
        })
    };
    let of_name = samples.iter().filter(|(name, labels, _)| *name == one.name && accepts(labels));
    let below = of_name.filter(|(_, _, value)| blank.is_none_or(|blank| *value < blank as f64));
    below.map(|(_, labels, value)| (labels.clone(), *value)).collect()
}

/// `sum without (…)` or `max without (…)`
fn fold(vector: Vector, fold: Fold, names: &[String]) -> Vector {
    let mut folded = Vector::new();
    for (mut labels, value) in vector {
        labels.retain(|name, _| !names.contains(name));
        let join = |known: &mut f64| match fold {
            Fold::Sum => *known += value,
            Fold::Max => *known = known.max(value),
        };
        folded.entry(labels).and_modify(join).or_insert(value);
    }
    folded
}

/// `first or second`
fn or(mut first: Vector, second: Vector) -> Vector {
    for (labels, value) in second {
        first.entry(labels).or_insert(value);
    }
    first
}

fn promql(samples: &[(String, BTreeMap<String, String>, f64)], term: &Term, blank: Option<u64>) -> Vector {
    term.series
        .iter()
        .map(|one| fold(select(samples, one, blank), term.fold, &term.without))
        .reduce(or)
        .unwrap_or_default()
}

fn matcher() -> impl Strategy<Value = String> {
    let label = prop_oneof!["x", "y"];
    let op = prop_oneof!["=", "!=", "=~", "!~"];
    let value = prop_oneof![Just(""), Just("a"), Just("b"), Just("a|b"), Just("a.*")];
    (label, op, value).prop_map(|(label, op, value)| format!("{label}{op}\"{value}\""))
}

fn alternative() -> impl Strategy<Value = String> {
    let name = prop_oneof![Just("m"), Just("n"), Just("o")];
    (name, proptest::collection::vec(matcher(), 0..3))
        .prop_map(|(name, matchers)| format!("{name}{{{}}}", matchers.join(",")))
}

fn page() -> impl Strategy<Value = Vec<(String, BTreeMap<String, String>, f64)>> {
    let name = prop_oneof![Just("m"), Just("n"), Just("o"), Just("p")];
    let value = || prop_oneof![Just(None), Just(Some("a")), Just(Some("b")), Just(Some("ab"))];
    let sample = (name, value(), value(), 0..12_u32).prop_map(|(name, x, y, value)| {
        let labels = [("x", x), ("y", y)];
        let labels =
            labels.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned())));
        (name.to_owned(), labels.collect(), f64::from(value))
    });
    proptest::collection::vec(sample, 0..25).prop_map(|mut samples: Vec<(String, BTreeMap<_, _>, f64)>| {
        samples.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        samples.dedup_by(|b, a| a.0 == b.0 && a.1 == b.1);
        samples
    })
}

fn written((name, labels, value): &(String, BTreeMap<String, String>, f64)) -> String {
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    format!("{name}{{{}}} {value}\n", labels.join(","))
}

proptest! {
    #[test]
    fn a_plan_does_what_the_query_would(
        page in page().prop_shuffle(),
        alternatives in proptest::collection::vec(alternative(), 1..4),
        is_max in any::<bool>(),
        folded in prop_oneof![Just(vec![]), Just(vec!["x"]), Just(vec!["x", "y"])],
        blank in prop_oneof![Just(None), Just(Some(6))],
    ) {
        let names: Vec<&str> = alternatives.iter().map(String::as_str).collect();
        let by = if is_max { Fold::Max } else { Fold::Sum };
        let term = without(Kind::Gauge, &names, by, &folded);
        let mut expected: Vec<String> = promql(&page, &term, blank)
            .into_iter()
            .map(|(labels, value)| {
                let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{}: 0={value} @0", labels.join(","))
            })
            .collect();
        expected.sort();
        let text: String = page.iter().map(written).collect();
        let mut found = rows(&signal(vec![term], 0, blank), &[(0.0, &text)]);
        // A blank is a row whose number is not known, as the time part of the query's answer has it.
        found.retain(|row| row.contains(" 0="));
        prop_assert_eq!(found, expected);
    }
}
