//! Everything that is there, and may fail: sources and the ways to them, a cluster, two replicas.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use tokio::sync::RwLock;
use tokio::time::Instant;

use super::asking::Ledger;
use super::chaos::Random;
use super::truth::{PODS, Truth};
use super::vitals::Vitals;
use crate::support::cluster::Aggregator;
use crate::support::front::{Answer, Front};
use crate::support::objects::{external, hpa, pod};
use crate::support::proxy::Proxy;
use crate::support::{
    Client, Cluster, Exposition, Monitor, Prometheus, Server, Service, replace_file, seconds, until,
    value_path,
};

/// What is asked for: from Prometheus, from the engines themselves, and a rate.
pub(super) const METRICS: [&str; 3] = ["queued", "running", "rate"];

/// A configuration has this more, or has it not.
pub(super) const RICHER: &str = "- { name: more, preset: inference_requests_in_system }\n";

/// What a disturbance of a replica costs after its end: until the next probe and the next PING.
const AFTERMATH: Duration = Duration::from_secs(10);

/// Until a new replica has heard whom to believe.
const YOUTH: Duration = Duration::from_mins(1);

pub(super) struct Scene {
    // Dropped in this order: who asks before who answers.
    pub(super) replicas: [tokio::sync::Mutex<Server>; 2],
    pub(super) service: Service,
    pub(super) client: Client,
    pub(super) cluster: Cluster,
    pub(super) proxy: Proxy,
    pub(super) front: Front,
    pub(super) prometheus: tokio::sync::Mutex<Prometheus>,
    pub(super) engines: Proxy,
    pages: Exposition,
    pub(super) truth: Arc<Truth>,
    pub(super) disturbed: Disturbed,
    pub(super) ledger: Ledger,
    pub(super) vitals: Vitals,
    monitor: Arc<Monitor>,
    /// Held by who spoils the configuration: nobody can start with that.
    pub(super) configuration_is_good: RwLock<()>,
    configuration: (PathBuf, String),
    replaced: Mutex<Option<Instant>>,
    began: Instant,
}

/// Whether a replica, or the way to one, is out of order.
#[derive(Default)]
pub(super) struct Disturbed(Mutex<(usize, Option<Instant>)>);

impl Disturbed {
    pub(super) fn begin(&self) {
        self.0.lock().expect("no panic").0 += 1;
    }

    pub(super) fn end(&self) {
        let mut state = self.0.lock().expect("no panic");
        *state = (state.0 - 1, Some(Instant::now()));
    }

    /// Notes that the machine itself stood still for a moment.
    pub(super) fn hiccup(&self) {
        self.0.lock().expect("no panic").1 = Some(Instant::now());
    }

    /// Whether one is now, or was since then.
    pub(super) fn since(&self, then: Instant) -> bool {
        let (now, last) = *self.0.lock().expect("no panic");
        now > 0 || last.is_some_and(|last| last + AFTERMATH >= then)
    }
}

fn name(index: usize) -> String {
    format!("vllm-{index}")
}

impl Scene {
    pub(super) async fn set(seed: u64) -> Arc<Self> {
        let truth = Arc::new(Truth::new(Random::new(seed, 0)));
        let pages = Exposition::start().await;
        let targets: Vec<_> = (0..PODS).map(|index| pages.pod("ai", &name(index), "")).collect();
        let engines = Proxy::to(targets[0].address.port()).await;
        (0..PODS).for_each(|index| show(&pages, &truth, index));
        let prometheus = Prometheus::start(&targets).await;
        let front = Front::start(Some(prometheus.url()), Answer::PassAll).await;
        let front_port = front.url().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let proxy = Proxy::to(front_port.expect("the address has a port")).await;

        let cluster = Cluster::start().await;
        for index in 0..PODS {
            cluster.api.put(pod("ai", &name(index), &[("app", "vllm")]));
        }
        let asked = METRICS.map(|metric| external(metric, &serde_json::json!({}), "10"));
        cluster.api.put(hpa("ai", "vllm", &serde_json::json!(asked)));
        let configuration = (cluster.file("config.yaml"), written(&proxy.url(), &engines.url()));
        replace_file(&configuration.0, &configuration.1);
        let path = configuration.0.to_str().expect("a path in UTF-8").to_owned();
        let flags = ["--config", &path, "--tls-secret", "inferometer-tls"];
        let replicas = [cluster.launch(&flags).await, cluster.launch(&flags).await];
        let service = Service::of(&[&replicas[0], &replicas[1]]).await;
        for replica in &replicas {
            replica.monitor.allow_standstill();
        }
        let monitor = Monitor::start();
        let aggregator = Aggregator::through(service.port(), &cluster.front_proxy(), seconds(3));
        Arc::new(Self {
            replicas: replicas.map(tokio::sync::Mutex::new),
            service,
            client: aggregator.hpa_controller().watched_by(&monitor),
            cluster,
            proxy,
            front,
            prometheus: tokio::sync::Mutex::new(prometheus),
            engines,
            pages,
            truth,
            disturbed: Disturbed::default(),
            ledger: Ledger::default(),
            vitals: Vitals::default(),
            monitor,
            configuration_is_good: RwLock::new(()),
            configuration,
            replaced: Mutex::default(),
            began: Instant::now(),
        })
    }

