//! A schema in small, and documents with many mistakes.

use crate::config::decode::{
    boolean, byte_size, checked, duration, entries, http_url, integer, list, metric_name, number, one_of,
    spanned, string,
};
use crate::config::units::Refusal;
use crate::config::{Diagnostics, Node, Report, Spanned, parse};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mode {
    Average,
    Sum,
}

#[derive(Debug)]
#[expect(dead_code, reason = "read through Debug")]
struct Metric {
    name: Spanned<String>,
    promql: String,
    mode: Option<Mode>,
    window: Option<Duration>,
    quantile: Option<f64>,
}

fn quantile(value: f64) -> Result<f64, Refusal> {
    let inside = (0.0..=1.0).contains(&value);
    if inside { Ok(value) } else { Err(Refusal::new("a quantile lies between 0 and 1").hint("write `0.95`")) }
}

fn metric(diags: &mut Diagnostics, node: &Node) -> Option<Metric> {
    let mut map = node.mapping(diags, "a metric")?;
    let name = map.required("name", diags, spanned(metric_name));
    let promql = map.required("promql", diags, string);
    let mode = map.optional("mode", diags, one_of(&[("average", Mode::Average), ("sum", Mode::Sum)]));
    let window = map.optional("window", diags, duration);
    let quantile = map.optional("quantile", diags, checked(number, quantile));
    map.finish(diags);
    Some(Metric { name: name?, promql: promql?, mode, window, quantile })
}

#[derive(Debug)]
#[expect(dead_code, reason = "read through Debug")]
struct Config {
    url: String,
    insecure: bool,
    workers: u64,
    cache: Option<u64>,
    labels: Vec<(String, String)>,
    metrics: Vec<Metric>,
}

fn config(diags: &mut Diagnostics, node: &Node) -> Option<Config> {
    let mut map = node.mapping(diags, "the configuration")?;
    let url = map.required("url", diags, http_url);
    let insecure = map.optional("insecure", diags, boolean).unwrap_or(false);
    let workers = map.optional("workers", diags, integer(1..=64)).unwrap_or(4);
    let cache = map.optional("cache", diags, byte_size);
    let label = |diags: &mut Diagnostics, key: &crate::config::Key, value: &Node| {
        Some((key.text.clone(), string(diags, value)?))
    };
    let labels = map.optional("labels", diags, entries(label)).unwrap_or_default();
    let metrics = map.required("metrics", diags, list(metric));
    map.finish(diags);
    Some(Config { url: url?.to_string(), insecure, workers, cache, labels, metrics: metrics? })
}

fn check(text: &str) -> (Option<Config>, Report) {
    let mut diags = Diagnostics::default();
    let nodes = parse("config.yaml", text, &mut diags);
    let config = nodes.first().and_then(|node| config(&mut diags, node));
    (config, diags.finish())
}

#[test]
fn a_correct_document_is_read() {
    let (config, report) = check(
        "url: http://prometheus:9090\ncache: 8MiB\nlabels: {team: no}\nmetrics:\n- name: queue_depth\n  \
         promql: sum(x)\n  mode: sum\n  window: 1m30s\n  quantile: 0.95\n",
    );
    assert_eq!(report.to_string(), "");
    let config = config.unwrap();
    assert_eq!((config.url.as_str(), config.cache), ("http://prometheus:9090/", Some(8 << 20)));
    assert_eq!(config.labels, [("team".to_owned(), "no".to_owned())]);
    let metric = &config.metrics[0];
    assert_eq!(
        (metric.name.value.as_str(), metric.name.span.line, metric.name.span.column),
        ("queue_depth", 5, 9)
    );
    assert_eq!((metric.mode, metric.window), (Some(Mode::Sum), Some(Duration::from_secs(90))));
}

const MANY_MISTAKES: &str = r#"url: http://admin:hunter2@prometheus:9090
insecure: yes
workers: 100
cache: 8 MB
labels:
  team: [a]
  tier:
metrics:
  - name: Queue_Depth
    promqll: sum(x)
    mode: avrage
    window: 30
  - name: "queue_depth"
    promql: &q |
      sum(x)
    promql: other
    quantile: 95
    windw_: 1m
  - *q
  - just text
  - {mode: sum, colour: blue}
timeout: 1s
"#;

