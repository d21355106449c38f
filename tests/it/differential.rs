//! One definition, two backends: what a preset reads through a real Prometheus it reads from the targets
//! themselves.
//!
//! Every recorded page is scraped by both, its counters growing in proportion to time. Then gauges agree
//! exactly, and so does what is made of the rates of one page: a quantile, a ratio. A rate itself may
//! differ by sampling. Both stamp a sample when they ask for the page, and the page is made a little
//! later, by up to `d`. Over a window `w` that moves a rate by at most `2 d / w`; here `d` is taken to
//! stay below 75 ms on a busy machine and `w` is 15 s, so that rates agree within 1 %.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use futures_util::StreamExt as _;
use inferometer::catalog::Catalog;
use inferometer::core::metric::Metric;
use inferometer::core::signal::{Kind, Signal};
use tokio::time::Instant;

use crate::support::{Exposition, Prometheus, Server, fixture, seconds, value_path};

/// A counter of `v` grows by this share of it each second.
const GROWTH: f64 = 0.01;
const SAMPLING: f64 = 0.01;
const EXACT: f64 = 1e-9;

/// Pages that are not an engine's: they test the parser.
const OTHERS: [&str; 3] = ["edge-", "hostile-", "openmetrics"];

fn pages() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/expositions");
    let names = std::fs::read_dir(folder)
        .expect("the folder of pages")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name in UTF-8"));
    let is_page = |name: &String| {
        name.strip_suffix(".txt").is_some() && !OTHERS.iter().any(|other| name.starts_with(other))
    };
    let mut names: Vec<String> = names.filter(is_page).collect();
    names.sort();
    names
}

/// The names of samples that count something, by what the catalog makes of them.
fn counted(catalog: &Catalog) -> BTreeSet<String> {
    let metrics = catalog.names().filter_map(|name| catalog.resolve(name));
    let mut names = BTreeSet::new();
    for input in metrics.flat_map(|metric| metric.inputs) {
        let Signal::Series(signal) = input.signal.as_ref() else { continue };
        for term in &signal.terms {
            let suffixes: &[&str] = match term.kind {
                Kind::Gauge | Kind::Slope => &[],
                Kind::Counter => &[""],
                Kind::Buckets | Kind::Mean => &["_bucket", "_sum", "_count"],
            };
            for series in &term.series {
                names.extend(suffixes.iter().map(|suffix| format!("{}{suffix}", series.name)));
            }
        }
    }
    names
}

/// Whether a page has any series of a metric: to ask for others would prove nothing.
fn has_any(page: &str, metric: &Metric) -> bool {
    let names: BTreeSet<&str> = page.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let signals = metric.inputs.iter().filter_map(|input| match input.signal.as_ref() {
        Signal::Series(signal) => Some(signal),
        _ => None,
    });
    let mut series = signals.flat_map(|signal| &signal.terms).flat_map(|term| &term.series);
    series.any(|series| {
        ["", "_count"].iter().any(|suffix| names.contains(format!("{}{suffix}", series.name).as_str()))
    })
}

/// A page whose counters grow.
fn growing(text: &str, counted: &BTreeSet<String>) -> impl Fn(f64) -> String + Send + Sync + 'static {
    let line = |line: &str| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let number = line.rsplit_once(' ').and_then(|(series, value)| Some((series, value.parse().ok()?)));
        match number.filter(|_| counted.contains(name)) {
            Some((series, value)) => (series.to_owned(), Some(value)),
            None => (line.to_owned(), None::<f64>),
        }
    };
    let lines: Vec<_> = text.lines().map(line).collect();
    move |elapsed| {
        let mut page = String::new();
        for (text, value) in &lines {
            match value {
                Some(value) => writeln!(page, "{text} {}", value * (1.0 + GROWTH * elapsed)),
                None => writeln!(page, "{text}"),
            }
            .expect("memory");
        }
        page
    }
}

/// What was asked, and how the two answered it.
struct Question {
    namespace: String,
    metric: String,
    tolerance: f64,
}

impl Question {
    /// The engines whose series were read if both gave the same value; otherwise what is wrong.
    async fn ask(&self, server: &Server) -> Result<Vec<String>, String> {
        let answer = async |source: &str| {
            let path =
                value_path(&self.namespace, &format!("{source}_{}", self.metric), "") + "?explain=true";
            server.client.get(&path).await.json()
        };
        let (ours, theirs) = (answer("scrape").await, answer("prometheus").await);
        let said = |explained: &serde_json::Value| match explained["answer"]["exact"].as_f64() {
            Some(value) => Ok(value),
            None => Err(explained["refusal"]["reason"].as_str().unwrap_or("nothing").to_owned()),
        };
        match (said(&ours), said(&theirs)) {
            (Ok(a), Ok(b)) if (a - b).abs() <= self.tolerance * b.abs() => Ok(engines(&ours)),
            // Neither will ever know more.
            (Err(a), Err(b))
                if a == b && ["no_series", "idle", "incomplete", "unservable"].contains(&a.as_str()) =>
            {
                Ok(Vec::new())
            }
            (a, b) => Err(format!(
                "{} in {}: scraped {a:?}, Prometheus {b:?}; {} | {}",
                self.metric, self.namespace, ours["refusal"]["message"], theirs["refusal"]["message"]
            )),
        }
    }
}

