//! Random expressions against a naive reading of them.

use std::cell::Cell;

use proptest::prelude::*;

use super::super::Expression;
use super::{same, variables};

/// An expression as it is written: a text for each form, and its meaning.
#[derive(Debug, Clone)]
enum Form {
    Number(f64),
    Name(usize),
    Or(usize, Box<Form>),
    Negative(Box<Form>),
    Infix(&'static str, Box<Form>, Box<Form>),
    Call(&'static str, Vec<Form>),
    Choice(Box<Test>, Box<Form>, Box<Form>),
    /// `has(x) ? x : …`
    Guarded(usize, Box<Form>),
}

#[derive(Debug, Clone)]
enum Test {
    Has(usize),
    Compare(&'static str, Form, Form),
    Not(Box<Test>),
    Both(Box<Test>, Box<Test>),
    Either(Box<Test>, Box<Test>),
}

const NAMES: [&str; 8] = ["waiting", "ready", "spare", "kv", "ttft", "delta", "limit", "hot"];

impl Form {
    /// How tightly its outermost operator binds, as CEL has it.
    fn strength(&self) -> u8 {
        match self {
            Self::Choice(..) | Self::Guarded(..) => 0,
            Self::Infix("+" | "-", ..) => 4,
            Self::Infix(..) => 5,
            Self::Negative(_) => 6,
            Self::Number(number) if *number < 0.0 => 6,
            Self::Number(_) | Self::Name(_) | Self::Or(..) | Self::Call(..) => 7,
        }
    }

    /// Its text, in parentheses where it binds less than `least`.
    fn text(&self, least: u8) -> String {
        let text = match self {
            // `-0` is the whole number 0, which has no sign; `-0.0` has one.
            Self::Number(0.0) => "0.0".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Name(index) => NAMES[*index].to_owned(),
            Self::Or(index, otherwise) => format!("default({}, {})", NAMES[*index], otherwise.text(0)),
            Self::Negative(operand) => format!("-{}", operand.text(7)),
            Self::Infix(operator, left, right) => {
                let strength = self.strength();
                format!("{} {operator} {}", left.text(strength), right.text(strength + 1))
            }
            Self::Call(name, operands) => {
                format!(
                    "{name}({})",
                    operands.iter().map(|operand| operand.text(0)).collect::<Vec<_>>().join(",")
                )
            }
            Self::Choice(condition, yes, no) => {
                format!("{} ? {} : {}", condition.text(1), yes.text(1), no.text(0))
            }
            Self::Guarded(index, otherwise) => {
                format!("has({0}) ? {0} : {1}", NAMES[*index], otherwise.text(0))
            }
        };
        if self.strength() < least { format!("({text})") } else { text }
    }

    fn meaning(&self, values: &[Option<f64>], divided_by_zero: &Cell<bool>) -> f64 {
        let of = |form: &Self| form.meaning(values, divided_by_zero);
        match self {
            Self::Number(number) => *number,
            Self::Name(index) => values[*index].expect("it is required"),
            Self::Or(index, otherwise) | Self::Guarded(index, otherwise) => {
                values[*index].unwrap_or_else(|| of(otherwise))
            }
            Self::Negative(operand) => -of(operand),
            Self::Infix(operator, left, right) => {
                let (left, right) = (of(left), of(right));
                match *operator {
                    "+" => left + right,
                    "-" => left - right,
                    "*" => left * right,
                    _ => {
                        divided_by_zero.set(divided_by_zero.get() || right == 0.0);
                        left / right
                    }
                }
            }
            Self::Call(name, operands) => {
                let numbers: Vec<f64> = operands.iter().map(of).collect();
                let unknown = numbers.iter().any(|number| number.is_nan());
                match *name {
                    "min" | "max" | "clamp" if unknown => f64::NAN,
                    "min" => numbers.into_iter().fold(f64::INFINITY, f64::min),
                    "max" => numbers.into_iter().fold(f64::NEG_INFINITY, f64::max),
                    "clamp" => numbers[0].max(numbers[1]).min(numbers[2]),
                    "abs" => numbers[0].abs(),
                    "ceil" => numbers[0].ceil(),
                    "floor" => numbers[0].floor(),
                    _ => numbers[0].round(),
                }
            }
            Self::Choice(condition, yes, no) => {
                if condition.meaning(values, divided_by_zero) {
                    of(yes)
                } else {
                    of(no)
                }
            }
        }
    }
}

impl Test {
    fn strength(&self) -> u8 {
        match self {
            Self::Either(..) => 1,
            Self::Both(..) => 2,
            Self::Compare(..) => 3,
            Self::Not(_) => 6,
            Self::Has(_) => 7,
        }
    }

    fn text(&self, least: u8) -> String {
        let text = match self {
            Self::Has(index) => format!("has({})", NAMES[*index]),
            Self::Compare(operator, left, right) => format!("{} {operator} {}", left.text(4), right.text(4)),
            Self::Not(operand) => format!("!{}", operand.text(7)),
            Self::Both(left, right) => format!("{} && {}", left.text(2), right.text(3)),
            Self::Either(left, right) => format!("{} || {}", left.text(1), right.text(2)),
        };
        if self.strength() < least { format!("({text})") } else { text }
    }

    #[allow(clippy::float_cmp)] // as the language has it
    fn meaning(&self, values: &[Option<f64>], divided_by_zero: &Cell<bool>) -> bool {
        match self {
            Self::Has(index) => values[*index].is_some(),
            Self::Compare(operator, left, right) => {
                let left = left.meaning(values, divided_by_zero);
                let right = right.meaning(values, divided_by_zero);
                match *operator {
                    "<" => left < right,
                    "<=" => left <= right,
                    ">" => left > right,
                    ">=" => left >= right,
                    "==" => left == right,
                    _ => left != right,
                }
            }
            Self::Not(operand) => !operand.meaning(values, divided_by_zero),
            Self::Both(left, right) => {
                left.meaning(values, divided_by_zero) && right.meaning(values, divided_by_zero)
            }
            Self::Either(left, right) => {
                left.meaning(values, divided_by_zero) || right.meaning(values, divided_by_zero)
            }
        }
    }
}

fn test(form: impl Strategy<Value = Form> + Clone + 'static) -> impl Strategy<Value = Test> + Clone {
    let compare = prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let compared = (compare, form.clone(), form)
        .prop_map(|(operator, left, right)| Test::Compare(operator, left, right));
    let leaf = prop_oneof![1 => (6..8_usize).prop_map(Test::Has), 4 => compared];
    leaf.prop_recursive(2, 4, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|operand| Test::Not(Box::new(operand))),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| Test::Both(Box::new(left), Box::new(right))),
            (inner.clone(), inner).prop_map(|(left, right)| Test::Either(Box::new(left), Box::new(right))),
        ]
    })
}