#[test]
#[expect(clippy::too_many_lines, reason = "one snapshot of everything that can go wrong")]
fn all_mistakes_of_a_document_are_reported_at_their_places() {
    let (config, report) = check(MANY_MISTAKES);
    assert!(config.is_none());
    insta::assert_snapshot!(report, @r"
    error: a URL must not contain credentials
     --> config.yaml:1:6
      |
    1 | url: http://*************@prometheus:9090
      |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ use `auth` for them

    error: expected true or false, found `yes`
     --> config.yaml:2:11
      |
    2 | insecure: yes
      |           ^^^ write `true`

    error: expected a whole number from 1 to 64, found `100`
     --> config.yaml:3:10
      |
    3 | workers: 100
      |          ^^^

    error: expected a size, found `8 MB`
     --> config.yaml:4:8
      |
    4 | cache: 8 MB
      |        ^^^^ write a whole number of bytes, or one with a unit, like `8MiB` or `5MB`

    error: expected a string, found a list
     --> config.yaml:6:9
      |
    6 |   team: [a]
      |         ^^^

    error: expected a string, found nothing
     --> config.yaml:7:7
      |
    7 |   tier:
      |       ^

    error: a metric name cannot contain `Q`
     --> config.yaml:9:11
      |
    9 |   - name: Queue_Depth
      |           ^ allowed are a-z, _, :, 0-9, ., -

    error: unknown field `promqll`
      --> config.yaml:10:5
       |
    10 |     promqll: sum(x)
       |     ^^^^^^^ did you mean `promql`?

    error: expected one of average, sum, found `avrage`
      --> config.yaml:11:11
       |
    11 |     mode: avrage
       |           ^^^^^^ did you mean `average`?

    error: expected a duration, found `30`
      --> config.yaml:12:13
       |
    12 |     window: 30
       |             ^^ write `30s`

    error: anchors are not supported
      --> config.yaml:14:13
       |
    14 |     promql: &q |
       |             ^^ write the value out

    error: duplicate field `promql`
      --> config.yaml:16:5
       |
    16 |     promql: other
       |     ^^^^^^ it is already set on line 14

    error: a quantile lies between 0 and 1
      --> config.yaml:17:15
       |
    17 |     quantile: 95
       |               ^^ write `0.95`

    error: unknown field `windw_`
      --> config.yaml:18:5
       |
    18 |     windw_: 1m
       |     ^^^^^^ did you mean `window`?

    error: aliases are not supported
      --> config.yaml:19:5
       |
    19 |   - *q
       |     ^^ write the value out

    error: expected a metric, found `just text`
      --> config.yaml:20:5
       |
    20 |   - just text
       |     ^^^^^^^^^

    error: a metric needs the field `name`
      --> config.yaml:21:6
       |
    21 |   - {mode: sum, colour: blue}
       |      ^^^^

    error: a metric needs the field `promql`
      --> config.yaml:21:6
       |
    21 |   - {mode: sum, colour: blue}
       |      ^^^^

    error: unknown field `colour`
      --> config.yaml:21:17
       |
    21 |   - {mode: sum, colour: blue}
       |                 ^^^^^^ valid fields: name, promql, mode, window, quantile

    error: unknown field `timeout`
      --> config.yaml:22:1
       |
    22 | timeout: 1s
       | ^^^^^^^ valid fields: url, insecure, workers, cache, labels, metrics
    ");
}

#[test]
fn a_misspelt_required_field_is_one_problem_and_a_missing_one_another() {
    let (_, report) = check("ulr: http://h\nurl_: x\n");
    insta::assert_snapshot!(report, @r"
    error: unknown field `ulr`
     --> config.yaml:1:1
      |
    1 | ulr: http://h
      | ^^^ did you mean `url`?

    error: the configuration needs the field `metrics`
     --> config.yaml:1:1
      |
    1 | ulr: http://h
      | ^^^

    error: unknown field `url_`
     --> config.yaml:2:1
      |
    2 | url_: x
      | ^^^^ did you mean `url`?
    ");
}

#[test]
fn reported_nodes_are_not_reported_again() {
    let (_, report) = check("url: *base\nmetrics: *all\n");
    assert_eq!(report.errors, 2);
    assert!(report.diagnostics.iter().all(|d| d.message == "aliases are not supported"));
}

#[test]
fn a_mapping_without_known_fields_says_so() {
    let mut diags = Diagnostics::default();
    let nodes = parse("c.yaml", "a: 1\n", &mut diags);
    nodes[0].mapping(&mut diags, "an empty thing").unwrap().finish(&mut diags);
    assert_eq!(diags.finish().diagnostics[0].hint.as_deref(), Some("no fields are expected here"));
}
