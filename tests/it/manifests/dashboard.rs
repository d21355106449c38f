//! The dashboard as Grafana would take it: nothing overlaps, every panel says what it shows, and every link leads
//! somewhere. What its queries find is for `crate::dashboard` to see.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use super::render::{helm, list, of_kind, overlay, text};

/// A query and where it is from.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    /// The panel's title, or what else asks.
    pub(crate) of: String,
    /// With Grafana's variables in it.
    pub(crate) promql: String,
}

/// The document in a ConfigMap.
fn within(objects: &[Json]) -> Json {
    let maps = of_kind(objects, "ConfigMap");
    let map =
        maps.iter().find(|map| map["metadata"]["name"] == "inferometer-dashboard").expect("its ConfigMap");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1", "what Grafana's sidecar looks for");
    serde_json::from_str(text(map, "/data/inferometer.json")).expect("JSON")
}

pub(crate) fn dashboard() -> Json {
    within(&overlay("monitoring"))
}

/// All panels but the titles of rows.
fn panels(dashboard: &Json) -> Vec<&Json> {
    list(dashboard, "/panels").iter().filter(|panel| panel["type"] != "row").collect()
}

/// The queries of the panels, with the variables as they are written.
pub(crate) fn queries(dashboard: &Json) -> Vec<Query> {
    let of_panel = |panel: &&Json| -> Vec<Query> {
        let of = text(panel, "/title").to_owned();
        let query = |target: &Json| Query { of: of.clone(), promql: text(target, "/expr").to_owned() };
        list(panel, "/targets").iter().map(query).collect()
    };
    panels(dashboard).iter().flat_map(of_panel).collect()
}

/// The address of a heading, as a Markdown page has it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|one| one.is_alphanumeric() || " -_".contains(*one));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn panels_have_a_place_a_unit_and_a_description_each() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "inferometer");
    // The last of this form of dashboards; those before are migrated when they are loaded.
    assert_eq!(dashboard["schemaVersion"], 42);
    let (mut ids, mut titles, mut taken) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for panel in list(&dashboard, "/panels") {
        let title = text(panel, "/title");
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "{title}: its id is taken");
        assert!(titles.insert(title), "{title} is there twice");
        let place = |side: &str| panel["gridPos"][side].as_u64().expect("a number");
        let (left, top) = (place("x"), place("y"));
        assert!(left + place("w") <= 24, "{title}: too wide");
        for x in left..left + place("w") {
            for y in top..top + place("h") {
                assert!(taken.insert((x, y)), "{title} overlaps another");
            }
        }
    }
    assert!(panels(&dashboard).len() > 30);
    for panel in panels(&dashboard) {
        let title = text(panel, "/title");
        let description = text(panel, "/description");
        assert!(description.len() > 30 && description.ends_with('.'), "{title}: {description}");
        assert!(!text(panel, "/fieldConfig/defaults/unit").is_empty(), "{title}");
        assert_eq!(text(panel, "/datasource/uid"), "${datasource}", "{title}");
        let references: BTreeSet<&str> =
            list(panel, "/targets").iter().map(|target| text(target, "/refId")).collect();
        assert_eq!(references.len(), list(panel, "/targets").len(), "{title}");
        // An override of a query that is not there does nothing.
        for target in list(panel, "/fieldConfig/overrides") {
            assert!(references.contains(text(target, "/matcher/options")), "{title}: {target}");
        }
    }
}

#[test]
fn links_lead_to_sections_of_the_operations_page() {
    let operations = include_str!("../../../docs/operations.md");
    let headings = operations.lines().filter(|line| line.starts_with('#'));
    let anchors: BTreeSet<String> =
        headings.map(|line| anchor(line.trim_start_matches(['#', ' ']))).collect();
    let dashboard = dashboard();
    let mut seen = BTreeSet::new();
    for panel in panels(&dashboard) {
        for link in panel["links"].as_array().into_iter().flatten() {
            let target = text(link, "/url").strip_prefix("${runbooks}#").expect("a section of the runbooks");
            assert!(anchors.contains(target), "{}: no section {target}", text(panel, "/title"));
            seen.insert(target.to_owned());
        }
    }
    // Whoever comes from an alert finds a panel that shows it, but for what only API servers and absence tell.
    for alert in super::alerts::alerts() {
        let name = text(&alert, "/alert").to_lowercase();
        let elsewhere = ["inferometerapiserviceunavailable", "inferometerreplicamissing"];
        let elsewhere = elsewhere.contains(&name.as_str()) || name == "inferometertrustrefused";
        assert!(
            seen.contains(&name) || elsewhere || name == "inferometerconnectionshigh",
            "{name}: no panel"
        );
    }
}

#[test]
fn variables_are_declared_and_the_runbooks_are_where_the_chart_says() {
    let dashboard = dashboard();
    let variables = list(&dashboard, "/templating/list");
    let declared: BTreeSet<&str> = variables.iter().map(|variable| text(variable, "/name")).collect();
    // Grafana's own, and what a regular expression calls its first group.
    let known = |name: &str| declared.contains(name) || ["__rate_interval", "__all", "1"].contains(&name);
    let used = regex::Regex::new(r"\$\{?([a-z0-9_]+)").expect("an expression");
    let document = dashboard.to_string();
    let mut count = 0;
    for found in used.captures_iter(&document) {
        assert!(known(&found[1]), "{} is not declared", &found[0]);
        count += 1;
    }
    assert!(count > 100, "{count}");

    let base = "https://wiki.example.com/operations";
    let values = json!({ "monitoring": { "enabled": true, "runbookBase": base } });
    let moved = within(&helm(&values).expect("the chart"));
    let runbooks = |document: &Json| {
        let all = list(document, "/templating/list").iter();
        let [one] = &all.filter(|one| one["name"] == "runbooks").cloned().collect::<Vec<_>>()[..] else {
            panic!("one variable")
        };
        (text(one, "/query").to_owned(), text(one, "/current/value").to_owned())
    };
    assert_eq!(runbooks(&moved), (base.to_owned(), base.to_owned()));
    assert!(!moved.to_string().contains("docs/operations.md"));
}
