//! What goes wrong, by order of a test.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::problem::Problem;

/// What happens to requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Connections are closed, open ones and new ones. Only for all requests at once.
    Refuse,
    /// Requests get no answer, watches no event, until the fault is gone.
    Hang,
    /// Requests are answered with this code, watches end.
    Fail(u16),
    /// Requests are answered this much later.
    Slow(Duration),
}

#[derive(Default)]
struct Orders {
    everywhere: Option<Fault>,
    /// Faults of requests whose path has this word in it.
    somewhere: Vec<(String, Fault)>,
    /// Verbs and full names of kinds that our own service account may not use.
    forbidden: Vec<(String, String)>,
}

pub(super) struct Faults {
    orders: Mutex<Orders>,
    ticks: watch::Sender<u64>,
}

impl Faults {
    pub(super) fn none() -> Self {
        Self { orders: Mutex::default(), ticks: watch::Sender::new(0) }
    }

    fn change(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.orders.lock().expect("no panic"));
        self.ticks.send_modify(|tick| *tick += 1);
    }

    pub(super) fn everywhere(&self, fault: Option<Fault>) {
        self.change(|orders| orders.everywhere = fault);
    }

    pub(super) fn somewhere(&self, word: &str, fault: Option<Fault>) {
        self.change(|orders| {
            orders.somewhere.retain(|(known, _)| known != word);
            orders.somewhere.extend(fault.map(|fault| (word.to_owned(), fault)));
        });
    }

    pub(super) fn forbid(&self, verb: &str, kind: &str, forbidden: bool) {
        let rule = (verb.to_owned(), kind.to_owned());
        self.change(|orders| {
            orders.forbidden.retain(|known| *known != rule);
            orders.forbidden.extend(forbidden.then_some(rule));
        });
    }

    pub(super) fn forbids(&self, verb: &str, kind: &str) -> bool {
        let orders = self.orders.lock().expect("no panic");
        orders.forbidden.iter().any(|(v, k)| v == verb && k == kind)
    }

    fn of(&self, path: &str) -> Option<Fault> {
        let orders = self.orders.lock().expect("no panic");
        let local = orders.somewhere.iter().find(|(word, _)| path.contains(word)).map(|(_, fault)| fault);
        local.or(orders.everywhere.as_ref()).cloned()
    }

    pub(super) fn refuses(&self) -> bool {
        self.orders.lock().expect("no panic").everywhere == Some(Fault::Refuse)
    }

    pub(super) fn silences_watches(&self) -> bool {
        self.orders.lock().expect("no panic").everywhere == Some(Fault::Hang)
    }

    pub(super) fn ends_watches(&self) -> bool {
        matches!(self.orders.lock().expect("no panic").everywhere, Some(Fault::Fail(_) | Fault::Refuse))
    }

    /// Resolves when connections are to be closed.
    pub(super) async fn refusal(&self) {
        let mut ticks = self.ticks.subscribe();
        while !self.refuses() {
            if ticks.changed().await.is_err() {
                return;
            }
        }
    }

    /// What the fault of this path does to a request before it is looked at.
    pub(super) async fn befall(&self, path: &str) -> Result<(), Problem> {
        let mut ticks = self.ticks.subscribe();
        loop {
            match self.of(path) {
                Some(Fault::Fail(code)) => {
                    return Err(Problem::new(code, "InternalError", "a fault by order of the test"));
                }
                Some(Fault::Slow(delay)) => {
                    sleep(delay).await;
                    return Ok(());
                }
                Some(Fault::Hang | Fault::Refuse) => {
                    let _ = ticks.changed().await;
                }
                None => return Ok(()),
            }
        }
    }
}
