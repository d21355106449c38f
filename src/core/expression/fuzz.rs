//! Any bytes, read as an expression up to the first NUL, and as its variables' values behind that.

use super::{Expression, Missing, Mistake, Shape, Variable};

/// It is refused with mistakes that have a place, or it is computed: from the same values always to the same,
/// and without a number only where one is missing that may be.
pub(crate) fn check(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let Ok(source) = std::str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let variables = variables();
    let expression = match Expression::compile(source, &variables) {
        Ok(expression) => expression,
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            for mistake in &mistakes {
                assert_placed(mistake, source);
            }
            return;
        }
    };
    assert_eq!(expression.source(), source);
    assert!(expression.uses().is_sorted() && expression.uses().iter().all(|index| *index < variables.len()));
    expression.warnings().iter().for_each(|mistake| assert_placed(mistake, source));
    let (numbers, _) = parts.next().unwrap_or_default().as_chunks();
    let mut numbers = numbers.iter().map(|bits| f64::from_le_bytes(*bits));
    let values = variables.iter().map(|variable| {
        let (least, most) = variable.range;
        // NaN where the source says so.
        numbers.next().map(|number| number.clamp(least, most)).or((!variable.optional).then_some(least))
    });
    let values: Vec<Option<f64>> = values.collect();
    match (expression.evaluate(&values), expression.evaluate(&values)) {
        (Ok(one), Ok(again)) => assert_eq!(one.to_bits(), again.to_bits()),
        (Err(Missing(index)), again) => {
            assert!(variables[index].optional && values[index].is_none());
            assert_eq!(again, Err(Missing(index)));
        }
        (one, again) => panic!("{one:?}, then {again:?}"),
    }
}

fn assert_placed(mistake: &Mistake, source: &str) {
    assert!(source.get(mistake.at.clone()).is_some(), "{mistake:?} in {source:?}");
    assert!(!mistake.message.is_empty());
}

fn variables() -> [Variable; 4] {
    let of = |name: &str, optional, shape, range| Variable { name: name.into(), optional, shape, range };
    [
        of("waiting", false, Shape::Extensive, (0.0, f64::INFINITY)),
        of("kv", false, Shape::Intensive, (0.0, 1.0)),
        of("delta", false, Shape::Intensive, (f64::NEG_INFINITY, f64::INFINITY)),
        of("spare", true, Shape::Extensive, (0.0, f64::INFINITY)),
    ]
}
