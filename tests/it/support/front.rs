//! A query API in front of a Prometheus, or instead of one, that answers as told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Client;
use super::secure::Secure;

/// How many questions a source is asked at once, at most (I7).
pub(crate) const AT_ONCE: usize = 8;

/// One that was given up is told of by the end of its connection, which may come a little later.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(1);

/// What a query is answered with.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// What the Prometheus behind says. Its start time is not told: servers of other makes do not.
    Pass,
    /// All that the Prometheus behind says, also of itself.
    PassAll,
    /// The beginning of an answer, and then the connection breaks.
    BrokenOff(&'static str),
    /// This code, these headers, this body.
    Fixed(u16, Vec<(&'static str, &'static str)>, String),
    /// These series: labels as JSON, and the value. Sampled just now.
    Series(Vec<(serde_json::Value, f64)>),
    /// The same, sampled so long ago.
    Aged(Duration, Vec<(serde_json::Value, f64)>),
    /// The same, sampled just now, with these fields beside `data`.
    Beside(serde_json::Value, Vec<(serde_json::Value, f64)>),
    /// This, so much later.
    Late(Duration, Box<Answer>),
    /// Each of these in turn, a question each.
    Turns(Vec<Answer>),
}

pub(crate) struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    behind: Option<Client>,
    answer: Mutex<Answer>,
    /// The forms that came.
    forms: Mutex<Vec<Vec<(String, String)>>>,
    guard: Mutex<Guard>,
    room: Semaphore,
    /// How much room there is when nobody asks.
    limit: AtomicUsize,
    most: AtomicUsize,
    /// How many questions came while there was no room for them.
    crowded: AtomicUsize,
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
        let (front, app) = Self::at(listener.local_addr().expect("its address"), behind, answer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        front
    }

    /// The same over TLS.
    pub(crate) fn secure(listener: Secure, answer: Answer) -> Self {
        let (front, app) = Self::at(listener.address(), None, answer);
        tokio::spawn(async move { axum::serve(listener, app).await });
        front
    }

    fn at(address: SocketAddr, behind: Option<&str>, answer: Answer) -> (Self, axum::Router) {
        let shared = Arc::new(Shared {
            behind: behind.map(|url| Client::new(url.to_owned())),
            answer: Mutex::new(answer),
            forms: Mutex::default(),
            guard: Mutex::default(),
            room: Semaphore::new(AT_ONCE),
            limit: AtomicUsize::new(AT_ONCE),
            most: AtomicUsize::new(0),
            crowded: AtomicUsize::new(0),
        });
        let app = axum::Router::new().fallback(respond).with_state(Arc::clone(&shared));
        (Self { address, shared }, app)
    }

    /// Each of so many adapters may ask as much at once as one.
    pub(crate) fn asked_by(self, adapters: usize) -> Self {
        self.shared.limit.store(AT_ONCE * adapters, Ordering::Relaxed);
        self.shared.room.add_permits(AT_ONCE * (adapters - 1));
        self
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn set(&self, answer: Answer) {
        *self.shared.answer.lock().expect("no panic") = answer;
    }

    /// Every query so far.
    pub(crate) fn queries(&self) -> Vec<String> {
        let forms = self.forms();
        forms.iter().map(|form| form.iter().map(|(_, value)| value.as_str()).collect()).collect()
    }

    /// What each query came with: names and values.
    pub(crate) fn forms(&self) -> Vec<Vec<(String, String)>> {
        self.shared.forms.lock().expect("no panic").clone()
    }

    /// The most questions that were asked at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::Relaxed)
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

impl Drop for Front {
    /// Nobody was ever asked too much at once.
    fn drop(&mut self) {
        let crowded = self.shared.crowded.load(Ordering::Relaxed);
        assert!(crowded == 0 || std::thread::panicking(), "I7: {crowded} questions beyond {AT_ONCE} at once");
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
        let all = matches!(*shared.answer.lock().expect("no panic"), Answer::PassAll);
        if all && request.method() == Method::GET {
            return fetched(&shared, &request.uri().to_string()).await;
        }
        return StatusCode::NOT_FOUND.into_response();
    }
    if !shared.guard.lock().expect("no panic").admits(request.headers()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let form = to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(&form).into_owned().collect();
    let query: String = pairs.iter().map(|(_, value)| value.as_str()).collect();
    let turn = {
        let mut forms = shared.forms.lock().expect("no panic");
        forms.push(pairs);
        forms.len()
    };
    let room = timeout(GIVEN_UP_WITHIN, shared.room.acquire()).await;
    if room.is_err() {
        shared.crowded.fetch_add(1, Ordering::Relaxed);
    }
    let limit = shared.limit.load(Ordering::Relaxed);
    shared.most.fetch_max(limit - shared.room.available_permits(), Ordering::Relaxed);
    let answer = shared.answer.lock().expect("no panic").clone();
    give(answer, &shared, &query, &form, turn).await
}

/// Answers the question that came as the `turn`-th.
async fn give(mut answer: Answer, shared: &Shared, query: &str, form: &[u8], turn: usize) -> Response {
    loop {
        answer = match answer {
            Answer::Turns(mut each) => each.swap_remove(turn % each.len()),
            Answer::Late(delay, then) => {
                sleep(delay).await;
                *then
            }
            _ => break,
        };
    }
    match answer {
        Answer::Turns(_) | Answer::Late(..) => unreachable!("they have been taken"),
        Answer::Pass | Answer::PassAll => {
            let form = String::from_utf8_lossy(form);
            fetched(shared, &format!("/api/v1/query?{form}")).await
        }
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
            let engines = engines.map(|series| (serde_json::json!({ "series": series }), 1.0));
            vector(&engines, Duration::ZERO).into_response()
        }
        Answer::Series(series) => vector(&series, Duration::ZERO).into_response(),
        Answer::Aged(age, series) => vector(&series, age).into_response(),
        Answer::Beside(more, series) => {
            let mut answer: serde_json::Value =
                serde_json::from_str(&vector(&series, Duration::ZERO)).expect("JSON");
            if let Some((answer, more)) = answer.as_object_mut().zip(more.as_object().cloned()) {
                answer.extend(more);
            }
            answer.to_string().into_response()
        }
    }
}

async fn fetched(shared: &Shared, path: &str) -> Response {
    let behind = shared.behind.as_ref().expect("a Prometheus behind");
    match behind.try_send(Method::GET, path, &[]).await {
        Ok(reply) => (reply.status, reply.body).into_response(),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// Every series with its number and its time, `age` ago, as a compiled query of one gauge has them.
fn vector(series: &[(serde_json::Value, f64)], age: Duration) -> String {
    let now = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0;
    let part = |labels: &serde_json::Value, part: &str, value: f64| {
        let mut labels = labels.clone();
        labels["_part"] = part.into();
        serde_json::json!({ "metric": labels, "value": [now, value.to_string()] })
    };
    let result: Vec<_> = series
        .iter()
        .flat_map(|(labels, value)| [part(labels, "0", *value), part(labels, "t", now - age.as_secs_f64())])
        .collect();
    serde_json::json!({ "status": "success", "data": { "resultType": "vector", "result": result } })
        .to_string()
}
