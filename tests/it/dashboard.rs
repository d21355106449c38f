//! The dashboard's queries and the alerts', asked of a real Prometheus that scrapes the built binary beside engines,
//! an exporter of GPUs and kube-state-metrics: each finds something, so no name in them is misspelt.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use promql_parser::parser::{Expr, VectorSelector, parse};
use promql_parser::util::visitor::{ExprVisitor, walk_expr};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::manifests::alerts::alerts;
use crate::manifests::dashboard::{Query, dashboard, queries};
use crate::manifests::render::{list, text};
use crate::support::cluster::Aggregator;
use crate::support::fleet::Fleet;
use crate::support::front::{Answer, Front};
use crate::support::objects::{deployment, external, hpa};
use crate::support::{
    Client, Cluster, Exposition, Fault, Prometheus, Server, Target, WAITING, fixture, of_pod, seconds, until,
    value_path,
};

/// Of others, and not to be had here: the API servers count it.
const FOREIGN: [&str; 1] = ["aggregator_unavailable_apiservice"];

/// Ours, and shown only where there is something to show: a container with a limit of memory.
const AT_TIMES: [&str; 1] = ["inferometer_memory_limit_bytes"];

/// Pages of the engines that the dashboard knows beside vLLM's newest.
const ENGINES: [&str; 9] = [
    "vllm-0.10.0.txt",
    "sglang-0.5.23.txt",
    "trtllm-serve-050f80d.txt",
    "lmdeploy-0.16.0.txt",
    "tgi-3.3.7.txt",
    "tei-1.9.3.txt",
    "llamacpp-server.txt",
    "triton-tensorrt-llm.txt",
    "nim-llm-1.0.txt",
];

/// A fleet in `ai`, its HPA `vllm`, an adapter with something of everything, and a Prometheus that sees all.
struct Stage {
    cluster: Cluster,
    server: Server,
    aggregator: Aggregator,
    prometheus: Prometheus,
    /// What the adapter reads.
    _front: Front,
    _pages: Exposition,
}

impl Stage {
    async fn set() -> Self {
        let cluster = Cluster::start().await;
        cluster.put(deployment("ai", "vllm", 2));
        let metrics = json!([external(WAITING, &json!({ "deployment": "vllm" }), "4")]);
        cluster.api.put(hpa("ai", "vllm", &metrics));
        let front = Front::start(None, Answer::Series(vec![(of_pod("ai", "vllm-1-0"), 3.0)])).await;
        let pages = Exposition::start().await;
        let mut targets = fleet(&pages);
        let direct = pages.target("pods", "/direct", &[]).address;
        pages.set("/direct", fixture("vllm-0.33.0.txt"));
        let configuration = configuration(&front.url(), direct);
        let file = cluster.file("config.yaml");
        std::fs::write(&file, configuration).expect("it can be written");
        let (server, aggregator) =
            cluster.serve(&["--config", file.to_str().expect("a path in UTF-8")]).await;
        targets.push(own(&server));
        let prometheus = Prometheus::start(&targets).await;
        Self { cluster, server, aggregator, prometheus, _front: front, _pages: pages }
    }

    /// A watch that fails for a moment.
    async fn trouble(&self) {
        let failures = async || self.server.own_metric("inferometer_cluster_watch_errors_total", &[]).await;
        self.cluster.api.fault_on("horizontalpodautoscalers", Fault::Fail(500));
        until("a watch fails", seconds(30), async || {
            let count = failures().await;
            if count > 0.0 { Ok(()) } else { Err(count) }
        })
        .await;
        self.cluster.api.fault_on("horizontalpodautoscalers", None);
    }

    /// Asks as HPAs do, well and badly, for as long as it is awaited.
    async fn ask(&self) {
        let client = self.aggregator.hpa_controller();
        loop {
            for metric in [WAITING, "waiting_directly", "waiting_gone", "waiting_replaced", "no_such_metric"]
            {
                client.get(&value_path("ai", metric, "deployment=vllm")).await;
            }
            client.get(&value_path("other", WAITING, "")).await;
            self.aggregator.bare().get(&value_path("ai", WAITING, "")).await;
            sleep(Duration::from_millis(300)).await;
        }
    }
}

