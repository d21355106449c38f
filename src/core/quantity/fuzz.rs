//! Any bytes, read as a quantity, and as the bits of a measured value.

use super::{HALF_MILLI, MAX_SERVED, Quantity, QuantityError};

/// A text is refused in few words, or means what a float of the same text means and survives being printed.
/// A value is served within half a thousandth, or refused for what it is.
pub(crate) fn check(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        match Quantity::parse(text) {
            Ok(quantity) => read(text, quantity),
            Err(error) => assert!(error.to_string().chars().count() < 600, "{error}"),
        }
    }
    if let Some(bits) = bytes.first_chunk() {
        served(f64::from_le_bytes(*bits));
    }
}

fn read(text: &str, quantity: Quantity) {
    let printed = quantity.to_string();
    assert_eq!(Quantity::parse(&printed), Ok(quantity));
    let mut written = Vec::new();
    quantity.write_into(&mut written);
    assert!(written == printed.as_bytes() && written.len() <= 21);
    // `inf` and `nan` are floats, too.
    if let Ok(float) = text.parse::<f64>()
        && float.is_finite()
    {
        assert!((quantity.as_f64() - float).abs() <= 0.001_000_1 + float.abs() * 1e-12, "{text}: {printed}");
    }
}

fn served(value: f64) {
    match Quantity::from_f64(value) {
        Ok(quantity) => {
            assert!((0..=1_000_000_000_000_000).contains(&quantity.milli()));
            assert!(
                (quantity.as_f64() - value).abs() <= HALF_MILLI + value.abs() * 1e-12,
                "{value}: {quantity}"
            );
        }
        Err(QuantityError::NotFinite) => assert!(!value.is_finite()),
        Err(QuantityError::Negative(_)) => assert!(value < 0.0),
        Err(QuantityError::TooLarge(_)) => assert!(value > MAX_SERVED),
    }
}
