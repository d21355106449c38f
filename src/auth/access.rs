//! Whether a user may: decided by the API server, remembered for a short while.

use std::fmt;
use std::sync::Arc;

use moka::sync::Cache;
use tokio::time::{Instant, timeout_at};

use super::Settings;
use super::attributes::Attributes;
use super::flight::{Flight, Flights};
use super::identity::{Fields, Key, MASTERS, User};
use super::reviewer::{ReviewError, Reviewer, access_spec};
use super::room::Place;
use super::wide::{Kind, Kinds};
use crate::api::status::Status;
use crate::telemetry::Telemetry;
use crate::telemetry::identity::{self, Authentication, Review};

/// Decisions that are remembered.
const MOST_DECISIONS: u64 = 8192;

/// Bytes of a reason that are kept and shown.
const LONGEST_REASON: usize = 1024;

/// What the API server decided.
#[derive(Clone, Debug)]
pub(super) struct Decided {
    allowed: bool,
    /// Of a refusal.
    reason: Arc<str>,
    at: Instant,
}

/// May they?
#[derive(Clone, Debug)]
pub(super) enum Decision {
    /// Yes.
    Allowed,
    /// No, for this reason, which may be empty.
    Denied(Arc<str>),
    /// Nobody can say, for this reason.
    Unavailable(ReviewError),
}

/// The same for two requests of which an authorizer must say the same, by users it cannot tell apart.
pub(super) fn key(user: &User, subject: &Key) -> Key {
    let mut key = Fields::new();
    key.add(user.key());
    key.add(subject);
    key.end()
}

/// What is known of a request at once.
pub(super) enum Lookup {
    /// Decided.
    Known(Decision),
    /// Being decided; to be waited for in this place.
    Asked(Question, Arc<Place>),
    /// There is no place to wait in.
    Crowded(Status),
}

/// A decision to come.
pub(super) struct Question {
    flight: Flight<Decided>,
    /// What the HPA controller lives on while there is no decision.
    earlier: Option<Earlier>,
}

/// Where earlier decisions are found: on all of a kind, where that is asked, and on this request.
struct Earlier {
    all: Option<Key>,
    one: Key,
}

/// Decides.
pub(super) struct Access {
    decided: Cache<Key, Decided>,
    kinds: Kinds,
    flights: Flights<Decided>,
    reviewer: Arc<dyn Reviewer>,
    settings: Settings,
    telemetry: Arc<Telemetry>,
}

impl Access {
    pub(super) fn new(reviewer: Arc<dyn Reviewer>, settings: Settings, telemetry: Arc<Telemetry>) -> Self {
        Self {
            decided: Cache::builder().max_capacity(MOST_DECISIONS).time_to_live(settings.stale).build(),
            kinds: Kinds::new(),
            flights: Flights::new(Review::Access, settings.wait, Arc::clone(&telemetry)),
            reviewer,
            settings,
            telemetry,
        }
    }

    /// Whether this user, recognised in this way, may do this, now or in a while, for which a place is needed.
    pub(super) fn look_up(
        &self,
        user: &User,
        how: Authentication,
        attributes: &Attributes<'_>,
        enter: impl FnOnce() -> Result<Arc<Place>, Status>,
    ) -> Lookup {
        if user.is_in(MASTERS) {
            return self.known(Decision::Allowed, identity::Access::Allowed);
        }
        let is_honoured = self.settings.honoured.iter().any(|name| name == user.name());
        let is_vouched_for = how == Authentication::FrontProxy;
        let wide = Kind::of(attributes).filter(|_| is_honoured && is_vouched_for);
        let wide = wide.map(|kind| (kind, key(user, self.kinds.key(kind))));
        if let Some((kind, all)) = wide
            && let Some(decided) = self.fresh(&all).filter(|decided| decided.allowed)
        {
            let is_due = self.is_old(&decided) && !self.flights.is_out_of_reach();
            if is_due && let Ok(place) = enter() {
                self.widen(user, kind, all, &place);
            }
            return self.known(Decision::Allowed, identity::Access::Allowed);
        }
        let one = key(user, &attributes.key());
        if let Some(decided) = self.fresh(&one) {
            return Lookup::Known(self.tell(decided));
        }
        let earlier = is_honoured.then(|| Earlier { all: wide.map(|(_, all)| all), one });
        let widen = |place: &Arc<Place>, (kind, all)| self.widen(user, kind, all, place);
        let join = |place: &Arc<Place>| {
            self.flights.join(one, place, || self.fresh(&one), || self.ask(one, user, attributes))
        };
        // An outage is no reason to wait, for who would not be refused in the end, and an API server in trouble is
        // not to be asked about each request.
        if self.flights.is_out_of_reach() && self.is_stale_allowed(earlier.as_ref()) {
            if self.flights.is_to_be_tried()
                && let Ok(place) = enter()
            {
                wide.map_or_else(|| drop(join(&place)), |wide| widen(&place, wide));
            }
            return self.known(Decision::Allowed, identity::Access::StaleAllowed);
        }
        let place = match enter() {
            Ok(place) => place,
            Err(full) => return Lookup::Crowded(full),
        };
        let flight = join(&place);
        if let Some(wide) = wide.filter(|(_, all)| self.fresh(all).is_none()) {
            widen(&place, wide);
        }
        Lookup::Asked(Question { flight, earlier }, place)
    }

