//! Any server that speaks the Prometheus query API: Prometheus, Thanos, Mimir, Cortex,
//! VictoriaMetrics.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use moka::sync::Cache;
use reqwest::header::ACCEPT_ENCODING;
use reqwest::{Client, Response, StatusCode, Url};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::decode::Decoded;
use self::decode::shape::Shape;
use super::body::read_limited;
use super::http::{Http, Reach};
use super::{Answer, Auth, Fetch, Source, SourceError};
use crate::catalog::promql;
use crate::core::freshness::{Coverage, Memory};
use crate::core::signal::Signal;
use crate::core::time::Timestamp;

pub(crate) mod decode;

/// How often the server is asked when it started.
const START_EVERY: Duration = Duration::from_secs(15);

/// A server whose oldest sample is older than its start by this has kept its memory over the start.
const MEMORY_BEFORE_START: Duration = Duration::from_mins(1);

/// The same where there is reason to ask.
const START_AGAIN: Duration = Duration::from_secs(1);

/// How long it may take to tell.
const START_WITHIN: Duration = Duration::from_secs(2);

/// Longer than the longest interval between two answers to one query.
const SHAPE_KEPT: Duration = Duration::from_mins(1);

/// Answers are decoded one after the other, whatever their source: it takes a processor all to
/// itself, so several at once gain little, and every thread that decodes keeps an arena of freed
/// memory of its own, as large as its largest answer.
static DECODING: Semaphore = Semaphore::const_new(1);

/// Bytes of an answer that is decoded where it arrived: some hundred series, within a millisecond.
const AT_ONCE: usize = 64 * 1024;

/// The address of a server and the bounds of what it may do to us.
#[derive(Clone, PartialEq)]
pub struct Settings {
    /// The name in the configuration.
    pub name: String,
    /// The base URL, without `/api/v1`.
    pub url: Url,
    /// How requests are authenticated.
    pub auth: Auth,
    /// How long one query may take, connecting included.
    pub timeout: Duration,
    /// The largest answer in bytes, after decompression.
    pub max_body: usize,
    /// The largest number of series in one signal.
    pub max_series: usize,
    /// Whether answers that a server calls partial are used.
    pub accept_partial: bool,
}

impl fmt::Debug for Settings {
    /// Without the URL, which may carry a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("host", &self.url.host_str())
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// The defaults for a server at `url`.
    pub fn new(name: impl Into<String>, url: Url) -> Self {
        Self {
            name: name.into(),
            url,
            auth: Auth::default(),
            timeout: Duration::from_secs(10),
            max_body: 32 << 20,
            max_series: 100_000,
            accept_partial: false,
        }
    }
}

/// A client of one server.
pub struct Prometheus {
    settings: Settings,
    query_url: Url,
    runtime_url: Url,
    storage_url: Url,
    config_url: Url,
    http: Http,
    start: ArcSwapOption<Start>,
    /// What the last answers were like, as long as they come.
    last: Cache<Arc<Signal>, Last>,
}

/// What an answer was like.
#[derive(Clone)]
struct Last {
    series: usize,
    shape: Option<Arc<Shape>>,
}

/// What a server told of its start.
#[derive(Debug, Clone, Copy)]
struct Start {
    /// When it was asked, by our clock.
    asked: Timestamp,
    /// Whether a question to it has failed since.
    doubted: bool,
    /// When it started, by its own clock.
    at: Option<Timestamp>,
    /// What it remembers, if it started without its memory.
    memory: Option<Memory>,
}

impl Prometheus {
    /// A client; nothing is connected yet.
    pub fn new(settings: Settings) -> Self {
        let under = |path: &str| {
            let mut url = settings.url.clone();
            url.set_path(&format!("{}{path}", url.path().trim_end_matches('/')));
            url
        };
        Self {
            query_url: under("/api/v1/query"),
            runtime_url: under("/api/v1/status/runtimeinfo"),
            storage_url: under("/api/v1/status/tsdb"),
            config_url: under("/api/v1/status/config"),
            http: Http::new(settings.auth.clone(), settings.timeout, Reach::of(settings.url.scheme())),
            settings,
            start: ArcSwapOption::empty(),
            last: Cache::builder().time_to_idle(SHAPE_KEPT).build(),
        }
    }

    async fn query(
        &self,
        signal: &Arc<Signal>,
        coverage: &Coverage,
        now: Timestamp,
    ) -> Result<Answer, SourceError> {
        let client = self.http.client()?;
        let before = self.last.get(signal).map(|last| last.series);
        let decoded = self.answer(&client, signal, coverage, now).await;
        let decoded = decoded.inspect_err(|error| {
            // It may be another process that answers next, also behind a proxy that answers in its place.
            if !matches!(error, SourceError::TooLarge(_) | SourceError::Partial(_)) {
                self.start
                    .rcu(|start| start.as_deref().map(|start| Arc::new(Start { doubted: true, ..*start })));
            }
        })?;
        // One that starts without its memory has fewer, whether its end was noticed or not.
        let has_fewer = before.is_some_and(|before| decoded.set.all().len() < before);
        let memory = self.memory(&client, now, has_fewer).await;
        Ok(Answer { set: decoded.set, memory, warnings: decoded.warnings, cost: None })
    }

