use promql_parser::parser::value::ValueType;

use super::*;
use crate::catalog::{Catalog, STATISTICS};
use crate::core::signal::Element;

mod queries;
mod real;

/// The query of a built-in metric for one engine.
fn of(engine: &str, name: &str, coverage: &Coverage) -> String {
    let metric = Catalog::built_in().expect("loads").resolve(name).expect("resolves");
    let input = metric.inputs.iter().find(|input| &*input.engine == engine);
    compile(&input.unwrap_or_else(|| panic!("{engine} provides no {name}")).signal, coverage)
}

/// The same for the engine, or exporter, that tests ask for by default.
fn compiled(name: &str, coverage: &Coverage) -> String {
    of(if name.starts_with("gpu_") { "dcgm" } else { "vllm" }, name, coverage)
}

fn narrowed(names: &[&str]) -> Coverage {
    Coverage::Namespaces(Arc::new(names.iter().map(|name| Arc::from(*name)).collect()))
}

/// Namespace names that no Kubernetes has; the core must not rely on that.
const HOSTILE: [&str; 4] = ["team-a", "x\"} or vector(1e9) #", "a.c\\\n", "é|.*"];

/// Every query that the catalog can ask, by metric name.
fn all_queries() -> Vec<(String, String)> {
    let catalog = Catalog::built_in().expect("loads");
    let bases: Vec<String> =
        catalog.names().map(ToString::to_string).chain(catalog.raw_names().map(str::to_owned)).collect();
    let suffixes = STATISTICS.map(|(suffix, _)| suffix).into_iter().chain([""]);
    let names = suffixes.flat_map(|suffix| bases.iter().map(move |base| format!("{base}{suffix}")));
    let coverages = [
        Coverage::Cluster,
        narrowed(&HOSTILE[..1]),
        narrowed(&HOSTILE[1..2]),
        narrowed(&HOSTILE),
        narrowed(&[]),
    ];
    let mut queries = Vec::new();
    // Quantiles of one distribution ask the same.
    let mut seen = HashSet::new();
    for name in names {
        let Some(metric) = catalog.resolve(&name) else { continue };
        for input in &metric.inputs {
            for coverage in &coverages {
                let query = compile(&input.signal, coverage);
                if seen.insert(query.clone()) {
                    queries.push((name.clone(), query));
                }
            }
        }
    }
    assert!(queries.len() > 300, "{}", queries.len());
    queries
}

/// The selectors of an expression, as the parser sees them.
fn parsed_selectors(promql: &str) -> Vec<VectorSelector> {
    struct Collect(Vec<VectorSelector>);
    impl promql_parser::util::visitor::ExprVisitor for Collect {
        type Error = ();
        fn pre_visit(&mut self, expr: &Expr) -> Result<bool, ()> {
            match expr {
                Expr::VectorSelector(selector) => self.0.push(selector.clone()),
                Expr::MatrixSelector(matrix) => self.0.push(matrix.vs.clone()),
                _ => {}
            }
            Ok(true)
        }
    }
    let mut collect = Collect(Vec::new());
    let expr = parse(promql).unwrap_or_else(|error| panic!("{error}: {promql}"));
    promql_parser::util::visitor::walk_expr(&mut collect, &expr).expect("walks");
    collect.0
}

#[test]
fn every_query_of_the_catalog_parses() {
    for (name, query) in all_queries() {
        assert!(parse(&query).is_ok_and(|expr| expr.value_type() == ValueType::Vector), "{name}: {query}");
    }
}

#[test]
fn every_selector_is_narrowed_and_by_nothing_but_the_names() {
    let wide = parsed_selectors(&compiled("inference_inter_token_latency_seconds_p50", &Coverage::Cluster));
    for names in [&HOSTILE[..1], &HOSTILE[1..2], &HOSTILE[..]] {
        let query = compiled("inference_inter_token_latency_seconds_p50", &narrowed(names));
        let narrow = parsed_selectors(&query);
        assert_eq!(narrow.len(), wide.len(), "no more selectors than without narrowing");
        for (narrow, wide) in narrow.iter().zip(&wide) {
            assert_eq!(narrow.name, wide.name);
            let [matcher] = &narrow.matchers.matchers[..] else { panic!("one matcher") };
            assert_eq!(matcher.name, "namespace");
            if let [one] = names {
                assert_eq!(matcher.value, *one);
                continue;
            }
            let regex = regex::Regex::new(&format!("^(?:{})$", matcher.value)).expect("compiles");
            assert!(names.iter().all(|name| regex.is_match(name)));
            for other in ["", "team-b", "team-aa", "aXc\\\n", "anything"] {
                assert!(!regex.is_match(other), "{other}");
            }
        }
    }
}

