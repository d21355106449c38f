//! What is left is shared out so that all together stay within the limit.

use proptest::prelude::*;

use super::*;

fn shares(limit: f64, fleet: &[(&str, u32, f64)]) -> Vec<u32> {
    let prices: Vec<(&str, f64)> = fleet.iter().map(|(name, _, price)| (*name, *price)).collect();
    let hpas: Vec<_> = fleet.iter().map(|(name, has, _)| autoscaler(name, Some(*has))).collect();
    let budget = priced(limit, &prices);
    Fleet::of(&budget, &hpas, None).shares(limit).into_values().collect()
}

#[test]
fn the_same_money_is_fewer_of_what_is_dearer() {
    assert_eq!(shares(40.0, &[("a100", 0, 4.0)]), [10]);
    assert_eq!(shares(40.0, &[("h100", 0, 8.0)]), [5]);
}

#[test]
fn what_is_left_is_split_and_the_rest_is_the_firsts() {
    // 40 − 12 = 28: 14 each is 3 for 4.0 and 1 for 8.0; of the 8 that this leaves the first has 2 more.
    assert_eq!(shares(40.0, &[("a100", 1, 4.0), ("h100", 1, 8.0)]), [6, 2]);
}

#[test]
fn nobody_gets_fewer_than_it_has() {
    assert_eq!(shares(10.0, &[("a", 5, 4.0), ("b", 2, 8.0)]), [5, 2]);
}

#[test]
fn what_one_cannot_use_is_the_others() {
    let few = Arc::new(Autoscaler { max_replicas: 2, ..Autoscaler::clone(&autoscaler("b", Some(1))) });
    let budget = priced(40.0, &[("a", 4.0), ("b", 4.0)]);
    let fleet = Fleet::of(&budget, &[autoscaler("a", Some(1)), few], None);
    assert_eq!(fleet.shares(40.0).into_values().collect::<Vec<_>>(), [8, 2]);
}

#[test]
fn one_that_has_not_decided_is_paid_for_as_the_least_that_it_may_have() {
    let budget = priced(40.0, &[("a", 4.0), ("b", 4.0)]);
    let fleet = Fleet::of(&budget, &[autoscaler("a", Some(3)), autoscaler("b", None)], None);
    // Otherwise whoever makes one anew all the time would keep the spend of all from being known.
    assert_eq!(fleet.spend(), Some(16.0));
    let shares = fleet.shares(40.0);
    let of = |name: &str| shares.iter().find(|((_, own), _)| **own == *name).map(|(_, most)| *most);
    assert_eq!((of("a"), of("b")), (Some(6), Some(4)));
}

#[test]
fn a_price_of_an_entry_comes_before_the_common_one() {
    let mut budget = priced(40.0, &[("a", 4.0)]);
    budget.guards.push(Entry { guarded: Guarded::Namespace("ai".into()), price: None });
    assert_eq!(budget.price(&autoscaler("a", None), Some(1.5)), Some(4.0));
    assert_eq!(budget.price(&autoscaler("b", None), Some(1.5)), Some(1.5));
    assert_eq!(budget.price(&autoscaler("b", None), None), None);
    assert_eq!(budget.price(&autoscaler("b", None), Some(f64::NAN)), None);
}

proptest! {
    #[test]
    fn all_shares_together_stay_within_the_limit(
        limit in 0.0..5000.0_f64,
        fleet in prop::collection::vec((0_u32..40, 0.0..20.0_f64), 1..6),
    ) {
        let names = ["a", "b", "c", "d", "e", "f"];
        let fleet: Vec<(&str, u32, f64)> =
            names.iter().zip(&fleet).map(|(name, (has, price))| (*name, *has, *price)).collect();
        let given = shares(limit, &fleet);
        let has: f64 = fleet.iter().map(|(_, has, price)| f64::from(*has) * price).sum();
        let may: f64 = fleet.iter().zip(&given).map(|((_, _, price), may)| f64::from(*may) * price).sum();
        prop_assert!(may <= limit.max(has) + 1e-6, "{may} of {limit}");
        for ((_, has, _), may) in fleet.iter().zip(&given) {
            prop_assert!(may >= has);
        }
    }
}

#[test]
fn who_has_used_up_a_share_is_held() {
    let account = |limit: f64, state: State, when_lost: WhenLost| {
        let budget = Budget { when_lost, ..priced(limit, &[("a", 4.0), ("b", 4.0), ("new", 4.0)]) };
        let mut breaker = Breaker::remembered(state, at(0.0));
        breaker.lost_since = (state == State::Unknown).then(|| at(0.0));
        let hpas = [autoscaler("a", Some(5)), autoscaler("b", Some(1)), autoscaler("new", None)];
        Account::new(Arc::new(budget), breaker, None, &hpas, None, at(3600.0))
    };
    let held = |limit, state| account(limit, state, WhenLost::Hold).held();
    assert_eq!(held(100.0, State::Closed), 0, "both may grow");
    assert_eq!(held(32.0, State::Closed), 1, "4 are left, which is one more for the first by name");
    assert_eq!(held(30.0, State::Closed), 2, "what is left buys nothing");
    assert_eq!(held(100.0, State::Open), 2, "and nobody who has not decided");
    assert_eq!(account(10.0, State::Unknown, WhenLost::Release).held(), 0);
}
