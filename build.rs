//! Embeds every file of `catalog/`, so that a new engine is a new file and nothing else.

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
    let list: String = files
        .iter()
        .map(|path| {
            let name = path.file_name().unwrap_or_default();
            format!("({name:?}, include_str!({path:?})),\n")
        })
        .collect();
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets the output directory")).join("catalog.rs");
    fs::write(out, format!("&[\n{list}]\n")).expect("the output directory is writable");
}
