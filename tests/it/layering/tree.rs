//! The project's Rust files and which of them belong to which crate as which module.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::rust::{Scan, scan};

/// Files by their path from the project's root, `/` between folders.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<String, String>);

/// A file that a crate reaches.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    /// Where it hangs: `["core", "time"]`; empty for the root.
    pub(super) module: Vec<String>,
    /// Compiled for unit tests only.
    pub(super) test: bool,
    pub(super) scan: Scan,
}

impl Tree {
    /// The Rust files of `folders` under `root`.
    pub(super) fn read(root: &Path, folders: &[&str]) -> Self {
        let mut tree = Self::default();
        for folder in folders {
            tree.read_folder(root, folder);
        }
        tree
    }

    fn read_folder(&mut self, root: &Path, folder: &str) {
        // A package of its own has rules of its own.
        if root.join(folder).join("Cargo.toml").exists() {
            return;
        }
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return };
        for entry in entries {
            let entry = entry.expect("a folder of the project is readable");
            let path = format!("{folder}/{}", entry.file_name().to_str().expect("file names are UTF-8"));
            if entry.path().is_dir() {
                self.read_folder(root, &path);
            } else if Path::new(&path).extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(entry.path()).expect("a source file is readable");
                self.0.insert(path, text);
            }
        }
    }

    /// A tree out of thin air.
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The files of the crate whose root is `root`, the root included.
    pub(super) fn walk(&self, root: &str) -> Vec<File> {
        let mut files = Vec::new();
        self.descend(root, Vec::new(), false, &mut files);
        files
    }

    fn descend(&self, path: &str, module: Vec<String>, test: bool, files: &mut Vec<File>) {
        let Some(source) = self.0.get(path) else { return };
        let found = scan(source, &module);
        let (folder, file_name) = path.rsplit_once('/').unwrap_or(("", path));
        let owns_folder = module.is_empty() || file_name == "mod.rs";
        let children = if owns_folder {
            folder.to_owned()
        } else {
            format!("{folder}/{}", file_name.trim_end_matches(".rs"))
        };
        for declared in &found.modules {
            let candidates = if let Some(other) = &declared.path {
                vec![normal(&format!("{folder}/{other}"))]
            } else {
                let parts: Vec<_> = [&children]
                    .into_iter()
                    .chain(&declared.inside)
                    .chain([&declared.name])
                    .map(String::as_str)
                    .collect();
                let stem = parts.join("/");
                vec![format!("{stem}.rs"), format!("{stem}/mod.rs")]
            };
            for candidate in candidates {
                let mut child = module.clone();
                child.extend(declared.inside.iter().cloned());
                child.push(declared.name.clone());
                self.descend(&candidate, child, test || declared.test, files);
            }
        }
        files.push(File { path: path.to_owned(), module, test, scan: found });
    }

    /// Files that no crate reaches: they are never compiled, and a test in one never runs.
    pub(super) fn undeclared(&self) -> Vec<String> {
        let reached: BTreeSet<String> = self
            .0
            .keys()
            .filter(|path| is_root(path))
            .flat_map(|root| self.walk(root))
            .map(|file| file.path)
            .collect();
        self.0.keys().filter(|path| !reached.contains(*path)).cloned().collect()
    }
}

/// Where crates begin. All integration tests are one crate, so a file right under `tests/` is none.
fn is_root(path: &str) -> bool {
    matches!(
        path.split('/').collect::<Vec<_>>()[..],
        ["src", "lib.rs" | "main.rs"]
            | ["tests", "it", "main.rs"]
            | ["examples" | "benches", _]
            | ["examples" | "benches", _, "main.rs"]
    )
}

/// `a/b/../c` as `a/c`.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}
