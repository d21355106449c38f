//! What we are built from and shipped as (S12, S22): past the advisories that concern us, as it was locked.

use std::fs;
use std::path::{Path, PathBuf};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The versions of a package in the lock file, each as three numbers.
fn locked(lock: &str, name: &str) -> Vec<[u64; 3]> {
    let named = format!("[[package]]\nname = \"{name}\"\nversion = \"");
    let versions = lock.split(&named).skip(1).filter_map(|rest| rest.split('"').next());
    versions
        .map(|version| {
            let mut parts = version.split('.').map(|part| part.parse().expect("a number"));
            [(); 3].map(|()| parts.next().expect("three numbers"))
        })
        .collect()
}

#[test]
fn every_locked_version_is_past_its_advisories() {
    let lock = read("Cargo.lock");
    for (name, least) in [
        // RUSTSEC-2024-0003, 2024-0332, 2026-0258.
        ("h2", [0, 4, 18]),
        // RUSTSEC-2024-0336, 2024-0399.
        ("rustls", [0, 23, 18]),
        // RUSTSEC-2023-0053 and those of 2026.
        ("rustls-webpki", [0, 103, 10]),
        // RUSTSEC-2025-0009.
        ("ring", [0, 17, 12]),
    ] {
        let versions = locked(&lock, name);
        assert!(!versions.is_empty(), "{name} is not there");
        assert!(versions.iter().all(|version| *version >= least), "{name} {versions:?} is below {least:?}");
    }
    for name in
        ["aws-lc-sys", "openssl-sys", "rustls-pemfile", "serde_yaml", "serde_yml", "yaml-rust", "libyml"]
    {
        assert_eq!(locked(&lock, name), Vec::<[u64; 3]>::new(), "{name}");
    }
}

#[test]
fn the_image_is_built_from_what_is_locked_and_runs_as_nobody() {
    let dockerfile = read("Dockerfile");
    let instructions: Vec<_> =
        dockerfile.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    let builds: Vec<_> = instructions.iter().filter(|line| line.contains("cargo ")).collect();
    assert!(!builds.is_empty() && builds.iter().all(|line| line.contains("--locked")), "{builds:?}");
    let last = instructions.iter().rposition(|line| line.starts_with("FROM ")).expect("an image");
    assert!(instructions[last].contains("distroless"), "{}: it has no shell", instructions[last]);
    assert!(instructions[last..].contains(&"USER 65532:65532"), "{instructions:?}");
    let checks = read("tests/run");
    assert!(checks.contains("cargo deny --locked check bans licenses sources"));
}

/// There is no field for a path or a URL that a tenant could set, since nothing of ours is namespaced.
#[test]
fn no_kind_of_ours_is_defined_in_the_cluster() {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("manifests")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                files += 1;
                assert!(!text.contains("kind: CustomResourceDefinition"), "{}", path.display());
            }
        }
    }
    assert!(files > 20, "{files} files");
}
