//! Any bytes, read as an expression in PromQL.

use promql_parser::parser::parse as parse_expr;

use super::{Tree, parse};
use crate::catalog::promql::compile;
use crate::core::freshness::Coverage;
use crate::core::signal::{Element, QuerySignal, Signal};

/// It is refused at a place within it; or it is sent as a query of its own, whatever its comments and
/// brackets say, and each of its parts stands where it is said to.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let query = match parse(text) {
        Ok(query) => query,
        Err(refusal) => {
            assert!(!refusal.message.is_empty());
            let place = refusal.place.unwrap_or_default();
            assert!(place.end <= text.len().max(1) && text.is_char_boundary(place.start), "{place:?}");
            return;
        }
    };
    let placed = |tree: &Tree<'_>| tree.at.as_ref().is_none_or(|at| text.get(at.clone()).is_some());
    query.tree().walk(&mut |tree, _| assert!(placed(tree), "{:?}", tree.at));
    let again = parse(&query.text).unwrap_or_else(|refusal| panic!("{refusal}: {}", query.text));
    assert_eq!((&again.text, again.window), (&query.text, query.window));
    let signal = Signal::Query(QuerySignal {
        promql: query.text,
        window: query.window,
        element: Element::Pod,
        timed: true,
        of_samples: false,
    });
    let asked = compile(&signal, &Coverage::Cluster);
    if let Err(error) = parse_expr(&asked) {
        panic!("{error}: {asked}");
    }
}
