//! Any bytes, read as a configuration, and as a file that `check` is given.

use std::sync::LazyLock;

use super::{Diagnostics, Report, check as check_file, load};
use crate::catalog::{Catalog, promql};
use crate::core::freshness::Coverage;
use crate::core::signal::Signal;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| Catalog::built_in().expect("a test reads it"));

/// There is a configuration, or there are errors, each at a place within the text. What a configuration
/// asks a Prometheus is PromQL.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut diags = Diagnostics::default();
    let loaded = load("c.yaml", text, &CATALOG, &mut diags);
    let report = diags.finish();
    assert_eq!(loaded.is_none(), report.has_errors(), "{report}");
    assert_placed(&report, text);
    let mut diags = Diagnostics::default();
    let checked = check_file("c.yaml", text, &CATALOG, None, &mut diags);
    assert_placed(&diags.finish(), text);
    let own = loaded.into_iter().flat_map(|configuration| configuration.metrics);
    for metric in own.chain(checked.metrics.into_iter().map(|checked| checked.metric)) {
        for input in metric.inputs {
            if matches!(*input.signal, Signal::Schedule(_) | Signal::Redis(_)) {
                continue;
            }
            let query = promql::compile(&input.signal, &Coverage::Cluster);
            if let Err(error) = promql_parser::parser::parse(&query) {
                panic!("{error}: {query}");
            }
        }
    }
}

fn assert_placed(report: &Report, text: &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    let lines: Vec<&str> = text.split(['\n', '\r']).collect();
    for one in &report.diagnostics {
        let line = one.line.checked_sub(1).and_then(|line| lines.get(line));
        let line = line.unwrap_or_else(|| panic!("no line {}: {}", one.line, one.message));
        // What is missing at the end of a line is right behind it.
        let most = line.chars().count() + 1;
        assert!((1..=most).contains(&one.column), "{}:{}: {}", one.line, one.column, one.message);
        assert!(one.width >= 1 && !one.message.contains(char::is_control), "{}", one.message);
    }
    // What people and programs see.
    assert!(!report.to_string().contains('\u{1b}'));
    serde_json::to_string(report).expect("a report has a form in JSON");
}
