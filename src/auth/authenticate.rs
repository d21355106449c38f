//! Who is asking: the three ways to be recognised, in kube-apiserver's order.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::SystemTime;

use http::HeaderMap;

use super::Auth;
use super::certificate;
use super::flight::Flight;
use super::front_proxy::Named;
use super::identity::User;
use super::room::{Place, Waiter};
use super::token::{self, Brought, Lookup, Owner};
use super::trust::Trust;
use crate::api::status::Status;
use crate::server::{ConnectionInfo, Presented};
use crate::telemetry::identity::Authentication;

/// Who is asking, as far as it is known at once.
pub(super) enum Caller {
    /// This user, recognised in this way.
    Known(Arc<User>, Authentication),
    /// The owner of a token that is being reviewed, to be waited for in this place.
    Asked(Flight<Owner>, Arc<Place>),
    /// The owner of a token that there is no room to review.
    Crowded(Status),
    /// Somebody we do not know, for this reason.
    Unknown(Authentication),
}

/// What a certificate says under one version of trust, until a moment.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) generation: u64,
    pub(super) until: Option<SystemTime>,
    pub(super) standing: Standing,
}

/// What a certificate makes of its owner.
#[derive(Clone, Debug, Default)]
pub(super) struct Standing {
    /// May speak for others.
    pub(super) front_proxy: bool,
    /// Is this user.
    pub(super) user: Option<Arc<User>>,
}

impl Auth {
    /// Recognises the caller of a request, without waiting.
    pub(super) fn caller(
        &self,
        trust: &Trust,
        connection: Option<&ConnectionInfo>,
        headers: &HeaderMap,
    ) -> Caller {
        let presented = connection.and_then(|connection| connection.presented.as_deref());
        let standing = presented.map(|presented| self.standing(trust, presented)).unwrap_or_default();
        if standing.front_proxy
            && let Some(proxy) = &trust.front_proxy
        {
            match self.users.read(proxy, headers) {
                Named::User(user) => return Caller::Known(user, Authentication::FrontProxy),
                Named::Unclear => return Caller::Unknown(Authentication::Refused),
                Named::Nobody => {}
            }
        }
        if let Some(user) = standing.user {
            return Caller::Known(user, Authentication::ClientCertificate);
        }
        match token::brought(headers) {
            Brought::Token(token) => self.owner_of(token, connection),
            Brought::Nonsense => Caller::Unknown(Authentication::Refused),
            Brought::Nothing if presented.is_some() => Caller::Unknown(Authentication::Refused),
            Brought::Nothing => Caller::Unknown(Authentication::Anonymous),
        }
    }

    /// Until it is known whose a token is, it waits as one from its address.
    fn owner_of(&self, token: &str, connection: Option<&ConnectionInfo>) -> Caller {
        let peer = connection.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |connection| connection.peer.ip());
        match self.tokens.look_up(token, || self.room.enter(Waiter::Peer(peer))) {
            Lookup::Known(Some(user)) => Caller::Known(user, Authentication::Token),
            Lookup::Known(None) => Caller::Unknown(Authentication::Refused),
            Lookup::Asked(flight, place) => Caller::Asked(flight, place),
            Lookup::Crowded(full) => Caller::Crowded(full),
        }
    }

    /// What the certificate says, looked at once for each connection and version of trust.
    fn standing(&self, trust: &Trust, presented: &Presented) -> Standing {
        let now = (self.settings.clock)();
        let kept = presented.verdict(|verdict: &Verdict| {
            let holds =
                verdict.generation == trust.generation && verdict.until.is_none_or(|until| now < until);
            holds.then(|| verdict.standing.clone())
        });
        if let Some(standing) = kept.flatten() {
            return standing;
        }
        let chain = presented.chain();
        let front_proxy = trust.front_proxy.as_ref().is_some_and(|proxy| {
            let name = certificate::common_name(chain);
            let allowed = proxy.names.is_empty() || name.is_some_and(|name| proxy.names.contains(&name));
            allowed && proxy.authorities.vouch_for(chain, now)
        });
        let user = trust
            .clients
            .as_ref()
            .filter(|clients| clients.vouch_for(chain, now))
            .and_then(|_| certificate::user(chain))
            .map(Arc::new);
        let standing = Standing { front_proxy, user };
        presented.judge(Verdict {
            generation: trust.generation,
            until: certificate::next_change(chain, now),
            standing: standing.clone(),
        });
        standing
    }
}
