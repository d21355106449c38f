//! Any bytes, read as a server's answer to each kind of query, and as what it tells of itself.

use std::sync::LazyLock;

use reqwest::StatusCode;
use reqwest::header::HeaderValue;

use super::{
    MAX_COLUMNS, MAX_WARNINGS, decode, http_date, longest_scrape_interval, oldest_sample, start_time,
};
use crate::catalog::Catalog;
use crate::core::series::SeriesSet;
use crate::core::signal::{Element, QuerySignal, Signal};
use crate::core::time::Timestamp;

/// Of a gauge, a mean, a histogram, a ratio, a user's query, and of what is there at all.
static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
    let catalog = Catalog::built_in().expect("a test reads it");
    let names = [
        "inference_requests_waiting",
        "inference_mean_queue_time_seconds",
        "inference_time_to_first_token_seconds_p95",
        "gpu_memory_used_ratio",
    ];
    let metrics = names.iter().filter_map(|name| catalog.resolve(name));
    let mut signals: Vec<Signal> = metrics.map(|metric| (*metric.inputs[0].signal).clone()).collect();
    assert_eq!(signals.len(), names.len());
    let promql = "sum by (namespace) (x)".to_owned();
    signals.push(Signal::Query(QuerySignal {
        promql,
        window: None,
        element: Element::Pod,
        timed: true,
        of_samples: false,
    }));
    signals.push(Signal::Presence(["vllm:num_requests_waiting".into()].into()));
    signals
});

/// An answer is refused in a few words, or it is a set within its bounds of which each number and time can
/// be asked for.
pub(crate) fn check(body: &[u8]) {
    let now = Timestamp::from_millis(1_700_000_100_250);
    for signal in &*SIGNALS {
        for status in [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE] {
            let decoded = match decode(body, status, signal, now, 100, None) {
                Ok(decoded) => decoded,
                Err(error) => {
                    let shown = error.to_string();
                    assert!(shown.chars().count() < 400 && !shown.contains(char::is_control), "{shown}");
                    continue;
                }
            };
            assert!(status.is_success() && decoded.warnings.len() <= MAX_WARNINGS);
            assert!(decoded.warnings.iter().all(|warning| warning.chars().count() <= 301));
            let set = decoded.set;
            assert!(set.all().len() <= 100 && set.columns().len() <= MAX_COLUMNS);
            for series in set.all() {
                let at = set.by_our_clock(set.sampled_at(series));
                assert_eq!(at.since(at), std::time::Duration::ZERO);
            }
            assert!(set.oldest() <= set.newest());
            // The same answer once more, by what is known of it.
            if let Some(shape) = decoded.shape {
                let again = decode(body, status, signal, now, 100, Some(&shape)).expect("it was read before");
                let told = |set: &SeriesSet| format!("{:?} {:?}", set.columns(), set.all());
                assert_eq!((told(&again.set), again.warnings), (told(&set), decoded.warnings));
            }
        }
    }
    start_time(body);
    longest_scrape_interval(body);
    assert!(oldest_sample(body).is_none_or(|time| time.as_millis() > 0));
    http_date(HeaderValue::from_bytes(body).ok().as_ref());
}
