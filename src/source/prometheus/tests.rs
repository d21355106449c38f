//! Against servers on this host: what is sent, and what is made of what comes back.

#![expect(clippy::float_cmp, reason = "the numbers are exact")]

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse, Response as Answered};
use axum::{Router, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;
use crate::core::fixtures::{at, tokens, waiting};

mod credentials;
mod faults;

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
const JSON: [(header::HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];

/// A request as the server saw it.
#[derive(Debug, Clone)]
struct Seen {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().expect("text")).collect()
    }
}

type Respond = Arc<dyn Fn(&Seen) -> Answered + Send + Sync>;

/// A server on a free port of this host that remembers what it was asked.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(respond: impl Fn(&Seen) -> Answered + Send + Sync + 'static) -> Self {
        type Shared = (Respond, Arc<Mutex<Vec<Seen>>>);
        async fn handle(
            State((respond, all)): State<Shared>,
            method: Method,
            uri: Uri,
            headers: HeaderMap,
            body: Bytes,
        ) -> Answered {
            let body = String::from_utf8(body.to_vec()).expect("text");
            let seen = Seen { method, path: uri.path().to_owned(), headers, body };
            let response = respond(&seen);
            all.lock().expect("lock").push(seen);
            response
        }
        let seen = Arc::default();
        let state: Shared = (Arc::new(respond), Arc::clone(&seen));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().fallback(handle).with_state(state);
        let task = tokio::spawn(async { serve(listener, router).await.expect("serves") });
        Self { address, seen, task }
    }

    async fn answering(body: &'static str) -> Self {
        Self::start(move |_| (JSON, body).into_response()).await
    }

    /// Answers every connection with these bytes, whatever it asks; then closes, or hangs.
    async fn raw(answer: impl Into<Vec<u8>>, hang: bool) -> Self {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&answer).await;
                if hang {
                    open.push(stream);
                }
            }
        });
        Self { address, seen: Arc::default(), task }
    }

    fn settings(&self) -> Settings {
        Settings::new("main", format!("http://{}", self.address).parse().expect("a URL"))
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("lock").clone()
    }

    fn last(&self) -> Seen {
        self.seen().pop().expect("a request")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn fetch(settings: Settings) -> Result<Answer, SourceError> {
    fetch_with(&Prometheus::new(settings), &waiting(), 0.0).await
}

async fn fetch_with(client: &Prometheus, signal: &Signal, now: f64) -> Result<Answer, SourceError> {
    client.fetch(&Arc::new(signal.clone()), &Coverage::Cluster, at(now)).await
}

#[tokio::test]
async fn a_query_is_one_post_with_its_query_and_timeout() {
    let server = Server::answering(EMPTY).await;
    let mut settings = server.settings();
    settings.timeout = Duration::from_millis(2500);
    settings.url.set_path("/prom/");
    let client = Prometheus::new(settings);
    assert_eq!(client.name(), "main");
    let answer = fetch_with(&client, &waiting(), 0.0).await.expect("an answer");
    assert!(answer.set.all().is_empty() && answer.memory.is_none() && answer.warnings.is_empty());

    let seen = server.seen().into_iter().next().expect("a request");
    assert_eq!((&seen.method, seen.path.as_str()), (&Method::POST, "/prom/api/v1/query"));
    assert_eq!(seen.header("content-type"), ["application/x-www-form-urlencoded"]);
    assert_eq!(seen.header("user-agent"), [concat!("inferometer/", env!("CARGO_PKG_VERSION"))]);
    assert_eq!(seen.header("authorization"), [""; 0]);
    let form: Vec<_> = reqwest::Url::parse(&format!("http://x/?{}", seen.body))
        .expect("a form")
        .query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let query = client.describe(&waiting(), &Coverage::Cluster).to_string();
    assert!(query.contains("timestamp(requests_waiting)"), "{query}");
    assert_eq!(form, [("query".to_owned(), query), ("timeout".to_owned(), "2500ms".to_owned())]);
}

#[tokio::test]
async fn compressed_answers_are_read() {
    let server = Server::start(|_| {
        let body = "H4sIAAAAAAACA6tWKi5JLCktVrJSKi5NTk4tLlbSUUpJLElUsqpWKkotLs0pCaksSAVKl6Uml+QXAWUhokpW0bG1tQCkAFI5PwAAAA==";
        ([(header::CONTENT_ENCODING, "gzip")], faults::base64(body)).into_response()
    })
    .await;
    assert!(fetch(server.settings()).await.expect("an answer").set.all().is_empty());
    // Not asked for over plain HTTP: who sends it all the same is understood.
    assert_eq!(server.last().header("accept-encoding"), ["identity"]);
}

#[tokio::test]
async fn partial_answers_are_refused_unless_accepted() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["PromQL warning: x","store b is away"]}"#;
    let server = Server::answering(body).await;
    let refused = fetch(server.settings()).await.expect_err("partial");
    assert_eq!(
        (refused.to_string().as_str(), refused.kind()),
        ("partial answer: store b is away", "partial")
    );
    let accepted = fetch(Settings { accept_partial: true, ..server.settings() }).await.expect("an answer");
    assert_eq!(accepted.warnings, ["store b is away", "PromQL warning: x"]);

    let annotated =
        r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["PromQL warning: x"]}"#;
    let server = Server::answering(annotated).await;
    assert_eq!(fetch(server.settings()).await.expect("an answer").warnings, ["PromQL warning: x"]);
}

