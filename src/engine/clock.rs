//! The one place that reads time.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::core::time::Timestamp;

/// Wall time at the start, carried on by the monotonic clock: a step of the wall clock must not
/// make a number young again.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    wall: Timestamp,
    start: Instant,
}

impl Clock {
    /// A clock that starts at the present wall time.
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let wall = Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX));
        Self { wall, start: Instant::now() }
    }

    /// The present.
    pub fn now(&self) -> Timestamp {
        self.wall.plus(self.start.elapsed())
    }

    /// The present wall time, for certificates.
    pub fn wall() -> SystemTime {
        #[expect(clippy::disallowed_methods, reason = "this is the one place")]
        SystemTime::now()
    }
}
