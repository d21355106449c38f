//! Any bytes, read as the name of a metric, as it stands in a request.

use std::sync::LazyLock;

use promql_parser::parser::parse;

use crate::catalog::{Catalog, promql};
use crate::core::freshness::Coverage;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::built_in().expect("a test reads it"));

/// It is none, or a metric that is called so and asks for series in PromQL; nothing of a name that is not of
/// the catalog's words gets there.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(name) = std::str::from_utf8(bytes) else { return };
    for metric in [CATALOG.resolve(name), CATALOG.share(name, 0.5)].into_iter().flatten() {
        assert_eq!(&*metric.name, name);
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_:".contains(&byte)), "{name}");
        for input in metric.inputs {
            let query = promql::compile(&input.signal, &Coverage::Cluster);
            if let Err(error) = parse(&query) {
                panic!("{error}: {query}");
            }
        }
    }
}
