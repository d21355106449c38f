use super::super::Missing;
use super::{VALUES, Variable, compile, same};

#[track_caller]
fn assert_value(source: &str, expected: f64) {
    let value = compile(source).evaluate(&VALUES).unwrap_or_else(|missing| panic!("{source}: {missing:?}"));
    assert!(same(value, expected), "{source} is {value}, not {expected}");
}

#[test]
fn literals_of_every_kind_are_doubles() {
    for (source, expected) in [
        ("5", 5.0),
        ("5u", 5.0),
        ("0x1F", 31.0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("25E-2", 0.25),
        ("-7", -7.0),
        ("-0.5", -0.5),
        ("--7", 7.0),
        ("- 7", -7.0),
        ("7 / 2", 3.5),
        ("9223372036854775807", 9_223_372_036_854_775_807.0),
    ] {
        assert_value(source, expected);
    }
}

#[test]
fn arithmetic_has_the_usual_precedence() {
    for (source, expected) in [
        ("2 * waiting", 24.0),
        ("2 + 3 * 4", 14.0),
        ("(2 + 3) * 4", 20.0),
        ("10 - 3 - 2", 5.0),
        ("16 / 4 / 2", 2.0),
        ("16 / (4 / 2)", 8.0),
        ("-waiting + 1", -11.0),
        ("-(waiting + 1)", -13.0),
        ("2 * -3", -6.0),
        ("1 - -1", 2.0),
        ("1 + 2 // the rest is a comment", 3.0),
        ("1 +\n\t2", 3.0),
    ] {
        assert_value(source, expected);
    }
}

#[test]
fn conditions_choose() {
    for (source, expected) in [
        ("waiting > 10 ? 1 : 0", 1.0),
        ("waiting < 12 ? 1 : 0", 0.0),
        ("waiting <= 12 ? 1 : 0", 1.0),
        ("waiting >= 13 ? 1 : 0", 0.0),
        ("waiting == 12 ? 1 : 0", 1.0),
        ("waiting != 12 ? 1 : 0", 0.0),
        ("!(waiting > 10) ? 1 : 0", 0.0),
        ("true && false ? 1 : 0", 0.0),
        ("true || false ? 1 : 0", 1.0),
        ("true || true && false ? 1 : 0", 1.0),
        ("(true || true) && false ? 1 : 0", 0.0),
        ("kv >= 0.9 ? kv / 0.9 : kv < 0.6 ? kv / 0.5 : 1", 1.0),
        ("(waiting > 5 ? 1 : 2) + 10", 11.0),
        ("1 > 2 ? 1 : 2 > 1 ? 3 : 4", 3.0),
    ] {
        assert_value(source, expected);
    }
}

#[test]
fn functions() {
    for (source, expected) in [
        ("min(waiting, ready, 7)", 4.0),
        ("max(waiting, ready, 7)", 12.0),
        ("clamp(waiting, 0, 10)", 10.0),
        ("clamp(delta, 0, 10)", 0.0),
        ("clamp(ready, 0, 10)", 4.0),
        ("clamp(ready, waiting, 10)", 10.0),
        ("abs(delta)", 3.0),
        ("ceil(1.2)", 2.0),
        ("floor(-1.2)", -2.0),
        ("round(2.5)", 3.0),
        ("round(-2.5)", -3.0),
        ("max (waiting, 1)", 12.0),
    ] {
        assert_value(source, expected);
    }
}

#[test]
fn what_is_missing_is_asked_about() {
    let with = |limit: Option<f64>| {
        let mut values = VALUES;
        values[6] = limit;
        values
    };
    for (source, without, present) in [
        ("has(limit) ? 1 : 0", 0.0, 1.0),
        ("has(limit) ? limit : waiting", 12.0, 3.0),
        ("!has(limit) ? waiting : limit", 12.0, 3.0),
        ("default(limit, 7)", 7.0, 3.0),
        ("default(limit, waiting / 2)", 6.0, 3.0),
        ("default(limit, default(hot, 9))", 9.0, 3.0),
        ("has(limit) && limit > 2 ? 1 : 0", 0.0, 1.0),
        ("!has(limit) || limit < 2 ? 1 : 0", 1.0, 0.0),
        ("has(limit) && has(hot) ? limit * hot : 5", 5.0, 5.0),
        ("has(limit) && (waiting > 1 || ready > 1) ? limit : 5", 5.0, 3.0),
        ("!(has(limit) && waiting > 1) ? 5 : limit", 5.0, 3.0),
        ("has(limit) && limit > 1 || has(limit) && limit < 9 ? limit : 5", 5.0, 3.0),
        ("has(limit) ? (waiting > 1 ? limit : 0) : 5", 5.0, 3.0),
        ("has ( limit ) ? limit : 5", 5.0, 3.0),
    ] {
        let expression = compile(source);
        assert_eq!(expression.evaluate(&with(None)), Ok(without), "{source} without");
        assert_eq!(expression.evaluate(&with(Some(3.0))), Ok(present), "{source} with");
    }
}

#[test]
fn a_required_variable_that_is_missing_is_told() {
    let expression = compile("waiting + 2 * kv");
    let mut values = VALUES;
    values[3] = None;
    assert_eq!(expression.evaluate(&values), Err(Missing(3)));
    assert_eq!(expression.evaluate(&[]), Err(Missing(0)));
}

#[test]
fn branches_that_are_not_taken_need_nothing() {
    let mut values = VALUES;
    values[3] = None;
    for source in ["waiting > 1 ? 5 : kv", "waiting < 1 && kv > 0 ? 0 : 5", "waiting > 1 || kv > 0 ? 5 : 0"] {
        assert_eq!(compile(source).evaluate(&values), Ok(5.0), "{source}");
    }
}

#[test]
fn doubles_come_as_they_are() {
    for (source, waiting, expected) in [
        ("1 / waiting", 0.0, f64::INFINITY),
        ("-1 / waiting", 0.0, f64::NEG_INFINITY),
        ("waiting / waiting", 0.0, f64::NAN),
        ("max(waiting, 1)", f64::NAN, f64::NAN),
        ("max(1, waiting)", f64::NAN, f64::NAN),
        ("min(waiting, 1, 2)", f64::NAN, f64::NAN),
        ("min(1, 2, waiting)", f64::NAN, f64::NAN),
        ("clamp(waiting, 0, 1)", f64::NAN, f64::NAN),
        ("clamp(1, waiting, 2)", f64::NAN, f64::NAN),
        ("waiting > 0 ? 1 : 2", f64::NAN, 2.0),
        ("waiting == waiting ? 1 : 2", f64::NAN, 2.0),
        ("waiting * 2", f64::INFINITY, f64::INFINITY),
    ] {
        let mut values = VALUES;
        values[0] = Some(waiting);
        let value = compile(source).evaluate(&values).expect("nothing is missing");
        assert!(
            value.total_cmp(&expected).is_eq() || value.is_nan() && expected.is_nan(),
            "{source}: {value}"
        );
    }
}

#[test]
fn uses_are_told_once_in_order() {
    for (source, expected) in [
        ("1", &[][..]),
        ("kv + waiting * kv", &[0, 3]),
        ("has(limit) ? 1 : ready", &[1, 6]),
        ("default(hot, 0)", &[7]),
    ] {
        let expression = compile(source);
        assert_eq!(expression.uses(), expected, "{source}");
        assert_eq!(expression.source(), source);
    }
}

#[test]
fn names_of_variables() {
    for name in ["waiting", "_x", "a1", "HAS", "chase", "kv_cache", "e", "r", "b", "truex"] {
        assert!(Variable::is_name(name), "{name}");
        let named = super::variable(name, false, super::Shape::Extensive, (0.0, 1.0));
        let expression = super::Expression::compile(&format!("2 * {name}"), &[named]).expect(name);
        assert_eq!(expression.evaluate(&[Some(3.0)]), Ok(6.0));
    }
    for name in [
        "", " a", "a ", "1a", "a-b", "a.b", ".a", "a:b", "ä", "`a`", "true", "null", "in", "for", "max",
        "has", "a//",
    ] {
        assert!(!Variable::is_name(name), "{name}");
    }
}