/// Engines, GPUs and kube-state-metrics.
fn fleet(pages: &Exposition) -> Vec<Target> {
    let began = Instant::now();
    let fleet = Fleet { namespaces: 1, pods: 2, full: true, drift: false };
    pages.render("/fleet", move || fleet.page(100.0 + began.elapsed().as_secs_f64()));
    let mut targets = vec![pages.target("fleet", "/fleet", &[]).honoring_labels()];
    for name in ENGINES {
        let pod = format!("vllm-{}", name.split('-').next().unwrap_or_default());
        targets.push(pages.pod("ai", &pod, fixture(name)));
    }
    // Scraped without honor_labels, as its own chart has it.
    pages.set(
        "/dcgm",
        fixture("dcgm-exporter-4.5.3-default.txt").replace("llm-prod", "ai").replace("llama-", "vllm-"),
    );
    targets.push(pages.target("dcgm", "/dcgm", &[("namespace", "gpu-operator"), ("pod", "dcgm-exporter-x")]));
    let state =
        fixture("kube-state-metrics-2.20.0.txt").replace("llm-prod", "ai").replace("\"llama\"", "\"vllm\"");
    pages.set("/state", state);
    targets.push(pages.target("kube-state-metrics", "/state", &[]).honoring_labels());
    targets
}

/// The adapter as the ServiceMonitor has it scraped.
fn own(server: &Server) -> Target {
    let address: SocketAddr = server
        .own
        .base()
        .strip_prefix("http://")
        .and_then(|address| address.parse().ok())
        .expect("an address");
    let labels = [("__metrics_path__", "/metrics"), ("namespace", "inferometer"), ("pod", "inferometer-0")];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Target { job: "inferometer".to_owned(), address, labels, honor_labels: false, interval: 1 }
}

/// A source that is well, one that reads targets of which one is silent, one that is gone; a fallback that acts;
/// a budget that is used up by shares, and one of unknown spend that guards nobody.
fn configuration(prometheus: &str, direct: SocketAddr) -> String {
    format!(
        "apiVersion: inferometer.dev/v1alpha1
kind: Configuration
sources:
- name: main
  prometheus: {{ url: '{prometheus}' }}
- name: engines
  scrape:
    interval: 1s
    targets:
    - {{ url: 'http://{direct}/direct', namespace: ai, labels: {{ pod: vllm-1-0 }} }}
    - {{ url: 'http://127.0.0.1:1/metrics', namespace: ai, labels: {{ pod: vllm-1-1 }} }}
- name: gone
  prometheus: {{ url: 'http://127.0.0.1:1' }}
metrics:
- {{ name: waiting_directly, preset: {WAITING}, source: engines }}
- {{ name: waiting_gone, preset: {WAITING}, source: gone }}
- {{ name: waiting_replaced, preset: {WAITING}, source: gone, fallback: {{ after: 0s, value: 7 }} }}
budgets:
- name: fleet
  spend: {{ pricePerReplica: 4 }}
  limit: 9
  guards: [{{ namespace: ai, autoscaler: vllm }}]
- name: night
  spend: {{ promql: sum(bill), source: gone }}
  limit: 10
  lost: {{ after: 1s }}
  guards: [{{ namespace: night }}]
"
    )
}

/// A query as Grafana sends it when this is chosen.
fn chosen(promql: &str, namespace: &str, workload: &str) -> String {
    promql
        .replace("$__rate_interval", "15s")
        .replace("$namespace", namespace)
        .replace("$workload", workload)
        .replace("[1m]", "[15s]")
}

