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
pub(super) struct Written(Cache<Arc<str>, Arc<Request>>);

impl Written {
    pub(super) fn new() -> Self {
        let weigher = |words: &Arc<str>, _: &Arc<Request>| (words.len() + OVERHEAD) as u32;
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weigher).build())
    }

    /// The request, and whether it is a new one. Of one that is kept nothing is read.
    pub(super) fn look_up(&self, method: &Method, uri: &Uri) -> Result<(Arc<Request>, bool), PathError> {
        if *method == Method::GET
            && let Some(request) = self.0.get(words(uri))
        {
            return Ok((request, false));
        }
        let key = Attributes::read(method, uri)?.key();
        Ok((Arc::new(Request { key, pass: ArcSwapOption::empty() }), true))
    }

    /// Keeps a new request. To be done for callers who may make it: strangers would fill the room.
    pub(super) fn keep(&self, method: &Method, uri: &Uri, request: Arc<Request>) {
        let words = words(uri);
        if *method == Method::GET && words.len() <= LONGEST {
            self.0.insert(words.into(), request);
        }
    }
}

fn words(uri: &Uri) -> &str {
    uri.path_and_query().map_or("", |words| words.as_str())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::auth::identity::Extra;

    const PATH: &str = "/apis/external.metrics.k8s.io/v1beta1/namespaces/team/m?labelSelector=a";

    fn user(name: &str) -> User {
        User::new(name.to_owned(), None, Vec::new(), Extra::new())
    }

    #[test]
    fn what_was_kept_is_known_by_its_words() {
        let written = Written::new();
        let uri: Uri = PATH.parse().unwrap();
        let (request, is_new) = written.look_up(&Method::GET, &uri).unwrap();
        assert!(is_new && request.key == Attributes::read(&Method::GET, &uri).unwrap().key());
        assert!(written.look_up(&Method::GET, &uri).unwrap().1, "nothing is kept by asking");
        written.keep(&Method::GET, &uri, Arc::clone(&request));
        let (again, is_new) = written.look_up(&Method::GET, &uri).unwrap();
        assert!(!is_new && Arc::ptr_eq(&request, &again));
        for (method, uri) in [(Method::DELETE, PATH), (Method::GET, &PATH[..PATH.len() - 1])] {
            let (other, is_new) = written.look_up(&method, &uri.parse().unwrap()).unwrap();
            assert!(is_new && other.key != request.key, "{method} {uri}");
        }
        let long: Uri = format!("{PATH}{}", "a".repeat(LONGEST)).parse().unwrap();
        let (request, _) = written.look_up(&Method::GET, &long).unwrap();
        written.keep(&Method::GET, &long, request);
        assert!(written.look_up(&Method::GET, &long).unwrap().1, "too long to be kept");
        assert!(written.look_up(&Method::GET, &"/a//b".parse().unwrap()).is_err());
    }

    #[test]
    fn a_pass_is_one_users_and_ends() {
        let request = Request { key: [0; 32], pass: ArcSwapOption::empty() };
        let now = Instant::now();
        assert!(!request.allows(&user("hpa"), now));
        request.allow(&user("hpa"), now + Duration::from_secs(1));
        assert!(request.allows(&user("hpa"), now) && !request.allows(&user("other"), now));
        assert!(!request.allows(&user("hpa"), now + Duration::from_secs(1)));
        request.allow(&user("other"), now + Duration::from_secs(1));
        assert!(request.allows(&user("other"), now) && !request.allows(&user("hpa"), now), "the last one's");
    }
}
