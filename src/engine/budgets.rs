//! Budgets at work: every second the spend is looked at, and what follows is published and told.
//!
//! ```text
//! spend, replicas ──▶ breakers ──▶ ledger ──▶ answers
//!                      ▲    │
//!               memory ┴────┴▶ log, metrics, Events
//! ```
//!
//! Each replica looks for itself. What they share is a memory of the last change of each breaker, so that
//! they agree, and so that a restart forgets nothing.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tracing::{error, info, warn};

use super::{Ask, Engine};
use crate::core::autoscaler::Autoscaler;
use crate::core::budget::{Account, Breaker, Budget, Fleet, Spend, Standing, State};
use crate::core::evaluate::Whom;
use crate::core::metric::Metric;
use crate::core::selector::Selector;
use crate::core::time::Timestamp;
use crate::core::workload::Knowledge;

mod observe;

pub use observe::Budgets;

/// How often the spend is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// How long a spend that has never been read is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// After so long it goes on without what it cannot remember.
const RECALL: Duration = Duration::from_secs(10);

/// The last change of a budget's breaker, by the budget's name.
pub type Record = (String, Breaker);

/// What remembers breakers beyond this process, for all replicas.
pub trait Remember: Send + Sync {
    /// What is remembered; `None` while that is not known. Answers from memory.
    fn load(&self) -> Option<Vec<Record>>;

    /// Has these remembered beside others. Returns without waiting; what fails is tried again.
    fn store(&self, records: Vec<Record>);
}

/// What tells people.
pub trait Herald: Send + Sync {
    /// Tells of a change that concerns this autoscaler. Returns without waiting.
    fn tell(&self, autoscaler: &Autoscaler, notice: &Notice);
}

/// A change that people are told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The budget.
    pub budget: Arc<str>,
    /// One word.
    pub reason: &'static str,
    /// A sentence.
    pub message: String,
    /// Whether it needs attention.
    pub warning: bool,
    /// When it came about. Replicas that tell of the same change say the same.
    pub since: Timestamp,
}

impl Engine {
    /// Keeps the budgets until it is dropped.
    pub async fn watch_budgets(self: Arc<Self>, memory: Arc<dyn Remember>, herald: Arc<dyn Herald>) {
        let mut keeper = Keeper { engine: self, memory, herald, began: None, told: HashMap::new() };
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            // What cannot be looked at is told, and looked at again: a ledger that stands still would lie.
            if AssertUnwindSafe(keeper.look()).catch_unwind().await.is_err() {
                error!("budgets could not be looked at; they stand as they did");
            }
        }
    }

    /// The value of a metric that only budgets read, or why it has none.
    async fn amount(&self, metric: &Metric) -> Result<f64, String> {
        let selector = Selector::everything();
        let ask = Ask {
            metric: &metric.name,
            namespace: "",
            selector: &selector,
            whom: Whom::All,
            patience: PATIENCE,
        };
        Ok(self.ask_any(ask).await.map_err(|error| error.to_string())?.reading.value)
    }
}

struct Keeper {
    engine: Arc<Engine>,
    memory: Arc<dyn Remember>,
    herald: Arc<dyn Herald>,
    /// When a budget was first looked at.
    began: Option<Instant>,
    /// What people were told last of each budget.
    told: HashMap<Arc<str>, Told>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    state: State,
    is_lost: bool,
}

/// What is known of the cluster at one look.
struct Seen {
    autoscalers: Option<Vec<Arc<Autoscaler>>>,
    now: Timestamp,
}

impl Keeper {
    async fn look(&mut self) {
        let budgets = self.engine.generation().budgets().to_vec();
        self.told.retain(|name, told| {
            let is_there = budgets.iter().any(|budget| budget.name == *name);
            if !is_there && told.state == State::Open {
                info!(
                    budget = &**name,
                    "an open budget is gone from the configuration and holds nothing any more"
                );
            }
            is_there
        });
        if budgets.is_empty() {
            return;
        }
        let has_recalled = self.began.get_or_insert_with(Instant::now).elapsed() >= RECALL;
        let read = |budget: &Arc<Budget>| {
            let (engine, metric) = (Arc::clone(&self.engine), budget.reads().cloned());
            async move {
                match metric {
                    Some(metric) => engine.amount(&metric).await.map(Some),
                    None => Ok(None),
                }
            }
        };
        let amounts = join_all(budgets.iter().map(read)).await;
        let inventory = self.engine.inventory.as_ref();
        let is_complete = inventory.is_some_and(|known| known.knowledge() == Knowledge::Complete);
        let autoscalers = inventory.filter(|_| is_complete).and_then(|known| known.all_autoscalers());
        let seen = Seen { autoscalers, now: self.engine.clock.now() };
        let remembered = self.memory.load();
        let may_judge = remembered.is_some() || has_recalled;

        let before = self.engine.ledger();
        let (mut accounts, mut causes) = (Vec::with_capacity(budgets.len()), Vec::new());
        for (budget, amount) in budgets.iter().zip(amounts) {
            let Some(old) = before.accounts.iter().find(|old| Arc::ptr_eq(&old.budget, budget)) else {
                continue; // A reload came in between; the next look is at the new ones.
            };
            let record = remembered.iter().flatten().find(|(name, _)| **name == *budget.name);
            let breaker = record.map_or(old.breaker, |(_, record)| old.breaker.agree(record));
            let (amount, cause) = match amount {
                Ok(amount) => (amount, None),
                Err(cause) => (None, Some(cause)),
            };
            let new = account(budget, breaker, amount, &seen, may_judge);
            causes.push(cause);
            accounts.push(new);
        }
        self.engine.ledger.rcu(|ledger| ledger.updated(&accounts, seen.autoscalers.is_some()));
        for (new, cause) in accounts.iter().zip(causes) {
            let old = before.accounts.iter().find(|old| Arc::ptr_eq(&old.budget, &new.budget));
            if let Some(old) = old.filter(|old| old.standing != new.standing) {
                self.note(old, new, cause.as_deref().unwrap_or_default());
            }
        }
        if let Some(remembered) = &remembered {
            self.remember(&accounts, remembered);
        }
        self.tell(&accounts, remembered.as_deref(), &seen);
    }

