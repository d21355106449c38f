//! Any bytes, read line by line as a label's value and names of namespaces: none of them ends its quotes.

use std::collections::HashSet;
use std::sync::Arc;

use promql_parser::label::MatchOp as Op;
use promql_parser::parser::{Expr, VectorSelector, parse};

use super::compile;
use crate::core::freshness::Coverage;
use crate::core::signal::{
    Element, Kind, LabelMatcher, MatchOp, NeutralLabels, SeriesRef, SeriesSignal, Signal, Term,
};

/// The query is PromQL, and each of its selectors has the label's value and the namespaces as they were
/// given. That only names of namespaces come here is the business of others.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.split('\n');
    let value = lines.next().unwrap_or_default();
    let matcher = LabelMatcher { name: "server".to_owned(), op: MatchOp::Equal, value: value.to_owned() };
    let series = SeriesRef { name: "vllm:num_requests_waiting".to_owned(), matchers: vec![matcher] };
    let signal = Signal::Series(SeriesSignal {
        terms: vec![Term::new(Kind::Gauge, vec![series])],
        window: None,
        element: Element::Pod,
        labels: NeutralLabels::default(),
        blank_from: None,
    });
    let namespaces: HashSet<Arc<str>> = lines.take(8).map(Arc::from).collect();
    if namespaces.is_empty() {
        return;
    }
    let query = compile(&signal, &Coverage::Namespaces(Arc::new(namespaces.clone())));
    let tree = parse(&query).unwrap_or_else(|error| panic!("{error}: {query}"));
    let mut selectors = Vec::new();
    collect(&tree, &mut selectors);
    // Its numbers and their times.
    assert_eq!(selectors.len(), 2, "{query}");
    for selector in selectors {
        let matchers = &selector.matchers.matchers;
        let named = |name: &str| matchers.iter().find(|matcher| matcher.name == name).expect("it is there");
        let (server, namespace) = (named("server"), named("namespace"));
        assert_eq!((matchers.len(), &server.op, server.value.as_str()), (2, &Op::Equal, value), "{query}");
        match (&namespace.op, namespaces.len()) {
            (Op::Equal, 1) => assert!(namespaces.contains(namespace.value.as_str()), "{query}"),
            (Op::Re(_), 2..) => {
                let whole =
                    regex::Regex::new(&format!("^(?s:{})$", namespace.value)).expect("it was escaped");
                assert!(namespaces.iter().all(|name| whole.is_match(name)), "{query}");
                assert!(!whole.is_match("another") || namespaces.contains("another"), "{query}");
            }
            _ => panic!("{query}"),
        }
    }
}

fn collect<'a>(expr: &'a Expr, found: &mut Vec<&'a VectorSelector>) {
    match expr {
        Expr::VectorSelector(selector) => found.push(selector),
        Expr::Paren(paren) => collect(&paren.expr, found),
        Expr::Binary(binary) => [&binary.lhs, &binary.rhs].into_iter().for_each(|side| collect(side, found)),
        Expr::Call(call) => call.args.args.iter().for_each(|argument| collect(argument, found)),
        Expr::StringLiteral(_) => {}
        other => panic!("{other}"),
    }
}
