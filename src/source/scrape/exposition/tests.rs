//! Fixtures and tables here, properties in their own file.

use std::cell::Cell;
use std::fs;

use super::*;

mod properties;

/// A sample as plain values: name, labels, value and time. The value is in bits, so that NaN equals
/// itself and -0 does not equal 0.
type Row = (String, Vec<(String, String)>, u64, Option<i64>);

/// A row as it is written in a table.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64, Option<i64>);

fn row(sample: &Sample<'_>) -> Row {
    let labels = sample.labels().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    (sample.name.to_owned(), labels, sample.value.to_bits(), sample.time)
}

fn read_wanted(
    body: &[u8],
    format: Format,
    mut wanted: impl FnMut(&str) -> bool,
) -> Result<Vec<Row>, Malformed> {
    let mut exposition = Exposition::new(body, format);
    let mut rows = Vec::new();
    while let Some(sample) = exposition.next(&mut wanted)? {
        rows.push(row(&sample));
    }
    Ok(rows)
}

fn read(body: impl AsRef<[u8]>, format: Format) -> Result<Vec<Row>, Malformed> {
    read_wanted(body.as_ref(), format, |_| true)
}

/// The only sample of a page in the text format.
fn only(page: &str) -> Row {
    let rows = read(page, Format::Text).unwrap_or_else(|error| panic!("{page:?}: {error}"));
    assert_eq!(rows.len(), 1, "{page:?}");
    rows.into_iter().next().expect("there is one")
}

/// Where a page is malformed, and how.
fn fault(page: impl AsRef<[u8]>, format: Format) -> (usize, Fault) {
    let page = page.as_ref();
    match read(page, format) {
        Ok(rows) => panic!("{} was read as {rows:?}", page.escape_ascii()),
        Err(error) => (error.line, error.what),
    }
}