    /// Tells what happens, and when.
    pub(super) fn tell(&self, what: impl Display) {
        println!("{:>7.1} s  {what}", self.began.elapsed().as_secs_f64());
    }

    /// Takes an engine away, or brings it back.
    pub(super) fn hide(&self, index: usize, hidden: bool) {
        let index = index % PODS;
        self.truth.hide(index, hidden);
        if hidden {
            self.pages.remove(&format!("/ai/{}", name(index)));
        } else {
            show(&self.pages, &self.truth, index);
        }
    }

    /// The configuration with this at its end.
    pub(super) fn configure(&self, more: &str) {
        let (path, text) = &self.configuration;
        replace_file(path, format!("{text}{more}"));
    }

    /// One that nobody can use, written in place.
    pub(super) fn spoil_configuration(&self, which: u64) {
        let (path, text) = &self.configuration;
        let unknown = format!("{text}colour: red\n");
        let bad = ["", "{", &text[..text.len() - 12], &unknown];
        std::fs::write(path, bad[which as usize % bad.len()]).expect("a file can be written");
    }

    /// Another process in the place of the second replica, which has ended.
    pub(super) async fn replace(&self) {
        let _good = self.configuration_is_good.read().await;
        let mut replica = self.replicas[1].lock().await;
        self.service.leave(&replica);
        let path = self.configuration.0.to_str().expect("a path in UTF-8");
        *replica = self.cluster.launch(&["--config", path, "--tls-secret", "inferometer-tls"]).await;
        replica.monitor.allow_standstill();
        self.service.join(&replica);
        *self.replaced.lock().expect("no panic") = Some(Instant::now());
        self.tell("replica 1 has begun anew");
    }

    /// Whether a replica may not have heard yet whom to believe.
    pub(super) fn has_young_replica(&self) -> bool {
        self.replaced.lock().expect("no panic").is_some_and(|at| at.elapsed() < YOUTH)
    }

    /// Waits until everything is answered as if nothing had ever happened.
    pub(super) async fn until_well(&self) {
        self.service.until_ready(self.replicas.len()).await;
        for metric in METRICS {
            let mut good = 0;
            until(&format!("{metric} is well"), seconds(120), async || {
                let answer = self.client.try_send(Method::GET, &value_path("ai", metric, ""), &[]).await;
                let reply = answer.map_err(|error| format!("{error:?}"))?;
                good = if reply.status == 200 { good + 1 } else { 0 };
                if good >= 10 { Ok(()) } else { Err(reply.text()) }
            })
            .await;
        }
        self.tell("all is well");
    }

    /// Says what came of it, and fails if anything was wrong.
    pub(super) async fn conclude(&self, seed: u64, length: Duration) {
        let (requests, mut wrong) = self.ledger.sum();
        let (vitals, more) = self.vitals.sum(length);
        wrong.extend(more);
        wrong.extend(self.monitor.verdict(&[], None, false));
        for replica in &self.replicas {
            let log = replica.lock().await.log();
            wrong.extend(log.into_iter().filter(|line| line.contains("panicked")));
        }
        println!("soak: seed={seed} seconds={} {requests} {vitals}", length.as_secs());
        assert!(wrong.is_empty(), "with SOAK_SEED={seed}: {wrong:#?}");
    }
}

fn show(pages: &Exposition, truth: &Arc<Truth>, index: usize) {
    let truth = Arc::clone(truth);
    pages.render(&format!("/ai/{}", name(index)), move || truth.page(index).unwrap_or_default());
}

fn written(prometheus: &str, engines: &str) -> String {
    let target = |index: usize| {
        let name = name(index);
        format!(
            "    - {{ url: \"{engines}/ai/{name}\", namespace: ai, labels: {{ pod: {name} }}, engine: vllm }}\n"
        )
    };
    let targets: String = (0..PODS).map(target).collect();
    format!(
        "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\nsources:\n\
         - name: main\n  prometheus: {{ url: \"{prometheus}\" }}\n\
         - name: engines\n  scrape:\n    interval: 1s\n    targets:\n{targets}\
         metrics:\n\
         - {{ name: queued, preset: \"vllm:num_requests_waiting\", source: main, refresh: 1s, hold: 15s }}\n\
         - {{ name: running, preset: \"vllm:num_requests_running\", source: engines, refresh: 1s, hold: 15s }}\n\
         - {{ name: rate, preset: \"vllm:request_success_total\", source: main, window: 20s, refresh: 1s, hold: 15s }}\n"
    )
}
