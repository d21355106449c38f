use super::super::Shape::{Constant, Extensive, Intensive, Mixed};
use super::compile;

#[test]
fn the_table() {
    for (source, expected) in [
        ("5", Constant),
        ("2 * 3 + 1", Constant),
        ("waiting", Extensive),
        ("kv", Intensive),
        ("waiting + ready", Extensive),
        ("waiting - ready", Extensive),
        ("kv + ttft", Intensive),
        ("waiting + kv", Mixed),
        ("kv - waiting", Mixed),
        ("waiting + 1", Extensive),
        ("waiting * kv", Extensive),
        ("kv * waiting", Extensive),
        ("kv * ttft", Intensive),
        ("waiting * ready", Mixed),
        ("2 * waiting", Extensive),
        ("2 * kv", Intensive),
        ("waiting / max(ready, 1)", Intensive),
        ("waiting / max(kv, 0.1)", Extensive),
        ("kv / max(ready, 1)", Mixed),
        ("kv / max(ttft, 1)", Intensive),
        ("waiting / 5", Extensive),
        ("kv / 0.8", Intensive),
        ("5 / max(waiting, 1)", Mixed),
        ("5 / max(kv, 0.1)", Intensive),
        ("5 / 2", Constant),
        ("-waiting", Extensive),
        ("ceil(kv)", Intensive),
        ("abs(delta)", Extensive),
        ("max(waiting, ready, 1)", Extensive),
        ("max(kv, ttft)", Intensive),
        ("min(waiting, kv)", Mixed),
        ("clamp(kv, 0, 1)", Intensive),
        ("clamp(kv, 0, ready)", Mixed),
        ("waiting > 0 ? kv : ttft", Intensive),
        ("kv > 0 ? waiting : 0", Extensive),
        ("waiting > 0 ? kv : ready", Mixed),
        ("waiting > 0 ? 1 : 0", Constant),
        ("default(limit, 0)", Extensive),
        ("default(limit, kv)", Mixed),
        ("(waiting + kv) * 2", Mixed),
        ("(waiting + kv) / 2", Mixed),
        ("kv * (waiting + kv)", Mixed),
        ("max(waiting / 5.0, ready)", Extensive),
        ("max(waiting / max(ready, 1) / 5, kv / 0.85, ttft / 2)", Intensive),
    ] {
        assert_eq!(compile(source).shape(), expected, "{source}");
    }
}
