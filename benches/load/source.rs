//! The source of the made-up cluster: a query API whose answers are put together beforehand, all but their times.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use super::world::{World, pod_name};

/// How often it would scrape, in seconds.
const SCRAPED_EVERY: f64 = 5.0;

/// Stands where a time is to be put.
const TIME: char = '\u{1}';
/// Stands where the time of the sample is to be put.
const SAMPLED: char = '\u{2}';

/// The query API.
pub(crate) struct Source {
    /// An answer for each signal.
    answers: Vec<String>,
    queries: AtomicU64,
    refreshes: AtomicU64,
}

/// The query of a signal's metric. The first is a preset of the catalog.
pub(crate) fn query(signal: u32) -> String {
    format!("bench_signal_{signal}_x")
}

impl Source {
    pub(crate) fn new(world: World) -> Arc<Self> {
        let mut answers = vec![String::from(BEGINNING); world.signals as usize];
        for pod in 0..world.pods {
            let workload = world.workload(pod);
            let signal = world.signal(workload);
            let answer = &mut answers[signal as usize];
            let labels = format!(
                r#""container":"vllm","endpoint":"http","engine":"0","instance":"10.{}.{}.{}:8000","job":"vllm","model_name":"meta-llama/Llama-3.1-70B-Instruct","namespace":"{}","pod":"{}""#,
                pod >> 16,
                pod >> 8 & 0xff,
                pod & 0xff,
                world.namespace(workload),
                pod_name(workload, pod),
            );
            let value = World::value(pod);
            let _ = write!(answer, r#"{{"metric":{{"_part":"0",{labels}}},"value":[{TIME},"{value}"]}},"#);
            // A preset has the time of every series, a query of one's own that of each namespace.
            if signal == 0 {
                let _ =
                    write!(answer, r#"{{"metric":{{"_part":"t",{labels}}},"value":[{TIME},"{SAMPLED}"]}},"#);
            }
        }
        for (signal, answer) in answers.iter_mut().enumerate() {
            if signal > 0 {
                for space in 0..world.namespaces() {
                    let _ = write!(
                        answer,
                        r#"{{"metric":{{"_part":"t","namespace":"team-{space}"}},"value":[{TIME},"{SAMPLED}"]}},"#
                    );
                }
            }
            if answer.ends_with(',') {
                answer.pop();
            }
            answer.push_str("]}}");
        }
        Arc::new(Self { answers, queries: AtomicU64::new(0), refreshes: AtomicU64::new(0) })
    }

    /// How many queries it has answered.
    pub(crate) fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// How many of them were for a signal, and not for which engines there are.
    pub(crate) fn refreshes(&self) -> u64 {
        self.refreshes.load(Ordering::Relaxed)
    }

    fn answer(&self, query: &str) -> String {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let now = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0;
        let (time, sampled) = (format!("{now:.3}"), format!("{:.3}", now - now % SCRAPED_EVERY));
        if query.contains("group by (__name__)") {
            return format!(
                r#"{BEGINNING}{{"metric":{{"_part":"0","series":"vllm:num_requests_running"}},"value":[{time},"1"]}}]}}}}"#
            );
        }
        self.refreshes.fetch_add(1, Ordering::Relaxed);
        let own = query.split_once("bench_signal_").and_then(|(_, rest)| rest.split_once('_'));
        let signal = own.and_then(|(number, _)| number.parse::<usize>().ok()).unwrap_or_default();
        let Some(template) = self.answers.get(signal) else { return format!("{BEGINNING}]}}}}") };
        let mut answer = String::with_capacity(template.len() + template.len() / 8);
        for piece in template.split_inclusive([TIME, SAMPLED]) {
            let end = piece.chars().next_back();
            answer.push_str(piece.trim_end_matches([TIME, SAMPLED]));
            match end {
                Some(TIME) => answer.push_str(&time),
                Some(SAMPLED) => answer.push_str(&sampled),
                _ => {}
            }
        }
        answer
    }
}

const BEGINNING: &str = r#"{"status":"success","data":{"resultType":"vector","result":["#;

/// Its answers.
pub(crate) fn router(source: Arc<Source>) -> Router {
    Router::new().fallback(answer).with_state(source)
}

async fn answer(State(source): State<Arc<Source>>, uri: Uri, body: Bytes) -> Response {
    if uri.path() != "/api/v1/query" {
        return StatusCode::NOT_FOUND.into_response();
    }
    let form: Vec<(String, String)> = form_urlencoded::parse(&body).into_owned().collect();
    let query = form.iter().find(|(name, _)| name == "query").map(|(_, value)| value.as_str());
    let answer = source.answer(query.unwrap_or_default());
    ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
}
