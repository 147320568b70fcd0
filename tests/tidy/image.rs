//! The release image is built from what `deploy/Dockerfile` copies: Cargo must accept exactly those paths as a
//! workspace, and `.dockerignore` must let them through.
//!
//! The paths are copied to a temporary folder, where Cargo reads the manifests without the network.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::root;

const DOCKERFILE: &str = "deploy/Dockerfile";

/// A `COPY` of the build stage: sources from the repository's root, and where they go.
#[derive(Debug, PartialEq, Eq)]
struct Copy<'a> {
    sources: Vec<&'a str>,
    target: &'a str,
}

fn copies(dockerfile: &str) -> Vec<Copy<'_>> {
    let copy = |line| {
        let words: Vec<&str> = str::strip_prefix(line, "COPY ")?.split_whitespace().collect();
        let (target, sources) = words.split_last()?;
        // A copy between stages brings nothing from the repository.
        let from_stage = sources.iter().any(|word| word.starts_with("--"));
        (!from_stage).then(|| Copy { sources: sources.to_vec(), target })
    };
    dockerfile.lines().filter_map(copy).collect()
}

/// Names right under the root that a source stands for; the only pattern is a trailing `*`.
fn names(source: &str) -> Vec<String> {
    let Some(start) = source.strip_suffix('*') else { return vec![source.to_owned()] };
    let entries = fs::read_dir(root()).expect("the root is readable");
    let names = entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(start)).collect()
}

/// Whether `.dockerignore` lets a path through: the last line that matches it, or a folder above it, decides.
fn passes(ignored: &str, path: &str) -> bool {
    let lines = ignored.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut passes = true;
    for line in lines {
        let pattern = line.trim_start_matches('!').trim_matches('/');
        let matches = pattern == "*" || path == pattern || path.starts_with(&format!("{pattern}/"));
        if matches {
            passes = line.starts_with('!');
        }
    }
    passes
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::create_dir_all(to.parent().expect("a file stands in a folder")).expect("the folder can be made");
        fs::copy(from, to).expect("the file can be copied");
        return;
    }
    for entry in fs::read_dir(from).expect("the folder is readable") {
        let name = entry.expect("the entry is readable").file_name();
        if name != "target" {
            copy(&from.join(&name), &to.join(&name));
        }
    }
}

/// A folder of its own that goes with its test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Copies what the `COPY` lines of a Dockerfile name, and lets Cargo read it.
fn problems(dockerfile: &str, folder: &str) -> Vec<String> {
    let ignored = fs::read_to_string(root().join(".dockerignore")).expect(".dockerignore is readable");
    let folder = Folder(env::temp_dir().join(format!("postrider-{folder}-{}", std::process::id())));
    let mut problems = Vec::new();
    for Copy { sources, target } in copies(dockerfile) {
        let many = sources.len() > 1;
        for name in sources.into_iter().flat_map(names) {
            if !passes(&ignored, &name) {
                problems.push(format!(".dockerignore keeps {name} back; add a line `!{name}`"));
            }
            let (from, to) = (root().join(&name), folder.0.join(target));
            let inside = !from.is_dir() && (many || target.ends_with('/'));
            copy(&from, &if inside { to.join(&name) } else { to });
        }
    }
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let read = Command::new(cargo)
        .args(["metadata", "--locked", "--offline", "--format-version=1"])
        .current_dir(&folder.0)
        .output()
        .expect("cargo can be run");
    if !read.status.success() {
        let error = String::from_utf8_lossy(&read.stderr).into_owned();
        problems
            .push(format!("cargo does not accept the paths that {DOCKERFILE} copies; add a COPY:\n{error}"));
    }
    problems
}

#[test]
fn the_paths_that_the_dockerfile_copies_are_a_workspace() {
    let dockerfile = fs::read_to_string(root().join(DOCKERFILE)).expect("the Dockerfile is readable");
    let found = problems(&dockerfile, "image");
    assert!(found.is_empty(), "the image cannot be built:\n{}", found.join("\n"));

    let planted = dockerfile.replace("COPY crates crates", "COPY tests tests");
    let found = problems(&planted, "image-planted");
    assert_eq!(found.len(), 2, "a missing folder, and one that .dockerignore keeps back: {found:?}");
}

#[test]
fn copies_and_ignored_paths_are_read() {
    let read =
        copies("FROM x\nCOPY Cargo.toml Cargo.lock ./\nCOPY --from=build /a /b\n  COPY not\nCOPY src src\n");
    let wanted = [
        Copy { sources: vec!["Cargo.toml", "Cargo.lock"], target: "./" },
        Copy { sources: vec!["src"], target: "src" },
    ];
    assert_eq!(read, wanted);
    let ignored = "# all but\n*\n!src\n!crates/\nsrc/secret\n";
    let passing = ["src", "src/a.rs", "crates", "crates/a"].iter().all(|path| passes(ignored, path));
    assert!(passing);
    let kept_back = ["tests", "srcs", "src/secret/a"].iter().any(|path| passes(ignored, path));
    assert!(!kept_back);
}
