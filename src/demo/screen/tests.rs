use super::*;

fn state(colour: bool) -> State {
    let rising: Vec<f64> = (0..200).map(f64::from).collect();
    let row = |name: &str| Row {
        name: name.into(),
        ready: 12,
        wanted: 16,
        waiting: 1_234,
        within: 0.98,
        cost: 1_234.5,
    };
    State {
        clock: 35_000.0,
        day_seconds: 86_400.0,
        speed: 120.0,
        arrivals: rising.clone(),
        waiting: rising.clone(),
        kv_usage: rising.iter().map(|value| value / 200.0).collect(),
        ttft_p95: vec![0.4, 3.0, f64::INFINITY],
        target: 2.0,
        ready: 5,
        loading: 2,
        wanted: 7,
        cost: 34.5,
        rows: vec![row("in system 16 a replica"), row(&"a very long name ".repeat(9))],
        colour,
    }
}

fn without_colour(line: &str) -> String {
    let mut parts = line.split('\x1b');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').unwrap().1)
}

#[test]
fn no_line_is_too_wide_and_colour_changes_no_letter() {
    let plain = lines(&state(false));
    assert!(plain.iter().all(|line| line.chars().count() <= WIDTH), "{plain:#?}");
    assert!(plain.iter().all(|line| !line.contains('\x1b')));
    let painted: Vec<String> = lines(&state(true)).iter().map(|line| without_colour(line)).collect();
    assert_eq!(painted, plain);
}

#[test]
fn the_block_has_one_height() {
    let mut empty = State { rows: state(false).rows, ..State::default() };
    assert_eq!(lines(&empty).len(), lines(&state(false)).len());
    empty.rows.clear();
    assert_eq!(lines(&empty).len(), 8);
}

#[test]
fn the_block_tells_the_state() {
    let text = lines(&state(false)).join("\n");
    for part in
        ["09:43:20", "120x", "199.0/s", "never", "target 2.00 s", "5 ready", "2 loading, 7 wanted", "$34.50"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn late_first_tokens_are_red() {
    assert!(lines(&state(true))[4].contains("\x1b[31m"));
    let calm = State { ttft_p95: vec![0.4], ..state(true) };
    assert!(lines(&calm)[4].contains("\x1b[32m"));
}

#[test]
fn a_log_gets_one_line() {
    assert_eq!(
        line(&State { waiting: vec![42.0], arrivals: vec![13.25], kv_usage: vec![0.234], ..state(true) }),
        "09:43:20 arrivals 13.2/s, waiting 42, KV 23 %, first token p95 never, replicas 5 ready, 2 loading, 7 wanted, $34.50"
    );
}

#[test]
fn sparklines_show_the_last_values() {
    assert_eq!(sparkline(&[0.0, 1.0, 4.0, 8.0, 99.0, f64::INFINITY], 8.0).trim_end(), "▁▁▄███");
    assert_eq!(sparkline(&vec![1.0; 500], 2.0).chars().count(), SPARK);
    assert_eq!(sparkline(&[], 1.0).chars().count(), SPARK);
}
