//! Points in time as the core sees them: numbers handed in by a caller who owns a clock.

use std::fmt;
use std::time::Duration;

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The end of time: for what never expires.
    pub const MAX: Self = Self(i64::MAX);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the Unix epoch, as Prometheus writes sample times.
    pub fn from_seconds(seconds: f64) -> Self {
        Self((seconds * 1000.0).round() as i64)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// This time plus `duration`, saturating.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This time moved by `millis`, which may be negative.
    #[must_use]
    pub fn shifted(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// A duration as people write it: `450ms`, `2s`, `4m12s`, `1h5m`; at most two units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Human(pub Duration);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let parts = match seconds {
            0 if self.0.subsec_millis() > 0 => return write!(f, "{}ms", self.0.subsec_millis()),
            0..60 => return write!(f, "{seconds}s"),
            60..3600 => [(seconds / 60, 'm'), (seconds % 60, 's')],
            3600..86_400 => [(seconds / 3600, 'h'), (seconds % 3600 / 60, 'm')],
            _ => [(seconds / 86_400, 'd'), (seconds % 86_400 / 3600, 'h')],
        };
        for (number, unit) in parts.into_iter().filter(|(number, _)| *number > 0) {
            write!(f, "{number}{unit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        for (millis, text) in [
            (0, "0s"),
            (450, "450ms"),
            (2_400, "2s"),
            (60_000, "1m"),
            (252_000, "4m12s"),
            (3_900_000, "1h5m"),
            (90_000_000, "1d1h"),
        ] {
            assert_eq!(Human(Duration::from_millis(millis)).to_string(), text);
        }
    }

    #[test]
    fn time_never_runs_backwards() {
        let now = Timestamp::from_millis(1_000);
        assert_eq!(now.since(Timestamp::from_millis(2_000)), Duration::ZERO);
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp::from_seconds(1.2345).as_millis(), 1_235);
    }
}
