//! What a number can be, in bounds. Never narrower than the truth, NaN aside.

use super::tree::{Comparison, Extreme, Unary};

/// From `low` to `high`, without zero if so known. Infinite bounds stand for no bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    low: f64,
    high: f64,
    nonzero: bool,
}

impl Interval {
    pub(super) const ANY: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY, nonzero: false };

    /// Bounds that are unknown are infinite.
    pub(super) fn new(low: f64, high: f64) -> Self {
        Self {
            low: if low.is_nan() { f64::NEG_INFINITY } else { low },
            high: if high.is_nan() { f64::INFINITY } else { high },
            nonzero: false,
        }
    }

    pub(super) fn exactly(number: f64) -> Self {
        Self::new(number, number)
    }

    fn without_zero(self, nonzero: bool) -> Self {
        Self { nonzero, ..self }
    }

    pub(super) fn has_zero(self) -> bool {
        self.low <= 0.0 && 0.0 <= self.high && !self.nonzero
    }

    /// Whether it can be nothing but zero.
    pub(super) fn is_zero(self) -> bool {
        self.low == 0.0 && self.high == 0.0
    }

    fn positive(self) -> bool {
        self.low > 0.0 || (self.low == 0.0 && self.nonzero)
    }

    fn negative(self) -> bool {
        (-self).positive()
    }

    /// What both allow.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            low: self.low.max(other.low),
            high: self.high.min(other.high),
            nonzero: self.nonzero || other.nonzero,
        }
    }

    /// What one of them allows.
    pub(super) fn or(self, other: Self) -> Self {
        Self::new(self.low.min(other.low), self.high.max(other.high))
            .without_zero(!self.has_zero() && !other.has_zero())
    }

    /// What is in this relation to `limit`.
    pub(super) fn of(comparison: Comparison, limit: Self) -> Self {
        match comparison {
            Comparison::Less => Self { low: f64::NEG_INFINITY, high: limit.high, nonzero: limit.high <= 0.0 },
            Comparison::LessOrEqual => {
                Self { low: f64::NEG_INFINITY, high: limit.high, nonzero: limit.negative() }
            }
            Comparison::Greater => Self { low: limit.low, high: f64::INFINITY, nonzero: limit.low >= 0.0 },
            Comparison::GreaterOrEqual => {
                Self { low: limit.low, high: f64::INFINITY, nonzero: limit.positive() }
            }
            Comparison::Equal => limit,
            Comparison::NotEqual => Self::ANY.without_zero(limit.is_zero()),
        }
    }

    pub(super) fn unary(self, operation: Unary) -> Self {
        match operation {
            Unary::Negate => -self,
            Unary::Abs if self.low >= 0.0 => self,
            Unary::Abs if self.high <= 0.0 => -self,
            Unary::Abs => Self::new(0.0, self.high.max(-self.low)).without_zero(self.nonzero),
            Unary::Ceil if self.positive() => Self::new(self.low.ceil().max(1.0), self.high.ceil()),
            Unary::Floor if self.negative() => Self::new(self.low.floor(), self.high.floor().min(-1.0)),
            Unary::Ceil => Self::new(self.low.ceil(), self.high.ceil()),
            Unary::Floor => Self::new(self.low.floor(), self.high.floor()),
            Unary::Round => Self::new(self.low.round(), self.high.round()),
        }
    }

    pub(super) fn extreme(self, which: Extreme, other: Self) -> Self {
        match which {
            Extreme::Max => Self::new(self.low.max(other.low), self.high.max(other.high))
                .without_zero(self.positive() || other.positive() || !(self.has_zero() || other.has_zero())),
            Extreme::Min => -(-self).extreme(Extreme::Max, -other),
        }
    }

    /// From the least to the greatest of what the bounds yield; NaN is none of them.
    fn around(corners: [f64; 4]) -> Self {
        let low = corners.into_iter().fold(f64::INFINITY, f64::min);
        let high = corners.into_iter().fold(f64::NEG_INFINITY, f64::max);
        Self::new(low, high)
    }
}

impl std::ops::Neg for Interval {
    type Output = Self;

    fn neg(self) -> Self {
        Self { low: -self.high, high: -self.low, nonzero: self.nonzero }
    }
}

impl std::ops::Add for Interval {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let positive = self.low >= 0.0 && other.low >= 0.0 && (self.positive() || other.positive());
        let negative = self.high <= 0.0 && other.high <= 0.0 && (self.negative() || other.negative());
        Self::new(self.low + other.low, self.high + other.high).without_zero(positive || negative)
    }
}

impl std::ops::Sub for Interval {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl std::ops::Mul for Interval {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        // An infinite bound is no value, so zero times it is zero.
        let times = |one: f64, other: f64| if one == 0.0 || other == 0.0 { 0.0 } else { one * other };
        let corners = [
            times(self.low, other.low),
            times(self.low, other.high),
            times(self.high, other.low),
            times(self.high, other.high),
        ];
        Self::around(corners).without_zero(!self.has_zero() && !other.has_zero())
    }
}

impl std::ops::Div for Interval {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        if other.low >= 0.0 {
            // Without the sign that a zero may have.
            let (low, high) = (other.low.abs(), other.high.abs());
            Self::around([self.low / low, self.low / high, self.high / low, self.high / high])
                .without_zero(!self.has_zero())
        } else if other.high <= 0.0 {
            -(self / -other)
        } else {
            Self::ANY
        }
    }
}
