//! What questions chose of a set. It stays right while the set has the same series and the cluster the same
//! pods, so a question that is asked again costs what was chosen, and not all that could have been.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Question, Whom};
use crate::core::metric::Scope;
use crate::core::series::{Layout, Series};

/// How many indexes are kept: four megabytes at most.
const ROOM: usize = 1 << 20;

/// What a selection takes beside its indexes, in their size.
const OVERHEAD: usize = 32;

/// So many series are looked at as soon as they are remembered.
const WORTH: usize = 32;

/// A question, known again by two keyed hashes: nobody can ask one that is taken for another's.
type Key = [u64; 2];

/// What was chosen from the series of one layout.
#[derive(Debug, Default)]
pub struct Selections {
    hashers: [RandomState; 2],
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_question: HashMap<Key, Arc<Selection>>,
    size: usize,
}

/// What a selection depends on beside its question.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Basis {
    /// Which series the set has.
    pub(super) layout: Layout,
    /// The version of the pods.
    pub(super) pods: u64,
}

/// What one question chose.
#[derive(Debug)]
pub(super) struct Selection {
    /// Chosen from this.
    basis: Basis,
    /// Which of the candidates, rising.
    indexes: Box<[u32]>,
    /// How many were of pods that are gone.
    pub(super) gone: usize,
}

impl Selection {
    pub(super) fn new(basis: Basis, indexes: Vec<u32>, gone: usize) -> Self {
        Self { basis, indexes: indexes.into(), gone }
    }

    /// The chosen ones of the candidates, which are those that it was chosen from.
    pub(super) fn of<'a>(&self, candidates: &'a [Series]) -> Vec<&'a Series> {
        self.indexes.iter().map(|index| &candidates[*index as usize]).collect()
    }
}

impl Selections {
    /// Whether so many candidates are worth it.
    pub(super) fn serve(candidates: &[Series]) -> bool {
        candidates.len() >= WORTH
    }

    /// What the question is known by.
    pub(super) fn key(&self, question: &Question<'_>, scope: Scope) -> Key {
        let Question { namespace, selector, whom, .. } = question;
        let whom = match whom {
            Whom::All => (0, None, None),
            Whom::Pods(wanted) => (1, Some(*wanted), None),
            Whom::Object { key, name } => (2, None, Some((*key, *name))),
        };
        let asked = (namespace, selector, whom, scope == Scope::Cluster);
        [&self.hashers[0], &self.hashers[1]].map(|hasher| hasher.hash_one(asked))
    }

    /// What it chose, if that is remembered.
    pub(super) fn recall(&self, key: Key, basis: &Basis) -> Option<Arc<Selection>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.by_question.get(&key).filter(|known| known.basis == *basis).cloned()
    }

    /// Remembers what it chose.
    pub(super) fn note(&self, key: Key, selection: Selection) -> Arc<Selection> {
        let selection = Arc::new(selection);
        let size = |selection: &Selection| selection.indexes.len() + OVERHEAD;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Who asks on is remembered again at once; who does not should not stay.
        if kept.size + size(&selection) > ROOM {
            *kept = Kept::default();
        }
        kept.size += size(&selection);
        let before = kept.by_question.insert(key, Arc::clone(&selection));
        kept.size -= before.map_or(0, |before| size(&before));
        selection
    }
}
