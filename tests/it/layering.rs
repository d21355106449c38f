//! Which part may know which. The order is the point of the layout, so it is checked and not only described.

mod rust;
mod tree;

use std::path::Path;

use tree::{File, Tree};

/// A part of `src/` and the other parts it may name; `None` for all. Test code may name any.
const LAYERS: [(&str, Option<&[&str]>); 12] = [
    ("core", Some(&[])),
    ("telemetry", Some(&["core"])),
    ("catalog", Some(&["core"])),
    ("source", Some(&["core", "catalog"])),
    ("demo", Some(&["core"])),
    ("config", Some(&["core", "catalog", "source"])),
    ("engine", Some(&["core", "telemetry", "catalog", "source", "config"])),
    ("api", Some(&["core", "telemetry", "engine"])),
    ("server", Some(&[])),
    ("auth", Some(&["core", "telemetry", "api", "server"])),
    ("cluster", Some(&["core", "telemetry", "auth", "server", "engine"])),
    ("cli", None),
];

/// What would let the core wait, read a clock or reach outside.
const IMPURE_WORDS: [&str; 4] = ["async", "await", "Instant", "SystemTime"];
const IMPURE_PATHS: [&[&str]; 11] = [
    &["tokio"],
    &["reqwest"],
    &["kube"],
    &["hyper"],
    &["axum"],
    &["std", "fs"],
    // Addresses are values.
    &["std", "net", "TcpListener"],
    &["std", "net", "TcpStream"],
    &["std", "net", "UdpSocket"],
    &["std", "env"],
    &["std", "thread"],
];

/// A longer file holds two subjects.
const MOST_LINES: usize = 400;

fn directions(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for File { path, module, test, scan } in tree.walk("src/lib.rs") {
        let Some(part) = module.first().filter(|_| !test) else { continue };
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| name == part) else {
            complaints.push(format!("{path}: {part} has no place in the order; decide what it may name"));
            continue;
        };
        for named in scan.paths.iter().filter(|named| named.ours) {
            let target = named.segments.first().map_or("*", String::as_str);
            if target != part && allowed.is_some_and(|allowed| !allowed.contains(&target)) {
                complaints.push(format!("{path}:{}: {part} must not name {target}", named.line));
            }
        }
    }
    complaints
}

fn impurities(tree: &Tree) -> Vec<String> {
    let mut complaints = Vec::new();
    for File { path, module, test, scan } in tree.walk("src/lib.rs") {
        if test || module.first().is_none_or(|part| part != "core") {
            continue;
        }
        for (line, word) in scan.words.iter().filter(|(_, word)| IMPURE_WORDS.contains(&word.as_str())) {
            complaints.push(format!("{path}:{line}: the core must not know {word}"));
        }
        for named in scan.paths.iter().filter(|named| !named.ours) {
            if IMPURE_PATHS.iter().any(|impure| {
                named.segments.iter().zip(*impure).filter(|(a, b)| a == *b).count() == impure.len()
            }) {
                complaints.push(format!(
                    "{path}:{}: the core must not know {}",
                    named.line,
                    named.segments.join("::")
                ));
            }
        }
    }
    complaints
}

fn undeclared(tree: &Tree) -> Vec<String> {
    tree.undeclared()
        .into_iter()
        .map(|path| format!("{path}: no `mod` declares it, so nothing compiles it"))
        .collect()
}

/// Test code may be as long as its tables.
fn overlong(tree: &Tree) -> Vec<String> {
    let is_test = |path: &str| path.split('/').any(|part| matches!(part, "tests" | "tests.rs"));
    tree.files()
        .filter(|(path, text)| !is_test(path) && text.lines().count() > MOST_LINES)
        .map(|(path, text)| format!("{path}: {} lines, more than {MOST_LINES}", text.lines().count()))
        .collect()
}

fn project() -> Tree {
    Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")), &["src", "tests", "examples", "benches"])
}

#[track_caller]
fn assert_none(complaints: &[String]) {
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn parts_name_only_what_is_below_them() {
    assert_none(&directions(&project()));
}

#[test]
fn the_core_is_pure() {
    let project = project();
    assert!(
        project.walk("src/lib.rs").iter().any(|file| file.path == "src/core/mod.rs"),
        "the core was not read"
    );
    assert_none(&impurities(&project));
}

#[test]
fn every_file_is_compiled() {
    assert_none(&undeclared(&project()));
}

#[test]
fn files_have_one_subject() {
    assert_none(&overlong(&project()));
}

/// Every rule above broken once, beside what each allows.
#[test]
fn each_rule_can_fail() {
    let long = "\n".repeat(MOST_LINES + 1);
    let tree = Tree::of(&[
        ("src/lib.rs", "pub mod api; pub mod core; pub mod server; pub mod cli; mod stray; mod engine;"),
        (
            "src/api/mod.rs",
            "use crate::core::Metric;\nuse crate::{engine::ask, source::Source};\nmod status;",
        ),
        ("src/api/status.rs", "fn f() { super::super::config::load() }"),
        (
            "src/core/mod.rs",
            "pub mod time;\n#[cfg(test)]\nmod tests;\nuse crate::api::X;\nuse std::{fmt, fs::File};",
        ),
        ("src/core/time.rs", "use std::time::Instant;\nasync fn f() { tokio::spawn(x) }\n// SystemTime"),
        ("src/core/tests.rs", "use std::time::Instant; use crate::cli::Cli;"),
        ("src/server.rs", "use crate::api;\nuse crate::server::tls;"),
        ("src/cli.rs", "use crate::{api, source};\nuse crate::*;"),
        ("src/stray.rs", ""),
        ("src/engine.rs", &long),
        ("src/engine/forgotten.rs", ""),
        ("src/engine/tests.rs", &long),
        ("tests/it/main.rs", "mod known;\n#[path = \"../support/shared.rs\"] mod shared;"),
        ("tests/it/known/mod.rs", ""),
        ("tests/it/forgotten.rs", ""),
        ("tests/support/shared.rs", ""),
        ("tests/second_crate.rs", ""),
        ("examples/one.rs", ""),
    ]);
    assert_eq!(
        directions(&tree),
        [
            "src/api/status.rs:1: api must not name config",
            "src/api/mod.rs:2: api must not name source",
            "src/core/mod.rs:4: core must not name api",
            "src/server.rs:1: server must not name api",
            "src/stray.rs: stray has no place in the order; decide what it may name",
        ]
    );
    assert_eq!(
        impurities(&tree),
        [
            "src/core/time.rs:1: the core must not know Instant",
            "src/core/time.rs:2: the core must not know async",
            "src/core/time.rs:2: the core must not know tokio::spawn",
            "src/core/mod.rs:5: the core must not know std::fs::File",
        ]
    );
    assert_eq!(
        undeclared(&tree),
        ["src/engine/forgotten.rs", "src/engine/tests.rs", "tests/it/forgotten.rs", "tests/second_crate.rs"]
            .map(|path| format!("{path}: no `mod` declares it, so nothing compiles it"))
    );
    assert_eq!(overlong(&tree), ["src/engine.rs: 401 lines, more than 400"]);
}
