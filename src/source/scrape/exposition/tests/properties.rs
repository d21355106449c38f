//! Whatever is written is read back, and whatever comes in is survived.

use proptest::prelude::*;

use super::*;

/// A name in quotes, without characters that would need escapes: a sample gives it as it is written.
const QUOTED_NAME: &str = r#"[^"\\\n]{1,12}"#;

/// Values as bits; there is one NaN.
fn values() -> impl Strategy<Value = u64> {
    let special = vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 7.0, 0.83];
    let any = prop::num::f64::ANY.prop_map(|value| if value.is_nan() { f64::NAN } else { value });
    prop_oneof![prop::sample::select(special), any].prop_map(f64::to_bits)
}

/// Rows of one format's times, with names and labels of both kinds.
fn rows(format: Format) -> impl Strategy<Value = Vec<Row>> {
    let name = prop_oneof![
        4 => "[a-zA-Z_:][a-zA-Z0-9_:]{0,8}".boxed(),
        // Neighbours that share a beginning.
        4 => "a(_sum|_count|:)?".boxed(),
        1 => QUOTED_NAME.boxed(),
    ];
    let label = prop_oneof![4 => "[a-zA-Z_][a-zA-Z0-9_]{0,6}".boxed(), 1 => "\\PC{1,6}".boxed()];
    let value =
        prop_oneof!["[a-z0-9./-]{0,20}".boxed(), any::<String>().boxed(), "[\\\\n\"{},=# ]{0,12}".boxed()];
    let labels = prop::collection::btree_map(label, value, 0..6).prop_map(|mut labels| {
        labels.remove("__name__");
        labels.into_iter().collect::<Vec<_>>()
    });
    let time = match format {
        Format::Text => any::<i64>().boxed(),
        // As seconds they are written with three decimals.
        Format::OpenMetrics => (-4_000_000_000_000_i64..4_000_000_000_000).boxed(),
    };
    prop::collection::vec((name, labels, values(), prop::option::of(time)), 0..12)
}

/// What the formats leave to the writer.
#[derive(Debug)]
struct Layout {
    before: &'static str,
    blank: &'static str,
    trailing_comma: bool,
    exponents: bool,
    end: &'static str,
    between: &'static str,
}

fn layouts() -> impl Strategy<Value = Layout> {
    (
        prop::sample::select(vec!["", " ", "\t\t"]),
        prop::sample::select(vec!["", " ", "\t", " \t "]),
        any::<bool>(),
        any::<bool>(),
        prop::sample::select(vec!["\n", "\r\n", "\n\n", " \n"]),
        prop::sample::select(vec!["", "# a comment \"{\n", "# TYPE a gauge\n", "# HELP a a{b=\"c\"} 1\n"]),
    )
        .prop_map(|(before, blank, trailing_comma, exponents, end, between)| Layout {
            before,
            blank,
            trailing_comma,
            exponents,
            end,
            between,
        })
}

/// The page that says `rows`.
fn page(rows: &[Row], format: Format, layout: &Layout) -> String {
    let mut page: String = rows.iter().map(|row| line(row, format, layout)).collect();
    if format == Format::OpenMetrics {
        page += "# EOF\n";
    }
    page
}

fn line((name, labels, value, time): &Row, format: Format, layout: &Layout) -> String {
    let Layout { before, blank, trailing_comma, exponents, end, between } = *layout;
    let is_bare = |name: &str, also: char| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == also)
    };
    let escape = |text: &str| text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
    let mut entries: Vec<_> = labels
        .iter()
        .map(|(name, value)| {
            let name = if is_bare(name, '_') { name.clone() } else { format!("\"{}\"", escape(name)) };
            format!("{name}{blank}={blank}\"{}\"", escape(value))
        })
        .collect();
    let mut name = name.as_str();
    if !is_bare(name, ':') {
        entries.insert(0, format!("\"{name}\""));
        name = "";
    }
    let entries = match entries.join(&format!("{blank},{blank}")) {
        none if none.is_empty() => none,
        some => format!("{blank}{{{blank}{some}{blank}{}{blank}}}", if trailing_comma { "," } else { "" }),
    };
    let value = f64::from_bits(*value);
    let value = if exponents { format!("{value:e}") } else { value.to_string() };
    let time = match (time, format) {
        (None, _) => String::new(),
        (Some(millis), Format::Text) => format!(" {blank}{millis}"),
        (Some(millis), Format::OpenMetrics) => format!(" {blank}{}", *millis as f64 / 1000.0),
    };
    format!("{before}{name}{entries} {blank}{value}{time}{end}{between}")
}

/// Pieces that pages are made of, in any order.
fn rubble() -> impl Strategy<Value = Vec<u8>> {
    let pieces = "a|b_sum|9|{|}|\"|\\|\\n|=|,| |\t|\n|\r\n|#|# EOF|# {|1|-1.5e3|NaN|\u{e4}|\0\
        |a{b=\"c\"} 1\n|a 1 2\n|{\"a.b\"} 1\n";
    let piece = prop::sample::select(pieces.split('|').collect::<Vec<_>>());
    let pieces = prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes());
    prop_oneof![4 => pieces.boxed(), 1 => prop::collection::vec(any::<u8>(), 0..300).boxed()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn what_is_written_is_read((format, rows, layout) in prop_oneof![Just(Format::Text), Just(Format::OpenMetrics)]
        .prop_flat_map(|format| (Just(format), rows(format), layouts())))
    {
        let page = page(&rows, format, &layout);
        let read = read(&page, format).map_err(|error| TestCaseError::fail(format!("{error}: {page:?}")))?;
        prop_assert_eq!(&read, &rows);
        // What is not wanted is as if it were not there.
        let wanted = |name: &str| name.len().is_multiple_of(2);
        let part = read_wanted(page.as_bytes(), format, wanted).expect("well-formed throughout");
        let expected: Vec<_> = rows.into_iter().filter(|row| wanted(&row.0)).collect();
        prop_assert_eq!(part, expected);
    }

    #[test]
    fn whatever_comes_is_survived(body in rubble()) {
        fuzz::check(&body);
    }

    #[test]
    fn the_series_is_what_the_sample_is_of(rows in rows(Format::Text), layout in layouts()) {
        let page = page(&rows, Format::Text, &layout);
        let mut exposition = Exposition::new(page.as_bytes(), Format::Text);
        while let Some(sample) = exposition.next(|_| true).expect("well-formed") {
            let line = [sample.series, b" 7"].concat();
            let alone = read(line, Format::Text).expect("well-formed");
            let (name, labels, _, _) = row(&sample);
            prop_assert_eq!(alone, [(name, labels, 7.0_f64.to_bits(), None)]);
        }
    }
}
