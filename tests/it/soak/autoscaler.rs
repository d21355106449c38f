//! An HPA that follows two metrics as fast as it may: what is wrong for a moment, it does.

use std::sync::Arc;

use http::Method;
use inferometer::core::hpa::{Behavior, Controller, Observation, Options, Rules, Scale, Spec, Target};
use inferometer::core::time::Timestamp;
use tokio::time::{Duration, Instant, sleep};

use super::scene::Scene;
use crate::support::value_path;

/// Requests that a replica is to have.
const TARGET: f64 = 10.0;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Scales for ever. Replicas never fall while one of the metrics is refused, nor below what they ask for.
pub(super) async fn scale(scene: Arc<Scene>) {
    let at_once = |rules: Rules| Rules { stabilization: Duration::ZERO, ..rules };
    let spec = Spec {
        min_replicas: 1,
        max_replicas: 1_000,
        metrics: vec![Target::AverageValue(TARGET); 2],
        behavior: Behavior { scale_up: at_once(Rules::up()), scale_down: at_once(Rules::down()) },
    };
    let mut controller = Controller::new(Options::default());
    let (began, start) = (Instant::now(), Timestamp::from_millis(1_700_000_000_000));
    let mut replicas = 1;
    loop {
        sleep(EVERY).await;
        let mut seen = Vec::new();
        for metric in ["queued", "running"] {
            let answer = scene.client.try_send(Method::GET, &value_path("ai", metric, ""), &[]).await;
            let value = answer.map_err(|error| error.to_string());
            let value = value.and_then(|reply| reply.value(metric).map_err(|problem| problem.to_string()));
            seen.push(value.map_or_else(Observation::Unknown, |value| Observation::Value(value.number)));
        }
        let scale = Scale { spec_replicas: replicas, status_replicas: replicas, pods: &[] };
        let decided = controller.sync(start.plus(began.elapsed()), &spec, &scale, &seen).replicas;
        let refused = seen.iter().any(|one| matches!(one, Observation::Unknown(_)));
        if decided < replicas && refused {
            scene.ledger.wrong(format!("replicas fell from {replicas} to {decided}: {seen:?}"));
        }
        let (least, _) = scene.truth.bounds();
        let needed = (least as f64 / TARGET * 0.9).floor() as u32;
        if decided < replicas && decided < needed {
            scene.ledger.wrong(format!("{decided} replicas where {needed} are needed: {seen:?}"));
        }
        replicas = decided;
    }
}
