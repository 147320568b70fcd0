//! The violations that stood when a rule was made: `debt.txt` counts them by rule and room, and may only shrink.
//!
//! A room is a crate, a folder of `src/` or `tests/`, or another top folder. `UPDATE_DEBT=1` writes the counts
//! anew and refuses a greater one; `TIDY_LIST=rule:room` prints what stands. This file and `debt.txt` go when
//! the debt is paid.

use std::{collections::BTreeMap, env, fs, path::Path};

use super::Violation;

const FILE: &str = "tests/tidy/debt.txt";
const UPDATE: &str = "UPDATE_DEBT";
pub const LIST: &str = "TIDY_LIST";

/// Violations by rule and room.
type Counts = BTreeMap<(String, String), usize>;

/// The problems between the violations of each rule and the debt that is written down.
pub fn check(root: &Path, rules: &[(&str, Vec<Violation>)]) -> Vec<String> {
    let written = read(&fs::read_to_string(root.join(FILE)).unwrap_or_default());
    let mut found = Counts::new();
    for (rule, violations) in rules {
        for violation in violations {
            *found.entry(((*rule).to_owned(), room(&violation.file))).or_default() += 1;
        }
    }
    if env::var_os(UPDATE).is_some() {
        let kept: Vec<String> = lines(&found, &written);
        fs::write(root.join(FILE), kept.concat()).expect("the debt is writable");
    }
    let mut problems = compare(&found, &written);
    if env::var_os(UPDATE).is_some() {
        problems.retain(|problem| problem.contains("more than"));
    }
    problems
}

/// The violations that `TIDY_LIST` selects: of one rule, or of one rule below one path.
pub fn list(rules: &[(&str, Vec<Violation>)], wanted: &str) -> Vec<String> {
    let (rule, place) = wanted.split_once(':').unwrap_or((wanted, ""));
    let of_rule = rules.iter().filter(|(name, _)| *name == rule || rule.is_empty());
    let violations = of_rule.flat_map(|(name, violations)| violations.iter().map(move |it| (name, it)));
    let here = violations.filter(|(_, violation)| violation.file.starts_with(place));
    here.map(|(name, violation)| format!("{name}: {violation}")).collect()
}

fn read(text: &str) -> Counts {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (rule, room) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(((rule, room), words.next()?.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// The counts to write: those found, never above those written. An empty `written` takes all.
fn lines(found: &Counts, written: &Counts) -> Vec<String> {
    let counts = found.iter().filter_map(|(key, count)| {
        let known = written.get(key).copied();
        let count = if written.is_empty() { *count } else { (*count).min(known?) };
        Some(format!("{} {} {count}\n", key.0, key.1))
    });
    counts.collect()
}

fn compare(found: &Counts, written: &Counts) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = found.keys().chain(written.keys()).collect();
    let problem = |key: &&(String, String)| {
        let (now, known) = (found.get(*key).copied().unwrap_or(0), written.get(*key).copied().unwrap_or(0));
        let (rule, room) = key;
        let list = format!("{LIST}={rule}:{room}");
        match now.cmp(&known) {
            std::cmp::Ordering::Greater => {
                Some(format!("{rule} {room}: {now}, more than the {known} of {FILE}; see {list}"))
            }
            std::cmp::Ordering::Less => {
                Some(format!("{rule} {room}: {now}, less than the {known} of {FILE}; lower it by {UPDATE}=1"))
            }
            std::cmp::Ordering::Equal => None,
        }
    };
    keys.iter().filter_map(problem).collect()
}

/// `crates/ledger`, `src/intake`, `tests/it`, `benches`, `migrations`; `src` and `tests` for files right in them.
fn room(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["crates" | "src" | "tests", room, _, ..] => format!("{}/{room}", parts[0]),
        [top, _, ..] => (*top).to_owned(),
        _ => ".".to_owned(),
    }
}

#[test]
fn a_debt_may_only_shrink() {
    let counts = |text: &str| read(text);
    let written = counts("words src/a 3\nwords src/b 2\nwords src/c 1\n");
    let found = counts("words src/a 4\nwords src/b 1\nwords src/d 1\n");
    let problems = compare(&found, &written);
    assert_eq!(problems.len(), 4, "{problems:?}");
    assert_eq!(lines(&found, &written).concat(), "words src/a 3\nwords src/b 1\n");
    assert_eq!(compare(&written, &written), [] as [&str; 0]);
    assert_eq!(room("crates/ledger/src/a/b.rs"), "crates/ledger");
    assert_eq!(room("src/intake/a.rs"), "src/intake");
    assert_eq!(room("src/config.rs"), "src");
    assert_eq!(room("benches/run/a.rs"), "benches");
    assert_eq!(room("Makefile"), ".");
}
