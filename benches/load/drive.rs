//! Asks as the HPA controller does, through an aggregator: few connections of HTTP/2 over TLS, each with several
//! requests in flight. Every answer is checked.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use bytes::Bytes;
use h2::client::SendRequest;
use hdrhistogram::Histogram;
use http::{HeaderMap, Request};
use memchr::memmem;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsConnector;

use super::tls;
use super::world::{Question, Wanted};

/// How long an answer may take before the run fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom to ask, and as whom.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The host that requests name.
    pub(crate) host: String,
    pub(crate) headers: HeaderMap,
    /// With which certificate.
    pub(crate) tls: Arc<rustls::ClientConfig>,
}

/// How to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many at once, each as soon as the one before is answered.
    AtOnce(usize),
    /// The HPA controller: five workers that share a limit of requests a second.
    Controller(f64),
    /// So many a second, whether those before are answered or not.
    PerSecond(f64),
}

/// The HPA controller's workers.
pub(crate) const WORKERS: usize = 5;

/// What came of it.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    pub(crate) answers: u64,
    pub(crate) seconds: f64,
    /// Microseconds from sending a request to the last byte of its answer.
    pub(crate) latency: Histogram<u64>,
    /// The latest that a request was sent after its time, in seconds.
    pub(crate) late: f64,
}

impl Figures {
    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.seconds
    }
}

/// One connection.
async fn connect(target: &Target) -> Result<SendRequest<Bytes>> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let name = tls::server_name(&target.host)?;
    let stream = TlsConnector::from(Arc::clone(&target.tls)).connect(name, stream).await?;
    ensure!(stream.get_ref().1.alpn_protocol() == Some(b"h2"), "HTTP/2 was not agreed on");
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(4 << 20)
        .initial_connection_window_size(16 << 20)
        .handshake(stream)
        .await?;
    spawn_local(async move {
        // Whoever waits for an answer learns of its end.
        let _ = connection.await;
    });
    Ok(sender)
}

/// The code and the body of one answer.
async fn ask(sender: &SendRequest<Bytes>, target: &Target, path: &str) -> Result<(u16, Vec<u8>)> {
    let mut sender = sender.clone().ready().await?;
    let mut request = Request::get(format!("https://{}{path}", target.host)).body(())?;
    request.headers_mut().clone_from(&target.headers);
    let (response, _) = sender.send_request(request, true)?;
    let response = response.await?;
    let code = response.status().as_u16();
    let mut body = response.into_body();
    let mut bytes = Vec::with_capacity(512);
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    Ok((code, bytes))
}

/// One answer over a connection of its own.
pub(crate) async fn once(target: &Target, path: &str) -> Result<(u16, Vec<u8>)> {
    async fn local(target: &Target, path: &str) -> Result<(u16, Vec<u8>)> {
        let sender = connect(target).await?;
        timeout(PATIENCE, ask(&sender, target, path)).await?
    }
    LocalSet::new().run_until(local(target, path)).await
}

/// Whether an answer is right, as far as a glance tells.
fn glance(wanted: &Wanted, code: u16, body: &[u8]) -> bool {
    code == 200
        && match wanted {
            Wanted::Value(value) => memmem::find(body, value.as_bytes()).is_some(),
            Wanted::Values(count, _) => memmem::find_iter(body, "\"value\":\"").count() == *count,
            Wanted::Any => memmem::find(body, b"\"value\":\"").is_some(),
        }
}

