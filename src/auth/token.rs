//! Bearer tokens, reviewed by the API server and remembered for a short while, never in clear.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use k8s_openapi::api::authentication::v1::{TokenReviewSpec, TokenReviewStatus};
use moka::sync::Cache;
use rustls::crypto::ring;
use tokio::time::Instant;

use super::Settings;
use super::flight::{Flight, Flights};
use super::identity::{Fields, Key, User};
use super::reviewer::{ReviewError, Reviewer};
use super::room::Place;
use crate::api::status::Status;
use crate::telemetry::Telemetry;
use crate::telemetry::identity::Review;

/// The longest token that is reviewed, in bytes.
const LONGEST: usize = 16 * 1024;

/// Tokens that are remembered.
const MOST_TOKENS: u64 = 4096;

/// How long an answer is forgotten at the latest, by a clock that a test does not move.
const FORGOTTEN: Duration = Duration::from_mins(1);

/// Whose a token is: somebody's or nobody's.
pub(super) type Owner = Option<Arc<User>>;

/// What is known of a token at once.
pub(super) enum Lookup {
    /// Reviewed not long ago.
    Known(Owner),
    /// Being reviewed; to be waited for in this place.
    Asked(Flight<Owner>, Arc<Place>),
    /// There is no place to wait in.
    Crowded(Status),
}

/// What a request brings as a bearer token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Brought<T> {
    /// A token.
    Token(T),
    /// Nothing, or another kind of credential.
    Nothing,
    /// Something that cannot be a token, or several.
    Nonsense,
}

/// Recognises tokens.
pub(super) struct Tokens {
    /// Goes into every digest, so that what is kept is of no use to who reads our memory elsewhere.
    secret: Key,
    known: Cache<Key, (Owner, Instant)>,
    flights: Flights<Owner>,
    reviewer: Arc<dyn Reviewer>,
    settings: Settings,
}

impl Tokens {
    pub(super) fn new(reviewer: Arc<dyn Reviewer>, settings: Settings, telemetry: Arc<Telemetry>) -> Self {
        let mut secret = Key::default();
        // Without randomness there would be no TLS either; the digest is one-way even then.
        let _ = ring::default_provider().secure_random.fill(&mut secret);
        Self {
            secret,
            known: Cache::builder().max_capacity(MOST_TOKENS).time_to_live(FORGOTTEN).build(),
            flights: Flights::new(Review::Token, settings.wait, telemetry),
            reviewer,
            settings,
        }
    }

    /// Whose this token is, now or in a while, for which a place is needed.
    pub(super) fn look_up(&self, token: &str, enter: impl FnOnce() -> Result<Arc<Place>, Status>) -> Lookup {
        let mut key = Fields::new();
        key.add(&self.secret);
        key.add(token.as_bytes());
        let key = key.end();
        if let Some(owner) = self.fresh(&key) {
            return Lookup::Known(owner);
        }
        let place = match enter() {
            Ok(place) => place,
            Err(full) => return Lookup::Crowded(full),
        };
        let ask = || {
            let audiences = self.settings.audiences.clone();
            let spec = TokenReviewSpec {
                token: Some(token.to_owned()),
                audiences: (!audiences.is_empty()).then(|| audiences.clone()),
            };
            let question = self.reviewer.token(spec);
            let known = self.known.clone();
            async move {
                let owner = owner(question.await?, &audiences);
                known.insert(key, (owner.clone(), Instant::now()));
                Ok::<_, ReviewError>(owner)
            }
        };
        Lookup::Asked(self.flights.join(key, &place, || self.fresh(&key), ask), place)
    }

    fn fresh(&self, key: &Key) -> Option<Owner> {
        let (owner, asked) = self.known.get(key)?;
        let lives = if owner.is_some() { self.settings.allowed } else { self.settings.denied };
        (asked.elapsed() < lives).then_some(owner)
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> u64 {
        self.known.run_pending_tasks();
        self.known.entry_count()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

/// The bearer token of a request.
pub(super) fn brought(headers: &HeaderMap) -> Brought<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Brought::Nothing };
    if values.next().is_some() {
        return Brought::Nonsense;
    }
    let Ok(value) = value.to_str() else { return Brought::Nonsense };
    let (scheme, token) = value.trim().split_once(' ').unwrap_or((value, ""));
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Brought::Nothing;
    }
    if token.len() > LONGEST || token.contains(' ') {
        return Brought::Nonsense;
    }
    Brought::Token(token)
}

/// The user of a reviewed token. With audiences asked for, an answer that names none of them is of an
/// authenticator that does not know audiences, and means nothing.
fn owner(status: TokenReviewStatus, audiences: &[String]) -> Owner {
    if status.authenticated != Some(true) {
        return None;
    }
    let given = status.audiences.unwrap_or_default();
    if !audiences.is_empty() && !given.iter().any(|one| audiences.contains(one)) {
        return None;
    }
    let user = status.user?;
    let name = user.username.filter(|name| !name.is_empty())?;
    let uid = user.uid.filter(|uid| !uid.is_empty());
    Some(Arc::new(User::new(name, uid, user.groups.unwrap_or_default(), user.extra.unwrap_or_default())))
}