#[test]
fn narrowing_by_nothing_asks_for_no_namespace() {
    let query = compiled("inference_time_to_first_token_seconds", &narrowed(&[]));
    for selector in parsed_selectors(&query) {
        assert_eq!(selector.matchers.matchers[0].value, "", "an empty namespace, which no pod has");
    }
}

#[test]
fn one_coverage_has_one_query() {
    let query = |names: &[&str]| compiled("inference_time_to_first_token_seconds", &narrowed(names));
    assert_eq!(query(&["a", "b", "c"]), query(&["c", "a", "b"]));
}

#[test]
fn a_users_query_is_kept_as_it_is_with_the_times_behind_it() {
    let compiled = |promql: &str, timed| {
        let signal = QuerySignal {
            promql: promql.into(),
            window: None,
            element: Element::Pod,
            timed,
            of_samples: false,
        };
        compile(&Signal::Query(signal), &narrowed(&["ml"]))
    };
    let times = |promql: &str| {
        let query = compiled(promql, true);
        let parts = query.split_once("\nor ").map(|(_, times)| times.to_owned());
        parts.map(|part| {
            let inner = part.strip_prefix("label_replace(min by (namespace) (").expect("a time part");
            inner.strip_suffix("), \"_part\", \"t\", \"\", \"\")").expect("a time part").to_owned()
        })
    };
    for (promql, expected) in [
        ("sum by (namespace) (a)", Some("timestamp(a)")),
        ("sum(rate(a{b=\"c\"}[5m])) / sum(a)", Some("timestamp(a{b=\"c\"}) or timestamp(a)")),
        ("a + a", Some("timestamp(a)")),
        ("quantile_over_time(0.9, a[5m])", Some("timestamp(a)")),
        ("max_over_time(sum(a)[5m:1m])", Some("timestamp(a)")),
        ("a - a offset 1h", Some("timestamp(a)")),
        ("a offset 1h", None),
        ("max_over_time(sum(a)[5m:1m] offset 1h)", None),
        ("a and b @ 1700000000", Some("timestamp(a)")),
        ("max_over_time(sum(a)[5m:1m] @ 1700000000)", None),
        ("max_over_time(sum(a)[5m:1m] @ end())", Some("timestamp(a)")),
        ("vector(1)", None),
        ("-(a)", Some("timestamp(a)")),
        ("a{x=\"\\\"y\\\\\"}", Some("timestamp(a{x=\"\\\"y\\\\\"})")),
    ] {
        assert_eq!(times(promql).as_deref(), expected, "{promql}");
        assert!(
            compiled(promql, true).starts_with(&format!("label_replace(({promql}), \"_part\", \"0\"")),
            "{promql}"
        );
        assert!(!compiled(promql, false).contains("timestamp"), "{promql}");
    }
}

#[test]
fn what_comes_of_samples_alone_is_known() {
    for promql in [
        "sum by (namespace) (rate(a[5m]))",
        "a / on (namespace) b * 100",
        "quantile_over_time(0.9, a[5m])",
        "max_over_time(sum(a)[5m:1m])",
        "topk(3, -(a))",
    ] {
        assert!(is_of_samples(promql), "{promql}");
    }
    for promql in [
        "sum(rate(a[5m])) or vector(0)",
        "absent(a)",
        "rate(a[5m] offset 1h)",
        "a @ 1700000000",
        "max_over_time(sum(a)[5m:1m] @ end())",
        "label_replace(rate(a[5m]), \"namespace\", \"$1\", \"team\", \"(.*)\")",
        "count_values(\"namespace\", a)",
        "rate({__name__=~\"a|b\"}[5m])",
        "a +",
    ] {
        assert!(!is_of_samples(promql), "{promql}");
    }
}

#[test]
fn durations_are_written_as_promql_reads_them() {
    for (millis, text) in
        [(120_000, "2m"), (90_000, "90s"), (3_600_000, "60m"), (1_500, "1500ms"), (5_000, "5s"), (0, "0s")]
    {
        assert_eq!(promql_duration(Duration::from_millis(millis)), text);
    }
}
