//! The built-in composites say what a real Prometheus says to the PromQL that defines them, whether it is
//! asked or the targets themselves.
//!
//! That PromQL is in `tests/fixtures/composites.yaml`. Counters count evenly, so that rates are the same over
//! every window and at every time, and the answers must be equal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use futures_util::future::join_all;
use inferometer::catalog::Catalog;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use crate::support::front::{Answer, Front};
use crate::support::objects::{deployment, external, hpa, object, owned, pod};
use crate::support::{Client, Cluster, Exposition, Prometheus, seconds, value_path};

mod page;
mod states;

use states::{State, states};

const EXACT: f64 = 1e-6;

/// What an HPA selects, here and in a request.
const SELECTOR: &str = "deployment=vllm";

/// Seconds that a Prometheus remembers, and that it knows beforehand.
const SPAN: (i64, i64) = (-150, 600);

/// What is not there in PromQL.
const NEW: [&str; 2] = ["inference_arrivals_per_second", "inference_demand_requests_per_second"];

/// Where boards have different limits, a mean of ratios would weigh a small board as a large one.
const UNEQUAL_LIMITS: &str = "calm";
const RATIO_OF_SUMS: &str =
    "sum(DCGM_FI_DEV_POWER_USAGE{${gsel}}) / sum(DCGM_FI_DEV_ENFORCED_POWER_LIMIT{${gsel}})";

/// By the composite's name.
fn definitions() -> BTreeMap<String, String> {
    let text = include_str!("../fixtures/composites.yaml");
    serde_saphyr::from_str(text).expect("a map of texts")
}

impl State {
    /// The definition as one asks for this state.
    fn put_into(&self, promql: &str) -> String {
        let of_pods = format!("namespace=\"{}\",pod=~\"vllm-.*\"", self.name);
        let places = [
            ("${sel}", of_pods.clone()),
            ("${gsel}", of_pods),
            ("${gwsel}", format!("namespace=\"{}\"", self.name)),
            ("${dep}", format!("namespace=\"{}\",deployment=\"vllm\"", self.name)),
            ("${w}", "2m".to_owned()),
            ("${tdp}", "700".to_owned()),
        ];
        let whole = places.iter().fold(promql.to_owned(), |text, (place, with)| text.replace(place, with));
        assert!(!whole.contains("${"), "{whole}");
        whole
    }

    /// The Deployment, its pods and its HPA.
    fn objects(&self) -> Vec<Json> {
        let ready = self.engines.len();
        let mut all = vec![object("v1", "Namespace", "", self.name)];
        all.extend(deployment(self.name, "vllm", ready));
        all.push(pod(self.name, "gateway", &[]));
        for index in ready..ready + self.loading {
            let mut pod = pod(self.name, &format!("vllm-1-{index}"), &[("app", "vllm")]);
            pod["metadata"]["creationTimestamp"] = jiff::Timestamp::now().to_string().into();
            pod["status"] =
                json!({ "phase": "Running", "conditions": [{ "type": "Ready", "status": "False" }] });
            all.push(owned(pod, "apps/v1", "ReplicaSet", "vllm-1"));
        }
        let metric = external("inference_demand_replicas", &json!({ "deployment": "vllm" }), "1");
        let mut hpa = hpa(self.name, "vllm", &json!([metric]));
        let replicas = ready + self.loading;
        hpa["status"] = json!({ "currentReplicas": replicas, "desiredReplicas": replicas });
        all.push(hpa);
        all
    }

    /// Every page with the labels of what shows it.
    fn shown(&self) -> impl Iterator<Item = (String, &page::Page)> {
        let of_engines =
            self.engines.iter().enumerate().map(|(index, page)| (format!("vllm-1-{index}"), page));
        let of_devices = self.devices.iter().enumerate().map(|(index, page)| (format!("dcgm-{index}"), page));
        of_engines.chain(of_devices).chain(self.gateway.iter().map(|page| ("gateway".to_owned(), page)))
    }

    /// What kube-state-metrics tells of it.
    fn record_replicas(&self, out: &mut String, now: i64) {
        let ready = self.engines.len();
        for at in (now + SPAN.0..now + SPAN.1).step_by(30) {
            for (name, count) in [("spec_replicas", ready + self.loading), ("status_replicas_ready", ready)] {
                let labels = format!("namespace=\"{}\",deployment=\"vllm\"", self.name);
                writeln!(out, "kube_deployment_{name}{{{labels}}} {count} {at}").expect("memory");
            }
        }
    }
}

