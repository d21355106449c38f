use proptest::prelude::*;

use super::*;

fn printed(quantity: Quantity) -> String {
    let mut buf = Vec::new();
    quantity.write_into(&mut buf);
    assert_eq!(String::from_utf8(buf).unwrap(), quantity.to_string());
    quantity.to_string()
}

#[test]
fn serves_what_the_autoscaler_reads_right() {
    let cases = [
        (0.0, "0"),
        (-0.0, "0"),
        (26.0, "26"),
        (1000.0, "1000"),
        (1.5, "1500m"),
        (0.1, "100m"),
        (0.001, "1m"),
        (0.0005, "1m"),
        (0.000_499_9, "0"),
        (1e-9, "0"),
        (f64::MIN_POSITIVE, "0"),
        (-0.000_499_9, "0"),
        (-1e-300, "0"),
        (0.999_4, "999m"),
        (0.999_5, "1"),
        (0.1 + 0.2, "300m"),
        (123_456.789, "123456789m"),
        (999_999_999_999.999, "999999999999999m"),
        (1e12, "1000000000000"),
    ];
    for (value, expected) in cases {
        assert_eq!(printed(Quantity::from_f64(value).unwrap()), expected, "{value:?}");
    }
}

#[test]
fn refuses_what_the_autoscaler_reads_wrong() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Quantity::from_f64(value), Err(QuantityError::NotFinite));
    }
    for value in [-1.0, -0.0005, -1e300, f64::MIN] {
        assert_eq!(Quantity::from_f64(value), Err(QuantityError::Negative(value)));
    }
    for value in [1e12_f64.next_up(), 9.3e15, 1e18, 1e30, 1e300, f64::MAX] {
        assert_eq!(Quantity::from_f64(value), Err(QuantityError::TooLarge(value)));
    }
    let shown = |value| Quantity::from_f64(value).unwrap_err().to_string();
    assert_eq!(shown(f64::NAN), "the value is not a finite number");
    assert_eq!(
        shown(-1.0),
        "the value -1.0 is negative, which would make the autoscaler ask for its maximum of replicas"
    );
    assert_eq!(shown(1e300), "the value 1e300 is above 1e12, the largest that the autoscaler reads reliably");
}

#[test]
fn parses_the_grammar() {
    let cases = [
        ("0", 0),
        ("-0", 0),
        ("00.000", 0),
        ("26", 26_000),
        ("007", 7000),
        ("1.5", 1500),
        (".5", 500),
        ("1.", 1000),
        ("+1", 1000),
        ("-1", -1000),
        ("-1.5k", -1_500_000),
        ("1500m", 1500),
        ("1n", 1),
        ("-1n", -1),
        ("1u", 1),
        ("1000u", 1),
        ("1001u", 2),
        ("-1001u", -2),
        ("0.0001", 1),
        ("-0.0001", -1),
        ("1.0001", 1001),
        ("1.0000", 1000),
        ("1k", 1_000_000),
        ("1M", 1_000_000_000),
        ("1G", 1_000_000_000_000),
        ("1T", 1_000_000_000_000_000),
        ("9P", 9_000_000_000_000_000_000),
        ("0E", 0),
        ("0.001E", 1_000_000_000_000_000_000),
        ("1Ki", 1_024_000),
        ("1.1Ki", 1_126_400),
        ("1.000001Ki", 1_024_002),
        ("1Mi", 1_048_576_000),
        ("1Gi", 1_073_741_824_000),
        ("1Ti", 1_099_511_627_776_000),
        ("8Pi", 9_007_199_254_740_992_000),
        ("0.001Ei", 1_152_921_504_606_846_976),
        ("1e3", 1_000_000),
        ("1E3", 1_000_000),
        ("1e+3", 1_000_000),
        ("1E0", 1000),
        ("1e-3", 1),
        ("1e-4", 1),
        ("12345e-4", 1235),
        ("0.00000000001e12", 10_000),
        ("1e-9223372036854775808", 1),
        ("0e9223372036854775807", 0),
        ("9223372036854775.807", i64::MAX),
        ("-9223372036854775.808", i64::MIN),
    ];
    for (text, milli) in cases {
        assert_eq!(Quantity::parse(text).map(Quantity::milli), Ok(milli), "{text:?}");
    }
    let long = format!("1.{}1Ki", "0".repeat(5000));
    assert_eq!(Quantity::parse(&long).map(Quantity::milli), Ok(1_024_001), "no digit is lost");
}

