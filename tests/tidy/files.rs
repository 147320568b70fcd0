//! The rules for one file at a time: its length, its opening, the short cuts that are not taken, and SQL.
//!
//! Next: `imports.rs` (what a file may import).

use super::{
    Violation,
    imports::crate_root,
    source::{Source, is_identifier},
};

const LINES_MAX: usize = 400;
const OPENING_LINES_MIN: usize = 2;

pub fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        violations.extend(check_length(source));
        violations.extend(check_opening(source));
        violations.extend(check_attributes(source));
        violations.extend(check_sleeps(source));
        violations.extend(check_sql(source));
    }
    violations
}

fn check_length(source: &Source) -> Option<Violation> {
    let lines = source.text.lines().count();
    (lines > LINES_MAX).then(|| {
        let problem = format!("{lines} lines, {LINES_MAX} is the most");
        Violation::new(source, LINES_MAX + 1, problem, "split it where it is really two files".to_owned())
    })
}

fn check_opening(source: &Source) -> Option<Violation> {
    let lines = source.text.lines().take_while(|line| line.starts_with("//!")).count();
    (lines < OPENING_LINES_MIN).then(|| {
        let remedy = "open with `//!`, 3 to 12 lines: what it owns, what it must not do, where to read next";
        Violation::new(source, 1, format!("{lines} opening `//!` lines"), remedy.to_owned())
    })
}

fn check_attributes(source: &Source) -> Vec<Violation> {
    let code = source.code.as_str();
    let mut violations = Vec::new();
    for (at, _) in code.match_indices("#[").chain(code.match_indices("#![")) {
        let body = code[at..].trim_start_matches(['#', '!', '[']).trim_start();
        let end = body.find(']').unwrap_or(body.len());
        let (problem, remedy) = if starts_with_word(body, "ignore") {
            ("an ignored test", "make it run everywhere, or delete it")
        } else if starts_with_word(body, "allow") {
            ("`allow`", "`#[expect(…, reason = \"…\")]`, or mend what the lint found")
        } else if starts_with_word(body, "expect") && !body[..end].contains("reason") {
            ("`expect` without a reason", "add `reason = \"…\"`")
        } else {
            continue;
        };
        violations.push(Violation::new(source, source.line_at(at), problem.to_owned(), remedy.to_owned()));
    }
    violations
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(is_identifier))
}

fn check_sleeps(source: &Source) -> Vec<Violation> {
    let may_wait = ["tests/it/support/wait.rs", "tests/it/support/proxy.rs"].contains(&source.path.as_str());
    if !source.path.starts_with("tests/it/") || may_wait {
        return Vec::new();
    }
    let calls = ["sleep", "sleep_until", "elapse"].into_iter().flat_map(|word| {
        source.words(word).filter(move |&at| source.code[at + word.len()..].trim_start().starts_with('('))
    });
    let violation = |at| {
        let remedy = "call one step by hand, or wait for the condition with support/wait.rs".to_owned();
        Violation::new(source, source.line_at(at), "a test sleeps".to_owned(), remedy)
    };
    calls.map(violation).collect()
}

fn check_sql(source: &Source) -> Vec<Violation> {
    let path = source.path.as_str();
    if crate_root(path).is_none()
        || path.starts_with("crates/ledger/")
        || path == "crates/demo/src/database.rs"
    {
        return Vec::new();
    }
    let violation = |(line, _): &(usize, String)| {
        let remedy = "give the ledger a function named after the domain verb".to_owned();
        Violation::new(source, *line, "SQL outside the ledger".to_owned(), remedy)
    };
    source.literals.iter().filter(|(_, text)| is_sql(text)).map(violation).collect()
}

/// Lower-case prose may begin with "update the …": there a statement's second word is asked for too.
fn is_sql(text: &str) -> bool {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = text.to_lowercase();
    let pairs = [("select ", " from "), ("insert into ", " "), ("delete from ", " "), ("update ", " set ")];
    pairs.iter().any(|(start, then)| {
        text.starts_with(&start.to_uppercase())
            || lower
                .strip_prefix(start)
                .is_some_and(|rest| rest.contains(then) && lower.contains(['$', '=', '*']))
    })
}
