//! Kubernetes quantities in thousandths: the numbers that go out to the HPA, and the targets that
//! come in from it.
//!
//! Out goes only what every reader gets right. The HPA computes in 64-bit milli-units: a value too
//! large for that reads as 0 or negative, and a negative sum asks for the maximum of replicas.
//! A residue below half a thousandth goes out as 0, for Kubernetes would round it up to `1m`, and
//! a decaying rate would keep a replica awake for ever.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::fmt;
use std::str::FromStr;

/// The largest value served. Far above any load, far below what overflows 64-bit milli-units or,
/// over a small target, a replica count.
const MAX_SERVED: f64 = 1e12;
/// The smallest magnitude that does not round to zero thousandths.
const HALF_MILLI: f64 = 0.0005;
/// How much of an unreadable text an error repeats.
const MAX_QUOTED_CHARS: usize = 40;

/// A number in whole thousandths.
///
/// Its printed form is plain for integers (`26`) and in milli-units otherwise (`1500m`): the two
/// forms that every Kubernetes client reads without rounding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quantity(i64);

/// Why a measured value cannot be served as a quantity.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum QuantityError {
    /// NaN or an infinity, as a division by zero gives.
    #[error("the value is not a finite number")]
    NotFinite,
    /// Below zero by at least half a thousandth; holds the value.
    #[error("the value {0:?} is negative, which would make the autoscaler ask for its maximum of replicas")]
    Negative(f64),
    /// Above 1e12; holds the value.
    #[error("the value {0:?} is above 1e12, the largest that the autoscaler reads reliably")]
    TooLarge(f64),
}

/// Why a text is not a [`Quantity`]. Each variant holds the text's first 40 characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseQuantityError {
    /// The text is outside the grammar.
    #[error("{0:?} is not a quantity: expected a number such as 2, 1.5, 250m, 4k, 8Gi or 1e3")]
    Malformed(String),
    /// The number does not fit 64-bit milli-units, about ±9.2e15.
    #[error("the quantity {0:?} is too large: expected a magnitude below 9.2e15")]
    OutOfRange(String),
}

impl Quantity {
    /// Rounds a measured value to the nearest thousandth, halves upwards.
    ///
    /// Takes 0 ..= 1e12, and negatives that round to zero (above -0.0005, -0.0 too) as 0; anything
    /// else is an error that says which bound it breaks.
    pub fn from_f64(value: f64) -> Result<Self, QuantityError> {
        if !value.is_finite() {
            Err(QuantityError::NotFinite)
        } else if value <= -HALF_MILLI {
            Err(QuantityError::Negative(value))
        } else if value > MAX_SERVED {
            Err(QuantityError::TooLarge(value))
        } else {
            Ok(Self((value.max(0.0) * 1000.0).round() as i64))
        }
    }

    /// Parses Kubernetes' quantity grammar: an optional sign, decimal digits with at most one
    /// point, then a unit (`n u m k M G T P E`, `Ki Mi Gi Ti Pi Ei`) or a decimal exponent (`e3`).
    ///
    /// What lies between two thousandths rounds away from zero, as Kubernetes does: `0.0001` is
    /// `1m`. The result may be negative. A text without any digit, which Kubernetes' scanner takes
    /// for 0 against its own grammar, is refused.
    pub fn parse(text: &str) -> Result<Self, ParseQuantityError> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (digits, unit) =
            split_number(unsigned).ok_or_else(|| ParseQuantityError::Malformed(excerpt(text)))?;
        digits
            .ceil_milli(unit)
            .map(|magnitude| if negative { -magnitude } else { magnitude })
            .and_then(|signed| i64::try_from(signed).ok())
            .map(Self)
            .ok_or_else(|| ParseQuantityError::OutOfRange(excerpt(text)))
    }

    /// The quantity in thousandths.
    pub fn milli(self) -> i64 {
        self.0
    }

    /// The quantity as a float, exact to the thousandth up to about 9e12.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Appends the printed form (at most 21 bytes of ASCII) to `buf`: the same bytes as `Display`,
    /// without the formatting machinery and without an allocation of its own.
    pub fn write_into(&self, buf: &mut Vec<u8>) {
        let mut text = [0; 20];
        let mut start = text.len();
        let (number, suffix) = self.number_and_suffix();
        let mut rest = number.unsigned_abs();
        loop {
            start -= 1;
            text[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            buf.push(b'-');
        }
        buf.extend_from_slice(&text[start..]);
        buf.extend_from_slice(suffix.as_bytes());
    }

    fn number_and_suffix(self) -> (i64, &'static str) {
        if self.0 % 1000 == 0 { (self.0 / 1000, "") } else { (self.0, "m") }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, suffix) = self.number_and_suffix();
        write!(f, "{number}{suffix}")
    }
}

