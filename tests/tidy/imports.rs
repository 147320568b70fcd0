//! Who may import whom (the floors of docs/architecture.md, as a test).
//!
//! Pure files see pure files only; each outside library has its homes. A file is pure by its place, or
//! because its opening says `//! PURE`. Paths are read from the code wherever they stand, in a `use` or
//! not, so that a full path is no way around. Next: `source.rs` (how a file is read).

use super::{
    Violation,
    source::{Source, is_identifier},
};

/// The folders without I/O; `company` sees `message` only.
const PURE_FOLDERS: [&str; 6] = ["message", "company", "rules", "simulation", "lifecycle", "content"];
const PURE_PROVIDER_FILES: [&str; 3] =
    ["src/providers/token.rs", "src/providers/receipt.rs", "src/providers/email.rs"];

/// What a pure file cannot mention at all.
const IMPURE_CRATES: [&str; 8] =
    ["tracing", "tokio", "sqlx", "lapin", "reqwest", "axum", "hyper", "futures_util"];
const IMPURE_STANDARD: [&str; 4] = ["fs", "env", "process", "thread"];

/// A library and the only places that may know it: folders end in `/`, one `*` stands for anything.
const HOMES: [(&str, &[&str]); 6] = [
    ("sqlx", &["src/ledger/", "src/startup.rs"]),
    (
        "lapin",
        &[
            "src/intake/",
            "src/events/",
            "src/startup.rs",
            "src/cli/publish.rs",
            "src/cli/parked.rs",
            "src/cli/demo/",
        ],
    ),
    (
        "reqwest",
        &[
            "src/providers/",
            "src/simulator/",
            "src/cli/demo/",
            "src/events/",
            "src/intake/recipes/*/client.rs",
        ],
    ),
    // Bare connections: for the calls that send, and for servers that bound what a client may take.
    ("hyper", &["src/providers/", "src/simulator/", "src/webhooks/"]),
    ("lettre", &["src/providers/", "src/simulator/", "src/cli/demo/", "src/events/"]),
    ("axum", &["src/api/", "src/dashboard/", "src/webhooks/", "src/simulator/", "src/telemetry/http.rs"]),
];

pub fn check(sources: &[Source]) -> Vec<Violation> {
    let pure_modules: Vec<String> =
        sources.iter().filter(|source| is_pure(source)).map(|source| module_of(&source.path)).collect();
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("src/")) {
        check_homes(source, &mut violations);
        if is_pure(source) {
            check_pure(source, &pure_modules, &mut violations);
        }
    }
    violations
}

fn is_pure(source: &Source) -> bool {
    let path = source.path.as_str();
    let at_a_border = path.starts_with("src/providers/") || path.starts_with("src/intake/recipes/");
    let wire = at_a_border && path.ends_with("/wire.rs");
    PURE_FOLDERS.iter().any(|folder| path.starts_with(&format!("src/{folder}/")))
        || wire
        || PURE_PROVIDER_FILES.contains(&path)
        || source.text.starts_with("//! PURE")
        || source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .any(|line| line.starts_with("//! PURE"))
}

fn check_homes(source: &Source, violations: &mut Vec<Violation>) {
    for (library, homes) in HOMES {
        if homes.iter().any(|home| lives_at(home, &source.path)) {
            continue;
        }
        violations.extend(mentions(source, library).map(|at| {
            let remedy = format!("only {} may; call a function of theirs", homes.join(", "));
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

fn check_pure(source: &Source, pure_modules: &[String], violations: &mut Vec<Violation>) {
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
    let email = source.path == "src/providers/email.rs";
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
        if !may_see(&source.path, &path, pure_modules) {
            refuse(
                at,
                format!("imports `crate::{path}`"),
                "move what is needed to a pure file, or take it as an argument",
            );
        }
    }
}

/// Whether a pure file may see an item of the crate.
fn may_see(importer: &str, path: &str, pure_modules: &[String]) -> bool {
    let company = importer.starts_with("src/company/");
    let target = head(path);
    if PURE_FOLDERS.contains(&target) {
        return !company || ["message", "company"].contains(&target);
    }
    let is_pure_module =
        || pure_modules.iter().any(|module| path == module || path.starts_with(&format!("{module}::")));
    if path.starts_with("intake::recipes::") && importer.starts_with("src/intake/recipes/") {
        return is_pure_module();
    }
    if target != "providers" || !importer.starts_with("src/providers/") {
        return false;
    }
    // The shared types stand in providers/mod.rs itself; the other files are seen only where pure.
    let second = path.split("::").nth(1).unwrap_or("*");
    let shared_type = second.starts_with(|first: char| first.is_uppercase());
    shared_type || is_pure_module()
}

fn head(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

/// `src/providers/mod.rs` is `providers`, `src/clock.rs` is `clock`.
fn module_of(path: &str) -> String {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    inner.trim_end_matches("/mod").replace('/', "::")
}

/// Every path into this crate, written from its root: `crate::…` and `super::…` alike.
fn inner_paths(source: &Source) -> Vec<(usize, String)> {
    let mut found = paths(source, "crate");
    // In an inline `mod tests`, which stands last, the first `super` is the file itself.
    let tests_at = source.code.find("mod tests {").unwrap_or(usize::MAX);
    for (at, path) in paths(source, "super") {
        let mut module: Vec<&str> = Vec::new();
        let own = module_of(&source.path);
        module.extend(own.split("::"));
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
