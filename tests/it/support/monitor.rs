//! What may never be seen, whatever a test does to our binary.
//!
//! Every answer that a client of a [`super::Server`] reads, and what the process has said when the test
//! ends, is held against these promises:
//!
//! - I1: no number comes from a sample older than its hold, or from the future;
//! - I2: a number is whole thousandths from 0 to the highest that is served;
//! - I4: answers come within a second, by the server's own measure;
//! - I5: nobody is redirected or told to retry after a while;
//! - I6: no request that was taken stays without an answer while the process lives;
//! - I8: no secret is in answers, in the log or in our own metrics.
//!
//! Two promises are kept elsewhere, where they can be seen: I7, that a source is not asked too much at
//! once, by the [`super::front::Front`] that is asked; I3, that replicas do not fall while a metric is
//! refused, by the tests that have an autoscaler.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use serde_json::Value as Json;
use tokio::time::Instant;

use super::client::Reply;
use super::seconds;

/// What a test puts into a secret: nobody may ever read it again.
pub(crate) const CANARY: &str = "canary-that-nobody-may-hear";

/// How a private key begins, whatever its kind.
const KEY: &str = "PRIVATE KEY-----";

/// The highest number that is served unless it is configured otherwise.
const HIGHEST: f64 = 1e12;

/// How far ahead of ours a clock may be unless a test says otherwise.
const AHEAD: Duration = seconds(2);

/// How often it is seen whether the machine keeps up, and how late is too late: what the deadline of an answer
/// leaves of the second.
const LOOK: Duration = Duration::from_millis(100);
const STALL: Duration = Duration::from_millis(40);

pub(crate) struct Monitor(Mutex<Seen>);

struct Seen {
    /// The longest time for which a number may be held, with the pace of its source.
    oldest: Duration,
    /// How far ahead of ours the clock of a source may be.
    ahead: Duration,
    /// Whether the process was kept from answering, so that it may be late.
    stood_still: bool,
    broken: Vec<String>,
    /// Requests without an answer. They count if the process was not told to end.
    lost: Vec<String>,
}

impl Monitor {
    /// One that also notices when the machine has no time for anybody: what is late then is late for that.
    pub(crate) fn start() -> Arc<Self> {
        let monitor = Arc::new(Self(Mutex::new(Seen {
            oldest: seconds(90),
            ahead: AHEAD,
            stood_still: false,
            broken: Vec::new(),
            lost: Vec::new(),
        })));
        let watched = Arc::downgrade(&monitor);
        std::thread::spawn(move || {
            loop {
                let began = Instant::now();
                std::thread::sleep(LOOK);
                let Some(monitor) = watched.upgrade() else { return };
                if began.elapsed() > LOOK + STALL {
                    monitor.allow_standstill();
                }
            }
        });
        monitor
    }

    /// Allows for sources whose clock is so far from ours, in either direction.
    pub(crate) fn allow_clocks_apart(&self, apart: Duration) {
        let mut seen = self.0.lock().expect("no panic");
        seen.oldest += apart;
        seen.ahead += apart;
    }

    /// Allows for a process that is stopped at times: what it is asked meanwhile is answered late.
    pub(crate) fn allow_standstill(&self) {
        self.0.lock().expect("no panic").stood_still = true;
    }

    /// Looks at what a request came to.
    pub(crate) fn saw(&self, path: &str, outcome: &Result<Reply, reqwest::Error>) {
        let mut seen = self.0.lock().expect("no panic");
        let (oldest, ahead) = (seen.oldest, seen.ahead);
        match outcome {
            Ok(reply) => {
                seen.broken.extend(faults(reply, oldest, ahead).map(|fault| format!("{path}: {fault}")));
            }
            // Of a connection that was never open nothing was taken.
            Err(error) if error.is_connect() => {}
            Err(error) => seen.lost.push(format!("{path}: {error:?}")),
        }
    }

