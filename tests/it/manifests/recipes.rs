//! The recipes as people read them: the pages show the files, the files are accepted without a word, and what
//! they replace is written as KEDA reads it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use super::kinds::faults;
use super::render::{ROOT, list, objects, text};

/// Every recipe, in the order of the index.
const RECIPES: [&str; 15] = [
    "queue-depth",
    "kv-cache",
    "ttft-p95",
    "time-per-output-token",
    "token-throughput",
    "kserve-running",
    "gpu-dcgm",
    "production",
    "business-hours",
    "night-batch",
    "scale-to-zero",
    "redis-queue",
    "cost-breaker",
    "triton-queue-time",
    "requests-per-second",
];

struct Recipe {
    page: String,
    /// The YAML blocks of the page.
    blocks: Vec<String>,
    hpa: PathBuf,
    configuration: Option<PathBuf>,
}

fn recipe(slug: &str) -> Recipe {
    let folder = Path::new(ROOT).join("manifests/examples/recipes");
    let page = Path::new(ROOT).join(format!("docs/recipes/{slug}.md"));
    let page = std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{}: {error}", page.display()));
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let configuration = folder.join(format!("{slug}.configuration.yaml"));
    Recipe {
        blocks: blocks.map(str::to_owned).collect(),
        hpa: folder.join(format!("{slug}.yaml")),
        configuration: configuration.exists().then_some(configuration),
        page,
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_recipe_has_its_files_and_no_file_is_nobodys() {
    let index = read(&Path::new(ROOT).join("docs/recipes/README.md"));
    let pages = std::fs::read_dir(Path::new(ROOT).join("docs/recipes")).expect("the pages are there");
    assert_eq!(pages.count(), RECIPES.len() + 1, "a page for each, and the index");
    let mut files = Vec::new();
    let mut rest = index.as_str();
    for slug in RECIPES {
        let recipe = recipe(slug);
        let title = recipe.page.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a title");
        let row = format!("| [{title}]({slug}.md) |");
        let (_, after) = rest.split_once(&row).unwrap_or_else(|| panic!("{row} is not next in the index"));
        rest = after;
        let needs = after.lines().next().expect("a row").ends_with("| yes |");
        assert_eq!(needs, recipe.configuration.is_some(), "{slug}");
        files.push(recipe.hpa);
        files.extend(recipe.configuration);
    }
    let folder = std::fs::read_dir(Path::new(ROOT).join("manifests/examples/recipes")).expect("the files");
    let mut there: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    there.sort();
    assert_eq!(there, files);
}

#[test]
fn the_pages_show_the_files() {
    for slug in RECIPES {
        let recipe = recipe(slug);
        let files: Vec<String> = [Some(&recipe.hpa), recipe.configuration.as_ref()]
            .into_iter()
            .flatten()
            .map(|path| read(path))
            .collect();
        let (shown, replaced) = recipe.blocks.split_at(files.len());
        assert_eq!(shown, files, "{slug}");
        let [replaced] = replaced else { panic!("{slug} replaces one ScaledObject") };
        let object = &objects(replaced)[0];
        assert_eq!(text(object, "/kind"), "ScaledObject", "{slug}");
        assert_eq!(faults(object), Vec::<String>::new(), "{slug}");
        let hpa = &objects(&files[0])[0];
        for (theirs, ours) in [
            ("/spec/scaleTargetRef/name", "/spec/scaleTargetRef/name"),
            ("/spec/minReplicaCount", "/spec/minReplicas"),
            ("/spec/maxReplicaCount", "/spec/maxReplicas"),
        ] {
            assert_eq!(object.pointer(theirs), hpa.pointer(ours), "{slug}");
        }
        for part in ["\n## The HPA\n", "\n## The ScaledObject that it replaces\n", "\n## What to profile\n"] {
            assert!(recipe.page.contains(part), "{slug}: {part}");
        }
    }
}

#[test]
fn every_recipe_is_accepted_without_a_word() {
    for slug in RECIPES {
        let recipe = recipe(slug);
        let files = [recipe.configuration.as_ref(), Some(&recipe.hpa)].into_iter().flatten();
        let mut check = Command::new(env!("CARGO_BIN_EXE_inferometer"));
        let output = check.args(["check", "--strict"]).args(files).output().expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && said.is_empty(), "{slug}: {said}");
    }
}

#[test]
fn every_recipe_rises_fast_and_falls_slowly() {
    for slug in RECIPES {
        let hpa: Json = objects(&read(&recipe(slug).hpa)).remove(0);
        assert_eq!(faults(&hpa), Vec::<String>::new(), "{slug}");
        let behavior = &hpa["spec"]["behavior"];
        assert_eq!(behavior["scaleUp"]["stabilizationWindowSeconds"], 0, "{slug}");
        assert!(!list(behavior, "/scaleUp/policies").is_empty(), "{slug} has a limit of speed");
        assert!(behavior["scaleDown"]["stabilizationWindowSeconds"].as_u64() >= Some(300), "{slug}");
        let steps = list(behavior, "/scaleDown/policies").iter().map(|policy| policy["value"].as_u64());
        assert!(steps.max().flatten() <= Some(2), "{slug}");
    }
}
