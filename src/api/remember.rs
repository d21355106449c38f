//! Remembers the bodies of answers for as long as nothing behind them changes, so that who asks again
//! costs a look-up.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use moka::sync::Cache;

use crate::engine::{Engine, Stamp};

/// How much memory remembered answers may take, in bytes.
const CAPACITY: u64 = 8 << 20;

/// The longest question remembered: what is longer is rare, and memory is for what is not.
const LONGEST: usize = 1024;

/// What an entry costs beside its key and body: two headers, a stamp, a slot of the table.
const OVERHEAD: usize = 300;

/// How many of the last questions are known to have been asked.
const SEEN: usize = 8192;

/// Answers by path and query.
pub(super) struct Remembered {
    answers: Cache<Arc<str>, Arc<Entry>>,
    seen: Seen,
}

struct Entry {
    body: Bytes,
    stamp: Stamp,
}

/// Digests of what was asked last and of what it was answered from.
///
/// An answer that nobody asks for a second time while it lasts is not worth its memory, and of an HPA that asks
/// every 15 s about numbers that are read every 2 s none is.
struct Seen {
    hasher: RandomState,
    digests: Box<[AtomicU64]>,
}

impl Seen {
    fn new() -> Self {
        Self { hasher: RandomState::new(), digests: (0..SEEN).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Whether this was asked since its answer changed, as far as is still known. Now it was.
    fn again(&self, question: &str, stamp: &Stamp) -> bool {
        let digest = self.hasher.hash_one((question, stamp));
        let slot = &self.digests[digest as usize % SEEN];
        slot.swap(digest, Ordering::Relaxed) == digest
    }
}

impl Remembered {
    pub(super) fn new() -> Self {
        let weigher = |key: &Arc<str>, entry: &Arc<Entry>| (key.len() + entry.body.len() + OVERHEAD) as u32;
        let answers = Cache::builder().max_capacity(CAPACITY).weigher(weigher).build();
        Self { answers, seen: Seen::new() }
    }

    /// The body of the answer to `question`, if it is still what would be answered now.
    pub(super) fn recall(&self, question: &str, engine: &Engine) -> Option<Bytes> {
        let entry = self.answers.get(question)?;
        if engine.is_current(&entry.stamp) {
            return Some(entry.body.clone());
        }
        // It would stay for as long as it is looked for, with all that it was made from.
        self.answers.invalidate(question);
        None
    }

    /// Takes note of an answer: the second time that it is given.
    pub(super) fn note(&self, question: &str, body: Bytes, stamp: Stamp, engine: &Engine) {
        if question.len() <= LONGEST && engine.lasts(&stamp) && self.seen.again(question, &stamp) {
            self.answers.insert(question.into(), Arc::new(Entry { body, stamp }));
        }
    }
}
