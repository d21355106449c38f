//! Fifty requests a second, as HPAs and the aggregator ask.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use tokio::sync::Semaphore;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::scene::{METRICS, Scene};
use crate::support::client::CUSTOM;
use crate::support::{EXTERNAL, Reply, value_path};

const EVERY: Duration = Duration::from_millis(20);

/// From here on it was the machine that was late.
const HICCUP: Duration = Duration::from_millis(200);

/// Requests under way at once: more than wait for a replica that stands still.
const AT_ONCE: usize = 500;

/// What came of all requests.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    faults: usize,
    /// Requests by their status; 0 is none.
    answers: BTreeMap<u16, usize>,
    wrong: Vec<String>,
    /// Answers that took longer than a second although nobody stood still.
    late: usize,
}

impl Ledger {
    pub(super) fn fault(&self) {
        self.0.lock().expect("no panic").faults += 1;
    }

    pub(super) fn wrong(&self, what: String) {
        println!("WRONG: {what}");
        self.0.lock().expect("no panic").wrong.push(what);
    }

    fn answered(&self, status: u16, late: bool) {
        let mut entries = self.0.lock().expect("no panic");
        *entries.answers.entry(status).or_default() += 1;
        entries.late += usize::from(late);
    }

    /// A line of all of it, and what was wrong.
    pub(super) fn sum(&self) -> (String, Vec<String>) {
        let entries = self.0.lock().expect("no panic");
        let all: usize = entries.answers.values().sum();
        let mut wrong = entries.wrong.clone();
        // The machine's own hiccups are not ours; a share of a thousandth would be.
        if entries.late * 1_000 > all {
            wrong.push(format!("{} of {all} answers took more than a second", entries.late));
        }
        let line = format!(
            "faults={} requests={all} answers={:?} late={} wrong={}",
            entries.faults,
            entries.answers,
            entries.late,
            wrong.len()
        );
        (line, wrong)
    }
}

/// Asks for ever.
pub(super) async fn ask(scene: Arc<Scene>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = Instant::now();
    for number in 0.. {
        ticks.tick().await;
        // A machine that keeps us from asking keeps others from answering.
        if last.elapsed() > HICCUP {
            scene.disturbed.hiccup();
        }
        last = Instant::now();
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let scene = Arc::clone(&scene);
        tokio::spawn(async move {
            once(&scene, number).await;
            drop(place);
        });
    }
}

async fn once(scene: &Scene, number: usize) {
    let metric = METRICS[number % METRICS.len()];
    let path = match number % 20 {
        0 => EXTERNAL.to_owned(),
        1 => format!("{CUSTOM}/v1beta2/namespaces/ai/pods/*/{metric}"),
        2 => "/apis".to_owned(),
        _ => value_path("ai", metric, ""),
    };
    let began = Instant::now();
    let outcome = scene.client.try_send(Method::GET, &path, &[]).await;
    let disturbed = scene.disturbed.since(began);
    match outcome {
        Ok(reply) => {
            let late = reply.took > Duration::from_secs(1) && !disturbed;
            scene.ledger.answered(reply.status.as_u16(), late);
            judge(scene, &path, metric, &reply, disturbed);
        }
        Err(error) => {
            scene.ledger.answered(0, false);
            if !disturbed {
                scene.ledger.wrong(format!("{path}: no answer: {error:?}"));
            }
        }
    }
}

fn judge(scene: &Scene, path: &str, metric: &str, reply: &Reply, disturbed: bool) {
    match reply.status.as_u16() {
        200 if path.starts_with(EXTERNAL) && path != EXTERNAL => match reply.value(metric) {
            Ok(value) if metric == "rate" => {
                // Ten a second each; a window over a beginning has less.
                if value.number > 60.0 {
                    scene.ledger.wrong(format!("{path}: {} a second", value.text));
                }
            }
            Ok(value) => {
                let (least, most) = scene.truth.bounds();
                if !(least as f64..=most as f64).contains(&value.number) {
                    scene.ledger.wrong(format!("{path}: {} was never true: {least} to {most}", value.text));
                }
            }
            Err(problem) => scene.ledger.wrong(format!("{path}: {problem}")),
        },
        200 | 503 | 504 => {}
        // A replica that has just come knows nobody before it has heard of the API server.
        401 | 403 if disturbed || scene.has_young_replica() => {}
        status => scene.ledger.wrong(format!("{path}: {status}: {}", reply.text())),
    }
}
