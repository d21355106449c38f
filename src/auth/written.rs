//! What requests do, by how they are written: an HPA asks the same in the same words every time.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::{Method, Uri};
use moka::sync::Cache;
use tokio::time::Instant;

use super::attributes::{Attributes, PathError};
use super::identity::{Key, User};

/// Bytes of requests that are kept.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// The longest path and query that is kept: what is longer is rare.
const LONGEST: usize = 1024;

/// What an entry costs beside its words.
const OVERHEAD: usize = 300;

/// A request as it is written.
#[derive(Debug)]
pub(super) struct Request {
    /// [`Attributes::key`], which depends on nothing but method, path and query.
    pub(super) key: Key,
    /// Who was allowed it last.
    pass: ArcSwapOption<Pass>,
}

#[derive(Debug)]
struct Pass {
    user: Key,
    until: Instant,
}

impl Request {
    /// Notes that this user may, until then.
    pub(super) fn allow(&self, user: &User, until: Instant) {
        self.pass.store(Some(Arc::new(Pass { user: *user.key(), until })));
    }

    /// Whether that was noted last.
    pub(super) fn allows(&self, user: &User, now: Instant) -> bool {
        self.pass.load().as_ref().is_some_and(|pass| pass.user == *user.key() && now < pass.until)
    }
}

/// Requests by their words.
#[derive(Debug)]
pub(super) struct Written(Cache<Box<str>, Arc<Request>>);

impl Written {
    pub(super) fn new() -> Self {
        let weigher = |words: &Box<str>, _: &Arc<Request>| (words.len() + OVERHEAD) as u32;
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weigher).build())
    }

    /// The request. Of one that was seen before nothing is read.
    pub(super) fn look_up(&self, method: &Method, uri: &Uri) -> Result<Arc<Request>, PathError> {
        let words = uri.path_and_query().map_or("", |words| words.as_str());
        let is_kept = *method == Method::GET && words.len() <= LONGEST;
        if is_kept && let Some(request) = self.0.get(words) {
            return Ok(request);
        }
        let key = Attributes::read(method, uri)?.key();
        let request = Arc::new(Request { key, pass: ArcSwapOption::empty() });
        if is_kept {
            self.0.insert(words.into(), Arc::clone(&request));
        }
        Ok(request)
    }
}
