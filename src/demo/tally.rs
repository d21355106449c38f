//! What clients of a fleet have lived to see.

/// Counts over a run, and times to the first token.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Requests that have come to the load balancer.
    pub arrived: u64,
    /// Requests answered in full.
    pub finished: u64,
    /// Clients that lost patience before the first token.
    pub hung_up: u64,
    /// Requests cut off by a replica that went away.
    pub cut_off: u64,
    /// First tokens sent.
    pub first_tokens: u64,
    /// First tokens that came within the target.
    pub within: u64,
    /// Seconds to the first token of every request so far; infinite for one that never got it.
    waits: Vec<f32>,
    /// Where in `waits` the present window begins.
    window: usize,
}

impl Tally {
    /// A first token came `seconds` after the request did; `target` says what is soon enough.
    pub fn first_token(&mut self, seconds: f64, target: f64) {
        self.first_tokens += 1;
        self.within += u64::from(seconds <= target);
        self.waits.push(seconds as f32);
    }

    /// A client left without a token.
    pub fn hang_up(&mut self) {
        self.hung_up += 1;
        self.waits.push(f32::INFINITY);
    }

    /// A request was cut off; `started` says whether its first token had been sent.
    pub fn cut(&mut self, started: bool) {
        self.cut_off += 1;
        if !started {
            self.waits.push(f32::INFINITY);
        }
    }

    /// Requests that will never be answered.
    pub const fn unserved(&self) -> u64 {
        self.hung_up + self.cut_off
    }

    /// Seconds within which the share `q` of all requests so far had the first token, those that
    /// never got it included; `None` before the first, infinite when fewer than `q` were served.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        quantile(&self.waits, q)
    }

    /// The same over the window that ends now; begins the next one.
    pub fn take_window(&mut self, q: f64) -> Option<f64> {
        let value = quantile(&self.waits[self.window..], q);
        self.window = self.waits.len();
        value
    }

    /// The last `count` times to a first token, the newest last.
    pub fn latest(&self, count: usize) -> &[f32] {
        &self.waits[self.waits.len().saturating_sub(count)..]
    }
}

/// The nearest-rank quantile of `waits`.
pub fn quantile(waits: &[f32], q: f64) -> Option<f64> {
    let rank = ((waits.len() as f64 * q).ceil() as usize).clamp(1, waits.len().max(1)) - 1;
    let mut sorted = waits.to_vec();
    (!sorted.is_empty()).then(|| f64::from(*sorted.select_nth_unstable_by(rank, f32::total_cmp).1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_counts_those_who_never_got_a_token() {
        let mut tally = Tally::default();
        assert_eq!(tally.quantile(0.5), None);
        for seconds in [4.0, 1.0, 3.0] {
            tally.first_token(seconds, 2.0);
        }
        tally.hang_up();
        assert_eq!(tally.quantile(0.5), Some(3.0));
        assert_eq!(tally.quantile(0.95), Some(f64::INFINITY));
        assert_eq!((tally.within, tally.first_tokens, tally.unserved()), (1, 3, 1));
    }

    #[test]
    fn a_request_cut_off_in_its_answer_has_had_its_first_token() {
        let mut tally = Tally::default();
        tally.first_token(1.0, 2.0);
        tally.cut(true);
        assert_eq!(tally.quantile(1.0), Some(1.0));
        tally.cut(false);
        assert_eq!(tally.quantile(1.0), Some(f64::INFINITY));
        assert_eq!(tally.unserved(), 2);
    }

    #[test]
    fn windows_follow_each_other() {
        let mut tally = Tally::default();
        tally.first_token(1.0, 2.0);
        assert_eq!(tally.take_window(0.95), Some(1.0));
        assert_eq!(tally.take_window(0.95), None);
        tally.first_token(2.0, 2.0);
        assert_eq!(tally.take_window(0.95), Some(2.0));
        assert_eq!(tally.latest(5), [1.0, 2.0]);
    }
}
