//! Values and times.

use super::Format;

/// A value, as Go reads floating-point numbers without its hexadecimal forms and underscores.
pub(super) fn value(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    // Go has no NaN with a sign, and what is too large for it is no infinity.
    let is_refused = if value.is_nan() {
        text.starts_with(['+', '-'])
    } else {
        value.is_infinite() && text.contains(|character: char| character.is_ascii_digit())
    };
    (!is_refused).then_some(value)
}

/// A time in milliseconds since the Unix epoch.
pub(super) fn time(text: &str, format: Format) -> Option<i64> {
    match format {
        Format::Text => text.parse().ok(),
        Format::OpenMetrics => {
            let millis = (value(text)? * 1000.0).round();
            // 2^63 is the first that does not fit.
            (millis.abs() < 9_223_372_036_854_775_808.0).then_some(millis as i64)
        }
    }
}
