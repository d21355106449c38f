//! Takes a changed configuration while serving: as a whole, or not at all.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::definitions::Sources;
use crate::catalog::Catalog;
use crate::config::schema::MAX_BYTES;
use crate::engine::Engine;
use crate::source::Definition;
use crate::telemetry::Telemetry;

/// How often the file is read. By content and not by notification: a mounted ConfigMap changes by
/// swapping a symbolic link above it.
const EVERY: Duration = Duration::from_secs(2);

/// What a reload needs.
pub(super) struct Reloader {
    pub(super) path: PathBuf,
    pub(super) flags: Vec<Definition>,
    pub(super) sources: Sources,
    pub(super) catalog: Arc<Catalog>,
    pub(super) engine: Arc<Engine>,
    pub(super) telemetry: Arc<Telemetry>,
    /// The content that was looked at last, whether it was taken or not.
    pub(super) seen: Option<Vec<u8>>,
}

impl Reloader {
    /// Watches the file for ever.
    pub(super) async fn watch(mut self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look().await;
        }
    }

    async fn look(&mut self) {
        let path = self.path.clone();
        let content = spawn_blocking(move || content(&path)).await.ok().flatten();
        if content != self.seen {
            self.seen = content;
            self.take();
        }
    }

    fn take(&mut self) {
        match self.sources.read(&self.path, &self.catalog) {
            Ok((configuration, report)) => {
                let definitions = self.sources.definitions(&self.flags, configuration);
                self.engine.install(definitions);
                self.telemetry.reloaded(true);
                let generation = self.engine.generation().number();
                info!(file = %self.path.display(), generation, warnings = report.warnings, "configuration taken");
                report.diagnostics.iter().for_each(|diagnostic| warn!("{}", one_line(diagnostic)));
            }
            Err(report) => {
                self.telemetry.reloaded(false);
                error!(file = %self.path.display(), errors = report.errors, "configuration refused, the last good one stays");
                report.diagnostics.iter().for_each(|diagnostic| error!("{}", one_line(diagnostic)));
            }
        }
    }
}

/// As much of the file as a configuration may have, and a byte more: what is longer is refused anyway.
pub(super) fn content(path: &Path) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path).ok()?.take(MAX_BYTES + 1).read_to_end(&mut content).ok()?;
    Some(content)
}

/// A diagnostic as one line of a log.
pub(super) fn one_line(diagnostic: &crate::config::Diagnostic) -> String {
    let hint = diagnostic.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
    let (file, line, column) = (&diagnostic.file, diagnostic.line, diagnostic.column);
    format!("{file}:{line}:{column}: {}{hint}", diagnostic.message)
}

#[cfg(test)]
mod tests;
