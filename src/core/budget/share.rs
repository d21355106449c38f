//! Who may have how many replicas, where replicas are paid for one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Budget, Price, Spend, is_amount};
use crate::core::autoscaler::Autoscaler;

/// HPAs with a number of replicas, by namespace and name.
pub type Replicas = BTreeMap<(Arc<str>, Arc<str>), u32>;

/// The HPAs that a budget holds, with what they have and cost.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fleet {
    members: Vec<Member>,
    /// One that has not decided anything yet, or one of unknown price: the sum is not known.
    is_partial: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Member {
    namespace: Arc<str>,
    name: Arc<str>,
    replicas: u32,
    most: u32,
    /// Of one replica for an hour.
    price: f64,
}

/// The replicas that an HPA has asked for last, or else those that it has found.
pub(super) fn replicas_now(autoscaler: &Autoscaler) -> Option<u32> {
    autoscaler.wanted()
}

impl Fleet {
    /// The guarded ones among all HPAs of the cluster. `price` is what the budget's own price metric
    /// says, where it has one.
    pub fn of(budget: &Budget, autoscalers: &[Arc<Autoscaler>], price: Option<f64>) -> Self {
        let common = match &budget.spend {
            Spend::Replicas(Price::Fixed(price)) => Some(*price),
            Spend::Replicas(Price::Metric(_)) => price,
            Spend::Metric(_) => None,
        };
        let mut fleet = Self::default();
        for one in autoscalers.iter().filter(|one| budget.guards(one)) {
            // One that has not decided yet is paid for as what it may not go below.
            let replicas = replicas_now(one).unwrap_or(one.min_replicas);
            match budget.price(one, common) {
                Some(price) => fleet.members.push(Member {
                    namespace: Arc::clone(&one.namespace),
                    name: Arc::clone(&one.name),
                    replicas,
                    most: one.max_replicas,
                    price,
                }),
                None => fleet.is_partial = true,
            }
        }
        // All replicas of ours must come to the same shares.
        fleet.members.sort_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        fleet
    }

    /// What it costs for an hour, once all of it is known.
    pub fn spend(&self) -> Option<f64> {
        let spend: f64 = self
            .members
            .iter()
            .map(|member| member.price * f64::from(member.replicas))
            .fold(0.0, |sum, one| sum + one);
        (!self.is_partial && is_amount(spend)).then_some(spend)
    }

    /// How many replicas each may have within `limit`, together and not only each by itself: what it
    /// has, and its share of what is left.
    ///
    /// What is left is split equally in money and rounded down to whole replicas; what that leaves goes to
    /// the first of them by namespace and name. So it is used up over several syncs, and the share of one
    /// that does not grow is kept for it: given to another it could be spent twice before the next look.
    /// While the spend is not known, nobody gets more than there is.
    pub fn shares(&self, limit: f64) -> Replicas {
        let mut left = self.spend().map_or(0.0, |spend| (limit - spend).max(0.0));
        let equal = left / self.members.len().max(1) as f64;
        let mut more: Vec<u32> = self.members.iter().map(|member| member.affords(equal, 0)).collect();
        for (member, more) in self.members.iter().zip(&more) {
            left -= member.price * f64::from(*more);
        }
        for (member, more) in self.members.iter().zip(&mut more) {
            let extra = member.affords(left, *more);
            left -= member.price * f64::from(extra);
            *more += extra;
        }
        let named = |(member, more): (&Member, u32)| {
            let name = (Arc::clone(&member.namespace), Arc::clone(&member.name));
            (name, member.replicas.saturating_add(more))
        };
        self.members.iter().zip(more).map(named).collect()
    }
}

impl Member {
    /// How many replicas `money` pays for, beside those there are and `more`, up to its own maximum.
    fn affords(&self, money: f64, more: u32) -> u32 {
        let room = self.most.saturating_sub(self.replicas).saturating_sub(more);
        // The bounds come first: nothing divided by nothing is not a number.
        if room == 0 || money < self.price { 0 } else { room.min((money / self.price).floor() as u32) }
    }
}