fn engines(explained: &serde_json::Value) -> Vec<String> {
    let inputs = explained["derivation"]["inputs"].as_array().expect("inputs");
    let used = inputs.iter().filter(|input| input["selected"].as_u64() > Some(0));
    used.map(|input| input["engine"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_and_scraping_read_the_same() {
    let catalog = Catalog::built_in().expect("the catalog");
    let counted = counted(&catalog);
    let server_of_pages = Exposition::start().await;
    let began = Instant::now();
    let mut metrics = BTreeMap::new();
    for base in catalog.names() {
        let mean = format!("{base}_mean");
        for name in [base.to_string(), mean] {
            metrics.extend(catalog.resolve(&name).map(|metric| (name, metric)));
        }
    }
    let (mut targets, mut scraped, mut open) = (Vec::new(), String::new(), Vec::new());
    for (index, name) in pages().iter().enumerate() {
        let (namespace, pod, path) = (format!("n{index}"), format!("pod-{index}"), format!("/{name}"));
        // Exporters tell of pods in other namespaces; each page shall be alone with its own.
        let mut namespaces = BTreeSet::from([namespace.clone()]);
        let page = fixture(name);
        let mut parts = page.split("namespace=\"");
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            text += "namespace=\"";
            let inner = part.split('"').next().unwrap_or_default();
            if !inner.is_empty() {
                namespaces.insert(format!("{namespace}-{inner}"));
                text += &namespace;
                text.push('-');
            }
            text += part;
        }
        for namespace in &namespaces {
            let asked = metrics.iter().filter(|(_, metric)| has_any(&text, metric));
            open.extend(asked.map(|(name, metric)| Question {
                namespace: namespace.clone(),
                metric: name.clone(),
                tolerance: if metric.window().is_some() { SAMPLING } else { EXACT },
            }));
        }
        let page = growing(&text, &counted);
        server_of_pages.render(&path, move || page(began.elapsed().as_secs_f64()));
        let labels = [("namespace", namespace.as_str()), ("pod", pod.as_str())];
        let target = server_of_pages.target(&format!("page-{index}"), &path, &labels);
        let url = format!("http://{}{path}", target.address);
        writeln!(scraped, "    - {{ url: '{url}', namespace: {namespace}, labels: {{ pod: {pod} }} }}")
            .expect("memory");
        targets.push(target);
    }
    let prometheus = Prometheus::start(&targets).await;
    let mut configuration = format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n\
         - name: prometheus\n  prometheus: {{ url: '{}', timeout: 20s }}\n\
         - name: scrape\n  scrape:\n    interval: 1s\n    targets:\n{scraped}metrics:\n",
        prometheus.url()
    );
    for (name, metric) in &metrics {
        let window = if metric.window().is_some() { ", window: 15s" } else { "" };
        for source in ["prometheus", "scrape"] {
            writeln!(
                configuration,
                "- {{ name: {source}_{name}, preset: {name}, source: {source}{window} }}"
            )
            .expect("memory");
        }
    }
    let server = Server::configured(&configuration).await;
    let asked = open.len();
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let deadline = Instant::now() + seconds(200);
    loop {
        let answers = futures_util::stream::iter(
            open.into_iter().map(async |question| (question.ask(&server).await, question)),
        );
        let answers: Vec<_> = answers.buffer_unordered(16).collect().await;
        let mut complaints = Vec::new();
        open = Vec::new();
        for (answer, question) in answers {
            match answer {
                Ok(engines) => seen.entry(question.metric).or_default().extend(engines),
                Err(complaint) => {
                    complaints.push(complaint);
                    open.push(question);
                }
            }
        }
        println!("{:.1?}: {} of {asked} questions are open", began.elapsed(), open.len());
        if open.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{} do not agree:\n{}", complaints.len(), complaints.join("\n"));
        tokio::time::sleep(seconds(1)).await;
    }

    // Agreement in silence proves nothing: every engine must have given a value for all that it provides.
    let mut silent = Vec::new();
    for (name, metric) in &metrics {
        for input in &metric.inputs {
            if !seen.get(name).is_some_and(|engines| engines.contains(input.engine.as_ref())) {
                silent.push(format!("{name} of {}", input.engine));
            }
        }
    }
    assert!(silent.is_empty(), "no page has a value for:\n{}", silent.join("\n"));
}
