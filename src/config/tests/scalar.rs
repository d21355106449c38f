//! Each scalar decoder against what it takes and what it says otherwise.

use crate::config::decode::{
    boolean, byte_size, duration, http_url, integer, metric_name, number, one_of, path, series_name, string,
};
use crate::config::{Diagnostics, Node, parse};
use std::fmt::Debug;

/// Decodes a document and describes the outcome on one line.
fn outcome<T: Debug>(yaml: &str, decode: impl FnOnce(&mut Diagnostics, &Node) -> Option<T>) -> String {
    let mut diags = Diagnostics::default();
    let nodes = parse("c.yaml", yaml, &mut diags);
    let value = decode(&mut diags, &nodes[0]);
    let report = diags.finish();
    assert_eq!(value.is_none(), report.has_errors(), "{yaml}");
    let described = report.diagnostics.iter().map(|d| {
        let hint = d.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{} {}{hint}", d.column, d.message)
    });
    value.map_or_else(|| described.collect::<Vec<_>>().join("|"), |value| format!("{value:?}"))
}

fn table<T: Debug>(decode: impl Fn(&mut Diagnostics, &Node) -> Option<T>, rows: &[(&str, &str)]) {
    let found: Vec<_> = rows.iter().map(|(yaml, _)| (*yaml, outcome(yaml, &decode))).collect();
    let expected: Vec<_> = rows.iter().map(|(yaml, text)| (*yaml, (*text).to_owned())).collect();
    assert_eq!(found, expected);
}

#[test]
fn strings() {
    table(
        string,
        &[
            ("no", "\"no\""),
            ("012", "\"012\""),
            ("'a b'", "\"a b\""),
            ("' '", "1 this must not be empty"),
            ("~", "1 expected a string, found nothing"),
            ("[a]", "1 expected a string, found a list"),
            ("a: b", "1 expected a string, found a mapping"),
        ],
    );
}

#[test]
fn booleans() {
    table(
        boolean,
        &[
            ("true", "true"),
            ("false", "false"),
            ("yes", "1 expected true or false, found `yes` (write `true`)"),
            ("Off", "1 expected true or false, found `Off` (write `false`)"),
            ("True", "1 expected true or false, found `True` (write `true`)"),
            ("1", "1 expected true or false, found `1`"),
            ("'true'", "1 expected true or false, found a string (remove the quotes)"),
        ],
    );
}

#[test]
fn numbers() {
    table(
        number,
        &[
            ("0", "0.0"),
            ("-1.5e3", "-1500.0"),
            ("0.95", "0.95"),
            (".inf", "1 expected a number, found `.inf`"),
            ("nan", "1 expected a number, found `nan`"),
            ("1e999", "1 expected a number, found `1e999`"),
            ("012", "1 expected a number, found `012`"),
            ("1_000", "1 expected a number, found `1_000`"),
            ("'5'", "1 expected a number, found a string (remove the quotes)"),
            ("x", "1 expected a number, found `x`"),
        ],
    );
    table(
        integer(1..=64),
        &[
            ("1", "1"),
            ("64", "64"),
            ("0", "1 expected a whole number from 1 to 64, found `0`"),
            ("65", "1 expected a whole number from 1 to 64, found `65`"),
            ("-1", "1 expected a whole number, found `-1`"),
            ("1.5", "1 expected a whole number, found `1.5`"),
            ("012", "1 expected a whole number, found `012` (write `12`)"),
            ("1_0", "1 expected a whole number, found `1_0` (write `10`)"),
            ("'5'", "1 expected a whole number from 1 to 64, found a string (remove the quotes)"),
            (
                "99999999999999999999",
                "1 expected a whole number, found `99999999999999999999` (that is too large)",
            ),
        ],
    );
    table(integer(0..=u64::MAX), &[("0", "0"), ("18446744073709551615", "18446744073709551615")]);
}

#[test]
fn enums() {
    table(
        one_of(&[("average", 1), ("sum", 2)]),
        &[
            ("sum", "2"),
            ("'average'", "1"),
            ("Sum", "1 expected one of average, sum, found `Sum` (did you mean `sum`?)"),
            ("averge", "1 expected one of average, sum, found `averge` (did you mean `average`?)"),
            ("max", "1 expected one of average, sum, found `max`"),
        ],
    );
}

