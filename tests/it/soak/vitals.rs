//! What the replica that lives all the time takes of the machine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::scene::Scene;

const EVERY: Duration = Duration::from_secs(2);

/// Growth of a run that is too short for a slope.
const ALLOWANCE: f64 = 12.0;

/// Growth in MiB an hour.
const SLOPE: f64 = 1.0;

/// From this length on a slope can be told from noise.
const LONG: Duration = Duration::from_hours(2);

/// Seconds since the beginning, MiB resident, files open.
type Sample = (f64, f64, usize);

#[derive(Default)]
pub(super) struct Vitals(Mutex<Vec<Sample>>);

/// Looks for ever.
pub(super) async fn watch(scene: Arc<Scene>) {
    let began = Instant::now();
    let pid = scene.replicas[0].lock().await.process.child().id();
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
        let resident =
            status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
        let resident: f64 = resident.and_then(|size| size.parse().ok()).expect("a number");
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").count();
        let sample = (began.elapsed().as_secs_f64(), resident / 1024.0, files);
        scene.vitals.0.lock().expect("no panic").push(sample);
        sleep(EVERY).await;
    }
}

impl Vitals {
    /// A line of it, and what is wrong with it.
    pub(super) fn sum(&self, length: Duration) -> (String, Vec<String>) {
        let samples = self.0.lock().expect("no panic");
        let tenth = samples.len() / 10;
        assert!(tenth > 0, "{} samples are too few", samples.len());
        let middle = |part: &[Sample]| {
            let mut sizes: Vec<f64> = part.iter().map(|sample| sample.1).collect();
            sizes.sort_by(f64::total_cmp);
            sizes[sizes.len() / 2]
        };
        // The first third warms up.
        let late = &samples[samples.len() / 3..];
        let (first, last) = (middle(&late[..tenth]), middle(&late[late.len() - tenth..]));
        let slope = slope(late);
        let most = samples.iter().map(|sample| sample.2).max().unwrap_or(0);
        let (before, after) = (samples[tenth].2, samples[samples.len() - 1].2);
        let mut wrong = Vec::new();
        if length >= LONG && slope >= SLOPE {
            wrong.push(format!("memory grows by {slope:.2} MiB an hour"));
        }
        if last > first + ALLOWANCE {
            wrong.push(format!("memory grew from {first:.1} to {last:.1} MiB"));
        }
        if after > before + 20 {
            wrong.push(format!("open files grew from {before} to {after}"));
        }
        let line = format!(
            "rss={first:.1}..{last:.1}MiB slope={slope:+.2}MiB/h files={before}..{after} (most {most})"
        );
        (line, wrong)
    }
}

/// Least squares, in MiB an hour.
fn slope(samples: &[Sample]) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (time, size) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let both: f64 = samples.iter().map(|one| (one.0 - time) * (one.1 - size)).sum();
    let square: f64 = samples.iter().map(|one| (one.0 - time).powi(2)).sum();
    both / square * 3600.0
}
