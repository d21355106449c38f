//! Pages for Prometheus to scrape, replaced while it does.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::net::TcpListener;

type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// A server of pages by path. A path without a page answers 404, so its target is down.
pub(crate) struct Exposition {
    address: SocketAddr,
    pages: Pages,
}

type Pages = Arc<Mutex<HashMap<String, Render>>>;

impl Exposition {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let pages = Pages::default();
        let app = axum::Router::new().fallback(page).with_state(Arc::clone(&pages));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, pages }
    }

    pub(crate) fn set(&self, path: &str, page: impl Into<String>) {
        let page = page.into();
        self.render(path, move || page.clone());
    }

    /// A page made anew at each scrape.
    pub(crate) fn render(&self, path: &str, render: impl Fn() -> String + Send + Sync + 'static) {
        self.pages.lock().expect("no panic").insert(path.to_owned(), Arc::new(render));
    }

    pub(crate) fn remove(&self, path: &str) {
        self.pages.lock().expect("no panic").remove(path);
    }

    /// A target for the page at `path`.
    pub(crate) fn target(&self, job: &str, path: &str, labels: &[(&str, &str)]) -> Target {
        let mut all: BTreeMap<String, String> =
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        all.insert("__metrics_path__".to_owned(), path.to_owned());
        // As in a cluster, where each target has an address of its own.
        all.insert("instance".to_owned(), format!("10.0.0.1:8000{path}"));
        Target { job: job.to_owned(), address: self.address, labels: all, honor_labels: false, interval: 1 }
    }

    /// A page with the labels of a pod beside it.
    pub(crate) fn pod(&self, namespace: &str, pod: &str, page: impl Into<String>) -> Target {
        let path = format!("/{namespace}/{pod}");
        self.set(&path, page);
        self.target("pods", &path, &[("namespace", namespace), ("pod", pod)])
    }
}

/// One thing to scrape.
pub(crate) struct Target {
    pub(crate) job: String,
    pub(crate) address: SocketAddr,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) honor_labels: bool,
    /// Seconds between two scrapes.
    pub(crate) interval: u64,
}

impl Target {
    pub(crate) fn honoring_labels(self) -> Self {
        Self { honor_labels: true, ..self }
    }

    pub(crate) fn every(self, interval: u64) -> Self {
        Self { interval, ..self }
    }
}

async fn page(State(pages): State<Pages>, request: Request) -> Response {
    let render = pages.lock().expect("no panic").get(request.uri().path()).cloned();
    match render {
        Some(render) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], render()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A page recorded from a real engine or exporter.
pub(crate) fn fixture(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/expositions").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
