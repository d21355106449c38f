//! Remembers the bodies of answers for as long as nothing behind them changes, so that an HPA that
//! asks again costs a look-up.

use std::sync::Arc;

use bytes::Bytes;
use moka::sync::Cache;

use crate::engine::{Engine, Stamp};

/// How much memory remembered answers may take, in bytes.
const CAPACITY: u64 = 8 << 20;

/// The longest question remembered: what is longer is rare, and memory is for what is not.
const LONGEST: usize = 1024;

/// What an entry costs beside its key and body: two headers, a stamp, a slot of the table.
const OVERHEAD: usize = 300;

/// Answers by path and query.
pub(super) struct Remembered(Cache<Arc<str>, Arc<Entry>>);

struct Entry {
    body: Bytes,
    stamp: Stamp,
}

impl Remembered {
    pub(super) fn new() -> Self {
        let weigher = |key: &Arc<str>, entry: &Arc<Entry>| (key.len() + entry.body.len() + OVERHEAD) as u32;
        Self(Cache::builder().max_capacity(CAPACITY).weigher(weigher).build())
    }

    /// The body of the answer to `question`, if it is still what would be answered now.
    pub(super) fn recall(&self, question: &str, engine: &Engine) -> Option<Bytes> {
        let entry = self.0.get(question)?;
        engine.is_current(&entry.stamp).then(|| entry.body.clone())
    }

    /// Takes note of an answer.
    pub(super) fn note(&self, question: &str, body: Bytes, stamp: Stamp, engine: &Engine) {
        if question.len() <= LONGEST && engine.lasts(&stamp) {
            self.0.insert(question.into(), Arc::new(Entry { body, stamp }));
        }
    }
}