    /// Says in the log and in our own metrics what has changed.
    fn note(&self, old: &Account, new: &Account, cause: &str) {
        let (budget, limit) = (&*new.budget.name, new.budget.limit);
        let (was, is) = (old.standing, new.standing);
        self.engine.telemetry.budget_moved(budget, &is.to_string());
        let spend = new.spend.map_or_else(|| "unknown".to_owned(), |spend| format!("{spend:.2}"));
        if is.is_lost() {
            warn!(budget, %was, %is, limit, cause, "the spend of a budget is not known");
        } else if is.holds() {
            warn!(budget, %was, %is, spend, limit, cause, "a budget lets nobody grow");
        } else {
            info!(budget, %was, %is, spend, limit, "a budget lets its autoscalers grow");
        }
    }

    /// Has what has changed here remembered.
    fn remember(&self, accounts: &[Account], remembered: &[Record]) {
        let is_new = |name: &str, breaker: &Breaker| {
            let known = remembered.iter().find(|(known, _)| known == name);
            known.is_none_or(|(_, known)| (known.state, known.since) != (breaker.state, breaker.since))
        };
        let changed: Vec<Record> = accounts
            .iter()
            .map(|account| (account.budget.name.to_string(), account.breaker))
            .filter(|(name, breaker)| breaker.state != State::Unknown && is_new(name, breaker))
            .collect();
        if !changed.is_empty() {
            self.memory.store(changed);
        }
    }

    /// Tells the autoscalers of what is remembered: then all replicas tell of one change, and once.
    fn tell(&mut self, accounts: &[Account], remembered: Option<&[Record]>, seen: &Seen) {
        // To those that are not known yet it is told as soon as they are.
        let Some(autoscalers) = &seen.autoscalers else { return };
        for account in accounts {
            let Account { budget, breaker, .. } = account;
            let is_common = match remembered {
                Some(all) => all.iter().any(|(name, one)| {
                    **name == *budget.name && (one.state, one.since) == (breaker.state, breaker.since)
                }),
                None => breaker.state != State::Unknown,
            };
            let new = Told { state: breaker.state, is_lost: account.standing.is_lost() };
            // A loss is seen by each for itself, and nothing is remembered of it.
            if !(is_common || new.is_lost) {
                continue;
            }
            let old = self.told.insert(Arc::clone(&budget.name), new);
            let Some(notice) = notice(account, old, new) else { continue };
            for one in autoscalers.iter().filter(|one| budget.guards(one)) {
                self.herald.tell(one, &notice);
            }
        }
    }
}

/// Each replica sees a loss for itself, a moment sooner or later than the others.
fn rounded(since: Timestamp) -> Timestamp {
    let step = 600_000;
    Timestamp::from_millis(since.as_millis() - since.as_millis().rem_euclid(step))
}

/// The account after one look. Nothing is judged before it is known what is remembered.
fn account(
    budget: &Arc<Budget>,
    breaker: Breaker,
    amount: Option<f64>,
    seen: &Seen,
    may_judge: bool,
) -> Account {
    let autoscalers = seen.autoscalers.as_deref();
    let (spend, price) = match &budget.spend {
        Spend::Metric(_) => (amount, None),
        Spend::Replicas(_) => {
            let spend = autoscalers.and_then(|all| Fleet::of(budget, all, amount).spend());
            (spend, amount)
        }
    };
    let breaker = if may_judge { breaker.step(budget, spend, seen.now) } else { breaker };
    Account::new(Arc::clone(budget), breaker, spend, autoscalers.unwrap_or_default(), price, seen.now)
}

/// What is to be told of a budget, if anything is.
fn notice(account: &Account, old: Option<Told>, new: Told) -> Option<Notice> {
    let Account { budget, breaker, standing, spend, .. } = account;
    let (name, limit) = (&budget.name, budget.limit);
    let spent = spend.map_or_else(|| "not known".to_owned(), |spend| format!("{spend:.2}"));
    let was_lost = old.is_some_and(|old| old.is_lost);
    let (reason, message, warning, since) = if new.is_lost && !was_lost {
        let effect = if *standing == Standing::Lost {
            "no replicas are added until it is known again"
        } else {
            "nothing is held back until it is known again"
        };
        let message = format!("the spend of budget {name} is not known: {effect}");
        ("BudgetSpendUnknown", message, true, rounded(breaker.lost_since?))
    } else if new.is_lost || old == Some(new) {
        return None;
    } else if new.state == State::Open {
        let message = format!(
            "budget {name} is open: spend {spent} of {limit}; no replicas are added until it is below {} and \
             the budget has been open for {}",
            budget.reset_below,
            crate::core::time::Human(budget.minimum_open)
        );
        ("BudgetExceeded", message, true, breaker.since)
    } else if was_lost || old.is_some_and(|old| old.state == State::Open) {
        let message =
            format!("budget {name} is closed: spend {spent} of {limit}; replicas may be added again");
        ("BudgetReset", message, false, breaker.since)
    } else {
        return None;
    };
    Some(Notice { budget: Arc::clone(name), reason, message, warning, since })
}
