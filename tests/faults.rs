//! The fault catalogue (`tests/FAULTS.md`) is true to the tests: every number once, every named test there.
//!
//! A row without a test says what is not built yet, or why it cannot be injected here.

use std::{collections::BTreeMap, fs, path::Path};

const FAULTS: usize = 92;
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// The last cell of each row, by the row's number.
fn rows(text: &str) -> BTreeMap<usize, String> {
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let Ok(number) = cells[0].parse() else { continue };
        assert_eq!(cells.len(), 4, "fault {number} has a number, a name, invariants and tests");
        let before = rows.insert(number, cells[3].trim_end_matches('|').trim().to_owned());
        assert!(before.is_none(), "fault {number} is there twice");
    }
    rows
}

/// The names in backquotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).filter(|name| name.contains("::") || *name == "torture").collect()
}

/// Whether a file under `tests/` has such a test.
fn is_there(name: &str) -> bool {
    if name == "torture" {
        return Path::new(TESTS).join("torture/main.rs").exists();
    }
    let Some((file, test)) = name.rsplit_once("::") else { return false };
    let Ok(text) = fs::read_to_string(Path::new(TESTS).join(format!("{file}.rs"))) else { return false };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| {
        let named = pair[1].trim_start_matches("async ").starts_with(&format!("fn {test}("));
        named && (pair[0].starts_with("#[tokio::test") || pair[0] == "#[test]")
    })
}

#[test]
fn every_fault_names_a_test_that_exists_or_says_why_there_is_none() {
    let text = fs::read_to_string(Path::new(TESTS).join("FAULTS.md")).expect("the catalogue is there");
    let rows = rows(&text);
    assert_eq!(rows.keys().copied().collect::<Vec<_>>(), (1..=FAULTS).collect::<Vec<_>>());
    let (mut tested, mut not_built, mut impossible) = (0, 0, 0);
    for (number, cell) in &rows {
        let names = quoted(cell);
        match (cell.starts_with("not built yet: "), cell.starts_with("cannot be injected here: ")) {
            (true, _) => not_built += 1,
            (_, true) => impossible += 1,
            _ => {
                assert!(!names.is_empty(), "fault {number} names no test and gives no cause: {cell}");
                tested += 1;
                for name in names {
                    assert!(is_there(name), "fault {number} names {name}, which is not there");
                }
            }
        }
    }
    let stated = format!(
        "Of {FAULTS} faults **{tested} are tested**, {not_built} belong to features that are not built yet, {impossible} cannot be injected here."
    );
    assert!(text.contains(&stated), "the catalogue does not say: {stated}");
}

#[test]
fn a_test_that_is_not_there_is_found_out() {
    assert!(is_there("faults::a_test_that_is_not_there_is_found_out"));
    assert!(!is_there("faults::rows"), "a function that is no test");
    assert!(!is_there("it/outages::nothing_of_this_name"));
    assert!(!is_there("nowhere::nothing"));
}

#[test]
fn what_the_mutants_take_out_is_where_they_look_for_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mutants = fs::read_dir(root.join("tests/torture/mutants")).expect("the mutants are there");
    let (mut looked, mut astray) = (0, Vec::new());
    for mutant in mutants {
        let path = mutant.expect("readable").path();
        let patch = fs::read_to_string(&path).expect("a patch");
        for change in patch.split("--- a/").skip(1) {
            let (file, hunks) = change.split_once('\n').expect("a patch names a file");
            let source = fs::read_to_string(root.join(file)).expect("the file is there");
            for hunk in hunks.split("\n@@").skip(1) {
                let taken: Vec<&str> = hunk.lines().filter_map(|line| line.strip_prefix('-')).collect();
                assert!(!taken.is_empty(), "{}: a hunk takes nothing out", path.display());
                looked += 1;
                if !source.contains(&taken.join("\n")) {
                    astray.push(format!(
                        "{}: {file} has no {:?} any more; make it anew",
                        path.display(),
                        taken[0]
                    ));
                }
            }
        }
    }
    assert!(looked >= 3, "there are mutants");
    assert!(astray.is_empty(), "{}", astray.join("\n"));
}
