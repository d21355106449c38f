//! Every YAML that the project shows is accepted by `check` without a word.

use std::path::Path;
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The YAML blocks of a Markdown file.
fn blocks(markdown: &str) -> Vec<&str> {
    markdown.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// What `check --strict` says of a file, if it does not accept it in silence.
fn complaint(file: &Path) -> Option<String> {
    said(&[file])
}

/// The same of several.
fn said(files: &[&Path]) -> Option<String> {
    let mut check = Command::new(env!("CARGO_BIN_EXE_inferometer"));
    let output = check.args(["check", "--strict"]).args(files).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (!output.status.success() || !said.is_empty()).then_some(said)
}

#[test]
fn the_readme_shows_what_check_accepts() {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).expect("the README is there");
    let blocks = blocks(&readme);
    assert!(!blocks.is_empty(), "the README shows an HPA");
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (index, block) in blocks.iter().enumerate() {
        let file = folder.path().join(format!("readme-{index}.yaml"));
        std::fs::write(&file, block).expect("it can be written");
        assert_eq!(complaint(&file), None, "{block}");
    }
}

#[test]
fn every_example_manifest_is_accepted() {
    let folder = Path::new(ROOT).join("manifests/examples");
    let files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the examples are there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    assert!(files.len() > 5);
    // An HPA may name metrics of a configuration that was given before it.
    let configuration = folder.join("configuration.yaml");
    for file in files {
        let said = said(&[&configuration, &file]);
        assert_eq!(said, None, "{}", file.display());
    }
}

#[test]
fn a_wrong_example_would_be_noticed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("wrong.yaml");
    let text = std::fs::read_to_string(Path::new(ROOT).join("README.md")).expect("the README is there");
    let wrong = blocks(&text)[0].replace("inference_requests_in_system", "inference_requests_in_sistem");
    std::fs::write(&file, wrong).expect("it can be written");
    assert!(
        complaint(&file).is_some_and(|said| said.contains("did you mean `inference_requests_in_system`?"))
    );
}
