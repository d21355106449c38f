//! What autoscalers ask for is read before the controller asks: its first question after our start, or after
//! an autoscaler was made, then finds an answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::hpas::{Asked, Autoscalers};
use super::inventory::Cluster;

/// Everything that is asked for is asked that often, so that nothing is given up in between.
const ROUND: Duration = Duration::from_secs(30);

/// One step of a round.
const STEP: Duration = Duration::from_millis(500);

/// What is new waits for so long, that more may come with it.
const GATHER: Duration = Duration::from_millis(250);

/// At most so many at once, between which others have their turn.
const AT_ONCE: usize = 100;

/// Calls `warm` with namespace and metric for what the autoscalers name: each once in 30 s, evenly spread, and
/// what is new within a second, at 100 in 50 ms at most. Runs until it is dropped.
pub async fn keep(cluster: Arc<Cluster>, warm: impl Fn(&str, &str)) {
    let autoscalers = Arc::clone(&cluster.autoscalers);
    tokio::join!(rounds(&autoscalers, &warm), news(&autoscalers, &warm));
}

async fn rounds(autoscalers: &Autoscalers, warm: &impl Fn(&str, &str)) {
    loop {
        let began = Instant::now();
        let mut asked: VecDeque<Asked> = autoscalers.asked().into();
        let steps = (ROUND.as_millis() / STEP.as_millis()) as usize;
        let share = asked.len().div_ceil(steps);
        for step in 1..=steps {
            for (namespace, metric) in asked.drain(..share.min(asked.len())) {
                warm(&namespace, &metric);
            }
            sleep_until(began + STEP * step as u32).await;
        }
    }
}

async fn news(autoscalers: &Autoscalers, warm: &impl Fn(&str, &str)) {
    loop {
        let mut fresh: Vec<Asked> = autoscalers.fresh().await.into_iter().collect();
        sleep(GATHER).await;
        fresh.extend(autoscalers.fresh_now());
        fresh.sort_unstable();
        fresh.dedup();
        for some in fresh.chunks(AT_ONCE) {
            for (namespace, metric) in some {
                warm(namespace, metric);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}
