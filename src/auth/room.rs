//! Room for requests that have to wait: for a review, for a token's owner, for the first read of a signal.
//!
//! An answer from memory takes no place here and meets no lock. What waits piles up, so it is bounded for each
//! caller and for all together, and beyond that refused at once. The HPA controller and the aggregation layer
//! are never refused for want of room, and their reviews never queue behind those of strangers.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::Settings;
use super::identity::User;
use crate::api::status::Status;
use crate::telemetry::Telemetry;
use crate::telemetry::identity::Shed;

/// Places of one caller: more than one HTTP/2 connection can have requests under way (100).
const MOST_OF_ONE: usize = 128;

/// Places of all callers, the preferred ones not counted. Each holds some 20 KiB at the worst.
const MOST_OF_ALL: usize = 512;

/// A caller's requests beyond so many have their reviews made after everybody else's.
const MODEST: usize = 16;

/// The aggregation layer's names, when it asks for itself whether we are there and what we serve.
const AGGREGATORS: [&str; 2] = ["system:kube-aggregator", "system:aggregator"];

/// Who waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Waiter {
    /// Somebody whose requests the cluster depends on.
    Preferred,
    /// A user, or all service accounts of a namespace: whoever may make one may make many.
    Tenant(Box<str>),
    /// Whoever comes from this address with a token that nobody knows yet.
    Peer(IpAddr),
}

impl Waiter {
    /// As whom this user waits.
    pub(super) fn of(user: &User, settings: &Settings) -> Self {
        let name = user.name();
        if AGGREGATORS.contains(&name) || settings.honoured.iter().any(|honoured| honoured == name) {
            return Self::Preferred;
        }
        let rest = name.strip_prefix("system:serviceaccount:");
        let namespace = rest.and_then(|rest| rest.split_once(':')).map(|(namespace, _)| namespace);
        Self::Tenant(
            namespace.map_or_else(|| name.into(), |it| format!("system:serviceaccounts:{it}").into()),
        )
    }
}

/// Whose reviews are made before whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// The preferred callers'.
    First,
    /// Those of callers with few requests.
    Usual,
    /// Those of callers with many.
    Last,
}

/// The room.
#[derive(Debug)]
pub(super) struct Room {
    taken: Mutex<Taken>,
    telemetry: Arc<Telemetry>,
}

#[derive(Debug, Default)]
struct Taken {
    by: HashMap<Waiter, usize>,
    /// Of all but the preferred.
    all: usize,
}

/// A place in the room. Its request has it, and so has the review that was begun for it: a caller who goes
/// away before the answer gains nothing.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    waiter: Waiter,
    turn: Turn,
}

impl Room {
    pub(super) fn new(telemetry: Arc<Telemetry>) -> Self {
        Self { taken: Mutex::default(), telemetry }
    }

    /// A place for one more request.
    ///
    /// # Errors
    /// The 429 to answer with, if the caller or all together have too many.
    pub(super) fn enter(self: &Arc<Self>, waiter: Waiter) -> Result<Arc<Place>, Status> {
        let turn = {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = &mut *taken;
            let count = taken.by.get(&waiter).copied().unwrap_or_default();
            let turn = if waiter == Waiter::Preferred {
                Turn::First
            } else if count >= MOST_OF_ONE {
                return Err(self.shed(Shed::Caller, MOST_OF_ONE, "requests of this caller"));
            } else if taken.all >= MOST_OF_ALL {
                return Err(self.shed(Shed::All, MOST_OF_ALL, "requests"));
            } else {
                taken.all += 1;
                if count < MODEST { Turn::Usual } else { Turn::Last }
            };
            taken.by.insert(waiter.clone(), count + 1);
            turn
        };
        self.telemetry.identity.waits(1);
        Ok(Arc::new(Place { room: Arc::clone(self), waiter, turn }))
    }

    fn shed(&self, bound: Shed, most: usize, what: &str) -> Status {
        self.telemetry.identity.shed(bound);
        Status::too_many_requests(format!(
            "{most} {what} are waiting already: ask again once they are answered"
        ))
    }
}

impl Place {
    pub(super) fn turn(&self) -> Turn {
        self.turn
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if self.turn != Turn::First {
            taken.all -= 1;
        }
        if let Entry::Occupied(mut count) = taken.by.entry(self.waiter.clone()) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        self.room.telemetry.identity.waits(-1);
    }
}
