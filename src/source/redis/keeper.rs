//! The one connection of a source: kept while it serves, made anew when its end has moved, when it broke,
//! and when a file of the credentials has changed.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::connect::{self, Secrets};
use super::link::Link;
use super::{Address, Mode, Settings};
use crate::source::SourceError;

/// Keeps the connection of one source.
pub(super) struct Keeper {
    settings: Settings,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    line: Option<Line>,
    /// Counts connections.
    number: u64,
    /// The Sentinel that answered last.
    sentinel: Option<MultiplexedConnection>,
}

struct Line {
    link: Link,
    secrets: Secrets,
    /// The primary, where Sentinel names it.
    primary: Option<Address>,
}

/// A connection to use.
pub(super) struct Lease {
    pub(super) link: Link,
    pub(super) number: u64,
    /// Whether it was there before.
    pub(super) is_old: bool,
}

impl Keeper {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, kept: Mutex::default() }
    }

    /// The connection, made if there is none that serves.
    pub(super) async fn lease(&self) -> Result<Lease, SourceError> {
        let secrets = Secrets::read(&self.settings)?;
        let mut kept = self.kept.lock().await;
        let kept = &mut *kept;
        if kept.line.as_ref().is_some_and(|line| line.secrets != secrets) {
            (kept.line, kept.sentinel) = (None, None);
        }
        let primary = match (self.primary(&secrets, &mut kept.sentinel).await, &kept.line) {
            (Ok(primary), _) => primary,
            // A primary is no worse for its Sentinels being away.
            (Err(_), Some(line)) => line.primary.clone(),
            (Err(error), None) => return Err(error),
        };
        if let Some(line) = kept.line.as_ref().filter(|line| line.primary == primary) {
            return Ok(Lease { link: line.link.clone(), number: kept.number, is_old: true });
        }
        kept.line = None;
        let link = connect::connect(&self.settings, &secrets, primary.as_ref()).await?;
        kept.number += 1;
        kept.line = Some(Line { link: link.clone(), secrets, primary });
        Ok(Lease { link, number: kept.number, is_old: false })
    }

    /// Lets go of a connection that serves no more, unless another has taken its place already.
    pub(super) async fn forget(&self, number: u64) {
        let mut kept = self.kept.lock().await;
        if kept.number == number {
            kept.line = None;
        }
    }

    /// The primary by the first Sentinel that answers; none is asked where there are none.
    async fn primary(
        &self,
        secrets: &Secrets,
        sentinel: &mut Option<MultiplexedConnection>,
    ) -> Result<Option<Address>, SourceError> {
        let Mode::Sentinel { master, addresses, .. } = &self.settings.mode else { return Ok(None) };
        // The other half of the time is for the primary.
        let within: Duration = self.settings.timeout / 2;
        if let Some(known) = sentinel.take()
            && let Ok(Ok(Some(primary))) =
                timeout(within / 2, connect::primary_by(known.clone(), master)).await
        {
            *sentinel = Some(known);
            return Ok(Some(primary));
        }
        let asked = connect::ask_sentinels(&self.settings, secrets, master, addresses);
        let Ok(asked) = timeout(within, asked).await else {
            return Err(SourceError::Unreachable("no Sentinel answers".to_owned()));
        };
        let (known, primary) = asked?;
        *sentinel = Some(known);
        Ok(Some(primary))
    }
}
