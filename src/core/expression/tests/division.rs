use super::{compile, mistakes};

/// What each warning underlines.
fn warned(source: &str) -> Vec<String> {
    compile(source).warnings().iter().map(|warning| source[warning.at.clone()].to_owned()).collect()
}

#[test]
fn divisors_that_cannot_be_zero() {
    for source in [
        "waiting / 5",
        "waiting / -5",
        "waiting / spare",
        "waiting / max(ready, 1)",
        "waiting / max(1, ready, kv)",
        "waiting / clamp(ready, 1, 10)",
        "waiting / (ready + 1)",
        "waiting / (1 + ready * kv)",
        "waiting / (spare * spare)",
        "waiting / -spare",
        "waiting / abs(-spare)",
        "waiting / (-1 - ready)",
        "waiting / (9 - spare)",
        "waiting / (1 / spare)",
        "waiting / min(spare, 5)",
        "ready > 0 ? waiting / ready : 0",
        "ready >= 1 ? waiting / ready : 0",
        "ready != 0 ? waiting / ready : 0",
        "0 < ready ? waiting / ready : 0",
        "ready == 0 ? 0 : waiting / ready",
        "0.0 == ready ? 0 : waiting / ready",
        "ready <= 0 ? 0 : waiting / ready",
        "!(ready > 0) ? 0 : waiting / ready",
        "ready == 3 ? waiting / ready : 0",
        "delta < 0 ? waiting / delta : 0",
        "delta <= -1 ? waiting / delta : 0",
        "ready >= spare ? waiting / ready : 0",
        "ready > 0 && kv > 0 ? waiting / ready / kv : 0",
        "ready > 0 && waiting / ready > 2 ? 1 : 0",
        "ready == 0 || waiting / ready > 2 ? 1 : 0",
        "ready == 0 || kv == 0 ? 0 : waiting / ready / kv",
        "ready > 5 || ready > 3 ? waiting / ready : 0",
        "ready > 0 && (kv > 0 || ttft > 0) ? waiting / (ready * max(kv, 1)) : 0",
        "ready > 0 ? waiting / ceil(ready) : 0",
        "delta < 0 ? waiting / floor(delta) : 0",
        "ready > 0 ? waiting / (ready + kv) : 0",
        "ready > 0 ? waiting / (ready * spare) : 0",
        "ready + kv > 0 ? waiting / (ready + kv) : 0",
        "ready * kv != 0 ? waiting / (ready * kv) : 0",
        "waiting / (kv > 0.5 ? kv : 1)",
        "has(limit) && limit > 0 ? waiting / limit : 0",
        "waiting / max(default(limit, 0), 1)",
    ] {
        assert_eq!(warned(source), Vec::<String>::new(), "{source}");
    }
}

#[test]
fn divisors_that_may_be_zero() {
    for (source, expected) in [
        ("waiting / ready", &["ready"][..]),
        ("waiting / (ready)", &["ready"]),
        ("waiting / delta", &["delta"]),
        ("waiting / (ready + kv)", &["ready + kv"]),
        ("waiting / (ready + kv) / (ready + 1)", &["ready + kv"]),
        ("waiting / ready / kv", &["ready", "kv"]),
        ("waiting / max(ready, 0)", &["max(ready, 0)"]),
        ("waiting / max(ready, -1)", &["max(ready, -1)"]),
        ("waiting / clamp(delta, -1, 1)", &["clamp(delta, -1, 1)"]),
        ("waiting / min(spare, kv)", &["min(spare, kv)"]),
        ("waiting / (spare - 1)", &["spare - 1"]),
        ("waiting / floor(spare / 2)", &["floor(spare / 2)"]),
        ("waiting / round(kv)", &["round(kv)"]),
        ("waiting / abs(delta)", &["abs(delta)"]),
        ("waiting / default(limit, 1)", &["default(limit, 1)"]),
        ("ready >= 0 ? waiting / ready : 0", &["ready"]),
        ("ready > -1 ? waiting / ready : 0", &["ready"]),
        ("delta < 1 ? waiting / delta : 0", &["delta"]),
        ("ready > 0 || kv > 0 ? waiting / ready : 0", &["ready"]),
        ("ready == 0 && kv == 0 ? 0 : waiting / ready", &["ready"]),
        ("kv > 0 ? waiting / ready : 0", &["ready"]),
        ("waiting / ready > 2 && ready > 0 ? 1 : 0", &["ready"]),
        ("(ready > 0 ? 1 : 0) + waiting / ready", &["ready"]),
        ("waiting / (kv > 0.5 ? kv : 0)", &["kv > 0.5 ? kv : 0"]),
        ("ready != 1 ? waiting / ready : 0", &["ready"]),
    ] {
        assert_eq!(warned(source), expected, "{source}");
    }
}

#[test]
fn the_warning_says_what_to_write() {
    let expression = compile("waiting / ready");
    let [warning] = expression.warnings() else { panic!("{:?}", expression.warnings()) };
    assert_eq!(warning.message, "`ready` may be 0, and it is divided by here");
    assert!(warning.hint.as_ref().is_some_and(|hint| hint.contains("`max(ready, 1)`")), "{warning:?}");
}

#[test]
fn what_is_always_zero_is_refused() {
    for (source, expected) in [
        ("waiting / 0", "0"),
        ("waiting / 0.0", "0.0"),
        ("waiting / -0.0", "-0.0"),
        ("waiting / 0u", "0u"),
        ("waiting / (2 - 2)", "2 - 2"),
        ("1 + waiting / (0 * ready)", "0 * ready"),
        ("ready == 0 ? waiting / ready : 1", "ready"),
        ("ready > 0 ? 0 : waiting / ready", "ready"),
    ] {
        let mistakes = mistakes(source);
        let [mistake] = mistakes.as_slice() else { panic!("{source}: {mistakes:?}") };
        assert_eq!(&source[mistake.at.clone()], expected, "{source}");
        assert_eq!(mistake.message, format!("`{expected}` is always 0 here"));
    }
}
