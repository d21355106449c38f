//! The stage: the live fleet and those simulated beside it, all at the same moment.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Play;
use crate::core::hpa::Observation;
use crate::core::time::Human;
use crate::demo::outcome::Outcome;
use crate::demo::policy::SYNC_SECONDS;
use crate::demo::simulation::Simulation;

/// All fleets of the day.
pub(super) struct Stage {
    scene: Mutex<Scene>,
    day_seconds: f64,
}

/// The fleets at one moment.
pub(super) struct Scene {
    /// The live one first.
    pub(super) fleets: Vec<Simulation>,
    /// What the live HPA read and made of it, the latest pass.
    pub(super) latest: String,
    passes: u64,
    refused: u64,
}

impl Stage {
    pub(super) fn new(play: &Play) -> Self {
        let scene = Scene { fleets: play.simulations(), latest: String::new(), passes: 0, refused: 0 };
        Self { scene: Mutex::new(scene), day_seconds: play.trace.day.seconds }
    }

    pub(super) fn scene(&self) -> MutexGuard<'_, Scene> {
        self.scene.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the day go on until `to`, simulated seconds since midnight.
    pub(super) fn advance(&self, to: f64) {
        self.scene().fleets.iter_mut().for_each(|fleet| fleet.advance(to));
    }

    /// One pass of the live HPA.
    pub(super) fn sync(&self, observation: Observation) {
        let mut scene = self.scene();
        scene.passes += 1;
        let read = match &observation {
            Observation::Unknown(why) => {
                scene.refused += 1;
                why.clone()
            }
            Observation::Value(value) => format!("{value}"),
            Observation::Pods(pods) => format!("{} pods", pods.len()),
        };
        if let Some(decision) = scene.fleets[0].sync(observation) {
            scene.latest = format!("{read} -> {} replicas ({})", decision.replicas, decision.reason);
        }
    }

    pub(super) fn outcomes(&self) -> Vec<Outcome> {
        self.scene().fleets.iter().map(Outcome::of).collect()
    }

    /// How much of the day has passed, if it did not come to its end.
    pub(super) fn ended_early(&self) -> Option<Human> {
        let clock = self.scene().fleets[0].fleet().clock();
        (clock + 1.0 < self.day_seconds).then(|| Human(Duration::from_secs_f64(clock)))
    }

    /// What else is to be known of the live fleet.
    pub(super) fn remarks(&self) -> String {
        let Scene { passes, refused, .. } = *self.scene();
        let due = (self.scene().fleets[0].fleet().clock() / SYNC_SECONDS) as u64;
        let slow = if passes * 10 < due * 9 {
            format!(
                " That is fewer than the {due} that were due: this machine is too slow for the speed, so the first \
                 row is not what the policy can do. Give it a longer --duration."
            )
        } else {
            String::new()
        };
        format!(
            "The first row was live: its replicas' pages were scraped over HTTP, and its HPA asked the API over TLS \
             {passes} times, of which {refused} were refused.{slow} The other rows read the simulation itself, as late as stated."
        )
    }
}