/// The number of an answer before it is rounded.
async fn exact(client: &Client, namespace: &str, metric: &str) -> Result<f64, String> {
    // The gateway is none of the Deployment's pods.
    let selector = if metric.contains("wake") { "" } else { SELECTOR };
    let path = value_path(namespace, metric, selector);
    let sign = if path.contains('?') { '&' } else { '?' };
    let explained = client.get(&format!("{path}{sign}explain=true")).await.json();
    explained["answer"]["exact"].as_f64().ok_or_else(|| explained["refusal"].to_string())
}

/// How the answer differs from this number, if it does so until then.
async fn differs(
    client: &Client,
    namespace: &str,
    metric: &str,
    theirs: f64,
    end: Instant,
) -> Option<String> {
    loop {
        let ours = exact(client, namespace, metric).await;
        if ours.as_ref().is_ok_and(|ours| (ours - theirs).abs() <= EXACT * theirs.abs()) {
            return None;
        }
        if Instant::now() >= end {
            return Some(format!(": {ours:?}, and Prometheus says {theirs}"));
        }
        tokio::time::sleep(seconds(1)).await;
    }
}

/// The PromQL that a state is to be like.
fn defined(state: &State, name: &str, promql: &str) -> String {
    let is_uneven = state.name == UNEQUAL_LIMITS && name == "gpu_power_ratio";
    state.put_into(if is_uneven { RATIO_OF_SUMS } else { promql })
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_says_the_same_of_every_composite() {
    let (states, definitions, now) = (states(), definitions(), jiff::Timestamp::now().as_second());
    let (cluster, pages) = (Cluster::start().await, Exposition::start().await);
    let (mut history, mut targets) = (String::new(), String::new());
    for state in &states {
        cluster.put(state.objects());
        state.record_replicas(&mut history, now);
        for (pod, page) in state.shown() {
            let (namespace, path) = (state.name, format!("/{}/{pod}", state.name));
            let labels = [("namespace", namespace), ("pod", pod.as_str())];
            page.record(&mut history, &labels, now, (now + SPAN.0, now + SPAN.1));
            let shown = page.clone();
            pages.render(&path, move || shown.show(now, jiff::Timestamp::now().as_second()));
            let address = pages.target("pods", &path, &[]).address;
            writeln!(
                targets,
                "    - {{ url: 'http://{address}{path}', namespace: {namespace}, labels: {{ pod: {pod} }} }}"
            )
            .expect("memory");
        }
    }
    let prometheus = Prometheus::remembering(&history).await;
    // Through a front that does not tell when it started, so that nobody waits for a window.
    let front = Front::start(Some(prometheus.url()), Answer::Pass).await;
    let url = front.url();
    let (_asks, asking) = cluster.serve(&["--prometheus-url", &url]).await;

    // Scraped, over windows that are full sooner.
    let catalog = Catalog::built_in().expect("the catalog");
    let mut configuration = format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n\
         - name: pages\n  scrape:\n    interval: 1s\n    targets:\n{targets}metrics:\n"
    );
    for name in definitions.keys() {
        let metric = catalog.resolve(name).unwrap_or_else(|| panic!("there is no {name}"));
        let window = if metric.window().is_some() { ", window: 15s" } else { "" };
        writeln!(configuration, "- {{ name: {name}, preset: {name}{window} }}").expect("memory");
    }
    let file = cluster.file("scrape.yaml");
    std::fs::write(&file, configuration).expect("a file can be written");
    let (_scrapes, scraping) = cluster.serve(&["--config", file.to_str().expect("UTF-8")]).await;
    let clients = [("prometheus", asking.hpa_controller()), ("scraped", scraping.hpa_controller())];

    // Windows fill at the same time.
    for (_, client) in &clients {
        let all = definitions.keys().flat_map(|name| states.iter().map(move |state| (name, state)));
        join_all(all.map(|(name, state)| exact(client, state.name, name))).await;
    }
    let (mut wrong, deadline) = (Vec::new(), Instant::now() + seconds(60));
    let mut head = format!("{:44} ", "");
    for state in &states {
        write!(head, "{:>10}", state.name).expect("memory");
    }
    println!("{head}");
    for (name, promql) in &definitions {
        let mut row = format!("{name:44} ");
        for state in &states {
            let theirs = prometheus.scalar(&defined(state, name, promql)).await;
            write!(row, "{theirs:>10.4}").expect("memory");
            for (source, client) in &clients {
                let what = format!("{name} of {} ({source})", state.name);
                wrong
                    .extend(differs(client, state.name, name, theirs, deadline).await.map(|why| what + &why));
            }
        }
        println!("{row}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_composite_is_defined_or_new() {
    let catalog = Catalog::built_in().expect("the catalog");
    let defined = definitions();
    let composites =
        catalog.names().filter(|name| catalog.resolve(name).is_some_and(|one| one.composite.is_some()));
    for name in composites {
        let is_defined = defined.contains_key(&**name);
        assert_ne!(is_defined, NEW.contains(&&**name), "{name}");
    }
}