    /// Looks at what is left at the end, and gives everything that broke a promise.
    ///
    /// `observability` is where a process that lives answers; `is_ending` tells of one that was told to end.
    pub(crate) fn verdict(
        &self,
        log: &[String],
        observability: Option<&str>,
        is_ending: bool,
    ) -> Vec<String> {
        let mut seen = self.0.lock().expect("no panic");
        let mut broken = std::mem::take(&mut seen.broken);
        broken.extend(
            log.iter().filter(|line| tells_secrets(line)).map(|_| "I8: a secret is in the log".into()),
        );
        let panics = log.iter().filter(|line| line.contains("panicked"));
        broken.extend(panics.map(|line| format!("a panic: {line}")));
        let Some(address) = observability.filter(|_| !is_ending) else { return broken };
        broken.extend(seen.lost.drain(..).map(|lost| format!("I6: no answer: {lost}")));
        match fetch(address, "/livez") {
            Ok(page) if page.starts_with("HTTP/1.0 200") || page.starts_with("HTTP/1.1 200") => {}
            Ok(page) => broken.push(format!("it is not alive: {page}")),
            Err(error) => broken.push(format!("I6: it does not say whether it is alive: {error}")),
        }
        let page = fetch(address, "/metrics").unwrap_or_default();
        broken.extend(tells_secrets(&page).then(|| "I8: a secret is in our metrics".into()));
        let count = |series: &str| -> f64 {
            let of = page.lines().filter(|line| line.starts_with(series));
            of.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        let bucket = page.lines().filter(|line| line.starts_with("inferometer_api_request_seconds_bucket{"));
        let in_time: f64 = bucket
            .filter(|line| line.contains("le=\"1.0\""))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        let all = count("inferometer_api_request_seconds_count");
        // The deadline is a twentieth below, and a debug build that shares its machine with other tests may be
        // late for it at times. What is slow by itself is slow nearly always.
        if all - in_time > 1.0 + all / 20.0 && !seen.stood_still {
            broken.push(format!("I4: {} of {all} answers took more than a second", all - in_time));
        }
        broken
    }
}

/// Every promise that this answer breaks.
fn faults(reply: &Reply, oldest: Duration, ahead: Duration) -> impl Iterator<Item = String> {
    let mut faults = Vec::new();
    if reply.headers.contains_key("retry-after") {
        faults.push("I5: it says when to retry".to_owned());
    }
    if reply.status.is_redirection() && reply.status != StatusCode::NOT_MODIFIED {
        faults.push(format!("I5: it redirects: {}", reply.status));
    }
    let text = reply.text();
    if tells_secrets(&text) {
        faults.push("I8: a secret is in the answer".to_owned());
    }
    let list = (reply.status == 200).then(|| serde_json::from_str::<Json>(&text).ok()).flatten();
    let is_list = |list: &Json| list["kind"].as_str().is_some_and(|kind| kind.ends_with("MetricValueList"));
    for item in list.filter(is_list).iter().filter_map(|list| list["items"].as_array()).flatten() {
        let quantity = item["value"].as_str().unwrap_or_default();
        let number = quantity.strip_suffix('m').map_or_else(
            || quantity.parse::<u64>().map(|whole| whole as f64),
            |milli| milli.parse::<u64>().map(|milli| milli as f64 / 1000.0),
        );
        if !number.as_ref().is_ok_and(|number| *number <= HIGHEST) {
            faults.push(format!("I2: {quantity:?} is no number to serve"));
        }
        let at = item["timestamp"].as_str().and_then(|at| at.parse::<jiff::Timestamp>().ok());
        let age = at.map(|at| jiff::Timestamp::now().duration_since(at).as_secs_f64());
        // Times are written in whole seconds.
        if !age.is_some_and(|age| (-ahead.as_secs_f64()..oldest.as_secs_f64() + 1.0).contains(&age)) {
            faults.push(format!("I1: a sample of {at:?} is {age:?} s old, allowed are {oldest:?}"));
        }
    }
    faults.into_iter()
}

fn tells_secrets(text: &str) -> bool {
    text.contains(CANARY) || text.contains(KEY)
}

/// A page as plain HTTP, without a runtime: it is fetched while the test ends.
fn fetch(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address.trim_start_matches("http://"))?;
    stream.set_read_timeout(Some(seconds(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut page = Vec::new();
    stream.read_to_end(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
