//! The imports that a file may have (docs/architecture.md, as a test).
//!
//! Pure files see pure files only; each outside library has its homes in the worker. A file is pure by its
//! place, or because its opening says `//! PURE`. Paths are read from the code wherever they stand, in a
//! `use` or not, so that a full path is no way around. Next: `manifests.rs` (the walls between crates).

use super::{
    Violation,
    source::{Source, is_identifier},
};

/// The crates without I/O, and files of other crates that are pure without saying it.
const PURE_CRATES: [&str; 2] = ["crates/domain/src/", "crates/lifecycle-model/src/"];
const PURE_FILES: [&str; 3] =
    ["crates/providers/src/token.rs", "crates/providers/src/receipt.rs", "crates/providers/src/email.rs"];
/// Folders in which every `wire.rs` is pure.
const WIRE_FOLDERS: [&str; 2] = ["crates/providers/src/", "src/connectors/"];
const EMAIL: &str = "crates/providers/src/email.rs";
/// The rooms of the domain that `company` may see; the rules read a company, never the reverse.
const BELOW_COMPANY: [&str; 5] = ["company", "document", "ids", "address", "job"];

/// Libraries that a pure file cannot mention at all.
const IMPURE_CRATES: [&str; 10] = [
    "tracing",
    "tokio",
    "sqlx",
    "lapin",
    "reqwest",
    "axum",
    "hyper",
    "futures_util",
    "postrider_clock",
    "postrider_ledger",
];
const IMPURE_STANDARD: [&str; 4] = ["fs", "env", "process", "thread"];

/// A library of the worker and its only homes there: folders end in `/`, one `*` stands for anything. The
/// manifests hold the other crates (`manifests.rs`).
const HOMES: [(&str, &[&str]); 6] = [
    ("sqlx", &["src/worker/"]),
    ("lapin", &["src/amqp/"]),
    ("reqwest", &["src/connectors/*/client.rs"]),
    // Bare connections: a server that bounds what a client may take.
    ("hyper", &["src/http_server.rs"]),
    ("lettre", &[]),
    (
        "axum",
        &[
            "src/api/",
            "src/connectors/",
            "src/dashboard/",
            "src/webhooks/",
            "src/http_server.rs",
            "src/telemetry/http.rs",
        ],
    ),
];

pub fn check(sources: &[Source]) -> Vec<Violation> {
    let pure_files: Vec<String> =
        sources.iter().filter(|source| is_pure(source)).map(|source| source.path.clone()).collect();
    let mut violations = Vec::new();
    for source in sources {
        if source.path.starts_with("src/") {
            check_homes(source, &mut violations);
        }
        if crate_root(&source.path).is_some() && is_pure(source) {
            check_pure(source, &pure_files, &mut violations);
        }
    }
    violations
}

fn is_pure(source: &Source) -> bool {
    let path = source.path.as_str();
    let wire = path.ends_with("/wire.rs") && WIRE_FOLDERS.iter().any(|folder| path.starts_with(folder));
    PURE_CRATES.iter().any(|folder| path.starts_with(folder))
        || wire
        || PURE_FILES.contains(&path)
        || source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .any(|line| line.starts_with("//! PURE"))
}

/// The folder of the crate that a file belongs to; nothing for tests and benches.
pub fn crate_root(path: &str) -> Option<&str> {
    let root = if path.starts_with("src/") {
        "src/"
    } else {
        let name = path.strip_prefix("crates/")?.split('/').next()?;
        &path[..("crates/".len() + name.len() + "/src/".len()).min(path.len())]
    };
    root.ends_with("src/").then_some(root)
}

fn check_homes(source: &Source, violations: &mut Vec<Violation>) {
    for (library, homes) in HOMES {
        if homes.iter().any(|home| lives_at(home, &source.path)) {
            continue;
        }
        violations.extend(mentions(source, library).map(|at| {
            let remedy = format!("its homes are [{}]; call a function of theirs", homes.join(", "));
            Violation::new(source, source.line_at(at), format!("imports `{library}`"), remedy)
        }));
    }
}

fn lives_at(home: &str, path: &str) -> bool {
    match home.split_once('*') {
        Some((before, after)) => path.starts_with(before) && path.ends_with(after),
        None => path == home || (home.ends_with('/') && path.starts_with(home)),
    }
}

/// Where the code names a library: as the head of a path, or in a plain `use`.
fn mentions<'a>(source: &'a Source, library: &'a str) -> impl Iterator<Item = usize> + 'a {
    source.words(library).filter(move |&at| {
        let (before, after) = (source.code[..at].trim_end(), source.code[at + library.len()..].trim_start());
        let heads_path = after.starts_with("::")
            && !before.strip_suffix("::").is_some_and(|outer| outer.ends_with(is_identifier));
        heads_path || before.ends_with("use") || before.ends_with("extern crate")
    })
}