/// Whether an answer is right in all that is known of it.
fn is_right(wanted: &Wanted, code: u16, body: &[u8]) -> bool {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(body) else { return false };
    let Wanted::Values(count, sum) = wanted else { return glance(wanted, code, body) };
    let items = json["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let values = items.iter().map(|item| item["value"].as_str().and_then(|text| text.parse::<u64>().ok()));
    code == 200 && items.len() == *count && values.sum::<Option<u64>>() == Some(*sum)
}

fn wrong(target: &Target, question: &Question, code: u16, body: &[u8]) -> anyhow::Error {
    let body = String::from_utf8_lossy(&body[..body.len().min(600)]);
    anyhow!("{}{}: {code} {body}, where {:?} was expected", target.host, question.path, question.wanted)
}

/// Asks every question until each was answered as it must be, for at most so long; what is wrong then fails. The
/// bodies of the answers.
pub(crate) async fn verify(
    target: &Target,
    questions: &[Question],
    within: Duration,
) -> Result<Vec<Vec<u8>>> {
    LocalSet::new().run_until(verify_local(target, questions, Instant::now() + within)).await
}

async fn verify_local(target: &Target, questions: &[Question], deadline: Instant) -> Result<Vec<Vec<u8>>> {
    let sender = connect(target).await?;
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        loop {
            let (code, body) = timeout(PATIENCE, ask(&sender, target, &question.path)).await??;
            if is_right(&question.wanted, code, &body) {
                answers.push(body);
                break;
            }
            // A signal that nobody asked for before is being read.
            if Instant::now() > deadline || !matches!(code, 503 | 504) {
                return Err(wrong(target, question, code, &body));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(answers)
}

/// What all who ask share.
struct Run {
    target: Target,
    questions: Vec<Question>,
    next: Cell<usize>,
    answers: Cell<u64>,
    latency: RefCell<Histogram<u64>>,
    failure: RefCell<Option<anyhow::Error>>,
    until: Instant,
}

impl Run {
    async fn one(&self, sender: &SendRequest<Bytes>) {
        let number = self.next.get();
        self.next.set(number + 1);
        let question = &self.questions[number % self.questions.len()];
        let began = Instant::now();
        let answer = timeout(PATIENCE, ask(sender, &self.target, &question.path)).await;
        let took = began.elapsed();
        let failure = match answer {
            Ok(Ok((code, body))) if glance(&question.wanted, code, &body) => None,
            Ok(Ok((code, body))) => Some(wrong(&self.target, question, code, &body)),
            Ok(Err(error)) => Some(error.context("no answer")),
            Err(_) => Some(anyhow!("no answer to {} within {PATIENCE:?}", question.path)),
        };
        if let Some(failure) = failure {
            self.failure.borrow_mut().get_or_insert(failure);
        } else {
            self.answers.set(self.answers.get() + 1);
            self.latency.borrow_mut().saturating_record(took.as_micros() as u64);
        }
    }

    fn goes_on(&self) -> bool {
        self.failure.borrow().is_none() && Instant::now() < self.until
    }

    /// Asks as soon as the last question is answered; with a limit, when it is one's turn.
    async fn work(self: Rc<Self>, sender: SendRequest<Bytes>, turns: Option<Rc<Turns>>) {
        while self.goes_on() {
            if let Some(turns) = &turns {
                turns.next().await;
            }
            self.one(&sender).await;
        }
    }
}

/// A limit of requests a second that several share, as client-go has it: what was not used adds up to a burst.
struct Turns {
    every: Duration,
    next: Cell<Instant>,
}

/// So many requests may follow each other at once.
const BURST: u32 = 30;

impl Turns {
    async fn next(&self) {
        let earliest = Instant::now().checked_sub(self.every * BURST).unwrap_or_else(Instant::now);
        let turn = self.next.get().max(earliest);
        self.next.set(turn + self.every);
        sleep_until(turn).await;
    }
}

/// Asks the questions in turn, over and over, for so long, over so many connections.
pub(crate) async fn run(
    target: &Target,
    questions: &[Question],
    connections: usize,
    pace: Pace,
    length: Duration,
) -> Result<Figures> {
    LocalSet::new()
        .run_until(async {
            let mut senders = Vec::new();
            for _ in 0..connections {
                senders.push(connect(target).await?);
            }
            let sender = |number: usize| senders[number % connections].clone();
            let began = Instant::now();
            let run = Rc::new(Run {
                target: target.clone(),
                questions: questions.to_vec(),
                next: Cell::new(0),
                answers: Cell::new(0),
                latency: RefCell::new(Histogram::new_with_bounds(1, 60_000_000, 3)?),
                failure: RefCell::new(None),
                until: began + length,
            });
            let mut tasks = JoinSet::new();
            let mut late = Duration::ZERO;
            match pace {
                Pace::AtOnce(several) => {
                    for number in 0..several {
                        tasks.spawn_local(Rc::clone(&run).work(sender(number), None));
                    }
                }
                Pace::Controller(rate) => {
                    let every = Duration::from_secs_f64(1.0 / rate);
                    let turns = Rc::new(Turns { every, next: Cell::new(began) });
                    for number in 0..WORKERS {
                        tasks.spawn_local(Rc::clone(&run).work(sender(number), Some(Rc::clone(&turns))));
                    }
                }
                Pace::PerSecond(rate) => {
                    for number in 0_u32.. {
                        let due = began + Duration::from_secs_f64(f64::from(number) / rate);
                        sleep_until(due).await;
                        if due >= run.until || run.failure.borrow().is_some() {
                            break;
                        }
                        late = late.max(due.elapsed());
                        let (run, sender) = (Rc::clone(&run), sender(number as usize));
                        tasks.spawn_local(async move { run.one(&sender).await });
                        while tasks.try_join_next().is_some() {}
                    }
                }
            }
            while tasks.join_next().await.is_some() {}
            let seconds = began.elapsed().as_secs_f64();
            if let Some(failure) = run.failure.take() {
                return Err(failure);
            }
            let (answers, latency) = (run.answers.get(), run.latency.borrow().clone());
            Ok(Figures { answers, seconds, latency, late: late.as_secs_f64() })
        })
        .await
}
