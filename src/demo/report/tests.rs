use std::sync::Arc;

use super::*;
use crate::demo::fleet::Setup;
use crate::demo::policy::{Policy, Signal};
use crate::demo::scrape::Scraping;
use crate::demo::simulation::Simulation;
use crate::demo::trace::Day;

fn page() -> String {
    let trace = Arc::new(Day { seconds: 3_600.0, night: 1.0, ..Day::default() }.trace());
    let policies = [Policy::fixed(6), Policy::new(Signal::Waiting { per_replica: 5.0 }, 1, 8)];
    let outcomes = policies.map(|policy| {
        let mut simulation = Simulation::new(policy, Setup::default(), Scraping::default(), trace.clone());
        simulation.advance(f64::INFINITY);
        let mut outcome = Outcome::of(&simulation);
        outcome.name.push_str(" <b>&\"");
        outcome
    });
    let parameters = [("day".to_owned(), "<script>".to_owned())];
    let report = Report {
        outcomes: &outcomes,
        recommended: &[1],
        parameters: &parameters,
        day_seconds: 3_600.0,
        target: 2.0,
        patience: 60.0,
    };
    report.html().unwrap()
}

#[test]
fn the_page_needs_nothing_else_and_shows_everything() {
    let page = page();
    for outside in ["<script", "<link", "<img", "src=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    // Only the name of SVG's namespace looks like an address.
    assert_eq!(page.matches("http").count(), page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    // Arrivals once, the others for each policy.
    assert_eq!(page.matches("<svg").count(), 1 + 4 * 2);
    for heading in ["Who beats whom", "Arrivals", "Replicas", "Time to first token", "Waiting", "KV cache"] {
        assert!(page.contains(heading), "{heading}");
    }
    assert!(!page.contains("NaN") && !page.contains("inf "));
}

#[test]
fn text_is_escaped_and_elements_are_closed() {
    let page = page();
    assert!(
        page.contains("fixed fleet of 6 &lt;b&gt;&amp;&quot;") && page.contains("<dd>&lt;script&gt;</dd>")
    );
    for element in
        ["html", "body", "table", "tr", "td", "figure", "figcaption", "svg", "dl", "ul", "li", "div"]
    {
        let opened =
            page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
        assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{element}");
    }
}
