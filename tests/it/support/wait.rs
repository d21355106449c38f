//! Waiting for conditions, each with a deadline.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(50);

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Looks until `look` is content, and returns what it found. Panics with the last complaint when the
/// time is up.
pub(crate) async fn until<T, E: Display>(
    what: &str,
    within: Duration,
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(complaint) if Instant::now() >= deadline => {
                panic!("{what}: still not so after {within:?}: {complaint}")
            }
            Err(_) => sleep(EVERY).await,
        }
    }
}
