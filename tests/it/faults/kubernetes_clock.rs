//! Clocks that disagree or jump, and a process that stands still: R35.
//!
//! All that counts of two clocks is how far apart they are, so it is the source's that is wrong here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use http::header::{CONTENT_TYPE, DATE};
use jiff::Timestamp;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::support::{Server, Value, seconds, until, value_path};

/// A query API whose clock is off.
#[derive(Clone)]
struct Clockwork(Arc<Mutex<Hands>>);

struct Hands {
    /// Seconds by which its clock is ahead of ours.
    ahead: f64,
    number: f64,
    /// When its last sample was taken, by a right clock; now unless scraping has stopped.
    sampled: Option<f64>,
}

fn now() -> f64 {
    Timestamp::now().as_millisecond() as f64 / 1000.0
}

impl Clockwork {
    async fn start(ahead: f64, number: f64) -> (Self, Server) {
        let clockwork = Self(Arc::new(Mutex::new(Hands { ahead, number, sampled: None })));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let app = Router::new().route("/api/v1/query", post(respond)).with_state(clockwork.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        // By the name of its one series: of several engines it would be asked first which are there.
        let server = Server::configured(&format!(
            "apiVersion: inferometer.dev/v1alpha1\nkind: Configuration\n\
             sources: [{{ name: main, prometheus: {{ url: \"http://{address}\" }} }}]\n\
             metrics: [{{ name: queue, preset: \"vllm:num_requests_waiting\", refresh: 1s, hold: 2s }}]\n"
        ))
        .await;
        (clockwork, server)
    }

    fn set(&self, change: impl FnOnce(&mut Hands)) {
        change(&mut self.0.lock().expect("no panic"));
    }

    fn stop_scraping(&self) {
        self.set(|hands| hands.sampled = Some(now()));
    }
}

async fn respond(
    State(clockwork): State<Clockwork>,
    form: String,
) -> ([(http::HeaderName, String); 2], String) {
    assert!(form.contains("num_requests_waiting"), "{form}");
    let hands = clockwork.0.lock().expect("no panic");
    let evaluated = now() + hands.ahead;
    let sampled = hands.sampled.map_or(evaluated, |at| at + hands.ahead);
    let part = |part: &str, value: f64| {
        json!({
            "metric": { "namespace": "ai", "pod": "a", "model_name": "m", "_part": part },
            "value": [evaluated, value.to_string()],
        })
    };
    let result = [part("0", hands.number), part("t", sampled)];
    let body = json!({ "status": "success", "data": { "resultType": "vector", "result": result } });
    let date = Timestamp::from_millisecond((evaluated * 1000.0) as i64).expect("a time");
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    ([(CONTENT_TYPE, "application/json".to_owned()), (DATE, date)], body.to_string())
}

/// The age in seconds that is told to people, and the one up to which the metric is served.
async fn age(server: &Server) -> Result<(f64, f64), String> {
    let path = value_path("ai", "queue", "") + "?explain=true";
    let explained = server.client.get(&path).await.json();
    let input = &explained["derivation"]["inputs"][0];
    match (input["sampleIntervalSeconds"].as_f64(), explained["answer"]["ageSeconds"].as_f64()) {
        // Only now the source's pace is known.
        (Some(_), Some(age)) => Ok((age, input["limitSeconds"].as_f64().expect("a number"))),
        _ => Err(explained.to_string()),
    }
}

/// Answers until the first refusal, and when that was.
async fn until_refused(server: &Server) -> (Vec<Value>, Duration) {
    let began = Instant::now();
    let mut held = Vec::new();
    loop {
        match server.client.value("ai", "queue", "").await {
            Ok(value) => held.push(value),
            Err(problem) => {
                assert_eq!(problem.code, 503, "{problem}");
                return (held, began.elapsed());
            }
        }
        assert!(began.elapsed() < seconds(30), "{held:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn a_clock_that_is_off(ahead: f64) {
    let (clockwork, server) = Clockwork::start(ahead, 5.0).await;
    server.monitor.allow_clocks_apart(seconds(600));
    let (age, limit) = until("its pace is known", seconds(20), async || age(&server).await).await;
    assert!((0.0..limit).contains(&age), "{age} s old with a clock {ahead} s off");
    let value = server.client.value("ai", "queue", "").await.expect("a value");
    let told = value.timestamp.as_millisecond() as f64 / 1000.0;
    assert!((told - now() - ahead).abs() < limit + 2.0, "the sample's own time is told: {told}");

    clockwork.stop_scraping();
    let (held, after) = until_refused(&server).await;
    assert!(!held.is_empty() && held.iter().all(|value| value.text == "5"), "{held:?}");
    let bounds = limit - 2.0..limit + 4.0;
    assert!(bounds.contains(&after.as_secs_f64()), "refused after {after:?}, its limit is {limit} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_ten_minutes_ahead_or_behind_is_as_old_as_any_other() {
    tokio::join!(a_clock_that_is_off(600.0), a_clock_that_is_off(-600.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_makes_nothing_young_and_ends_nothing() {
    let (clockwork, server) = Clockwork::start(0.0, 5.0).await;
    server.monitor.allow_clocks_apart(seconds(600));
    until("its pace is known", seconds(20), async || age(&server).await).await;
    for (ahead, number) in [(-600.0, 6.0), (0.0, 7.0), (600.0, 8.0)] {
        clockwork.set(|hands| (hands.ahead, hands.number) = (ahead, number));
        until("what it says now is served", seconds(20), async || {
            let value =
                server.client.value("ai", "queue", "").await.map_err(|problem| problem.to_string())?;
            if value.text == format!("{number}") { Ok(()) } else { Err(value.text) }
        })
        .await;
        let (age, limit) = age(&server).await.expect("an age");
        assert!((0.0..limit).contains(&age), "{age} s old after a jump to {ahead} s");
    }
    clockwork.stop_scraping();
    let (held, _) = until_refused(&server).await;
    assert!(held.iter().all(|value| value.text == "8"), "{held:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stood_still_serves_nothing_of_before() {
    let (clockwork, server) = Clockwork::start(0.0, 5.0).await;
    until("its pace is known", seconds(20), async || age(&server).await).await;
    assert_eq!(server.client.quantity("ai", "queue", "").await, "5");
    // On a machine that is busy the pace is slower, and the number good for longer.
    let (_, limit) = age(&server).await.expect("an age");
    server.process.signal("STOP");
    clockwork.set(|hands| hands.number = 9.0);
    // Somebody asks while it stands still, and is the first to be answered.
    let early = tokio::spawn({
        let client = server.client.clone();
        async move { client.get(&value_path("ai", "queue", "")).await }
    });
    sleep(Duration::from_secs_f64(limit + 2.0)).await;
    server.process.signal("CONT");
    let mut answers = vec![early.await.expect("an answer").value("queue")];
    until("it goes on", seconds(10), async || {
        let answer = server.client.value("ai", "queue", "").await;
        answers.push(answer.clone());
        answer.map(drop).map_err(|problem| problem.to_string())
    })
    .await;
    for answer in answers {
        match answer {
            Ok(value) => assert_eq!(value.text, "9", "of before, with a limit of {limit} s: {value:?}"),
            Err(problem) => assert_eq!(problem.code, 503, "{problem}"),
        }
    }
}
