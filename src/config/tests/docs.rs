//! The reference for users says what the code does.

use crate::catalog::Catalog;
use crate::config::{Diagnostics, check};

const DOCS: &str = include_str!("../../../docs/configuration.md");
const REDIS: &str = include_str!("../../../docs/redis.md");
const BUDGETS: &str = include_str!("../../../docs/budgets.md");
const HEAD: &str = "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n";

fn report(text: &str) -> crate::config::Report {
    let catalog = Catalog::built_in().unwrap();
    let mut diags = Diagnostics::default();
    check("configuration.md", text, &catalog, None, &mut diags);
    diags.finish()
}

/// The fields of a page's tables.
fn documented(page: &str) -> Vec<&str> {
    let rows =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |").map(|(name, _)| name));
    let mut documented: Vec<&str> = rows.filter(|name| !name.contains([' ', '`'])).collect();
    documented.sort_unstable();
    documented.dedup();
    documented
}

#[test]
fn every_field_of_a_budget_is_documented_and_its_examples_are_accepted() {
    let text = format!(
        "{HEAD}budgets:\n- {{ name: a, spend: {{ promql: x, qqqqqq: 1 }}, limit: 1, lost: {{ qqqqqq: 1 }}, \
         guards: [{{ namespace: a, qqqqqq: 1 }}], qqqqqq: 1 }}\n"
    );
    let refused = report(&text);
    let problems = refused.diagnostics.iter();
    let lists = problems.filter_map(|problem| problem.hint.as_ref()?.strip_prefix("valid fields: "));
    let mut fields: Vec<&str> = lists.flat_map(|list| list.split(", ")).collect();
    fields.sort_unstable();
    fields.dedup();
    assert_eq!(documented(BUDGETS), fields);
    let examples: Vec<&str> =
        BUDGETS.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        assert_eq!(report(&format!("{HEAD}{example}")).to_string(), "", "{example}");
    }
}

#[test]
fn every_example_is_accepted_without_a_word() {
    let examples: Vec<&str> =
        DOCS.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() > 4);
    for example in examples {
        let text =
            if example.contains("apiVersion:") { example.to_owned() } else { format!("{HEAD}{example}") };
        assert_eq!(report(&text).to_string(), "", "{example}");
    }
}

#[test]
fn every_field_is_documented_and_no_other() {
    // Refused fields are answered with the list of those there are.
    let text = format!(
        "{HEAD}qqqqqq: 1\nsources:\n- {{ name: a, prometheus: {{ url: http://a, qqqqqq: 1, auth: {{ qqqqqq: 1 }} }} }}\n\
         - {{ name: b, scrape: {{ targets: [{{ url: http://a, qqqqqq: 1 }}], pods: {{ qqqqqq: 1 }}, qqqqqq: 1 }} }}\n\
         metrics:\n- {{ name: a, preset: gpu_utilization, qqqqqq: 1 }}\n"
    );
    let report = report(&text);
    let lists =
        report.diagnostics.iter().filter_map(|problem| problem.hint.as_ref()?.strip_prefix("valid fields: "));
    let mut fields: Vec<&str> = lists.flat_map(|list| list.split(", ")).collect();
    // A source's own fields are answered with the kinds of source instead.
    fields.extend(["prometheus", "scrape", "redis"]);
    fields.sort_unstable();
    fields.dedup();
    assert_eq!(documented(DOCS), fields);
}

#[test]
fn every_field_of_a_redis_is_documented() {
    let text = format!(
        "{HEAD}sources:\n- {{ name: a, redis: {{ url: redis://a, qqqqqq: 1, auth: {{ passwordFile: a, qqqqqq: 1 }} }} }}\n\
         - {{ name: b, redis: {{ sentinel: {{ masterName: a, addresses: [a], qqqqqq: 1 }}, namespace: b }} }}\n\
         metrics:\n- {{ name: a, source: b, redis: {{ stream: a, group: b, measure: lag, qqqqqq: 1 }} }}\n"
    );
    let report = report(&text);
    let lists =
        report.diagnostics.iter().filter_map(|problem| problem.hint.as_ref()?.strip_prefix("valid fields: "));
    let fields: Vec<&str> = lists.flat_map(|list| list.split(", ")).collect();
    assert!(fields.len() > 20, "{report}");
    // A password itself is asked for only to be refused.
    for field in fields.into_iter().filter(|field| *field != "password") {
        assert!(REDIS.contains(&format!("`{field}`")) || REDIS.contains(&format!("{field}: ")), "{field}");
    }
}

#[test]
fn the_example_of_a_redis_is_accepted() {
    let example = REDIS.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(report(example).to_string(), "");
}
