mod division;
mod hostile;
mod language;
mod mistakes;
mod random;
mod shapes;

use super::{Expression, Mistake, Shape, Variable};

fn variable(name: &str, optional: bool, shape: Shape, range: (f64, f64)) -> Variable {
    Variable { name: name.into(), optional, shape, range }
}

/// Sums `waiting`, `ready` and `spare`, ratios `kv` and `ttft`, any number `delta`, and two that may be
/// missing, `limit` (a sum) and `hot` (a ratio).
fn variables() -> Vec<Variable> {
    const COUNT: (f64, f64) = (0.0, f64::INFINITY);
    vec![
        variable("waiting", false, Shape::Extensive, COUNT),
        variable("ready", false, Shape::Extensive, COUNT),
        variable("spare", false, Shape::Extensive, (1.0, 8.0)),
        variable("kv", false, Shape::Intensive, (0.0, 1.0)),
        variable("ttft", false, Shape::Intensive, COUNT),
        variable("delta", false, Shape::Extensive, (f64::NEG_INFINITY, f64::INFINITY)),
        variable("limit", true, Shape::Extensive, COUNT),
        variable("hot", true, Shape::Intensive, (0.0, 1.0)),
    ]
}

/// Values of the variables above; the optional ones are missing.
const VALUES: [Option<f64>; 8] =
    [Some(12.0), Some(4.0), Some(2.0), Some(0.5), Some(1.5), Some(-3.0), None, None];

#[track_caller]
fn compile(source: &str) -> Expression {
    Expression::compile(source, &variables()).unwrap_or_else(|mistakes| panic!("{source}: {mistakes:#?}"))
}

#[track_caller]
fn mistakes(source: &str) -> Vec<Mistake> {
    match Expression::compile(source, &variables()) {
        Ok(_) => panic!("{source} has no mistake"),
        Err(mistakes) => mistakes,
    }
}

/// Whether two numbers are the same, NaN and NaN too.
#[allow(clippy::float_cmp)] // nothing is to be lost
fn same(one: f64, other: f64) -> bool {
    one == other || one.is_nan() && other.is_nan()
}