#[tokio::test]
async fn it_is_asked_now_and_then_when_the_server_started() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/v1/status/runtimeinfo" => {
            (JSON, r#"{"status":"success","data":{"startTime":"2023-11-14T22:13:25Z"}}"#).into_response()
        }
        _ => (JSON, EMPTY).into_response(),
    })
    .await;
    let client = Prometheus::new(server.settings());
    let asked = || server.seen().iter().filter(|seen| seen.path.ends_with("runtimeinfo")).count();
    // The test server's clock is the real one, years after our `now`: what counts is the age.
    let real = started_age(&fetch_with(&client, &tokens(), 0.0).await.expect("an answer"), 0.0);
    assert!(real > Duration::from_hours(24 * 365), "{real:?}");
    assert_eq!(asked(), 1);
    let again = fetch_with(&client, &tokens(), 14.999).await.expect("an answer");
    assert!(again.memory.is_some(), "remembered");
    assert_eq!(asked(), 1);
    fetch_with(&client, &tokens(), 15.0).await.expect("an answer");
    assert_eq!(asked(), 2);
}

#[tokio::test]
async fn a_server_that_kept_its_memory_over_a_restart_is_believed() {
    for (oldest, has_lost) in [
        // An hour before the start, ten seconds after it, and an empty storage.
        ("1699996405000", false),
        ("1700000015000", true),
        ("9223372036854775807", true),
    ] {
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/api/v1/status/runtimeinfo" => {
                (JSON, r#"{"data":{"startTime":"2023-11-14T22:13:25Z"}}"#).into_response()
            }
            "/api/v1/status/tsdb" => {
                (JSON, format!(r#"{{"data":{{"headStats":{{"minTime":{oldest}}}}}}}"#)).into_response()
            }
            "/api/v1/status/config" => {
                let yaml = r"global:\n  scrape_interval: 15s\nscrape_configs:\n- job_name: vllm\n  scrape_interval: 1m30s\n- scrape_interval: 5s\n";
                (JSON, format!(r#"{{"data":{{"yaml":"{yaml}"}}}}"#)).into_response()
            }
            _ => (JSON, EMPTY).into_response(),
        })
        .await;
        let client = Prometheus::new(server.settings());
        let answer = fetch_with(&client, &tokens(), 0.0).await.expect("an answer");
        assert_eq!(answer.memory.is_some(), has_lost, "{oldest}");
        let scrapes_every = answer.memory.map(|memory| memory.scrapes_every);
        assert!(scrapes_every.is_none_or(|told| told == Some(Duration::from_secs(90))), "{scrapes_every:?}");
        fetch_with(&client, &tokens(), 15.0).await.expect("an answer");
        let asked = server.seen().iter().filter(|seen| seen.path.ends_with("tsdb")).count();
        assert_eq!(asked, 1, "once for each start");
    }
}

/// Another process, which knows one pod instead of two, though nobody asked while there was none.
#[tokio::test]
async fn a_restart_is_noticed_by_what_is_missing_and_by_a_question_that_failed() {
    /// So many pods' numbers.
    fn numbers(pods: usize) -> String {
        let row = |pod: usize, part: &str, value: &str| {
            format!(
                r#"{{"metric":{{"namespace":"ml","pod":"p{pod}","_part":"{part}"}},"value":[1700000000,"{value}"]}}"#
            )
        };
        let rows = (0..pods).flat_map(|pod| [row(pod, "0", "3"), row(pod, "t", "1699999999")]);
        let rows = rows.collect::<Vec<_>>().join(",");
        format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{rows}]}}}}"#)
    }
    for (pods_after, fails_between) in [(1, false), (2, true), (2, false)] {
        // What the server is: an old process, none behind a proxy, a new process.
        let state = Arc::new(AtomicUsize::new(0));
        let server = Server::start({
            let state = Arc::clone(&state);
            move |seen| match (seen.path.as_str(), state.load(Ordering::Relaxed)) {
                (_, 1) => (StatusCode::BAD_GATEWAY, "no process").into_response(),
                ("/api/v1/status/runtimeinfo", 0) => {
                    (JSON, r#"{"data":{"startTime":"2023-11-14T20:00:00Z"}}"#).into_response()
                }
                ("/api/v1/status/runtimeinfo", _) => {
                    (JSON, r#"{"data":{"startTime":"2023-11-14T22:13:25Z"}}"#).into_response()
                }
                ("/api/v1/status/tsdb", 0) => {
                    (JSON, r#"{"data":{"headStats":{"minTime":1699900000000}}}"#).into_response()
                }
                ("/api/v1/query", state) => {
                    (JSON, numbers(if state == 0 { 2 } else { pods_after })).into_response()
                }
                _ => StatusCode::NOT_FOUND.into_response(),
            }
        })
        .await;
        let client = Prometheus::new(server.settings());
        let ask = async |seconds| {
            fetch_with(&client, &waiting(), seconds).await.map(|answer| answer.memory.is_some())
        };
        assert_eq!(ask(0.0).await, Ok(false));
        if fails_between {
            state.store(1, Ordering::Relaxed);
            ask(2.0).await.expect_err("there is no server");
        }
        state.store(2, Ordering::Relaxed);
        let is_noticed = pods_after < 2 || fails_between;
        assert_eq!(ask(4.0).await, Ok(is_noticed), "{pods_after} {fails_between}");
        assert_eq!(ask(15.0).await, Ok(true), "asked now and then");
    }
}

fn started_age(answer: &Answer, now: f64) -> Duration {
    at(now).since(answer.memory.expect("a start time").from)
}

#[tokio::test]
async fn the_start_is_told_by_our_clock() {
    for (date, started, age) in [
        ("Tue, 14 Nov 2023 22:23:20 GMT", "2023-11-14T22:23:10Z", 10.0),
        ("Tue, 14 Nov 2023 22:03:20 GMT", "2023-11-14T22:03:10Z", 10.0),
        // A second's difference is the date's rounding.
        ("Tue, 14 Nov 2023 22:13:19 GMT", "2023-11-14T22:13:15Z", 5.0),
        ("nonsense", "2023-11-14T22:13:15Z", 5.0),
    ] {
        let server = Server::start(move |seen| match seen.path.as_str() {
            "/api/v1/status/runtimeinfo" => {
                ([(header::DATE, date)], format!(r#"{{"data":{{"startTime":"{started}"}}}}"#)).into_response()
            }
            _ => (JSON, EMPTY).into_response(),
        })
        .await;
        let answer =
            fetch_with(&Prometheus::new(server.settings()), &tokens(), 0.0).await.expect("an answer");
        assert_eq!(started_age(&answer, 0.0).as_secs_f64(), age, "{date}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_tell_its_start_answers_all_the_same() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/api/v1/query" => (JSON, EMPTY).into_response(),
        _ => (StatusCode::NOT_FOUND, "404 page not found").into_response(),
    })
    .await;
    let answer = fetch_with(&Prometheus::new(server.settings()), &tokens(), 0.0).await.expect("an answer");
    assert_eq!(answer.memory, None);
}
