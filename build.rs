//! Embeds every file of `catalog/`, so that a new engine is a new file and nothing else.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=catalog");
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets the manifest directory");
    let mut files: Vec<_> = fs::read_dir(Path::new(&root).join("catalog"))
        .expect("catalog/ is readable")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    files.sort();
    // Debug quotes and escapes: a name becomes a string literal.
    let mut list = String::new();
    for path in &files {
        let name = path.file_name().and_then(|name| name.to_str()).expect("names in catalog/ are UTF-8");
        let path = path.to_str().expect("the path of the project is UTF-8");
        writeln!(list, "({name:?}, include_str!({path:?})),").expect("a string takes any text");
    }
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets the output directory")).join("catalog.rs");
    fs::write(out, format!("&[\n{list}]\n")).expect("the output directory is writable");
}
