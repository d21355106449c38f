//! Each check meets the inputs that are kept for it, and what can be made of them at random.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::{CHECKS, run};

/// Inputs made at random for each check, unless `PROPTEST_CASES` says how many.
const CASES: u32 = 100;

/// Texts that readers trip over.
const STUMBLING: [&[u8]; 24] = [
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    "\u{e4}".as_bytes(),
    "\u{1f600}".as_bytes(),
    b"\r\n",
    b"\n",
    b"\"",
    b"\\",
    b"'",
    b"#",
    b"%",
    b"{",
    b"}",
    b"[[[[[[[[",
    b"((((((((",
    b",",
    b":",
    b"=",
    b"NaN",
    b"-0",
    b"1e309",
    b"9223372036854775807",
    b"-9223372036854775808",
];

/// A change of a text: where, as a share of its length, and what.
#[derive(Debug, Clone)]
enum Change {
    Put(f64, &'static [u8]),
    Set(f64, u8),
    Cut(f64, f64),
    Repeat(f64, f64),
    End(f64),
}

impl Change {
    fn any() -> impl Strategy<Value = Self> {
        let at = || 0.0..1.0;
        prop_oneof![
            (at(), prop::sample::select(&STUMBLING[..])).prop_map(|(from, what)| Self::Put(from, what)),
            (at(), any::<u8>()).prop_map(|(from, byte)| Self::Set(from, byte)),
            (at(), at()).prop_map(|(from, to)| Self::Cut(from, to)),
            (at(), at()).prop_map(|(from, to)| Self::Repeat(from, to)),
            at().prop_map(Self::End),
        ]
    }

    fn make(&self, bytes: &mut Vec<u8>) {
        let length = bytes.len() as f64;
        let place = |share: f64| (share * length) as usize;
        // Near its beginning, so that most of a text stays as it is.
        let range = |from, length: f64| place(from)..place((from + length * length * length).min(1.0));
        match *self {
            Self::Put(from, what) => drop(bytes.splice(place(from)..place(from), what.iter().copied())),
            Self::Set(from, byte) => bytes.get_mut(place(from)).into_iter().for_each(|old| *old = byte),
            Self::Cut(from, length) => drop(bytes.drain(range(from, length))),
            Self::Repeat(from, length) => {
                let piece = bytes[range(from, length)].to_vec();
                bytes.splice(place(from)..place(from), piece);
            }
            Self::End(from) => bytes.truncate(place(from)),
        }
    }
}

/// What is kept for `target`, by file.
fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("fuzz/corpus").join(target)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "{target} has no inputs");
    files
}

/// Runs the check of `target`; a fault is told with its input.
fn replay(target: &str) {
    let seeds = seeds(target);
    for (path, bytes) in &seeds {
        println!("{}", path.display());
        run(target, bytes);
    }
    let texts: Vec<Vec<u8>> =
        seeds.into_iter().map(|(_, bytes)| bytes).filter(|one| one.len() <= 4096).collect();
    let changes = prop::collection::vec(Change::any(), 0..4);
    let mutants = (prop::sample::select(texts), changes).prop_map(|(mut bytes, changes)| {
        for change in changes {
            change.make(&mut bytes);
        }
        bytes
    });
    let inputs = prop_oneof![9 => mutants.boxed(), 1 => prop::collection::vec(any::<u8>(), 0..64).boxed()];
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = if std::env::var_os("PROPTEST_CASES").is_some() {
        TestRunner::new(config)
    } else {
        // The same on every run: what is new is for longer runs to find.
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        TestRunner::new_with_rng(Config { cases: CASES, ..config }, rng)
    };
    let result = runner.run(&inputs, |bytes| {
        run(target, &bytes);
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

/// The names of all targets that `fuzz/` has are those of the checks.
#[test]
fn every_check_is_fuzzed() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/Cargo.toml")).unwrap();
    let targets: Vec<&str> = manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(|target| target.split("name = \"").nth(1)?.split('"').next())
        .collect();
    let checks: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(targets, checks);
}

macro_rules! replay {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*

        #[test]
        fn every_check_is_replayed() {
            let checks: Vec<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
            assert_eq!([$(stringify!($target)),*].as_slice(), checks);
        }
    };
}

replay! {
    accept answer autoscalers budgets certificate configuration encoded exposition expression headers
    metric narrowing owners pods promql quantity redis request schedule secret selector target trust yaml
}
