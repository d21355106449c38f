//! Strings that are held once.

use std::collections::HashSet;
use std::sync::Arc;

/// Shares equal strings: a fleet repeats its label names and most values thousands of times.
#[derive(Default)]
pub(super) struct Interner(HashSet<Arc<str>>);

impl Interner {
    /// The shared string that is equal to `text`.
    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = Arc::from(text);
        self.0.insert(Arc::clone(&shared));
        shared
    }

    /// The same, where it may well be `likely`, which was shared before.
    pub(super) fn get_like(&mut self, text: &str, likely: Option<&Arc<str>>) -> Arc<str> {
        likely.filter(|likely| ***likely == *text).map_or_else(|| self.get(text), Arc::clone)
    }
}
