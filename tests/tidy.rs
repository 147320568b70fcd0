//! The layout rules, executable: which file may import which, how a file opens and how long it may be, which
//! short cuts are not taken, where SQL stands, and which names and words are not used.
//!
//! Every violation is reported at once, with its place and the remedy. Each rule is tried on a planted
//! violation, so that a rule which stopped seeing anything fails too. `TIDY_LIST=rule:path` prints what breaks
//! one rule below one path. Next: `tidy/files.rs`, `tidy/imports.rs`, `tidy/circles.rs`, `tidy/names.rs`.

#[path = "tidy/circles.rs"]
mod circles;
#[path = "tidy/declared.rs"]
mod declared;
#[path = "tidy/files.rs"]
mod files;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/image.rs"]
mod image;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/manifests.rs"]
mod manifests;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/planted.rs"]
mod planted;
#[path = "tidy/resolve.rs"]
mod resolve;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use source::Source;

/// Folders and files with comments of ours.
const COMMENTED: [&str; 10] = [
    ".cargo",
    "benches",
    "crates",
    "deploy",
    "migrations",
    "src",
    "tests",
    "Cargo.toml",
    "Makefile",
    "deny.toml",
];
const CODE_FOLDERS: [&str; 4] = ["src", "crates", "tests", "benches"];
/// Files that comment with `#` or `--`; so do programs without an extension.
const COMMENTED_EXTENSIONS: [&str; 6] = ["sql", "toml", "sh", "yml", "yaml", "py"];

/// One broken rule, where, and what to do about it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    file: String,
    line: usize,
    problem: String,
    remedy: String,
}

impl Violation {
    fn new(source: &Source, line: usize, problem: String, remedy: String) -> Self {
        Self { file: source.path.clone(), line, problem, remedy }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}\n    remedy: {}", self.file, self.line, self.problem, self.remedy)
    }
}

/// A file that is not Rust.
pub struct Text {
    /// From the repository's root, with forward slashes.
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_layout_rules_hold() {
    let sources = read_sources();
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "the walk must find the sources");

    let mut violations = check_files_and_imports(&sources);
    violations.extend(manifests::check(&manifests::read(root())));
    let listed: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{} layout rules are broken:\n{}\n", listed.len(), listed.join("\n"));
}

#[test]
fn circles_floors_names_and_words_hold() {
    let (sources, texts) = (read_sources(), read_texts());
    let rules = [
        circles::check(&sources),
        floors::check(&sources),
        names::check_types(&sources),
        words::check(&sources, &texts),
        names::check_old_names(&sources, &texts),
    ];
    let listed: Vec<String> = rules.iter().flatten().map(ToString::to_string).collect();
    assert!(listed.is_empty(), "{} rules are broken:\n{}\n", listed.len(), listed.join("\n"));
}

fn check_files_and_imports(sources: &[Source]) -> Vec<Violation> {
    let mut violations = imports::check(sources);
    violations.extend(files::check(sources));
    violations.sort();
    violations.dedup();
    violations
}

fn read_sources() -> Vec<Source> {
    let mut found = Vec::new();
    for folder in CODE_FOLDERS {
        walk(&root().join(folder), &mut found);
    }
    let rust = found.into_iter().filter(|path| extension(path) == "rs");
    rust.map(|path| Source::new(&relative(&path), &read(&path))).collect()
}

fn read_texts() -> Vec<Text> {
    let mut found = Vec::new();
    for place in COMMENTED {
        walk(&root().join(place), &mut found);
    }
    let text = |path: PathBuf| {
        let known = COMMENTED_EXTENSIONS.contains(&extension(&path).as_str());
        let bare = extension(&path).is_empty();
        let text = (known || bare).then(|| fs::read_to_string(&path).ok()).flatten()?;
        let named = ["Makefile", "Dockerfile"].iter().any(|name| path.ends_with(name));
        (known || named || text.starts_with("#!")).then(|| Text { path: relative(&path), text })
    };
    found.into_iter().filter_map(text).collect()
}

/// Every file below a folder, or the file itself, in the order of their names; build output excluded.
fn walk(place: &Path, files: &mut Vec<PathBuf>) {
    if place.is_file() {
        files.push(place.to_owned());
        return;
    }
    let entries = fs::read_dir(place).expect("the folder is readable");
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("the entry is readable").path()).collect();
    entries.sort();
    for path in entries
        .iter()
        .filter(|path| !["target", "node_modules", "__pycache__"].iter().any(|name| path.ends_with(name)))
    {
        walk(path, files);
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a source file is readable UTF-8")
}

fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().into_owned()
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("the walk began at the root");
    path.to_string_lossy().replace('\\', "/")
}