    async fn answer(
        &self,
        client: &Client,
        signal: &Arc<Signal>,
        coverage: &Coverage,
        now: Timestamp,
    ) -> Result<Decoded, SourceError> {
        let query = promql::compile(signal, coverage);
        let within = format!("{}ms", self.settings.timeout.as_millis());
        let form = [("query", query.as_str()), ("timeout", within.as_str())];
        let response = self.send(client.post(self.query_url.clone()).form(&form)).await?;
        let status = response.status();
        let mut body = read_limited(response, self.settings.max_body, self.settings.timeout).await?;
        // It may have to wait, and has up to twice the room that it needs.
        body.shrink_to_fit();
        let decoded = self.decode(body, status, signal, now).await?;
        if !self.settings.accept_partial
            && let Some(warning) = decoded.warnings.iter().find(|warning| !decode::is_annotation(warning))
        {
            return Err(SourceError::Partial(warning.clone()));
        }
        Ok(decoded)
    }

    async fn decode(
        &self,
        body: Vec<u8>,
        status: StatusCode,
        signal: &Arc<Signal>,
        now: Timestamp,
    ) -> Result<Decoded, SourceError> {
        let failed = || SourceError::Unusable("it could not be decoded".to_owned());
        let (of, max_series) = (Arc::clone(signal), self.settings.max_series);
        let shape = self.last.get(signal).and_then(|last| last.shape);
        let size = body.len();
        let decode = move || decode::decode(body, status, &of, now, max_series, shape.as_deref());
        let mut decoded = if size <= AT_ONCE {
            decode()?
        } else {
            let turn = DECODING.acquire().await.map_err(|_| failed())?;
            // Tens of thousands of series take milliseconds that the threads which answer cannot spare.
            let decoding = tokio::task::spawn_blocking(move || {
                // Held here, since decoding goes on when nobody waits for it any more.
                let _turn = turn;
                decode()
            });
            decoding.await.map_err(|_| failed())??
        };
        if !decoded.is_refilled {
            let shape = decoded.shape.take().map(Arc::new);
            self.last.insert(Arc::clone(signal), Last { series: decoded.set.all().len(), shape });
        }
        Ok(decoded)
    }

    /// What the server remembers, if it started without its memory; asked now and then.
    /// Servers that do not tell of their start (the endpoint is Prometheus's own) leave outages to be
    /// noticed by their silence alone.
    async fn memory(&self, client: &Client, now: Timestamp, has_fewer: bool) -> Option<Memory> {
        let known = self.start.load().as_deref().copied();
        let every = if has_fewer { START_AGAIN } else { START_EVERY };
        if let Some(start) = known.filter(|start| !start.doubted && now.since(start.asked) < every) {
            return start.memory;
        }
        // Numbers that are there already must not wait long for a remark about them.
        let told = timeout(START_WITHIN, self.ask_start(client, known, now)).await;
        // Who has told before is asked until that is told again; others never tell.
        let silent = known.filter(|start| start.at.is_some()).map_or(
            Start { asked: now, doubted: false, at: None, memory: None },
            |start| Start { asked: now, doubted: start.doubted || has_fewer, ..start },
        );
        let start = told.ok().flatten().unwrap_or(silent);
        // Only now: signals that are read for the first time together all wait to know.
        self.start.store(Some(Arc::new(start)));
        start.memory
    }

    async fn ask_start(&self, client: &Client, known: Option<Start>, now: Timestamp) -> Option<Start> {
        let (body, server_now) = self.ask(client, &self.runtime_url).await?;
        let at = decode::start_time(&body)?;
        if let Some(known) = known.filter(|known| known.at == Some(at)) {
            return Some(Start { asked: now, doubted: false, ..known });
        }
        // A server that read its log again after a restart has lost the time in between and no more.
        let oldest =
            self.ask(client, &self.storage_url).await.and_then(|(body, _)| decode::oldest_sample(&body));
        let has_lost = oldest.is_none_or(|oldest| at.since(oldest) < MEMORY_BEFORE_START);
        // The server's clock may be off: what counts is how long ago it started by its own.
        let offset = server_now.map_or(0, |server| now.as_millis() - server.as_millis());
        // The date has whole seconds only; a difference below that is not a difference of clocks.
        let offset = if offset.abs() < 2_000 { 0 } else { offset };
        let memory = if has_lost {
            // By itself, so that a slow answer hides nothing of what is known by now.
            let configuration = timeout(START_WITHIN / 2, self.ask(client, &self.config_url)).await;
            let scrapes_every =
                configuration.ok().flatten().and_then(|(body, _)| decode::longest_scrape_interval(&body));
            Some(Memory { from: at.shifted(offset), scrapes_every })
        } else {
            None
        };
        Some(Start { asked: now, doubted: false, at: Some(at), memory })
    }

    /// The body of a small answer, and what the server takes the time to be.
    async fn ask(&self, client: &Client, url: &Url) -> Option<(Vec<u8>, Option<Timestamp>)> {
        let response = self.send(client.get(url.clone())).await.ok()?;
        let server_now = decode::http_date(response.headers().get(reqwest::header::DATE));
        let body = read_limited(response, 1 << 20, self.settings.timeout).await.ok()?;
        Some((body, server_now))
    }

    async fn send(&self, mut request: reqwest::RequestBuilder) -> Result<Response, SourceError> {
        if self.settings.url.scheme() == "http" {
            // Within a cluster, where TLS is rare, compressing costs both sides more than it saves.
            request = request.header(ACCEPT_ENCODING, "identity");
        }
        let host = self.settings.url.host_str().unwrap_or_default();
        let port = self.settings.url.port_or_known_default().unwrap_or_default();
        self.http.send(request, &format!("{host}:{port}")).await
    }
}

impl Source for Prometheus {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn fetch<'a>(&'a self, signal: &'a Arc<Signal>, coverage: &'a Coverage, now: Timestamp) -> Fetch<'a> {
        Box::pin(self.query(signal, coverage, now))
    }

    fn describe(&self, signal: &Signal, coverage: &Coverage) -> Arc<str> {
        promql::compile(signal, coverage).into()
    }
}

#[cfg(test)]
mod tests;
