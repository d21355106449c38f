//! A query API in front of a Prometheus, or instead of one, that answers as told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::Client;

/// What a query is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// What the Prometheus behind says. Its start time is not told: servers of other makes do not.
    Pass,
    /// The beginning of an answer, and then the connection breaks.
    BrokenOff(&'static str),
    /// This code, these headers, this body.
    Fixed(u16, Vec<(&'static str, &'static str)>, String),
    /// These series: labels as JSON, and the value. Sampled just now.
    Series(Vec<(serde_json::Value, f64)>),
}

pub(crate) struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    behind: Option<Client>,
    answer: Mutex<Answer>,
    queries: Mutex<Vec<String>>,
    guard: Mutex<Guard>,
}

/// Whom to answer.
#[derive(Default)]
struct Guard {
    /// The tokens that are good; if there are none, everybody is.
    tokens: Vec<String>,
    /// The last token that was good.
    last: Option<String>,
    /// How often somebody came without a good one.
    refused: usize,
}

impl Front {
    pub(crate) async fn start(behind: Option<&str>, answer: Answer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared {
            behind: behind.map(|url| Client::new(url.to_owned())),
            answer: Mutex::new(answer),
            queries: Mutex::default(),
            guard: Mutex::default(),
        });
        let app = axum::Router::new().fallback(respond).with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set(&self, answer: Answer) {
        *self.shared.answer.lock().expect("no panic") = answer;
    }

    /// Every query so far.
    pub(crate) fn queries(&self) -> Vec<String> {
        self.shared.queries.lock().expect("no panic").clone()
    }

    /// Answers those only who bear one of these tokens.
    pub(crate) fn demand(&self, tokens: &[&str]) {
        let tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
        self.shared.guard.lock().expect("no panic").tokens = tokens;
    }

    /// The last good token, and how many requests came without one.
    pub(crate) fn tokens_seen(&self) -> (Option<String>, usize) {
        let guard = self.shared.guard.lock().expect("no panic");
        (guard.last.clone(), guard.refused)
    }
}

impl Guard {
    fn admits(&mut self, headers: &HeaderMap) -> bool {
        let token = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let good =
            self.tokens.is_empty() || token.is_some_and(|token| self.tokens.iter().any(|one| one == token));
        if good {
            self.last = token.map(str::to_owned);
        } else {
            self.refused += 1;
        }
        good
    }
}

async fn respond(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    if request.uri().path() != "/api/v1/query" || request.method() != Method::POST {
        return StatusCode::NOT_FOUND.into_response();
    }
    if !shared.guard.lock().expect("no panic").admits(request.headers()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let form = to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    let query: String = form_urlencoded::parse(&form).map(|(_, value)| value.into_owned()).collect();
    shared.queries.lock().expect("no panic").push(query.clone());
    let answer = shared.answer.lock().expect("no panic").clone();
    match answer {
        Answer::Pass => forward(&shared, &form).await.into_response(),
        Answer::BrokenOff(beginning) => {
            let chunks = [Ok(beginning), Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe))];
            // Not before the beginning has left.
            let late = stream::iter(chunks).then(async |chunk| {
                if chunk.is_err() {
                    sleep(Duration::from_millis(100)).await;
                }
                chunk
            });
            Body::from_stream(late.boxed()).into_response()
        }
        Answer::Fixed(code, headers, body) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(code).expect("a code");
            let headers: HeaderMap = headers
                .into_iter()
                .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
                .collect();
            response.headers_mut().extend(headers);
            response
        }
        // Which engines are there: those that these tests are about.
        Answer::Series(_) if query.contains("group by (__name__)") => {
            let engines = ["vllm:num_requests_running", "DCGM_FI_DEV_FB_FREE"];
            vector(&engines.map(|series| (serde_json::json!({ "series": series }), 1.0))).into_response()
        }
        Answer::Series(series) => vector(&series).into_response(),
    }
}

async fn forward(shared: &Shared, form: &[u8]) -> Vec<u8> {
    let behind = shared.behind.as_ref().expect("a Prometheus behind");
    let form = String::from_utf8_lossy(form);
    behind.send(Method::GET, &format!("/api/v1/query?{form}"), &[]).await.body
}

/// Every series with its number and its time, as a compiled query of one gauge has them.
fn vector(series: &[(serde_json::Value, f64)]) -> String {
    let now = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0;
    let part = |labels: &serde_json::Value, part: &str, value: f64| {
        let mut labels = labels.clone();
        labels["_part"] = part.into();
        serde_json::json!({ "metric": labels, "value": [now, value.to_string()] })
    };
    let result: Vec<_> = series
        .iter()
        .flat_map(|(labels, value)| [part(labels, "0", *value), part(labels, "t", now)])
        .collect();
    serde_json::json!({ "status": "success", "data": { "resultType": "vector", "result": result } })
        .to_string()
}
