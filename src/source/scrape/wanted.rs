//! Which series are wanted, and since when: only those are kept of a page.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::plan::parts;
use crate::core::signal::{Kind, SeriesSignal, Signal};
use crate::core::time::Timestamp;

/// What nobody has asked for so long is no longer kept. Some metrics are refreshed every five minutes
/// only, and their windows must last from one refresh to the next.
const IDLE: Duration = Duration::from_mins(6);

/// The names that are wanted at a time.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// Counts changes: a page read for a lower number may lack what is wanted now.
    pub(super) version: u64,
    /// Each with the longest window over which it is counted; zero for what is a gauge, which may fall.
    names: HashMap<Arc<str>, Duration>,
    keep: Duration,
}

impl Wanted {
    /// Whether samples of this name are wanted.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// Whether rates of it are wanted, so that a fall is a reset.
    pub(super) fn is_counted(&self, name: &str) -> bool {
        self.names.get(name).is_some_and(|window| !window.is_zero())
    }

    /// For how long pages are to be kept.
    pub(super) fn keep(&self) -> Duration {
        self.keep
    }

    /// Whether there is nothing to scrape for.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// The signals that are asked for.
#[derive(Debug, Default)]
pub(super) struct Wants {
    signals: Mutex<HashMap<Arc<Signal>, Want>>,
    wanted: watch::Sender<Arc<Wanted>>,
}

/// One signal's part.
#[derive(Debug, Clone, Copy)]
pub(super) struct Want {
    /// Since when it is asked for without a pause.
    pub(super) since: Timestamp,
    /// The version of the names from which on they contain its.
    pub(super) version: u64,
    last: Timestamp,
}

impl Wants {
    /// What is wanted now.
    pub(super) fn wanted(&self) -> Arc<Wanted> {
        Arc::clone(&self.wanted.borrow())
    }

    /// Tells when more is wanted; nobody waits for less.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Wanted>> {
        self.wanted.subscribe()
    }

    /// Notes that `signal` is asked for at `now`.
    pub(super) fn ask(&self, signal: &Arc<Signal>, now: Timestamp) -> Want {
        let mut signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(want) = signals.get_mut(signal) {
            want.last = now;
            return *want;
        }
        let want = Want { since: now, version: self.wanted.borrow().version + 1, last: now };
        signals.insert(Arc::clone(signal), want);
        self.publish(&signals, true);
        want
    }

    /// Forgets what nobody has asked for of late.
    pub(super) fn forget(&self, now: Timestamp) {
        let mut signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        let before = signals.len();
        signals.retain(|_, want| now.since(want.last) < IDLE);
        if signals.len() < before {
            self.publish(&signals, false);
        }
    }

    fn publish(&self, signals: &HashMap<Arc<Signal>, Want>, is_more: bool) {
        let mut names: HashMap<Arc<str>, Duration> = HashMap::new();
        for signal in signals.keys() {
            names_of(signal, &mut |name, window| {
                let longest = names.entry(name).or_default();
                *longest = window.max(*longest);
            });
        }
        let keep = signals.keys().filter_map(|signal| signal.window()).max().unwrap_or_default();
        self.wanted.send_if_modified(|wanted| {
            *wanted = Arc::new(Wanted { version: wanted.version + 1, names, keep });
            is_more
        });
    }
}

/// The names on a page of what `signal` is made of, with the window of those that are counted.
fn names_of(signal: &Signal, take: &mut impl FnMut(Arc<str>, Duration)) {
    let SeriesSignal { terms, window, .. } = match signal {
        Signal::Series(signal) => signal,
        Signal::Presence(names) => {
            return names.iter().for_each(|name| take(Arc::clone(name), Duration::ZERO));
        }
        Signal::Query(_) | Signal::Schedule(_) | Signal::Redis(_) => return,
    };
    for term in terms {
        let window = match term.kind {
            Kind::Gauge | Kind::Slope => Duration::ZERO,
            Kind::Counter | Kind::Buckets | Kind::Mean => window.unwrap_or_default(),
        };
        for series in &term.series {
            for (suffix, _) in parts(term.kind) {
                take(format!("{}{suffix}", series.name).into(), window);
            }
        }
        if let Some(factor) = &term.factor {
            take(factor.series.name.as_str().into(), Duration::ZERO);
        }
    }
}

#[cfg(test)]
mod tests;
