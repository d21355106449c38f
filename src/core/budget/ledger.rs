//! The ledger: all budgets as they stand at a moment, and what they make of a value.

use std::sync::Arc;

use super::hold::{Cap, Most, hold, hold_each, mean};
use super::share::{Fleet, Replicas, replicas_now};
use super::{Breaker, Budget, Guarded, Spend, Standing};
use crate::core::autoscaler::Autoscaler;
use crate::core::guard::GuardStep;
use crate::core::justify::Asker;
use crate::core::reading::Reading;
use crate::core::refusal::Refusal;
use crate::core::time::Timestamp;

/// The budgets at a moment.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Another number whenever a value may be held otherwise than before.
    pub version: u64,
    /// One for each budget, in the order of the configuration.
    pub accounts: Vec<Account>,
    /// Whether all HPAs of the cluster are known as of a moment ago. If not, whoever may be held is
    /// refused every value that justifies anything.
    pub is_complete: bool,
}

/// A budget at a moment.
#[derive(Debug, Clone)]
pub struct Account {
    /// The budget.
    pub budget: Arc<Budget>,
    /// What is remembered of it.
    pub breaker: Breaker,
    /// What it does.
    pub standing: Standing,
    /// The spend, where it is known, in the limit's unit.
    pub spend: Option<f64>,
    /// How many replicas each HPA may have, open or not; `None` where replicas are not what is paid for.
    pub shares: Option<Replicas>,
    /// How many replicas each HPA has that is guarded and has decided.
    pub replicas: Replicas,
}

impl Account {
    /// What is so before anything was looked at.
    pub fn unknown(budget: Arc<Budget>, now: Timestamp) -> Self {
        let breaker = Breaker::unknown(now);
        Self::new(budget, breaker, None, &[], None, now)
    }

    /// The account with the budget's breaker, after a look at all HPAs. `price` is what the budget's
    /// price metric says.
    pub fn new(
        budget: Arc<Budget>,
        breaker: Breaker,
        spend: Option<f64>,
        autoscalers: &[Arc<Autoscaler>],
        price: Option<f64>,
        now: Timestamp,
    ) -> Self {
        let standing = breaker.standing(&budget, now);
        let has = |one: &Arc<Autoscaler>| {
            Some(((Arc::clone(&one.namespace), Arc::clone(&one.name)), replicas_now(one)?))
        };
        let replicas = autoscalers.iter().filter(|one| budget.guards(one)).filter_map(has).collect();
        let is_by_replicas = matches!(budget.spend, Spend::Replicas(_));
        let shares = is_by_replicas.then(|| Fleet::of(&budget, autoscalers, price).shares(budget.limit));
        Self { budget, breaker, standing, spend, shares, replicas }
    }

    /// Whether it holds values otherwise than `before`.
    fn differs(&self, before: &Self) -> bool {
        !Arc::ptr_eq(&self.budget, &before.budget)
            || self.standing != before.standing
            || self.shares != before.shares
            || self.replicas != before.replicas
    }

    /// How many of those that it guards may not have more replicas than they have.
    pub fn held(&self) -> usize {
        match &self.shares {
            _ if self.standing.holds() => self.replicas.len(),
            Some(shares) if self.standing != Standing::Released => {
                let is_full = |(name, now): &(_, &u32)| shares.get(*name).is_some_and(|share| share <= *now);
                self.replicas.iter().filter(is_full).count()
            }
            _ => 0,
        }
    }

    /// Whether any value may be lowered now.
    fn acts(&self) -> bool {
        self.standing.holds() || (self.shares.is_some() && self.standing != Standing::Released)
    }

    fn may_concern(&self, question: &Asked<'_>) -> bool {
        let Asked { metric, namespace, .. } = question;
        self.budget.guards.iter().any(|entry| entry.guarded.may_be(namespace, metric))
    }

    /// Whether a question of nobody that is known may be one of those who are guarded.
    fn may_mean(&self, question: &Asked<'_>) -> bool {
        let Asked { metric, namespace, .. } = question;
        self.budget.guards.iter().any(|entry| match &entry.guarded {
            Guarded::Metric(own) => **own == **metric,
            other => other.may_be(namespace, metric),
        })
    }

    /// How many replicas this one may have.
    fn most(&self, asker: &Asker, autoscalers: &[Arc<Autoscaler>]) -> Most {
        let mut known = autoscalers.iter();
        let is_it = |one: &&Arc<Autoscaler>| one.namespace == asker.namespace && one.name == asker.name;
        let is_guarded = known.find(is_it).is_none_or(|one| self.budget.guards(one));
        if !is_guarded || !self.acts() {
            return Most::Any;
        }
        let Some(now) = asker.replicas else { return Most::Unknown };
        if self.standing.holds() {
            return Most::Replicas(now);
        }
        let name = (Arc::clone(&asker.namespace), Arc::clone(&asker.name));
        // One that is new since the last look gets its share at the next.
        let share = self.shares.as_ref().and_then(|shares| shares.get(&name)).copied();
        Most::Replicas(share.unwrap_or(now).max(now))
    }

    /// What people are told: `open, spend 812 of 800`.
    fn sentence(&self) -> String {
        let spend = self.spend.map_or_else(|| "not known".to_owned(), |spend| format!("{spend:.2}"));
        format!("{}, spend {spend} of {}", self.standing, self.budget.limit)
    }
}

/// A question whose answer may be held.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The metric's name.
    pub metric: &'a str,
    /// The request's namespace.
    pub namespace: &'a str,
    /// The HPAs that ask just this.
    pub askers: &'a [Asker],
    /// The HPAs of the namespace that name the metric, those that ask among them.
    pub autoscalers: &'a [Arc<Autoscaler>],
}