fn form() -> impl Strategy<Value = Form> {
    let leaf = prop_oneof![
        prop::sample::select(vec![0.0, 1.0, 2.0, 0.5, 7.0, -1.0, -0.25]).prop_map(Form::Number),
        (0..6_usize).prop_map(Form::Name),
    ];
    leaf.prop_recursive(4, 20, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let named = prop_oneof![
            (prop::sample::select(vec!["min", "max"]), prop::collection::vec(inner.clone(), 2..4)),
            (Just("clamp"), prop::collection::vec(inner.clone(), 3..4)),
            (
                prop::sample::select(vec!["abs", "ceil", "floor", "round"]),
                prop::collection::vec(inner.clone(), 1..2)
            ),
        ];
        prop_oneof![
            1 => (6..8_usize, boxed.clone()).prop_map(|(index, otherwise)| Form::Or(index, otherwise)),
            1 => (6..8_usize, boxed.clone()).prop_map(|(index, otherwise)| Form::Guarded(index, otherwise)),
            1 => boxed.clone().prop_map(Form::Negative),
            4 => (prop::sample::select(vec!["+", "-", "*", "/", "/"]), boxed.clone(), boxed.clone())
                .prop_map(|(operator, left, right)| Form::Infix(operator, left, right)),
            2 => named.prop_map(|(name, operands)| Form::Call(name, operands)),
            2 => (test(inner).prop_map(Box::new), boxed.clone(), boxed)
                .prop_map(|(condition, yes, no)| Form::Choice(condition, yes, no)),
        ]
    })
}

/// Values within the ranges, those at which things happen among them.
fn values() -> impl Strategy<Value = Vec<Option<f64>>> {
    let count = || prop::sample::select(vec![0.0, 1.0, 0.5, 3.0, 40.0]);
    let ratio = || prop::sample::select(vec![0.0, 0.25, 1.0]);
    let spare = prop::sample::select(vec![1.0, 2.0, 8.0]);
    let delta = prop::sample::select(vec![-3.0, -1.0, 0.0, 2.0]);
    (count(), count(), spare, ratio(), count(), delta, prop::option::of(count()), prop::option::of(ratio()))
        .prop_map(|(waiting, ready, spare, kv, ttft, delta, limit, hot)| {
            vec![Some(waiting), Some(ready), Some(spare), Some(kv), Some(ttft), Some(delta), limit, hot]
        })
}

/// Refusals that random expressions earn.
fn deserved(message: &str) -> bool {
    message.ends_with("is always 0 here")
        || message.starts_with("nothing is at least")
        || message.starts_with("the expression has")
        || message.starts_with("parentheses and calls are more than")
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_global_rejects: 100_000,
        ..ProptestConfig::with_cases(4_000)
    })]

    #[test]
    fn it_means_what_is_written(form in form(), values in prop::collection::vec(values(), 8)) {
        let text = form.text(0);
        let expression = match Expression::compile(&text, &variables()) {
            Ok(expression) => expression,
            Err(mistakes) => {
                prop_assert!(mistakes.iter().all(|mistake| deserved(&mistake.message)), "{text}: {mistakes:#?}");
                return Err(TestCaseError::reject("refused"));
            }
        };
        for values in values {
            let divided_by_zero = Cell::new(false);
            let meaning = form.meaning(&values, &divided_by_zero);
            let value = expression.evaluate(&values).expect("what may be missing is asked about");
            prop_assert!(same(value, meaning), "{text}: {value}, not {meaning}");
            prop_assert!(
                !divided_by_zero.get() || !expression.warnings().is_empty(),
                "{text} divides by zero of {values:?} without a warning"
            );
        }
    }
}