#[test]
fn refuses_garbage_and_overflow() {
    let garbage = [
        "",
        " ",
        " 1",
        "1 ",
        "+",
        "-",
        ".",
        "+.",
        "k",
        "m",
        "E",
        "e3",
        "NaN",
        "Inf",
        "+Inf",
        "-inf",
        "infinity",
        "null",
        "0x10",
        "1,5",
        "1_000",
        "1.1.M",
        "1..",
        "1+1",
        "--1",
        "+-1",
        "1K",
        "1ki",
        "0.1mi",
        "0.1am",
        "1i",
        "-3.01i",
        "1e",
        "-3.01e-",
        "1e+",
        "1e1.5",
        "1e3k",
        "1k3",
        "1mm",
        "1Ee3",
        "1KiB",
        "１",
        "1é",
        "1\0",
        "1e99999999999999999999",
    ];
    for text in garbage {
        let error = Quantity::parse(text).expect_err(text);
        assert_eq!(error, ParseQuantityError::Malformed(text.to_owned()));
    }
    for text in [
        "1E",
        "10P",
        "8Ei",
        "9Pi",
        "1e16",
        "-1e16",
        "1e300",
        "1e9223372036854775807",
        "9223372036854775808",
        "9223372036854775.8071",
        "-9223372036854775.8081",
    ] {
        let error = Quantity::parse(text).expect_err(text);
        assert_eq!(error, ParseQuantityError::OutOfRange(text.to_owned()));
    }
    assert_eq!(
        Quantity::parse("NaN").unwrap_err().to_string(),
        "\"NaN\" is not a quantity: expected a number such as 2, 1.5, 250m, 4k, 8Gi or 1e3"
    );
    assert!(Quantity::parse(&"9".repeat(100_000)).unwrap_err().to_string().len() < 150);
}

proptest! {
    #[test]
    fn from_f64_is_served_in_range_or_refused(value in any::<f64>()) {
        if let Ok(quantity) = Quantity::from_f64(value) {
            prop_assert!((0..=1_000_000_000_000_000).contains(&quantity.milli()));
        } else {
            prop_assert!(!(-0.0005 < value && value <= 1e12));
        }
    }

    #[test]
    fn from_f64_rounds_to_the_nearest(value in 0.0..1e12_f64) {
        let quantity = Quantity::from_f64(value).unwrap();
        prop_assert!((quantity.as_f64() - value).abs() <= 0.000_500_001 + value * f64::EPSILON);
    }

    #[test]
    fn from_f64_is_monotonic(a in -0.0004..1e12_f64, b in -0.0004..1e12_f64) {
        let (low, high) = (a.min(b), a.max(b));
        prop_assert!(Quantity::from_f64(low).unwrap() <= Quantity::from_f64(high).unwrap());
    }

    #[test]
    fn served_values_survive_a_float(milli in 0..=1_000_000_000_000_000_i64) {
        let quantity = Quantity(milli);
        prop_assert_eq!(Quantity::from_f64(quantity.as_f64()), Ok(quantity));
    }

    #[test]
    fn prints_and_parses_back(milli in any::<i64>()) {
        prop_assert_eq!(printed(Quantity(milli)).parse(), Ok(Quantity(milli)));
        let whole = Quantity(milli / 1000 * 1000);
        prop_assert_eq!(printed(whole).parse(), Ok(whole));
    }

    #[test]
    fn rounds_up_away_from_zero(whole in 0..1_000_000_i64, nano in 0..1_000_000_000_i64) {
        let milli = whole * 1000 + (nano + 999_999) / 1_000_000;
        let text = format!("{whole}.{nano:09}");
        prop_assert_eq!(Quantity::parse(&text), Ok(Quantity(milli)));
        prop_assert_eq!(Quantity::parse(&format!("-{text}")), Ok(Quantity(-milli)));
        prop_assert_eq!(Quantity::parse(&format!("{}n", whole * 1_000_000_000 + nano)), Ok(Quantity(milli)));
        prop_assert_eq!(Quantity::parse(&format!("{text}e0")), Ok(Quantity(milli)));
    }

    #[test]
    fn binary_units_are_exact(digits in 0..1_000_000_u128, places in 0..6_usize, unit in 0..3_usize) {
        let text = format!("{digits:0>width$}", width = places + 1);
        let (whole, fraction) = text.split_at(text.len() - places);
        let parsed = Quantity::parse(&format!("{whole}.{fraction}{}", ["Ki", "Mi", "Gi"][unit])).unwrap();
        let scaled = digits * 1000 * [1 << 10, 1 << 20, 1 << 30][unit];
        prop_assert_eq!(parsed.milli() as u128, scaled.div_ceil(10_u128.pow(places as u32)));
    }

    #[test]
    fn parse_never_panics(text in any::<String>(), close in "[+-]?[0-9.]{0,30}[eEinumkKMGTP]{0,2}[+-]?[0-9]{0,22}") {
        let _ = Quantity::parse(&text);
        let _ = Quantity::parse(&close);
    }
}
