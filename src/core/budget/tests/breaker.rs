//! Trip, hold, reset, loss and agreement.

use super::*;
use crate::core::fixtures::seconds;

/// A budget's breaker over time.
struct Run(Budget, Breaker);

impl Run {
    fn closed() -> Self {
        Self(budget(), Breaker::remembered(State::Closed, at(0.0)))
    }

    fn look(&mut self, at_seconds: f64, spend: impl Into<Option<f64>>) -> Standing {
        self.1 = self.1.step(&self.0, spend.into(), at(at_seconds));
        self.1.standing(&self.0, at(at_seconds))
    }
}

#[test]
fn it_opens_at_the_limit_and_closes_below_the_reset_level() {
    let mut run = Run::closed();
    assert_eq!(run.look(1.0, 799.9), Standing::Closed);
    assert_eq!(run.look(2.0, 800.0), Standing::Open);
    assert_eq!(run.look(700.0, 790.0), Standing::Open, "in between nothing changes");
    assert_eq!(run.look(701.0, 760.0), Standing::Open);
    assert_eq!(run.look(702.0, 759.9), Standing::Closed);
    assert_eq!(run.look(703.0, 790.0), Standing::Closed, "in between nothing changes");
}

#[test]
fn it_stays_open_for_its_least_time() {
    let mut run = Run::closed();
    assert_eq!(run.look(10.0, 900.0), Standing::Open);
    assert_eq!(run.look(11.0, 100.0), Standing::Open);
    assert_eq!(run.1.stays_open_for(&run.0, at(11.0)), seconds(599));
    assert_eq!(run.look(609.9, 100.0), Standing::Open);
    assert_eq!(run.look(610.0, 100.0), Standing::Closed);
}

#[test]
fn a_spend_that_is_no_number_is_lost_and_not_zero() {
    for odd in [None, Some(f64::NAN), Some(-1.0), Some(f64::INFINITY)] {
        let mut run = Run::closed();
        assert_eq!(run.look(10.0, odd), Standing::Closed, "for a while it stays as it was");
        assert_eq!(run.look(309.0, odd), Standing::Closed);
        assert_eq!(run.look(310.0, odd), Standing::Lost);
        assert!(Standing::Lost.holds());
        assert_eq!(run.look(311.0, 10.0), Standing::Closed, "back to what it was");
    }
}

#[test]
fn what_is_open_stays_so_while_the_spend_is_lost() {
    let mut run = Run::closed();
    run.look(1.0, 900.0);
    assert_eq!(run.look(100.0, None), Standing::Open);
    assert_eq!(run.look(1000.0, None), Standing::Lost);
    assert_eq!(run.look(1001.0, 790.0), Standing::Open);
}

#[test]
fn a_lost_spend_may_release_everyone() {
    let mut run = Run::closed();
    run.0.when_lost = WhenLost::Release;
    run.look(1.0, 900.0);
    assert_eq!(run.look(2.0, None), Standing::Open);
    assert_eq!(run.look(302.0, None), Standing::Released);
    assert!(!Standing::Released.holds());
    assert_eq!(run.look(303.0, 790.0), Standing::Open, "it was open and is");
}

#[test]
fn where_nothing_is_remembered_the_band_is_open() {
    let new = || Run(budget(), Breaker::unknown(at(0.0)));
    assert_eq!(new().look(1.0, None), Standing::Unknown);
    assert_eq!(new().look(1.0, 790.0), Standing::Open);
    assert_eq!(new().look(1.0, 900.0), Standing::Open);
    assert_eq!(new().look(1.0, 700.0), Standing::Closed, "no least time: it never opened");
    assert_eq!(new().look(301.0, None), Standing::Lost);
}

#[test]
fn a_restart_keeps_the_least_time() {
    let mut run = Run(budget(), Breaker::remembered(State::Open, at(0.0)));
    assert_eq!(run.look(301.0, 100.0), Standing::Open);
    assert_eq!(run.look(600.0, 100.0), Standing::Closed);
    // A clock that was ahead must not keep it open for longer than that from now.
    let mut ahead = Run(budget(), Breaker::remembered(State::Open, at(1e6)));
    assert_eq!(ahead.look(300.0, 100.0), Standing::Open);
    assert_eq!(ahead.1.stays_open_for(&budget(), at(300.0)), seconds(600));
}

#[test]
fn replicas_agree_on_the_later_change() {
    let of = |state, since| Breaker::remembered(state, at(since));
    let cases = [
        (of(State::Closed, 1.0), of(State::Open, 2.0), State::Open),
        (of(State::Open, 2.0), of(State::Closed, 3.0), State::Closed),
        (of(State::Open, 2.0), of(State::Closed, 2.0), State::Open),
        (Breaker::unknown(at(99.0)), of(State::Closed, 1.0), State::Closed),
    ];
    let (own, theirs) = (of(State::Open, 5.0), of(State::Open, 4.0));
    assert_eq!(own.agree(&theirs).since, at(4.0), "what is remembered was first");
    assert_eq!(own.agree(&of(State::Open, 6.0)).since, at(6.0), "or at least is known to all");
    for (one, other, state) in cases {
        assert_eq!(one.agree(&other).state, state);
        assert_eq!(other.agree(&one).state, state, "whoever asks");
    }
}
