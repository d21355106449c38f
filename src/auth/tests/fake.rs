//! An API server that answers reviews as told.
use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenReviewSpec, TokenReviewStatus, UserInfo};
use k8s_openapi::api::authorization::v1::{SubjectAccessReviewSpec, SubjectAccessReviewStatus};

use super::super::reviewer::{ReviewError, Reviewer};

/// How it behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Mood {
    #[default]
    Answers,
    Unreachable,
    /// Does not let us ask.
    Refuses,
    Hangs,
    /// Answers after 50 ms.
    Slow,
}

#[derive(Default)]
pub(super) struct Fake {
    pub(super) mood: Mutex<Mood>,
    /// Users that may nothing; all others may everything.
    pub(super) denied: Mutex<HashSet<String>>,
    /// Users that may nothing in all namespaces at once, whatever they may in one.
    pub(super) confined: Mutex<HashSet<String>>,
    /// Owners of tokens, with the audience of each.
    pub(super) tokens: Mutex<HashMap<String, (String, String)>>,
    pub(super) token_reviews: AtomicUsize,
    pub(super) access_reviews: AtomicUsize,
    pub(super) asked: Mutex<Vec<SubjectAccessReviewSpec>>,
}

impl Fake {
    pub(super) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub(super) fn deny(&self, user: &str) {
        self.denied.lock().unwrap().insert(user.to_owned());
        self.deny_everywhere(user);
    }

    pub(super) fn deny_everywhere(&self, user: &str) {
        self.confined.lock().unwrap().insert(user.to_owned());
    }

    pub(super) fn allow(&self, user: &str) {
        self.denied.lock().unwrap().remove(user);
        self.confined.lock().unwrap().remove(user);
    }

    pub(super) fn token(&self, token: &str, owner: &str) {
        let value = (owner.to_owned(), "api".to_owned());
        self.tokens.lock().unwrap().insert(token.to_owned(), value);
    }

    pub(super) fn revoke(&self, token: &str) {
        self.tokens.lock().unwrap().remove(token);
    }

    pub(super) fn reviews(&self) -> (usize, usize) {
        (self.token_reviews.load(Ordering::Relaxed), self.access_reviews.load(Ordering::Relaxed))
    }

    pub(super) fn last(&self) -> SubjectAccessReviewSpec {
        self.asked.lock().unwrap().last().unwrap().clone()
    }

    fn answer<T: Send + 'static>(&self, answer: T) -> BoxFuture<'static, Result<T, ReviewError>> {
        let mood = *self.mood.lock().unwrap();
        async move {
            match mood {
                Mood::Answers => Ok(answer),
                Mood::Unreachable => Err(ReviewError::Unreachable("connection refused".into())),
                Mood::Refuses => Err(ReviewError::Refused("403 Forbidden".into())),
                Mood::Hangs => std::future::pending().await,
                Mood::Slow => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Ok(answer)
                }
            }
        }
        .boxed()
    }
}

impl Reviewer for Fake {
    fn token(&self, spec: TokenReviewSpec) -> BoxFuture<'static, Result<TokenReviewStatus, ReviewError>> {
        self.token_reviews.fetch_add(1, Ordering::Relaxed);
        let owner = self.tokens.lock().unwrap().get(&spec.token.unwrap()).cloned();
        let status = match owner {
            Some((owner, audience))
                if spec.audiences.as_ref().is_none_or(|asked| asked.contains(&audience)) =>
            {
                let user = UserInfo {
                    username: Some(owner),
                    groups: Some(vec!["system:serviceaccounts".to_owned()]),
                    ..UserInfo::default()
                };
                TokenReviewStatus {
                    authenticated: Some(true),
                    user: Some(user),
                    audiences: spec.audiences,
                    ..TokenReviewStatus::default()
                }
            }
            _ => {
                TokenReviewStatus { error: Some("no such token".to_owned()), ..TokenReviewStatus::default() }
            }
        };
        self.answer(status)
    }

    fn access(
        &self,
        spec: SubjectAccessReviewSpec,
    ) -> BoxFuture<'static, Result<SubjectAccessReviewStatus, ReviewError>> {
        self.access_reviews.fetch_add(1, Ordering::Relaxed);
        let user = spec.user.as_deref().unwrap();
        let may_nothing = if spec.resource_attributes.as_ref().is_some_and(|it| it.namespace.is_none()) {
            &self.confined
        } else {
            &self.denied
        };
        let allowed = !may_nothing.lock().unwrap().contains(user);
        self.asked.lock().unwrap().push(spec);
        let reason = (!allowed).then(|| "no role lets them".to_owned());
        self.answer(SubjectAccessReviewStatus { allowed, reason, ..SubjectAccessReviewStatus::default() })
    }
}
