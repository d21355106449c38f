//! What to do next about the certificate.
use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::{BACKDATE, Found, SERVING_VALIDITY, SETTLED, State};

/// One change of what is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// All is well.
    Nothing,
    /// Leave what others keep there alone.
    Refuse,
    /// A new CA and a certificate of it.
    Create,
    /// A new certificate of the same CA.
    Renew,
    /// A next CA joins the bundle.
    AddNext,
    /// The next CA becomes the one that issues.
    Switch,
    /// CAs that are of no more use leave the bundle.
    DropOld,
}

/// The step that is due at `now`, and why.
///
/// `names` are those the certificate must be for. `spread` delays what is not urgent: each replica has
/// its own, so that one of them does it and the others see it done. `held` is since when every API service
/// of ours has had the bundle that was found; `None` if one does not, or if it is not known.
pub fn plan(
    found: &Found,
    names: &BTreeSet<String>,
    spread: Duration,
    held: Option<SystemTime>,
    now: SystemTime,
) -> (Step, &'static str) {
    let state = match found {
        Found::Missing => return (Step::Create, "there is no Secret"),
        Found::Foreign => return (Step::Refuse, "the Secret holds a certificate that is not ours"),
        Found::Ours(state) => state,
    };
    let issuer = state.able(state.issuer.as_ref(), now);
    let next = state.able(state.next.as_ref(), now);
    if let Some(flaw) = state.flaw(names, now) {
        let step = match (issuer, next) {
            (Some(_), _) => Step::Renew,
            (None, Some(_)) => Step::Switch,
            (None, None) => Step::Create,
        };
        return (step, flaw);
    }
    let settled = held.is_some_and(|since| since + SETTLED <= now);
    match (issuer, next) {
        (None, None) => return (Step::AddNext, "the CA's key is missing or of no use"),
        (Some((issuer, _)), None) if issuer.validity.due() + spread <= now => {
            return (Step::AddNext, "a third of the CA's time is left");
        }
        (_, Some(_)) if settled => return (Step::Switch, "every API service has the next CA"),
        _ => {}
    }
    let due = state.serving.as_ref().is_some_and(|serving| serving.validity.due() + spread <= now);
    match (issuer, next) {
        // A certificate cannot outlive its CA: the last moment to wait for the API services has come.
        (Some((issuer, _)), Some(_)) if due && issuer.validity.until < now + SERVING_VALIDITY => {
            (Step::Switch, "the CA ends soon")
        }
        (Some(_), _) if due => (Step::Renew, "a third of the certificate's time is left"),
        _ if outdated(state, now) => (Step::DropOld, "no certificate of the old CA is valid"),
        _ => (Step::Nothing, "all is well"),
    }
}

/// Whether a CA in the bundle can be dropped: no replica can serve a certificate of it any more.
fn outdated(state: &State, now: SystemTime) -> bool {
    let in_use = state.in_use();
    let over = |until: SystemTime| until + BACKDATE < now;
    let previous = state.previous.is_some_and(|previous| over(previous.until));
    let idle = state.authorities.iter().enumerate().filter(|(index, _)| !in_use.contains(index));
    idle.into_iter().any(|(_, authority)| previous || over(authority.validity.until))
}
