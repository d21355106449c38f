//! Several ways to find targets as one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Discover, Found, Look};

/// The targets of several ways to find them, each looked at as often as it asks for.
pub struct Joined(Vec<Way>);

struct Way {
    discover: Arc<dyn Discover>,
    last: Mutex<Option<(Instant, Found)>>,
}

impl Joined {
    /// All of these.
    pub fn new(ways: impl IntoIterator<Item = Arc<dyn Discover>>) -> Self {
        Self(ways.into_iter().map(|discover| Way { discover, last: Mutex::default() }).collect())
    }
}

impl Way {
    async fn look(&self) -> Found {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match last {
            Some((at, found)) if at.elapsed() < self.discover.every() => found,
            _ => {
                let found = self.discover.look().await;
                let known = Some((Instant::now(), found.clone()));
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = known;
                found
            }
        }
    }
}

impl Discover for Joined {
    fn look(&self) -> Look<'_> {
        Box::pin(async {
            let mut found = Found::default();
            let each = join_all(self.0.iter().map(Way::look)).await;
            for one in each {
                found.extend(one);
            }
            found
        })
    }

    fn every(&self) -> Duration {
        self.0.iter().map(|way| way.discover.every()).min().unwrap_or(Duration::MAX)
    }

    fn describe(&self) -> String {
        self.0.iter().map(|way| way.discover.describe()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests;