impl FromStr for Quantity {
    type Err = ParseQuantityError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// What a suffix multiplies by: 10^`ten` · 2^`two`, of which one exponent is 0.
#[derive(Debug, Clone, Copy)]
struct Unit {
    ten: i64,
    two: u32,
}

impl Unit {
    fn parse(suffix: &str) -> Option<Self> {
        let ten = |ten| Some(Self { ten, two: 0 });
        let two = |two| Some(Self { ten: 0, two });
        match suffix {
            "n" => ten(-9),
            "u" => ten(-6),
            "m" => ten(-3),
            "" => ten(0),
            "k" => ten(3),
            "M" => ten(6),
            "G" => ten(9),
            "T" => ten(12),
            "P" => ten(15),
            // Alone it is exa; before digits it is an exponent.
            "E" => ten(18),
            "Ki" => two(10),
            "Mi" => two(20),
            "Gi" => two(30),
            "Ti" => two(40),
            "Pi" => two(50),
            "Ei" => two(60),
            _ => suffix.strip_prefix(['e', 'E'])?.parse().ok().and_then(ten),
        }
    }
}

/// The decimal digits of an unsigned number, before and after the point.
#[derive(Debug, Clone, Copy)]
struct Digits<'t> {
    whole: &'t str,
    fraction: &'t str,
}

fn split_number(unsigned: &str) -> Option<(Digits<'_>, Unit)> {
    let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let one_point = !fraction.contains('.');
    let some_digit = !(whole.is_empty() && fraction.is_empty());
    (one_point && some_digit).then_some(Digits { whole, fraction }).zip(Unit::parse(suffix))
}

impl Digits<'_> {
    /// The number in thousandths of `unit`'s base, rounded up; `None` when far out of range.
    ///
    /// Exact for any number of digits: the point moves by the power of ten, and the digits after
    /// it are multiplied by the power of two as on paper, from the right.
    fn ceil_milli(self, unit: Unit) -> Option<i128> {
        let digits = self.whole.bytes().chain(self.fraction.bytes()).map(|digit| u128::from(digit - b'0'));
        let count = self.whole.len() + self.fraction.len();
        let point = i64::try_from(self.whole.len()).ok()?.saturating_add(unit.ten).saturating_add(3);
        let before = usize::try_from(point).unwrap_or(0).min(count);
        let multiplier = 1_u128 << unit.two;

        let mut integer = digits
            .clone()
            .take(before)
            .try_fold(0_u128, |sum, digit| sum.checked_mul(10)?.checked_add(digit))?;
        if integer > 0 {
            let zeros = point.saturating_sub(i64::try_from(count).ok()?).max(0);
            integer = integer.checked_mul(10_u128.checked_pow(u32::try_from(zeros).ok()?)?)?;
        }
        let (carry, inexact) =
            digits.rev().take(count - before).fold((0, false), |(carry, inexact), digit| {
                let product = digit * multiplier + carry;
                (product / 10, inexact || !product.is_multiple_of(10))
            });
        let total = integer.checked_mul(multiplier)?.checked_add(carry)?.checked_add(u128::from(inexact))?;
        i128::try_from(total).ok()
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(MAX_QUOTED_CHARS).collect()
}

#[cfg(test)]
mod tests;