/// The selectors of an expression.
fn selectors(promql: &str) -> Vec<VectorSelector> {
    struct Collect(Vec<VectorSelector>);
    impl ExprVisitor for Collect {
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
    let parsed = parse(promql).unwrap_or_else(|error| panic!("{error}: {promql}"));
    walk_expr(&mut collect, &parsed).expect("it never fails");
    collect.0
}

/// The series that an expression names, each alternative of a regular expression by itself.
fn series(promql: &str) -> BTreeSet<String> {
    let names = |selector: VectorSelector| -> Vec<String> {
        if let Some(name) = selector.name {
            return vec![name];
        }
        let matchers = selector.matchers.find_matchers("__name__");
        matchers.iter().flat_map(|matcher| matcher.value.split('|').map(str::to_owned)).collect()
    };
    selectors(promql).into_iter().flat_map(names).collect()
}

/// Those of them of which this Prometheus has nothing. What it was found to have is noted in `known`.
async fn unknown(prometheus: &Prometheus, promql: &str, known: &mut BTreeSet<String>) -> Vec<String> {
    let mut unknown = Vec::new();
    for name in series(promql) {
        if known.contains(&name) {
            continue;
        }
        let found = prometheus.query(&format!("count({{__name__=\"{name}\"}})")).await;
        if found.is_empty() && !FOREIGN.contains(&&*name) && !AT_TIMES.contains(&&*name) {
            unknown.push(name);
        } else {
            known.insert(name);
        }
    }
    unknown
}

/// Whether it finds a number, or may do without.
async fn finds(prometheus: &Prometheus, query: &Query, promql: &str) -> Result<(), String> {
    let found = prometheus.query(promql).await;
    let at_times = series(promql).iter().any(|name| AT_TIMES.contains(&&**name));
    if at_times || found.iter().any(|sample| sample.value.is_finite()) {
        return Ok(());
    }
    Err(format!("{}: {promql} finds {found:?}", query.of))
}

/// All that the dashboard asks beside its panels: annotations, which are empty while nothing happens, and variables.
fn beside_panels() -> Vec<Query> {
    let dashboard = dashboard();
    let query = |of: &str, promql: &str| Query { of: of.to_owned(), promql: promql.to_owned() };
    let annotations = list(&dashboard, "/annotations/list").iter();
    let mut all: Vec<Query> = annotations.map(|one| query(text(one, "/name"), text(one, "/expr"))).collect();
    for variable in list(&dashboard, "/templating/list").iter().filter(|one| one["type"] == "query") {
        let asked = text(variable, "/query/query");
        let inner = asked.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')'));
        let (metric, label) = inner.and_then(|inner| inner.rsplit_once(", ")).expect("values of a label");
        all.push(query(text(variable, "/name"), &format!("count by ({label}) ({metric})")));
    }
    all
}

async fn assert_all_find_something(stage: &Stage) {
    let Stage { prometheus, .. } = stage;
    let all = queries(&dashboard());
    assert!(all.len() > 50);
    // A misspelt name is noticed, also beside one that is right.
    let misspelt = "sum(inferometer_refusal_total) or {__name__=~\"vllm:num_requests_waiting|sglang:queue\"}";
    let known = &mut BTreeSet::new();
    assert_eq!(unknown(prometheus, misspelt, known).await, ["inferometer_refusal_total", "sglang:queue"]);
    let mut is_there = async |promql: &str| {
        until("each of its names is known", seconds(20), async || {
            match unknown(prometheus, promql, known).await {
                unknown if unknown.is_empty() => Ok(()),
                unknown => Err(format!("{promql}: nothing is known of {unknown:?}")),
            }
        })
        .await;
    };
    for (namespace, workload) in [(".*", ".*"), ("ai", "vllm")] {
        // What does not depend on what is chosen is asked once.
        let depends = |query: &&Query| workload == ".*" || query.promql.contains("$workload");
        for query in all.iter().filter(depends) {
            let promql = chosen(&query.promql, namespace, workload);
            until("it finds something", seconds(20), async || finds(prometheus, query, &promql).await).await;
            is_there(&promql).await;
        }
    }
    for query in beside_panels() {
        let promql = chosen(&query.promql, ".*", ".*");
        prometheus.query(&promql).await;
        is_there(&promql).await;
    }
    for alert in alerts() {
        let promql = text(&alert, "/expr").to_owned();
        prometheus.query(&promql).await;
        is_there(&promql).await;
    }
}

/// What we export is explained where operators read.
async fn assert_all_is_documented(own: &Client) {
    let operations = include_str!("../../docs/operations.md");
    let page = own.get_as("/metrics", "*/*").await.text();
    let types: Vec<(&str, &str)> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    assert!(types.len() > 40, "{page}");
    for (name, kind) in types {
        let name = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        assert!(operations.contains(&format!("`{name}`")), "docs/operations.md does not tell of {name}");
    }
    for name in AT_TIMES {
        assert!(page.contains(&format!("# TYPE {name} ")), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_answers_every_query_of_the_dashboard_and_the_alerts() {
    let stage = Stage::set().await;
    stage.trouble().await;
    let looked = async {
        assert_all_find_something(&stage).await;
        assert_all_is_documented(&stage.server.own).await;
    };
    tokio::select! {
        () = looked => {}
        () = stage.ask() => unreachable!("it goes on for ever"),
    }
}