#[test]
fn durations() {
    let usage = "(write whole numbers with the units d, h, m, s, ms, like `1m30s`)";
    let refused = |text: &str| format!("1 expected a duration, found `{text}` {usage}");
    table(
        duration,
        &[
            ("500ms", "500ms"),
            ("15s", "15s"),
            ("2m", "120s"),
            ("1h", "3600s"),
            ("1m30s", "90s"),
            ("1d", "86400s"),
            ("'1d2h3m4s5ms'", "93784.005s"),
            ("30", "1 expected a duration, found `30` (write `30s`)"),
            ("0s", "1 expected a duration, found `0s` (it must be longer than zero)"),
            ("1.5h", &refused("1.5h")),
            ("-1s", &refused("-1s")),
            ("30s1m", &refused("30s1m")),
            ("1s1s", &refused("1s1s")),
            ("1 s", &refused("1 s")),
            ("s", &refused("s")),
            ("''", &refused("")),
            ("2w", &refused("2w")),
            ("99999999999999999d", "1 expected a duration, found `99999999999999999d` (that is too long)"),
        ],
    );
}

#[test]
fn sizes() {
    let usage = "(write a whole number of bytes, or one with a unit, like `8MiB` or `5MB`)";
    table(
        byte_size,
        &[
            ("1000000", "1000000"),
            ("8MiB", "8388608"),
            ("64Mi", "67108864"),
            ("5MB", "5000000"),
            ("1kB", "1000"),
            ("0", "1 expected a size, found `0` (it must be more than zero)"),
            ("1m", &format!("1 expected a size, found `1m` {usage}")),
            ("1.5Gi", &format!("1 expected a size, found `1.5Gi` {usage}")),
            ("Mi", "1 expected a size, found `Mi` (write a number in front of the unit, like `8MiB`)"),
            ("010", "1 expected a whole number, found `010` (write `10`)"),
            ("99999999Ti", "1 expected a size, found `99999999Ti` (that is too large)"),
        ],
    );
}

#[test]
fn urls() {
    let show = |diags: &mut Diagnostics, node: &Node| http_url(diags, node).map(|url| url.to_string());
    let credentials = "a URL must not contain credentials (use `auth` for them)";
    let base = "this URL is a base, without a query or fragment";
    table(
        show,
        &[
            ("http://prometheus:9090", "\"http://prometheus:9090/\""),
            ("https://[::1]/prom/", "\"https://[::1]/prom/\""),
            (
                "prom:9090",
                "1 expected an http or https URL, found `prom:9090` (write it like `http://prom:9090`)",
            ),
            (
                "ftp://h",
                "1 expected an http or https URL, found `ftp://h` (write it like `http://prometheus:9090`)",
            ),
            ("http://u:p@h", &format!("1 {credentials}")),
            ("http://u@h", &format!("1 {credentials}")),
            ("http://h/a?b=c", &format!("11 {base} (remove everything from `?` on)")),
            ("http://h/#x", &format!("10 {base} (remove everything from `#` on)")),
            ("http://h h", "9 a URL cannot contain this character"),
            (
                "http://h:99999",
                "1 expected an http or https URL, found `http://h:99999` (invalid port number)",
            ),
            (
                "http://u:hunter/2@h",
                "1 expected an http or https URL, found `http://**********@h` (invalid port number)",
            ),
        ],
    );
}

#[test]
fn paths() {
    table(
        path,
        &[
            ("/etc/tls/tls.crt", "\"/etc/tls/tls.crt\""),
            ("''", "1 this must not be empty"),
            ("\"a\\0b\"", "1 a path cannot contain a NUL character"),
        ],
    );
}

#[test]
fn names() {
    let long = "a".repeat(254);
    table(
        metric_name,
        &[
            ("queue_depth", "\"queue_depth\""),
            ("vllm:num-requests.waiting_2", "\"vllm:num-requests.waiting_2\""),
            ("Queue", "1 a metric name cannot contain `Q` (allowed are a-z, _, :, 0-9, ., -)"),
            ("a/b", "2 a metric name cannot contain `/` (allowed are a-z, _, :, 0-9, ., -)"),
            ("a%b", "2 a metric name cannot contain `%` (allowed are a-z, _, :, 0-9, ., -)"),
            ("9a", "1 a metric name cannot start with `9` (allowed are a-z, _, :)"),
            (&long, "1 a metric name has at most 253 characters"),
            ("''", "1 this must not be empty"),
        ],
    );
    table(
        series_name,
        &[
            ("DCGM_FI_DEV_GPU_UTIL", "\"DCGM_FI_DEV_GPU_UTIL\""),
            ("a{b}", "2 a series name cannot contain `{` (allowed are a-z, A-Z, _, :, 0-9, ., -)"),
        ],
    );
}
