//! How fast the exposition parser is beside those published, on pages as real engines serve them.
//!
//! `cargo run --release --manifest-path benches/parsers/Cargo.toml` prints one table a page. Speed is
//! the median of rounds in which the parsers take turns, each reading the page into what its users
//! get. Whether the samples are right is judged against a plain reading of the page.

mod parsers;
mod reference;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use parsers::{PARSERS, Parser};

const ROUNDS: usize = 21;

/// How long one parser reads in one round.
const TURN: Duration = Duration::from_millis(40);

/// The least size of the large pages, in bytes.
const LARGE: usize = 1 << 20;

const FIXTURES: &str = "../../tests/fixtures/expositions";

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIXTURES);
    for file in ["vllm-0.33.0.txt", "dcgm-exporter-4.5.3-default.txt"] {
        let page = fs::read_to_string(folder.join(file)).expect("the page is readable");
        compare(file, &page);
        compare(&format!("{file}, enlarged"), &enlarged(&page));
    }
}

/// Prints the table of one page.
fn compare(title: &str, page: &str) {
    let mut speeds = vec![Vec::with_capacity(ROUNDS); PARSERS.len()];
    for _ in 0..ROUNDS {
        for (parser, speeds) in PARSERS.iter().zip(&mut speeds) {
            speeds.push(speed(parser, page));
        }
    }
    println!("\n{title}: {} bytes, {} samples\n", page.len(), reference::rows(page).len());
    println!("| parser | version | MB/s | samples read | all right |");
    println!("|---|---|---:|---:|---|");
    for (parser, speeds) in PARSERS.iter().zip(&mut speeds) {
        speeds.sort_by(f64::total_cmp);
        let median = speeds[ROUNDS / 2];
        let (read, verdict) = judge(parser, page);
        println!("| {} | {} | {median:.0} | {read} | {verdict} |", parser.name, parser.version);
    }
}

/// Megabytes a second, of one turn.
fn speed(parser: &Parser, page: &str) -> f64 {
    let begin = Instant::now();
    let mut bytes = 0;
    while begin.elapsed() < TURN {
        (parser.run)(page);
        bytes += page.len();
    }
    bytes as f64 / 1e6 / begin.elapsed().as_secs_f64()
}

/// How many samples are read, and whether they are the page's.
fn judge(parser: &Parser, page: &str) -> (usize, String) {
    let mut expected: Vec<_> = reference::rows(page).into_iter().filter(parser.wants).collect();
    let Some(mut rows) = (parser.rows)(page) else { return (0, "refuses the page".to_owned()) };
    expected.sort();
    rows.sort();
    let right = expected.iter().filter(|row| rows.binary_search(row).is_ok()).count();
    let verdict = if rows == expected { "yes".to_owned() } else { format!("{right} of {}", expected.len()) };
    (rows.len(), verdict)
}

/// The page that several replicas would serve together: the samples of each family over again, told
/// apart by a label.
fn enlarged(page: &str) -> String {
    let mut large = String::new();
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with('#') {
            large += line;
            large.push('\n');
            continue;
        }
        let mut family = vec![line];
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            family.push(line);
        }
        for replica in 0..LARGE.div_ceil(page.len()) {
            for sample in &family {
                let (series, value) = sample.rsplit_once(' ').expect("a value");
                let open = series.strip_suffix('}').map_or(format!("{series}{{"), |open| format!("{open},"));
                writeln!(large, "{open}replica=\"{replica}\"}} {value}").expect("a string takes all");
            }
        }
    }
    large
}
