//! One name, one thing: type names are declared once in a crate, the big words in one crate only, and no
//! declaration brings back a name that was given up (`old_names.txt`).
//!
//! Associated types, the verbs and arguments of `src/cli`, tests and benches may repeat a name. Next:
//! `declared.rs`.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Text, Violation,
    declared::{Declared, Kind, Seen, columns, declared},
    imports::crate_root,
    source::Source,
};

/// Words that mean one thing in the whole workspace.
const BIG_WORDS: [&str; 6] = ["Request", "Message", "Claim", "Receipt", "Outcome", "Decision"];

const OLD_NAMES: &str = include_str!("old_names.txt");

pub fn check_types(sources: &[Source]) -> Vec<Violation> {
    let mut by_name: BTreeMap<&str, Vec<(&Source, usize)>> = BTreeMap::new();
    for source in sources.iter().filter(|source| is_held(&source.path)) {
        for item in declared(source) {
            if item.kind == Kind::Type && item.seen == Seen::Crate {
                by_name.entry(item.name).or_default().push((source, item.line));
            }
        }
    }
    let mut violations = Vec::new();
    for (name, places) in &by_name {
        let roots: BTreeSet<&str> =
            places.iter().filter_map(|(source, _)| crate_root(&source.path)).collect();
        for (source, line) in places {
            let root = crate_root(&source.path);
            let twin = places.iter().find(|(other, at)| {
                crate_root(&other.path) == root && (&other.path, at) != (&source.path, line)
            });
            let problem = if let Some((other, at)) = twin {
                format!("`{name}` is declared in {}:{at} too", other.path)
            } else if BIG_WORDS.contains(name) && roots.len() > 1 {
                let roots: Vec<&str> = roots.iter().copied().collect();
                format!("`{name}` is declared in several crates: {}", roots.join(", "))
            } else {
                continue;
            };
            violations.push(Violation::new(
                source,
                *line,
                problem,
                "give it the name of what it alone is".to_owned(),
            ));
        }
    }
    violations
}

fn is_held(path: &str) -> bool {
    let test = path.contains("/tests/") || path.ends_with("tests.rs");
    crate_root(path).is_some() && !path.starts_with("src/cli/") && !test
}

pub fn check_old_names(sources: &[Source], texts: &[Text]) -> Vec<Violation> {
    check_against(OLD_NAMES, sources, texts)
}

/// One line of the list: `[path prefix] name → new name`, where the name is `name` (a type, function, module or
/// constant), `Enum::Variant`, or `.name` (a field or column).
struct OldName<'a> {
    prefix: &'a str,
    name: &'a str,
    new: &'a str,
}

fn check_against(list: &str, sources: &[Source], texts: &[Text]) -> Vec<Violation> {
    let old: Vec<OldName> = list.lines().filter_map(old_name).collect();
    let mut violations = Vec::new();
    let mut check = |path: &str, items: &[Declared]| {
        for item in items {
            let Some(old) = old.iter().find(|old| path.starts_with(old.prefix) && is_named(old.name, item))
            else {
                continue;
            };
            violations.push(Violation {
                file: path.to_owned(),
                line: item.line,
                problem: format!("`{}` is an old name", old.name),
                remedy: format!("call it {}", old.new),
            });
        }
    };
    for source in sources {
        check(&source.path, &declared(source));
    }
    for text in texts.iter().filter(|text| text.path.starts_with("migrations/")) {
        check(&text.path, &columns(&text.text));
    }
    violations
}

fn old_name(line: &str) -> Option<OldName<'_>> {
    let (old, new) = line.split('#').next()?.split_once('→')?;
    let (prefix, name) = old.trim().rsplit_once(' ').unwrap_or(("", old.trim()));
    Some(OldName { prefix: prefix.trim(), name, new: new.trim() })
}

fn is_named(old: &str, item: &Declared) -> bool {
    match (old.strip_prefix('.'), old.split_once("::")) {
        (Some(field), _) => item.kind == Kind::Field && item.name == field,
        (None, Some((owner, variant))) => {
            item.kind == Kind::Variant && item.owner == owner && item.name == variant
        }
        (None, None) => matches!(item.kind, Kind::Type | Kind::Other) && item.name == old,
    }
}

#[cfg(test)]
fn problems(violations: &[Violation]) -> Vec<(&str, usize)> {
    violations.iter().map(|violation| (violation.file.as_str(), violation.line)).collect()
}

#[test]
fn a_type_name_is_declared_once() {
    let sources = [
        Source::new("src/a.rs", "pub struct Answer;\npub(crate) enum Other {}\nstruct Quiet;"),
        Source::new(
            "src/b/c.rs",
            "\npub type Answer = u8;\npub struct Quiet;\nimpl X for Y {\n    type Other = u8;\n}",
        ),
        Source::new("src/cli/d.rs", "pub struct Answer;"),
        Source::new("src/b/tests.rs", "pub struct Answer;"),
        Source::new("crates/domain/src/a.rs", "pub struct Answer;\npub struct Message;"),
        Source::new("crates/ledger/src/a.rs", "pub struct Message;"),
        Source::new("benches/a.rs", "pub struct Message;"),
    ];
    let found = check_types(&sources);
    let wanted =
        [("src/a.rs", 1), ("src/b/c.rs", 2), ("crates/domain/src/a.rs", 2), ("crates/ledger/src/a.rs", 1)];
    assert_eq!(problems(&found), wanted);
}

#[test]
fn an_old_name_is_not_declared_again() {
    let list = "# the list\nTold → DecisionSummary\nsrc/intake known → customer_lookup\nState::Gone → Lost\n.idem → hash\n";
    let sources = [
        Source::new(
            "src/intake/a.rs",
            "mod known;\nstruct Told { idem: u8 }\nuse x::Told;\nenum State { Gone }",
        ),
        Source::new("src/api/a.rs", "fn known(told: u8) {}\nenum Other { Gone }\nfn idem() {}"),
    ];
    let texts = [Text {
        path: "migrations/1.sql".to_owned(),
        text: "create table a (\n    idem uuid\n);".to_owned(),
    }];
    let found = check_against(list, &sources, &texts);
    let first = "src/intake/a.rs";
    assert_eq!(problems(&found), [(first, 1), (first, 2), (first, 2), (first, 4), ("migrations/1.sql", 2)]);
}
