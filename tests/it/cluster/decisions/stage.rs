//! A control plane with one fleet of vLLM in it, an HPA, and numbers that the test sets.

use std::fmt::Display;

use http::Method;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::super::workload::NAMESPACE;
use super::super::{Autoscaler, ControlPlane, Installation, Load, Workload, installation};
use super::Witness;
use crate::support::{
    Client, Exposition, Prometheus, Server, Target, replace_file, seconds, until, value_path,
};

/// The page that is about no pod: requests that a gateway holds back, and the bill.
const APART: &str = "/apart";

/// An HPA's metric of type External: its name, and the labels and the average value as they are written.
pub(super) fn external(name: &str, labels: &Json, average: &str) -> Json {
    json!({ "type": "External", "external": {
        "metric": { "name": name, "selector": { "matchLabels": labels } },
        "target": { "type": "AverageValue", "averageValue": average },
    } })
}

/// The labels of the fleet's Deployment.
pub(super) fn fleet() -> Json {
    json!({ "deployment": "vllm" })
}

pub(super) struct Stage {
    // Dropped in this order: who asks before who answers.
    pub(super) witness: Witness,
    pub(super) fleet: Workload,
    pub(super) inferometer: Installation,
    pub(super) prometheus: Prometheus,
    pages: Exposition,
    /// May read everybody's numbers, through the API server.
    reader: Client,
    began: Instant,
    pub(super) plane: ControlPlane,
}

impl Stage {
    /// A Deployment of one pod that may become `most`, and a Prometheus that reads its pods and the page
    /// apart.
    pub(super) async fn set(plane: ControlPlane, most: usize) -> Self {
        let inferometer = Installation::prepare(&plane).await;
        inferometer.admin.apply(&installation::namespace(NAMESPACE)).await;
        let pages = Exposition::start().await;
        let (fleet, mut targets): (_, Vec<Target>) =
            Workload::small_vllm(&inferometer.admin, &pages, most, Load { waiting: 0.0, wait: 0.0 }).await;
        pages.set(APART, "");
        targets.push(pages.target("apart", APART, &[("namespace", NAMESPACE)]));
        let prometheus = Prometheus::start(&targets).await;
        let witness = Witness::of(&inferometer.admin, fleet.name);
        let reader = plane.administrator();
        Self { plane, inferometer, fleet, prometheus, witness, pages, reader, began: Instant::now() }
    }

    /// Writes what comes after the sources, which are this Prometheus or what stands before it, and gives
    /// the file's path.
    pub(super) fn configure(&self, url: &str, rest: &str) -> String {
        let file = self.plane.file("config.yaml");
        replace_file(
            &file,
            format!(
                "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n\
                 sources: [{{ name: main, prometheus: {{ url: \"{url}\" }} }}]\n{rest}"
            ),
        );
        file.to_str().expect("UTF-8").to_owned()
    }

    /// Our binary with this configuration, registered.
    pub(super) async fn serve(&self, rest: &str) -> Server {
        let file = self.configure(self.prometheus.url(), rest);
        let replica = self.inferometer.replica(&["--config", &file]).await;
        self.inferometer.register(&replica).await;
        replica
    }

    /// An HPA of the fleet that may have so many replicas, and grows and shrinks as fast as it can.
    pub(super) async fn autoscaler(&self, (min, max): (u32, u32), metrics: Json) -> Autoscaler {
        let growth = json!([{ "type": "Pods", "value": max, "periodSeconds": 1 }]);
        Autoscaler::with(&self.inferometer.admin, &self.fleet, (min, max), &growth, metrics).await
    }

    /// So many requests wait in the fleet's queues, in all.
    pub(super) fn queue(&self, waiting: f64) {
        self.fleet.set(Load { waiting, wait: 0.0 });
    }

    /// What the page apart says.
    pub(super) fn apart(&self, series: &str, value: f64) {
        self.pages.set(APART, format!("{series} {value}\n"));
    }

    /// The value that `kubectl get --raw` shows, or the error in its place.
    pub(super) async fn served(&self, metric: &str, selector: &str) -> Result<f64, String> {
        let path = value_path(NAMESPACE, metric, selector);
        let reply = self.reader.try_send(Method::GET, &path, &[]).await;
        let reply = reply.map_err(|error| format!("{error:?}"))?;
        if reply.status != 200 {
            return Err(format!("{} {}", reply.status.as_u16(), reply.text()));
        }
        reply.value(metric).map(|value| value.number).map_err(|problem| problem.to_string())
    }

    /// Waits until this is served.
    pub(super) async fn until_served(&self, metric: &str, selector: &str, expected: f64, within: u64) {
        until(&format!("{metric} is {expected}"), seconds(within), async || {
            match self.served(metric, selector).await {
                Ok(value) if (value - expected).abs() < 1e-9 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Prints a step: what was put in, what is served of it, what the HPA sees, and the replicas.
    pub(super) async fn tell(&self, step: impl Display, metric: &str, selector: &str, hpa: &Autoscaler) {
        let served = match self.served(metric, selector).await {
            Ok(value) => value.to_string(),
            Err(error) => error.chars().take(160).collect(),
        };
        println!(
            "{:>6.1} s  {step}\n          served {metric}: {served}\n          {}\n          pods: {}",
            self.began.elapsed().as_secs_f64(),
            hpa.summary().await,
            self.fleet.pods(),
        );
    }
}
