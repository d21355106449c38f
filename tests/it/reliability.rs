//! The page about faults: it has every row, and every test that it names is there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// How many rows the matrix of faults and the list of threats have.
const ROWS: [(char, u32); 2] = [('R', 48), ('S', 22)];

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    std::fs::read_to_string(path).expect("the page")
}

/// The name of each row with what stands in its last cell.
fn rows(page: &str) -> Vec<(&str, &str)> {
    let cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = cells.filter_map(|line| Some((line.split_once(" | ")?.0, line.rsplit_once(" | ")?.1)));
    cells.filter(|(name, _)| name.starts_with(['R', 'S']) && name[1..].parse::<u32>().is_ok()).collect()
}

/// What stands in backticks and is a path of modules.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2).filter(|name| name.contains("::") && !name.contains([' ', '/', '(']))
}

/// Whether a test of this path is in its file, or in the file of a module around it.
fn is_there(name: &str) -> bool {
    let (modules, function) = name.rsplit_once("::").expect("a path");
    let modules: Vec<&str> = modules.split("::").collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = ["tests/it", "src"].into_iter().flat_map(|base| {
        let modules = &modules;
        (1..=modules.len()).flat_map(move |depth| {
            let folder: PathBuf = [base].into_iter().chain(modules[..depth].iter().copied()).collect();
            [root.join(folder.with_extension("rs")), root.join(folder.join("mod.rs"))]
        })
    });
    let declared = format!("fn {function}(");
    files.filter_map(|file| std::fs::read_to_string(file).ok()).any(|text| text.contains(&declared))
}

#[test]
fn every_fault_and_every_threat_has_its_row() {
    let page = page();
    let found: Vec<&str> = rows(&page).into_iter().map(|(name, _)| name).collect();
    let distinct: BTreeSet<&str> = found.iter().copied().collect();
    let wanted: BTreeSet<String> = ROWS
        .iter()
        .flat_map(|(letter, count)| (1..=*count).map(move |row| format!("{letter}{row}")))
        .collect();
    assert_eq!(found.len(), distinct.len(), "a row is there twice");
    assert_eq!(distinct, wanted.iter().map(String::as_str).collect());
}

#[test]
fn every_row_names_tests_that_are_there() {
    let page = page();
    let mut wrong = Vec::new();
    for (row, cell) in rows(&page) {
        let mut count = 0;
        for name in names(cell) {
            count += 1;
            if !is_there(name) {
                wrong.push(format!("{row}: there is no test {name}"));
            }
        }
        if count == 0 {
            wrong.push(format!("{row} names no test: {cell}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    assert!(is_there("reliability::a_test_that_is_not_there_is_missed"));
    assert!(!is_there("reliability::a_test_that_nobody_wrote"));
    assert!(!is_there("nowhere::a_test_that_is_not_there_is_missed"));
}