    /// Begins to ask whether this user may do all of this kind. Nobody waits for the answer.
    fn widen(&self, user: &User, kind: Kind, all: Key, place: &Arc<Place>) {
        let known = || self.fresh(&all).filter(|decided| !self.is_old(decided));
        drop(self.flights.join(all, place, known, || self.ask(all, user, &kind.attributes())));
    }

    /// Whether it is time to ask again, beside what this answers meanwhile.
    fn is_old(&self, decided: &Decided) -> bool {
        decided.at.elapsed() > self.settings.allowed / 3
    }

    /// Waits for a decision, until `deadline` at most.
    pub(super) async fn wait(&self, question: Question, deadline: Instant) -> Decision {
        let Question { flight, earlier } = question;
        let error = match timeout_at(deadline, flight).await {
            Ok(Ok(decided)) => return self.tell(decided),
            Ok(Err(error)) => error,
            Err(_) => ReviewError::timed_out(self.settings.wait),
        };
        let unreachable = matches!(error, ReviewError::Unreachable(_));
        if unreachable && self.is_stale_allowed(earlier.as_ref()) {
            self.telemetry.identity.decided(identity::Access::StaleAllowed);
            return Decision::Allowed;
        }
        self.telemetry.identity.decided(identity::Access::Unavailable);
        Decision::Unavailable(error)
    }

    fn ask(
        &self,
        key: Key,
        user: &User,
        attributes: &Attributes<'_>,
    ) -> impl Future<Output = Result<Decided, ReviewError>> + use<> {
        let question = self.reviewer.access(access_spec(user, attributes));
        let decided = self.decided.clone();
        async move {
            let answer = question.await?;
            let allowed = answer.allowed && answer.denied != Some(true);
            let reason = if allowed { String::new() } else { answer.reason.unwrap_or_default() };
            let reason: String = reason.chars().take(LONGEST_REASON).collect();
            let answer = Decided { allowed, reason: reason.into(), at: Instant::now() };
            decided.insert(key, answer.clone());
            Ok(answer)
        }
    }

    fn known(&self, decision: Decision, counted: identity::Access) -> Lookup {
        self.telemetry.identity.decided(counted);
        Lookup::Known(decision)
    }

    fn tell(&self, decided: Decided) -> Decision {
        if decided.allowed {
            self.telemetry.identity.decided(identity::Access::Allowed);
            Decision::Allowed
        } else {
            self.telemetry.identity.decided(identity::Access::Denied);
            Decision::Denied(decided.reason)
        }
    }

    fn fresh(&self, key: &Key) -> Option<Decided> {
        let decided = self.decided.get(key)?;
        let lives = if decided.allowed { self.settings.allowed } else { self.settings.denied };
        (decided.at.elapsed() < lives).then_some(decided)
    }

    /// Whether the last decision allowed it, not too long ago. A no to all is no answer to one.
    fn is_stale_allowed(&self, earlier: Option<&Earlier>) -> bool {
        let Some(Earlier { all, one }) = earlier else { return false };
        let all = all.and_then(|all| self.decided.get(&all)).filter(|decided| decided.allowed);
        let last = all.into_iter().chain(self.decided.get(one)).max_by_key(|decided| decided.at);
        last.is_some_and(|decided| decided.allowed && decided.at.elapsed() < self.settings.stale)
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> u64 {
        self.decided.run_pending_tasks();
        self.decided.entry_count()
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}
