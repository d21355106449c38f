//! What requests do, by how they are written: an HPA asks the same in the same words every time.

use http::{Method, Uri};
use moka::sync::Cache;

use super::attributes::{Attributes, PathError};
use super::identity::Key;

/// Bytes of requests that are kept.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// The longest path and query that is kept: what is longer is rare.
const LONGEST: usize = 1024;

/// What an entry costs beside its words.
const OVERHEAD: usize = 200;

/// Digests of [`Attributes`], which depend on nothing but method, path and query.
#[derive(Debug)]
pub(super) struct Written(Cache<Box<str>, Key>);

impl Written {
    pub(super) fn new() -> Self {
        let weigher = |words: &Box<str>, _: &Key| (words.len() + OVERHEAD) as u32;
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weigher).build())
    }

    /// [`Attributes::key`] of a request. Of one that was seen before nothing is read.
    pub(super) fn key(&self, method: &Method, uri: &Uri) -> Result<Key, PathError> {
        let words = uri.path_and_query().map_or("", |words| words.as_str());
        let is_kept = *method == Method::GET && words.len() <= LONGEST;
        if is_kept && let Some(key) = self.0.get(words) {
            return Ok(key);
        }
        let key = Attributes::read(method, uri)?.key();
        if is_kept {
            self.0.insert(words.into(), key);
        }
        Ok(key)
    }
}