/// Asserts that `rows` are these: name, labels, value and time.
fn assert_rows(rows: &[Row], expected: &[Expected<'_>]) {
    for (row, (name, labels, value, time)) in rows.iter().zip(expected) {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let expected = ((*name).to_owned(), labels, value.to_bits(), *time);
        assert_eq!(*row, expected, "{} and {value}", f64::from_bits(row.2));
    }
    assert_eq!(rows.len(), expected.len());
}

#[test]
fn the_content_type_tells_the_format() {
    for (content_type, format) in [
        (None, Some(Format::Text)),
        (Some(""), Some(Format::Text)),
        (Some("text/plain"), Some(Format::Text)),
        (Some("text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8"), Some(Format::Text)),
        (Some(" Text/Plain ;version=1.0.0"), Some(Format::Text)),
        (Some("application/openmetrics-text; version=1.0.0; charset=utf-8"), Some(Format::OpenMetrics)),
        (Some("application/openmetrics-text"), Some(Format::OpenMetrics)),
        (Some("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily"), None),
        (Some("application/json"), None),
        (Some("text/html; charset=utf-8"), None),
        (Some("text/plainer"), None),
    ] {
        assert_eq!(Format::of(content_type), format, "{content_type:?}");
    }
}

#[test]
fn the_edges_of_the_text_format() {
    let page = include_str!("../../../../tests/fixtures/expositions/edge-classic.txt");
    let expected: &[Expected<'_>] = &[
        (
            "edge_escapes",
            &[("path", r"C:\models\llama"), ("quote", r#"say "hi""#), ("lines", "one\ntwo")],
            1.0,
            None,
        ),
        (
            "edge_escapes",
            &[("path", r"ends with backslash\"), ("quote", r#"\""#), ("lines", r"\n is not a line feed")],
            2.0,
            None,
        ),
        ("edge_escapes", &[("path", "{brace},comma=equals"), ("quote", "#hash"), ("lines", "")], 3.0, None),
        (
            "edge_escapes",
            &[
                ("path", "k\u{e4}se \u{6a21}\u{578b} \u{1f680}"),
                ("quote", "tab\tinside"),
                ("lines", " leading and trailing "),
            ],
            4.0,
            None,
        ),
        ("edge_values", &[("kind", "nan")], f64::NAN, None),
        ("edge_values", &[("kind", "pos_inf")], f64::INFINITY, None),
        ("edge_values", &[("kind", "neg_inf")], f64::NEG_INFINITY, None),
        ("edge_values", &[("kind", "inf_no_sign")], f64::INFINITY, None),
        ("edge_values", &[("kind", "neg_zero")], -0.0, None),
        ("edge_values", &[("kind", "exp_short")], 1000.0, None),
        ("edge_values", &[("kind", "exp_client_python")], 24_893_296_640.0, None),
        ("edge_values", &[("kind", "exp_negative")], -0.000_000_42, None),
        ("edge_values", &[("kind", "max")], f64::MAX, None),
        ("edge_values", &[("kind", "denormal")], f64::from_bits(1), None),
        ("edge_values", &[("kind", "two_to_53_plus_1")], 9_007_199_254_740_992.0, None),
        ("edge_values", &[("kind", "dcgm_blank_int64")], 9_223_372_036_854_775_807.0, None),
        ("edge_values", &[("kind", "dcgm_blank_double")], 140_737_488_355_328.0, None),
        ("edge_values", &[("kind", "leading_plus")], 7.0, None),
        ("edge_values", &[("kind", "leading_dot")], 0.5, None),
        ("edge_values", &[("kind", "trailing_dot")], 5.0, None),
        ("edge_timestamps", &[("kind", "ms")], 1.5, Some(1_794_700_000_123)),
        ("edge_timestamps", &[("kind", "zero")], 1.5, Some(0)),
        ("edge_timestamps", &[("kind", "negative")], 1.5, Some(-62_135_596_800_000)),
        ("edge_spacing", &[("kind", "spaces"), ("other", "x")], 8.0, None),
        ("edge_spacing", &[("kind", "trailing_comma")], 9.0, None),
        ("edge_spacing", &[], 10.0, None),
        ("edge_spacing", &[("kind", "leading_tab")], 11.0, Some(1_794_700_000_123)),
        ("edge_indented_type", &[], 12.0, None),
        ("edge_help_without_type", &[], 13.0, None),
        ("edge_untyped", &[], 14.0, None),
        ("edge_declared_untyped", &[], 15.0, None),
        ("edge_summary", &[("quantile", "0.5")], 0.012, None),
        ("edge_summary", &[("quantile", "0.99")], f64::NAN, None),
        ("edge_summary_sum", &[], 4.5, None),
        ("edge_summary_count", &[], 300.0, None),
        ("edge_histogram_bucket", &[("le", "0.1")], 3.0, None),
        ("edge_histogram_bucket", &[("le", "1")], 8.0, None),
        ("edge_histogram_bucket", &[("le", "1e+01")], 9.0, None),
        ("edge_histogram_bucket", &[("le", "+Inf")], 11.0, None),
        ("edge_histogram_sum", &[], f64::NAN, None),
        ("edge_histogram_count", &[], 11.0, None),
        ("edge:colons:in:name", &[], 16.0, None),
    ];
    assert_rows(&read(page, Format::Text).expect("legal"), expected);
    // Its comments, which OpenMetrics has no place for, change nothing there; only times are others.
    let without_times = |rows: Vec<Row>| rows.into_iter().filter(|row| row.3.is_none()).map(|row| row.0);
    let open_metrics = read(format!("{page}# EOF"), Format::OpenMetrics).expect("as lenient");
    let text = read(page, Format::Text).expect("legal");
    assert_eq!(without_times(open_metrics).collect::<Vec<_>>(), without_times(text).collect::<Vec<_>>());
}

#[test]
fn line_ends() {
    let page = include_str!("../../../../tests/fixtures/expositions/edge-crlf.txt");
    let labels: &[(&str, &str)] = &[("engine", "0"), ("model_name", "m")];
    let expected: &[Expected<'_>] = &[
        ("vllm:num_requests_waiting", labels, 7.0, None),
        ("vllm:num_requests_running", labels, 31.0, Some(1_794_700_000_123)),
    ];
    assert_rows(&read(page, Format::Text).expect("CRLF is accepted"), expected);
    assert_rows(&read(page.replace('\r', ""), Format::Text).expect("so is LF"), expected);
    assert_rows(&read(page.trim_end(), Format::Text).expect("so is none"), expected);
    assert_rows(&read(page.trim_end_matches('\n'), Format::Text).expect("so is half of one"), expected);
    let page = include_str!("../../../../tests/fixtures/expositions/edge-no-final-newline.txt");
    assert_rows(
        &read(page, Format::Text).expect("the last line feed may be missing"),
        &[("vllm:num_requests_waiting", &[("model_name", "m")], 7.0, None)],
    );
    for blank in
        [include_str!("../../../../tests/fixtures/expositions/edge-empty.txt"), "\n", "\r\n \n\t", "#"]
    {
        assert_rows(&read(blank, Format::Text).expect("nothing is legal"), &[]);
    }
    // A carriage return is no blank.
    for (page, what) in [
        ("a\r1\n", Fault::Name),
        ("\ra 1\n", Fault::Name),
        ("\r\r\n", Fault::Name),
        ("a{\r} 1\n", Fault::Labels),
        ("a 1\r 5\n", Fault::Value),
        ("a 1 5\r\r\n", Fault::Time),
    ] {
        assert_eq!(fault(page, Format::Text), (1, what), "{page:?}");
    }
}

#[test]
fn an_openmetrics_page() {
    let page = include_str!("../../../../tests/fixtures/expositions/openmetrics.txt");
    let rows = read(page, Format::OpenMetrics).expect("legal");
    assert_eq!(rows.len(), 19);
    assert_rows(
        &rows[..4],
        &[
            ("vllm:num_requests_waiting", &[("engine", "0"), ("model_name", "m\\x\"y\n")], 7.0, None),
            ("vllm:kv_cache_usage_perc", &[("engine", "0"), ("model_name", "m")], 0.83, None),
            ("vllm:prompt_tokens_total", &[("engine", "0"), ("model_name", "m")], 1_083_664.0, None),
            ("vllm:prompt_tokens_created", &[("engine", "0"), ("model_name", "m")], 1_794_700_000.0, None),
        ],
    );
    assert_rows(
        &rows[12..16],
        &[
            ("queue_wait_seconds", &[], 0.25, None),
            ("engine_build_info", &[("version", "0.33.0")], 1.0, None),
            ("engine_state", &[("engine_state", "awake")], 1.0, None),
            ("engine_state", &[("engine_state", "asleep")], 0.0, None),
        ],
    );
    let cut = &page[..page.len() / 2];
    let cut = &cut[..=cut.rfind('\n').expect("it has lines")];
    assert_eq!(fault(cut, Format::OpenMetrics), (cut.lines().count() + 1, Fault::NoEndMark));
    let samples = cut.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(read(cut, Format::Text).expect("whole in the other format").len(), samples);
}

#[test]
fn every_page_of_an_engine_is_read_in_full() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/expositions");
    let mut pages = 0;
    for file in fs::read_dir(folder).expect("the fixtures are there") {
        let path = file.expect("a file").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        if !["vllm", "dcgm", "production", "openmetrics"].iter().any(|maker| name.starts_with(maker)) {
            continue;
        }
        pages += 1;
        let page = fs::read_to_string(&path).expect("text");
        let format = if page.ends_with("# EOF\n") { Format::OpenMetrics } else { Format::Text };
        let rows = read(&page, format).unwrap_or_else(|error| panic!("{name}: {error}"));
        // These pages have neither times nor exemplars, nor a blank but where one must be.
        let lines: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rows.len(), lines.len(), "{name}");
        for (line, row) in lines.iter().zip(&rows) {
            let written = written(row);
            let (series, value) = written.rsplit_once(' ').expect("a value");
            let (expected_series, expected_value) = line.rsplit_once(' ').expect("a value");
            assert_eq!(series, expected_series, "{name}");
            assert_eq!(value.parse::<f64>(), expected_value.parse::<f64>(), "{name}: {line}");
        }
    }
    assert!(pages >= 18, "only {pages}");
}

/// A line as client libraries write it.
fn written((name, labels, value, time): &Row) -> String {
    let escape = |text: &str| text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
    let time = time.map_or_else(String::new, |time| format!(" {time}"));
    format!("{name}{labels} {}{time}", f64::from_bits(*value))
}

#[test]
fn a_malformed_line_refuses_the_page() {
    let page = include_str!("../../../../tests/fixtures/expositions/hostile-malformed.txt");
    assert_eq!(fault(page, Format::Text), (3, Fault::Value));
    // Each line alone. Those left out are well-formed: they contradict other lines, not the format.
    let faults: Vec<_> = page
        .lines()
        .filter_map(|line| Some((line.split(['{', ' ']).next()?, read(line, Format::Text).err()?.what)))
        .collect();
    assert_eq!(
        faults,
        [
            ("missing_value", Fault::Value),
            ("not_a_number", Fault::Value),
            ("unterminated_value", Fault::Labels),
            ("unterminated_labels", Fault::Labels),
            ("unquoted", Fault::Labels),
            ("no_equals", Fault::Labels),
            ("double_comma", Fault::Labels),
            ("1starts_with_digit", Fault::Name),
            ("has-dash", Fault::Name),
            ("bad_label", Fault::Labels),
            ("duplicate_label", Fault::LabelTwice),
            ("bad_timestamp", Fault::Time),
            ("extra_field", Fault::Surplus),
            ("hex_value", Fault::Value),
            ("underscore_value", Fault::Value),
            ("cut_short", Fault::Labels),
        ]
    );
    // Of lines that are not wanted the name alone is checked, here up to one that begins with a digit.
    let wanted = |name: &str| name.starts_with("good");
    let error = read_wanted(page.as_bytes(), Format::Text, wanted).expect_err("malformed");
    assert_eq!(error.to_string(), "line 11: no single metric name");
    let lines = page.lines().filter(|line| !line.starts_with("1starts") && !line.starts_with("has-dash"));
    let page = lines.collect::<Vec<_>>().join("\n");
    assert_rows(
        &read_wanted(page.as_bytes(), Format::Text, wanted).expect("the rest are names"),
        &[("good_before", &[], 1.0, None), ("good_after", &[], 2.0, None)],
    );
}

#[test]
fn an_error_stays() {
    let mut exposition = Exposition::new(b"a 1\nb x\nc 3\n", Format::Text);
    assert_eq!(exposition.next(|_| true).expect("a sample").expect("a sample").name, "a");
    for _ in 0..3 {
        let error = exposition.next(|_| true).expect_err("malformed");
        assert_eq!(error, Malformed { line: 2, what: Fault::Value });
    }
}

#[test]
fn an_end_stays() {
    for (page, format) in [("a 1", Format::Text), ("a 1\n# EOF\n\n", Format::OpenMetrics)] {
        let mut exposition = Exposition::new(page.as_bytes(), format);
        assert!(exposition.next(|_| true).expect("legal").is_some());
        for _ in 0..3 {
            assert!(exposition.next(|_| true).expect("legal").is_none());
        }
    }
}

#[test]
fn names_and_labels() {
    for (series, name, labels) in [
        ("a", "a", &[][..]),
        ("_:9", "_:9", &[]),
        ("a{}", "a", &[]),
        ("a \t{ }", "a", &[]),
        (r#"a{b="c"}"#, "a", &[("b", "c")]),
        (r#"a{b="c",}"#, "a", &[("b", "c")]),
        (r#"a{b="c" , }"#, "a", &[("b", "c")]),
        ("a{\tb\t=\t\"c\"\t,d=\"e\"\t}", "a", &[("b", "c"), ("d", "e")]),
        (r#"a{_9="",B="}{,=# \" "}"#, "a", &[("_9", ""), ("B", "}{,=# \" ")]),
        // Escapes. Others than the three stand for themselves.
        (r#"a{b="\\n\n\"\\"}"#, "a", &[("b", "\\n\n\"\\")]),
        (r#"a{b="\q\t\é"}"#, "a", &[("b", r"\q\t\é")]),
        // Prometheus 3.
        (r#"{"a"}"#, "a", &[]),
        (r#"{ "http.requests" , b="c"}"#, "http.requests", &[("b", "c")]),
        (r#"{b="c","http.requests"}"#, "http.requests", &[("b", "c")]),
        (r#"{"a",}"#, "a", &[]),
        (r#"a{"b.c"="d","\"\n"="e"}"#, "a", &[("b.c", "d"), ("\"\n", "e")]),
        (r#"{"a \"quoted\"\\ name","模型"="x"}"#, r#"a \"quoted\"\\ name"#, &[("模型", "x")]),
        // Nothing between name and label is the same label.
        (r#"a{a="1",A="2",aa="3"}"#, "a", &[("a", "1"), ("A", "2"), ("aa", "3")]),
        ("a{b=\"\0\u{7f}\"}", "a", &[("b", "\0\u{7f}")]),
    ] {
        let page = format!(" {series} 1 2");
        assert_rows(&[only(&page)], &[(name, labels, 1.0, Some(2))]);
        let mut exposition = Exposition::new(page.as_bytes(), Format::Text);
        let sample = exposition.next(|_| true).expect("legal").expect("a sample");
        assert_eq!(sample.series, series.as_bytes());
    }
}

#[test]
fn no_names_and_no_labels() {
    for (line, what) in [
        ("a", Fault::Name),
        ("a:", Fault::Name),
        ("9a 1", Fault::Name),
        ("-a 1", Fault::Name),
        ("\u{e4} 1", Fault::Name),
        ("a\u{e4} 1", Fault::Name),
        ("a-1", Fault::Name),
        ("a#b 1", Fault::Name),
        ("\0", Fault::Name),
        ("\u{feff}a 1", Fault::Name),
        ("\"a\" 1", Fault::Name),
        ("{} 1", Fault::Name),
        (r#"{b="c"} 1"#, Fault::Name),
        (r#"{""} 1"#, Fault::Name),
        (r#"a{"b"} 1"#, Fault::Name),
        (r#"{"a","b"} 1"#, Fault::Name),
        ("{a} 1", Fault::Labels),
        ("a{b} 1", Fault::Labels),
        ("a{,} 1", Fault::Labels),
        (r#"a{,b="c"} 1"#, Fault::Labels),
        (r#"a{b="c",,} 1"#, Fault::Labels),
        (r#"a{b="c"d="e"} 1"#, Fault::Labels),
        (r#"a{b="c" d="e"} 1"#, Fault::Labels),
        (r#"a{b:c="d"} 1"#, Fault::Labels),
        (r#"a{="c"} 1"#, Fault::Labels),
        (r#"a{""="c"} 1"#, Fault::Labels),
        ("a{b='c'} 1", Fault::Labels),
        ("a{b=c} 1", Fault::Labels),
        (r#"a{b=="c"} 1"#, Fault::Labels),
        (r#"a{b="c"} } 1"#, Fault::Value),
        (r#"a{b="c\"} 1"#, Fault::Labels),
        (r#"a{b="c\"#, Fault::Labels),
        ("a{b=\"c\nd\"} 1", Fault::Labels),
        (r#"a{b="c""#, Fault::Labels),
        (r#"a{"b"#, Fault::Labels),
        ("a{", Fault::Labels),
        ("{", Fault::Labels),
        (r#"{"a" b="c"} 1"#, Fault::Labels),
        (r#"a{b="1",c="2",b="1"} 1"#, Fault::LabelTwice),
        (r#"a{b="1","b"="2"} 1"#, Fault::LabelTwice),
        (r#"a{__name__="a"} 1"#, Fault::LabelTwice),
        (r#"{"a","__name__"="a"} 1"#, Fault::LabelTwice),
    ] {
        assert_eq!(fault(line, Format::Text), (1, what), "{line:?}");
        assert_eq!(fault(format!("{line}\n# EOF\n"), Format::OpenMetrics), (1, what), "{line:?}");
    }
}

#[test]
fn text_is_utf8() {
    let page = include_bytes!("../../../../tests/fixtures/expositions/hostile-invalid-utf8.txt");
    assert_eq!(fault(page, Format::Text), (2, Fault::Encoding));
    for (line, what) in [
        (&b"a{b=\"\xff\"} 1"[..], Fault::Encoding),
        (b"a{\"\xc3\"=\"b\"} 1", Fault::Encoding),
        (b"{\"\xed\xa0\x80\"} 1", Fault::Encoding),
        (b"a 1\xff", Fault::Encoding),
        (b"\xffa 1", Fault::Name),
        (b"a\xff 1", Fault::Name),
    ] {
        assert_eq!(fault(line, Format::Text), (1, what), "{}", line.escape_ascii());
    }
    let wanted = |name: &str| name == "b";
    let rows = read_wanted(b"# \xff\na{b=\"\xff\"} 1\nb 2\n", Format::Text, wanted);
    assert_rows(&rows.expect("nobody looked"), &[("b", &[], 2.0, None)]);
}

#[test]
fn values() {
    for (written, value) in [
        ("7", 7.0),
        ("-7.50", -7.5),
        ("+.5e1", 5.0),
        ("2.489329664e+010", 24_893_296_640.0),
        ("1E-3", 0.001),
        ("1.7976931348623157e308", f64::MAX),
        ("1e-400", 0.0),
        ("-1e-400", -0.0),
        ("0.1", 0.1),
        ("0000000000000000000000000000.1", 0.1),
        ("NaN", f64::NAN),
        ("nan", f64::NAN),
        ("Inf", f64::INFINITY),
        ("+inf", f64::INFINITY),
        ("-Infinity", f64::NEG_INFINITY),
    ] {
        assert_rows(&[only(&format!("a {written}"))], &[("a", &[], value, None)]);
        assert_rows(&[only(&format!("a{{}}{written}\t5 "))], &[("a", &[], value, Some(5))]);
        let rows = read(format!("a {written} # {{}} 5\n# EOF"), Format::OpenMetrics);
        assert_rows(&rows.expect("a number in OpenMetrics too"), &[("a", &[], value, None)]);
    }
    let most = "9".repeat(400);
    for written in [
        "", "x", "1x", "0x1p4", "0x10", "1_0", "1,5", "1e", "e5", ".", "+", "--1", "+NaN", "-NaN", "1e400",
        "-1e400", "infinite", "in", "1 e5x", "true", "١", &most,
    ] {
        let (line, what) = fault(format!("a {written}"), Format::Text);
        let expected = if written.starts_with("1 ") { Fault::Time } else { Fault::Value };
        assert_eq!((line, what), (1, expected), "{written:?}");
    }
}

#[test]
fn times() {
    for (written, time) in [
        ("0", 0),
        ("1794700000123", 1_794_700_000_123),
        ("-5", -5),
        ("+5", 5),
        ("9223372036854775807", i64::MAX),
        ("-9223372036854775808", i64::MIN),
    ] {
        assert_eq!(only(&format!("a 1 {written}")).3, Some(time), "{written}");
    }
    for written in ["x", "1.5", "1e3", "NaN", "9223372036854775808", "-", "# {}", "#"] {
        assert_eq!(fault(format!("a 1 {written}"), Format::Text).1, Fault::Time, "{written}");
    }
    assert_eq!(fault("a 1 2 3", Format::Text).1, Fault::Surplus);
    assert_eq!(fault("a 1 2 # {} 5", Format::Text).1, Fault::Surplus);
    for (written, time) in [
        ("0", 0),
        ("1794700000.123", 1_794_700_000_123),
        ("1.7947e+09", 1_794_700_000_000),
        // Cut off rather than rounded, this would be 1000.
        ("1.001", 1001),
        ("-62135596800", -62_135_596_800_000),
        ("1e-9", 0),
    ] {
        let rows = read(format!("a 1 {written}\n# EOF\n"), Format::OpenMetrics).expect(written);
        assert_rows(&rows, &[("a", &[], 1.0, Some(time))]);
    }
    for written in ["x", "NaN", "+Inf", "1e300", "-1e300", "9223372036854775.808", "1e400", "1_0"] {
        assert_eq!(
            fault(format!("a 1 {written}\n# EOF\n"), Format::OpenMetrics),
            (1, Fault::Time),
            "{written}"
        );
    }
    assert_eq!(fault("a 1 2 3\n# EOF\n", Format::OpenMetrics), (1, Fault::Surplus));
}

#[test]
fn exemplars_are_skipped() {
    for exemplar in [
        r#"# {trace_id="x"} 0.5 123.4"#,
        "# {} 0.5",
        r#"# {trace_id="} # {",b="\""} 0.5"#,
        "#",
        "# nothing of the kind",
    ] {
        for (line, time) in [("a{b=\"# {\"} 1", None), ("a{b=\"# {\"} 1 2.5", Some(2500))] {
            let page = format!("{line} {exemplar}\nc 3\n# EOF\n");
            let rows = read(&page, Format::OpenMetrics).unwrap_or_else(|error| panic!("{page:?}: {error}"));
            assert_rows(&rows, &[("a", &[("b", "# {")], 1.0, time), ("c", &[], 3.0, None)]);
        }
    }
    assert_eq!(fault("a 1#\n# EOF", Format::OpenMetrics), (1, Fault::Value));
    assert_eq!(fault("a # {} 1\n# EOF", Format::OpenMetrics), (1, Fault::Value));
    assert_eq!(fault("a 1 2#\n# EOF", Format::OpenMetrics), (1, Fault::Time));
}

#[test]
fn the_end_mark() {
    for page in ["# EOF", "# EOF\n", "# EOF\r\n", "# EOF\r", "# EOF\n \n\t\r\n", "\n# anything\n# EOF"] {
        assert_rows(&read(page, Format::OpenMetrics).expect(page), &[]);
    }
    for (page, line, what) in [
        ("", 1, Fault::NoEndMark),
        ("\n\n", 3, Fault::NoEndMark),
        ("a 1\n", 2, Fault::NoEndMark),
        ("a 1", 1, Fault::NoEndMark),
        ("# EOF \n", 2, Fault::NoEndMark),
        ("#EOF", 1, Fault::NoEndMark),
        ("# EOFX", 1, Fault::NoEndMark),
        ("# EO", 1, Fault::NoEndMark),
        ("# eof\n", 2, Fault::NoEndMark),
        ("a 1 # EOF", 1, Fault::NoEndMark),
        ("a 1\n# EOF\na 2\n", 2, Fault::AfterEndMark),
        ("# EOF\n# EOF\n", 1, Fault::AfterEndMark),
        ("# EOF\n\n#", 1, Fault::AfterEndMark),
        ("# EOF\n\0", 1, Fault::AfterEndMark),
    ] {
        assert_eq!(fault(page, Format::OpenMetrics), (line, what), "{page:?}");
    }
    // A comment in the text format, where anything may follow.
    assert_rows(&read("# EOF\na 1", Format::Text).expect("a comment"), &[("a", &[], 1.0, None)]);
}

#[test]
fn a_line_has_its_bounds() {
    let labelled = |count: usize| {
        let labels: Vec<_> = (0..count).map(|index| format!("l{index}=\"\"")).collect();
        format!("a{{{}}} 1", labels.join(","))
    };
    assert_eq!(only(&labelled(MAX_LABELS)).1.len(), MAX_LABELS);
    assert_eq!(fault(labelled(MAX_LABELS + 1), Format::Text), (1, Fault::TooManyLabels));
    let long = |length: usize| {
        let value = "x".repeat(length - r#"a{b=""} 1"#.len());
        format!("a{{b=\"{value}\"}} 1")
    };
    assert_eq!(long(MAX_LINE).len(), MAX_LINE);
    only(&long(MAX_LINE));
    only(&format!("{}\r\n", long(MAX_LINE)));
    assert_eq!(fault(long(MAX_LINE + 1), Format::Text), (1, Fault::TooLong));
    // Neither comments nor lines that are not wanted have a bound.
    let page =
        format!("# {}\n{}\n{}\nb 2\n", long(2 * MAX_LINE), long(2 * MAX_LINE), labelled(2 * MAX_LABELS));
    let rows = read_wanted(page.as_bytes(), Format::Text, |name| name == "b");
    assert_rows(&rows.expect("skipped"), &[("b", &[], 2.0, None)]);
}

#[test]
fn a_name_is_asked_for_once_in_a_row() {
    let asked = Cell::new(Vec::new());
    let page = "a_sum 1\na 2\na{b=\"c\"} 3\n# TYPE ab gauge\na\t4\nab 5\na 6\n{\"a\"} 7\n{\"a\"} 8\na 9\n";
    let rows = read_wanted(page.as_bytes(), Format::Text, |name| {
        let mut names: Vec<String> = asked.take();
        names.push(name.to_owned());
        asked.set(names);
        name == "a"
    });
    let values: Vec<_> = rows.expect("legal").iter().map(|row| f64::from_bits(row.2)).collect();
    assert_eq!(values, [2.0, 3.0, 4.0, 6.0, 7.0, 8.0, 9.0]);
    assert_eq!(asked.take(), ["a_sum", "a", "ab", "a", "a", "a"]);
}