fn check_pure(source: &Source, pure_files: &[String], violations: &mut Vec<Violation>) {
    let mut refuse = |at: usize, what: String, remedy: &str| {
        violations.push(Violation::new(
            source,
            source.line_at(at),
            format!("a pure file {what}"),
            remedy.to_owned(),
        ));
    };
    for library in IMPURE_CRATES {
        for at in mentions(source, library) {
            refuse(at, format!("uses `{library}`"), "return a value and let the caller act on it");
        }
    }
    for at in source.words("async") {
        refuse(
            at,
            "has `async`".to_owned(),
            "move the waiting to the caller; pure code takes what it needs as arguments",
        );
    }
    for (at, path) in paths(source, "std") {
        if IMPURE_STANDARD.contains(&head(&path)) {
            refuse(
                at,
                format!("uses `std::{path}`"),
                "take the content as an argument (fixtures: include_str!)",
            );
        }
    }
    let email = source.path == EMAIL;
    for (at, path) in paths(source, "lettre") {
        if !email || path.contains("transport") || path.contains("Transport") {
            refuse(
                at,
                format!("uses `lettre::{path}`"),
                "only providers/email.rs builds mail, and only client.rs sends it",
            );
        }
    }
    for (at, path) in inner_paths(source) {
        if !may_see(&source.path, &path, pure_files) {
            refuse(
                at,
                format!("imports `crate::{path}`"),
                "move what is needed to a pure file, or take it as an argument",
            );
        }
    }
}

/// Whether a pure file may see an item of its crate.
fn may_see(importer: &str, path: &str, pure_files: &[String]) -> bool {
    let target = head(path);
    if importer.starts_with("crates/domain/src/company/") {
        return BELOW_COMPANY.contains(&target);
    }
    if PURE_CRATES.iter().any(|folder| importer.starts_with(folder)) {
        return true;
    }
    // A crate's shared types stand in its lib.rs; files are seen only where pure.
    let shared_type = importer.starts_with("crates/providers/src/")
        && target.starts_with(|first: char| first.is_uppercase());
    let root = crate_root(importer);
    shared_type
        || pure_files.iter().filter(|file| crate_root(file) == root).any(|file| {
            let module = module_of(file);
            path == module || path.starts_with(&format!("{module}::"))
        })
}

fn head(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

/// `src/alerts/mod.rs` is `alerts`, `crates/ledger/src/keys.rs` is `keys`, a `lib.rs` is the empty path.
fn module_of(path: &str) -> String {
    let inner = crate_root(path).and_then(|root| path.strip_prefix(root)).unwrap_or(path);
    let inner = inner.trim_end_matches(".rs");
    if inner == "lib" { String::new() } else { inner.trim_end_matches("/mod").replace('/', "::") }
}

/// Every path into this crate, written from its root: `crate::…` and `super::…` alike.
fn inner_paths(source: &Source) -> Vec<(usize, String)> {
    let mut found = paths(source, "crate");
    // In an inline `mod tests`, which stands last, the first `super` is the file itself.
    let tests_at = source.code.find("mod tests {").unwrap_or(usize::MAX);
    for (at, path) in paths(source, "super") {
        let mut module: Vec<&str> = Vec::new();
        let own = module_of(&source.path);
        module.extend(own.split("::").filter(|part| !part.is_empty()));
        let mut rest = path.as_str();
        let mut ups = if at > tests_at { 0 } else { 1 };
        while let Some(further) = rest.strip_prefix("super::") {
            rest = further;
            ups += 1;
        }
        module.truncate(module.len().saturating_sub(ups));
        module.push(rest);
        found.push((at, module.join("::")));
    }
    found
}

/// Every path that begins with `root::`, without it, groups spread: `a::{b, c::d}` is `a::b`, `a::c::d`.
fn paths(source: &Source, root: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in source.words(root).collect::<Vec<_>>() {
        let after = source.code[at + root.len()..].trim_start();
        let before = source.code[..at].trim_end();
        // A tail of another path, or a visibility: `pub(in crate::providers)` imports nothing.
        let inside = before.ends_with("::") || before.ends_with("(in");
        if let Some(rest) = after.strip_prefix("::").filter(|_| !inside) {
            let mut spread = Vec::new();
            spread_path(rest, "", &mut spread);
            found.extend(spread.into_iter().map(|path| (at, path)));
        }
    }
    found
}

/// Reads one path or group from the start of `text`; returns what follows it.
fn spread_path<'a>(text: &'a str, prefix: &str, found: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut group) = text.strip_prefix('{') {
        loop {
            group = group.trim_start();
            if group.is_empty() || group.starts_with('}') {
                return group.strip_prefix('}').unwrap_or(group);
            }
            let rest = spread_path(group, prefix, found);
            // `as name`, and whatever else stands before the next comma.
            let end = rest.find([',', '}']).unwrap_or(rest.len());
            group = rest[end..].strip_prefix(',').unwrap_or(&rest[end..]);
        }
    }
    let length = text.find(|character| !is_identifier(character)).unwrap_or(text.len());
    let (name, rest) = match text.strip_prefix('*') {
        Some(rest) => ("*", rest),
        None => text.split_at(length),
    };
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    match rest.trim_start().strip_prefix("::").filter(|inner| !inner.starts_with('<')) {
        Some(inner) => spread_path(inner, &path, found),
        None => {
            found.push(path);
            rest
        }
    }
}
