//! The metrics pages of the live fleet over HTTP, and where they are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use reqwest::Url;

use super::stage::Stage;
use crate::core::series::Labels;
use crate::demo::exposition::{NAMESPACE, dcgm, engine};
use crate::source::scrape::discover::{Discover, Found, Look, Place};

/// How often it is looked which pods are there. The real thing is told by a watch.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Where the exporter of the boards lives.
const EXPORTER: (&str, &str) = ("gpu-operator", "dcgm-exporter-0");

/// Every replica's page under its pod's name, and one of all boards.
pub(super) fn router(stage: Arc<Stage>) -> Router {
    Router::new().route("/pods/{pod}/metrics", get(pod)).route("/gpus/metrics", get(gpus)).with_state(stage)
}

async fn pod(State(stage): State<Arc<Stage>>, Path(name): Path<String>) -> Response {
    let scene = stage.scene();
    let pod = scene.fleets[0].fleet().pods().iter().find(|pod| pod.name == name);
    page(pod.and_then(engine))
}

async fn gpus(State(stage): State<Arc<Stage>>) -> Response {
    page(Some(dcgm(stage.scene().fleets[0].fleet().pods())))
}

fn page(page: Option<String>) -> Response {
    match page {
        Some(page) => ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response(),
        // A pod that loads its model has not opened its port.
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// The live pods as targets, and the exporter of their boards.
pub(super) struct Pods {
    pub(super) stage: Arc<Stage>,
    pub(super) address: SocketAddr,
}

impl Pods {
    fn place(&self, path: &str, engine: &str, (namespace, pod): (&str, &str)) -> Option<Place> {
        let url = Url::parse(&format!("http://{}{path}", self.address)).ok()?;
        let pairs = [("namespace", namespace), ("pod", pod)];
        let labels = Labels::new(pairs.map(|(name, value)| (name.into(), value.into())).to_vec());
        Some(Place { url, address: None, labels, engine: Some(engine.into()), speaks_for_others: true })
    }
}

impl Discover for Pods {
    fn look(&self) -> Look<'_> {
        let scene = self.stage.scene();
        let serving = scene.fleets[0].fleet().pods().iter().filter(|pod| pod.serves_metrics());
        let pods = serving.filter_map(|pod| {
            self.place(&format!("/pods/{}/metrics", pod.name), "vllm", (NAMESPACE, &pod.name))
        });
        let mut places: Vec<Place> = pods.collect();
        drop(scene);
        places.extend(self.place("/gpus/metrics", "dcgm", EXPORTER));
        Box::pin(std::future::ready(Found { places, ..Found::default() }))
    }

    fn every(&self) -> Duration {
        LOOK_EVERY
    }

    fn describe(&self) -> String {
        format!("the pods of the demo at {}", self.address)
    }
}
