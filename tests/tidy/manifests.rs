//! The walls that Cargo holds, read from the manifests: what each package of the workspace may depend on.
//!
//! A library or a package of ours that a manifest does not name cannot be imported, so these rules need no
//! look at the sources. Development dependencies count like the others. Next: `imports.rs` (the walls inside
//! a package).

use std::{fs, path::Path};

use super::Violation;

/// A package's folder, and the packages of ours that its manifest may name.
const OWN: [(&str, &[&str]); 6] = [
    ("crates/clock", &[]),
    ("crates/domain", &[]),
    ("crates/ledger", &["postrider-clock", "postrider-domain"]),
    ("crates/lifecycle-model", &["postrider-domain"]),
    ("crates/provider-simulator", &[]),
    ("crates/providers", &["postrider-clock", "postrider-domain"]),
];

/// A package's folder, and the libraries that its manifest must not name.
const FOREIGN: [(&str, &[&str]); 6] = [
    (
        "crates/domain",
        &["tokio", "futures-util", "tracing", "sqlx", "lapin", "axum", "hyper", "reqwest", "lettre"],
    ),
    ("crates/ledger", &["lapin", "axum", "hyper", "reqwest", "lettre"]),
    ("crates/lifecycle-model", &["tokio", "tracing", "sqlx", "lapin", "axum", "hyper", "reqwest", "lettre"]),
    ("crates/provider-simulator", &["sqlx", "lapin", "lettre"]),
    ("crates/providers", &["sqlx", "lapin", "axum"]),
    ("", &["lettre"]),
];

/// The text of one package's manifest.
pub struct Manifest {
    /// The package's folder from the repository's root; empty for the root package.
    folder: String,
    text: String,
}

pub fn read(root: &Path) -> Vec<Manifest> {
    let mut folders = vec![String::new(), "benches".to_owned()];
    for entry in fs::read_dir(root.join("crates")).expect("the folder is readable") {
        let name = entry.expect("the folder's entry is readable").file_name();
        folders.push(format!("crates/{}", name.to_string_lossy()));
    }
    folders.sort();
    let manifest = |folder: String| {
        let text = fs::read_to_string(root.join(&folder).join("Cargo.toml")).ok()?;
        Some(Manifest { folder, text })
    };
    folders.into_iter().filter_map(manifest).collect()
}

pub fn check(manifests: &[Manifest]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for manifest in manifests {
        let own = OWN.iter().find(|(folder, _)| *folder == manifest.folder).map(|(_, allowed)| *allowed);
        let foreign = FOREIGN.iter().find(|(folder, _)| *folder == manifest.folder);
        let foreign = foreign.map_or(&[] as &[&str], |(_, refused)| refused);
        for (line, name) in dependencies(&manifest.text) {
            let ours = name == "postrider" || name.starts_with("postrider-");
            let refused = foreign.contains(&name) || ours && own.is_some_and(|own| !own.contains(&name));
            if refused {
                violations.push(Violation {
                    file: Path::new(&manifest.folder).join("Cargo.toml").to_string_lossy().into_owned(),
                    line,
                    problem: format!("depends on `{name}`"),
                    remedy: "take what is needed as an argument, or move the code to a package above"
                        .to_owned(),
                });
            }
        }
    }
    violations
}

/// Each line (from 1) that names a dependency, with its name.
fn dependencies(text: &str) -> Vec<(usize, &str)> {
    let mut listed = false;
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if let Some(table) = line.strip_prefix('[') {
            let table = table.trim_end_matches(']');
            // `[dependencies.name]` is a dependency of its own.
            listed = table.ends_with("dependencies") && !table.starts_with("workspace");
            if let Some((_, name)) =
                table.split_once("dependencies.").filter(|_| !table.starts_with("workspace"))
            {
                found.push((at + 1, name));
            }
        } else if listed && line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            let end =
                line.find(|letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | '_'));
            found.push((at + 1, &line[..end.unwrap_or(line.len())]));
        }
    }
    found
}

#[test]
fn a_manifest_names_nothing_above_its_package() {
    let planted = |folder: &str, text: &str| {
        let manifest = Manifest { folder: folder.to_owned(), text: text.to_owned() };
        let lines = check(&[manifest]).into_iter().map(|violation| (violation.line, violation.problem));
        lines.collect::<Vec<_>>()
    };
    let tokio = [(3, "depends on `tokio`".to_owned())];
    assert_eq!(planted("crates/domain", "[package]\n[dependencies]\ntokio.workspace = true\n"), tokio);
    assert_eq!(planted("crates/domain", "\n[dev-dependencies]\ntokio = \"1\"\n"), tokio);
    assert_eq!(planted("crates/domain", "\n\n[target.'cfg(unix)'.dependencies.tokio]\n"), tokio);
    assert_eq!(
        planted("crates/domain", "[features]\ntokio = []\n[workspace.dependencies]\ntokio = \"1\"\n"),
        []
    );
    let ledger = [(2, "depends on `postrider-ledger`".to_owned())];
    let text = "[dependencies]\npostrider-ledger.workspace = true\npostrider-clock.workspace = true\n";
    assert_eq!(planted("crates/providers", text), ledger);
    assert_eq!(planted("", text), []);
    assert_eq!(planted("crates/demo", text), []);
}
