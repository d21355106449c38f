//! Whole requests, from the router to the bytes of the answer.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use inferometer::api::recall::Recalling;
use inferometer::api::{Api, router};
use inferometer::catalog::Catalog;
use inferometer::core::freshness::Coverage;
use inferometer::core::signal::Signal;
use inferometer::core::time::Timestamp;
use inferometer::engine::{Definitions, Engine, Pace};
use inferometer::source::{Answer, Fetch, Source};
use inferometer::telemetry::Telemetry;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use super::{Case, Run, run, samples};

pub(super) static CASES: [Case; 2] = [
    Case { name: "request-remembered", times: 200, make: remembered },
    Case { name: "request-not-remembered", times: 200, make: not_remembered },
];

const PATH: &str =
    "/apis/external.metrics.k8s.io/v1beta1/namespaces/ai-5/vllm:num_requests_waiting?labelSelector=";

/// Nothing is refreshed while a case is measured: where instructions are counted, a second is long.
const ONCE: Pace = Pace {
    fastest: Duration::from_mins(10),
    slowest: Duration::from_mins(10),
    share: 100,
    idle: Duration::from_mins(30),
    concurrency: 8,
};

/// Four pods in each of ten namespaces, sampled just now.
struct Fixed;

impl Source for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn fetch<'a>(&'a self, signal: &'a Arc<Signal>, _: &'a Coverage, now: Timestamp) -> Fetch<'a> {
        let set = samples(10, 4, now).finish(signal.element(), &signal.labels(), 0);
        Box::pin(std::future::ready(Ok(Answer { set, memory: None, warnings: Vec::new(), cost: None })))
    }

    fn describe(&self, signal: &Signal, _: &Coverage) -> Arc<str> {
        signal.to_string().into()
    }
}

struct Server {
    runtime: Runtime,
    api: Recalling<Router>,
}

impl Server {
    fn new() -> Self {
        let catalog = Arc::new(Catalog::built_in().expect("the built-in catalog loads"));
        let definitions = Definitions { sources: vec![Arc::new(Fixed)], ..Definitions::default() };
        let telemetry = Arc::new(Telemetry::default());
        let engine = Engine::new(catalog, definitions, ONCE, Arc::clone(&telemetry));
        let api = router::service(Arc::new(Api::new(Arc::new(engine), telemetry)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let server = Self { runtime, api };
        server.ask("");
        server
    }

    fn ask(&self, selector: &str) -> usize {
        let request = Request::get(format!("{PATH}{selector}")).body(Body::empty()).expect("a request");
        self.runtime.block_on(async {
            let response = self.api.clone().oneshot(request).await.expect("an answer");
            assert_eq!(response.status(), StatusCode::OK);
            to_bytes(response.into_body(), 1 << 16).await.expect("a body").len()
        })
    }
}

/// The same question again and again: nothing is worked out anew.
fn remembered() -> Run {
    let server = Server::new();
    run(move || server.ask("job%3Dvllm"))
}

/// Another question each time.
fn not_remembered() -> Run {
    let server = Server::new();
    let mut number = 0;
    run(move || {
        number += 1;
        server.ask(&format!("pod%21%3Dnobody-{number}"))
    })
}
