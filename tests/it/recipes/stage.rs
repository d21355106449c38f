//! Where recipes are played: a cluster with a namespace for each case, and a Prometheus that remembers what
//! its pods have shown for the last minutes, and will have shown for the next.

use std::path::Path;

use super::autoscaler::Autoscaler;
use super::pages::{Page, Span};
use super::rows::Row;
use super::usual::{ScaledObject, Usual};
use crate::support::front::{Answer, Front};
use crate::support::objects::{deployment, object, pod};
use crate::support::{Client, Cluster, Prometheus, Server, seconds};

/// The URL that the recipes have for Prometheus.
pub(crate) const PROMETHEUS: &str = "http://prometheus-operated.monitoring:9090";

/// The longest window of a rate, and some to spare.
const HISTORY: i64 = 150;
/// Longer than all tests together.
const FUTURE: i64 = 600;

/// The pod beside the workload.
const BESIDE: &str = "beside";

/// A recipe: the files of its name, and what comes of them.
pub(crate) struct Recipe {
    pub(crate) slug: &'static str,
    pub(crate) cases: Vec<Case>,
}

/// A state of the workload.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) replicas: u32,
    /// Of the pods, in order; fewer than replicas if some show nothing yet.
    pub(crate) pages: Vec<Page>,
    /// Of a pod beside the workload.
    pub(crate) beside: Option<Page>,
    /// Whether scrapes ended a while ago.
    pub(crate) is_lost: bool,
    /// What is served for each metric.
    pub(crate) served: Vec<Served>,
    /// What the metrics ask for, before windows, policies and bounds.
    pub(crate) desired: u32,
    /// What the HPA does at once.
    pub(crate) replicas_then: u32,
    /// What the usual recipe makes of it, where that is a point.
    pub(crate) usual: Option<Usual>,
}

/// What a metric is expected to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Served {
    /// This number; of a Pods metric, the mean.
    Number(f64),
    /// What the schedule of that name says of now. The case's own demand is then that of its other metrics.
    Clock(&'static str),
    /// An error whose message holds this.
    Refused(&'static str),
}

/// The text of a recipe's file.
pub(crate) fn file(name: &str) -> Option<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/examples/recipes");
    std::fs::read_to_string(folder.join(name)).ok()
}

/// The HPA of a recipe.
pub(crate) fn autoscaler(slug: &str) -> Autoscaler {
    Autoscaler::read(&file(&format!("{slug}.yaml")).unwrap_or_else(|| panic!("{slug} has no HPA")))
}

/// The configuration of a recipe, if it has one.
pub(crate) fn configuration(slug: &str) -> Option<String> {
    file(&format!("{slug}.configuration.yaml"))
}

pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    front: Front,
    prometheus: Prometheus,
}

impl Stage {
    /// A stage on which all cases of these recipes are set.
    pub(crate) async fn of(recipes: &[Recipe]) -> Self {
        let cluster = Cluster::start().await;
        for recipe in recipes {
            let autoscaler = autoscaler(recipe.slug);
            for case in &recipe.cases {
                let namespace = recipe.namespace(case);
                cluster.api.put(object("v1", "Namespace", "", &namespace));
                cluster.put(deployment(&namespace, autoscaler.deployment(), case.replicas as usize));
                cluster.api.put(autoscaler.placed(&namespace, case.replicas));
                if case.beside.is_some() {
                    cluster.api.put(pod(&namespace, BESIDE, &[]));
                }
            }
        }
        let (prometheus, front) = remembering(recipes).await;
        Self { cluster, front, prometheus }
    }

    /// Our binary with the configuration of a recipe.
    pub(crate) async fn serve(&self, slug: &str) -> (Server, Client) {
        let url = self.front.url();
        let file = configuration(slug).map(|yaml| {
            let path = self.cluster.file(&format!("{slug}.yaml"));
            std::fs::write(&path, yaml.replace(PROMETHEUS, &url)).expect("a file can be written");
            path.to_str().expect("a path in UTF-8").to_owned()
        });
        let args = match &file {
            Some(file) => ["--config", file],
            None => ["--prometheus-url", &url],
        };
        let (server, aggregator) = self.cluster.serve(&args).await;
        let client = aggregator.hpa_controller();
        (server, client)
    }

    /// Plays every case of a recipe: rows for people, and what was not as expected.
    pub(crate) async fn play(&self, recipe: &Recipe) -> (Vec<Row>, Vec<String>) {
        let (_server, client) = self.serve(recipe.slug).await;
        let (autoscaler, usual) = (autoscaler(recipe.slug), ScaledObject::of(recipe.slug));
        let (mut rows, mut wrong) = (Vec::new(), Vec::new());
        for case in &recipe.cases {
            let namespace = recipe.namespace(case);
            let usual = usual.ask(&self.prometheus, &namespace, case.replicas).await;
            if case.usual.is_some() && usual != case.usual {
                wrong.push(format!("{namespace}: {:?} of the usual recipe, not {usual:?}", case.usual));
            }
            let mut row = None;
            let found = until_or_last(async || {
                let observations = autoscaler.observe(&client, &namespace).await;
                let outcome = autoscaler.decide(case.replicas, &observations);
                let complaint = case.complaint(recipe.slug, &observations, &outcome, &autoscaler);
                row = Some(Row::new(recipe.slug, case, &observations, &outcome).beside(usual));
                complaint
            })
            .await;
            wrong.extend(found.map(|complaint| format!("{namespace}: {complaint}")));
            rows.extend(row);
        }
        (rows, wrong)
    }
}

/// A Prometheus that remembers the pages of all cases, and the way to it.
pub(crate) async fn remembering(recipes: &[Recipe]) -> (Prometheus, Front) {
    let now = jiff::Timestamp::now().as_second();
    let mut history = String::new();
    for recipe in recipes {
        let autoscaler = autoscaler(recipe.slug);
        for case in &recipe.cases {
            let namespace = recipe.namespace(case);
            let (from, to) = if case.is_lost { (-2 * HISTORY, -HISTORY) } else { (-HISTORY, FUTURE) };
            let span = Span { from: now + from, to: now + to, now };
            for (index, page) in case.pages.iter().enumerate() {
                let pod = format!("{}-1-{index}", autoscaler.deployment());
                page.record(&mut history, &namespace, &pod, span);
            }
            if let Some(page) = &case.beside {
                page.record(&mut history, &namespace, BESIDE, span);
            }
        }
    }
    let prometheus = Prometheus::remembering(&history).await;
    // It does not tell when it was started, or rates would be refused until their window has passed.
    let front = Front::start(Some(prometheus.url()), Answer::Pass).await.asked_by(recipes.len());
    (prometheus, front)
}

impl Recipe {
    pub(crate) fn namespace(&self, case: &Case) -> String {
        format!("{}-{}", self.slug, case.name)
    }
}

/// Looks until there is nothing to complain of, or returns the last complaint.
pub(crate) async fn until_or_last(mut look: impl AsyncFnMut() -> Option<String>) -> Option<String> {
    let deadline = tokio::time::Instant::now() + seconds(20);
    loop {
        match look().await {
            Some(complaint) if tokio::time::Instant::now() >= deadline => return Some(complaint),
            Some(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
            None => return None,
        }
    }
}