impl Ledger {
    /// The budgets before anything was looked at.
    pub fn unknown(budgets: impl IntoIterator<Item = Arc<Budget>>, now: Timestamp) -> Self {
        let accounts = budgets.into_iter().map(|budget| Account::unknown(budget, now)).collect();
        Self { version: 0, accounts, is_complete: false }
    }

    /// The ledger for other budgets: those that stay by their name stay as they are.
    #[must_use]
    pub fn revised(&self, budgets: &[Arc<Budget>], now: Timestamp) -> Self {
        let account = |budget: &Arc<Budget>| {
            let new = Account::unknown(Arc::clone(budget), now);
            let Some(old) = self.accounts.iter().find(|old| old.budget.name == budget.name) else {
                return new;
            };
            let shares = new.shares.map(|none| old.shares.clone().unwrap_or(none));
            let standing = old.breaker.standing(budget, now);
            Account { breaker: old.breaker, standing, shares, ..new }
        };
        let accounts = budgets.iter().map(account).collect();
        Self { version: self.version + 1, accounts, is_complete: self.is_complete }
    }

    /// The ledger with newer accounts of the same budgets. Its version is another if any holds values
    /// otherwise.
    #[must_use]
    pub fn updated(&self, accounts: &[Account], is_complete: bool) -> Self {
        let newer = |old: &Account| {
            accounts.iter().find(|new| Arc::ptr_eq(&new.budget, &old.budget)).unwrap_or(old).clone()
        };
        let accounts: Vec<Account> = self.accounts.iter().map(newer).collect();
        let differs = is_complete != self.is_complete
            || accounts.iter().zip(&self.accounts).any(|(new, old)| new.differs(old));
        Self { version: self.version + u64::from(differs), accounts, is_complete }
    }

    /// Whether a budget may change the answer; quick where there is none.
    pub fn may_concern(&self, metric: &str, namespace: &str) -> bool {
        let asked = Asked { metric, namespace, askers: &[], autoscalers: &[] };
        self.accounts.iter().any(|account| account.may_concern(&asked))
    }

    /// What is left of an evaluated value once every budget has held it. What each did is added to
    /// `steps`.
    ///
    /// # Errors
    /// What was handed in, and [`Refusal::Budget`] where no value says what is allowed.
    pub fn apply(
        &self,
        asked: Asked<'_>,
        evaluated: Result<Reading, Refusal>,
        mut steps: Option<&mut Vec<GuardStep>>,
    ) -> Result<Reading, Refusal> {
        self.accounts.iter().filter(|account| account.may_concern(&asked)).fold(
            evaluated,
            |value, account| {
                let before = value.as_ref().ok().map(|reading| reading.value);
                let after = value.and_then(|reading| {
                    self.through(account, &asked, reading.value, |caps| hold(reading, caps))
                });
                let is_meant = || asked.autoscalers.iter().any(|one| account.budget.guards(one));
                if let Some(steps) = steps.as_deref_mut().filter(|_| is_meant() || after.is_err()) {
                    steps.push(account.step(before, &after));
                }
                after
            },
        )
    }

    /// The same for the readings of single pods, by their names. They are held together, as the HPA
    /// takes their mean.
    ///
    /// # Errors
    /// [`Refusal::Budget`] where no values say what is allowed.
    pub fn apply_each(
        &self,
        asked: Asked<'_>,
        readings: Vec<(String, Reading)>,
    ) -> Result<Vec<(String, Reading)>, Refusal> {
        self.accounts.iter().filter(|account| account.may_concern(&asked)).try_fold(
            readings,
            |readings, account| {
                self.through(account, &asked, mean(&readings), |caps| hold_each(readings, caps))
            },
        )
    }

    /// Has one account hold something of this value.
    fn through<T>(
        &self,
        account: &Account,
        asked: &Asked<'_>,
        value: f64,
        hold: impl FnOnce(&[Cap<'_>]) -> Result<T, String>,
    ) -> Result<T, Refusal> {
        let Asked { metric, askers, autoscalers, .. } = *asked;
        let refuse = |reason| Refusal::Budget {
            metric: metric.to_owned(),
            budget: account.budget.name.to_string(),
            reason,
        };
        if value > 0.0 && account.acts() {
            if !self.is_complete {
                return Err(refuse(format!(
                    "{}; the cluster's HPAs are not known as of now, so no value is safe",
                    account.sentence()
                )));
            }
            // Those who ask may be new to us, or ask in a way that is not known to be theirs.
            if askers.is_empty() && account.standing.holds() && account.may_mean(asked) {
                return Err(refuse(format!(
                    "{}; no HPA is known to ask this, so no value is safe",
                    account.sentence()
                )));
            }
        }
        let cap = |asker| Cap { asker, most: account.most(asker, autoscalers) };
        let caps: Vec<Cap<'_>> = askers.iter().map(cap).collect();
        hold(&caps).map_err(|reason| refuse(format!("{}; {reason}", account.sentence())))
    }
}

impl Account {
    fn step(&self, before: Option<f64>, after: &Result<Reading, Refusal>) -> GuardStep {
        let value = after.as_ref().ok().map(|reading| reading.value);
        GuardStep {
            guard: format!("budget {}", self.budget.name),
            acts: value != before,
            before,
            after: value,
            why: if value == before || self.standing.holds() {
                self.sentence()
            } else {
                format!("{}: what is left pays no more replicas than these", self.sentence())
            },
        }
    }
}
