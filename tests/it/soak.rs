//! A long time under random faults: sources, the API server, the configuration, the network and replicas
//! fail one over the other, while HPAs ask and nothing wrong may be seen.
//!
//! `SOAK_SECONDS` is how long (600), `SOAK_SEED` which faults come in which order (chosen and printed).
//! `tests/run --soak` runs it with the other tests that take long.

mod asking;
mod autoscaler;
mod chaos;
mod scene;
mod truth;
mod vitals;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::support::seconds;
use chaos::Random;
use scene::Scene;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes: tests/run --soak"]
async fn random_faults() {
    let length = seconds(number("SOAK_SECONDS").unwrap_or(600));
    let seed = number("SOAK_SEED").unwrap_or_else(|| jiff::Timestamp::now().as_millisecond() as u64);
    println!("SOAK_SEED={seed} SOAK_SECONDS={}", length.as_secs());
    let scene = Scene::set(seed).await;
    let mut callers = JoinSet::new();
    callers.spawn(asking::ask(Arc::clone(&scene)));
    callers.spawn(autoscaler::scale(Arc::clone(&scene)));
    callers.spawn(vitals::watch(Arc::clone(&scene)));
    scene.until_well().await;

    let end = Instant::now() + length;
    tokio::join!(
        chaos::sources(&scene, Random::new(seed, 1), end),
        chaos::cluster(&scene, Random::new(seed, 2), end),
        chaos::replicas(&scene, Random::new(seed, 3), end),
    );
    scene.until_well().await;
    callers.shutdown().await;
    scene.conclude(seed, length).await;
}
