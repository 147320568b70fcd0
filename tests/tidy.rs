//! The layout rules, executable: which file may import which, how a file opens and how long it may be,
//! which short cuts are not taken, and where SQL stands.
//!
//! Every violation is reported at once, with its place and the remedy. Each rule is tried on a planted
//! violation below, so that a rule which stopped seeing anything fails too. Next: `tidy/imports.rs`.

#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/manifests.rs"]
mod manifests;
#[path = "tidy/source.rs"]
mod source;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use source::Source;

const LINES_MAX: usize = 400;
const OPENING_LINES_MIN: usize = 2;

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

#[test]
fn the_house_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = read_sources(root);
    assert!(sources.iter().any(|source| source.path == "src/lib.rs"), "the walk must find the sources");

    let mut violations = check(&sources);
    violations.extend(manifests::check(&manifests::read(root)));
    let listed: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{} layout rules are broken:\n{}\n", listed.len(), listed.join("\n"));
}

fn read_sources(root: &Path) -> Vec<Source> {
    let mut files = Vec::new();
    for folder in ["src", "crates", "tests", "benches"] {
        walk(&root.join(folder), &mut files);
    }
    files.sort();
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).expect("a source file is readable UTF-8");
        let path = file.strip_prefix(root).expect("the walk began at the root");
        Source::new(&path.to_string_lossy().replace('\\', "/"), &text)
    };
    files.iter().map(read).collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is readable") {
        let path = entry.expect("the folder's entry is readable").path();
        if path.is_dir() && !path.ends_with("target") {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn check(sources: &[Source]) -> Vec<Violation> {
    let mut violations = imports::check(sources);
    for source in sources {
        violations.extend(check_length(source));
        violations.extend(check_opening(source));
        violations.extend(check_attributes(source));
        violations.extend(check_sleeps(source));
        violations.extend(check_sql(source));
    }
    violations.sort();
    violations.dedup();
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
    text.strip_prefix(word).is_some_and(|rest| !rest.starts_with(source::is_identifier))
}

fn check_sleeps(source: &Source) -> Vec<Violation> {
    if !source.path.starts_with("tests/it/") || source.path == "tests/it/support/wait.rs" {
        return Vec::new();
    }
    let calls = ["sleep", "sleep_until"].into_iter().flat_map(|word| {
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
    if imports::crate_root(path).is_none()
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

// ---------------------------------------------------------------- each rule sees its violation

const OPENING: &str = "//! What it owns.\n//! Where to read next.\n";

/// The problems that one planted file has, with their lines.
fn problems(path: &str, body: &str) -> Vec<(usize, String)> {
    let source = Source::new(path, &format!("{OPENING}{body}"));
    check(&[source]).into_iter().map(|violation| (violation.line, violation.problem)).collect()
}

#[track_caller]
fn assert_refused(path: &str, body: &str, problem: &str) {
    assert_eq!(problems(path, body), [(3, problem.to_owned())], "in {path}: {body}");
}

#[track_caller]
fn assert_clean(path: &str, body: &str) {
    assert_eq!(problems(path, body), [], "in {path}: {body}");
}

#[test]
fn the_company_never_sees_the_rules() {
    assert_clean(
        "crates/domain/src/rules/quiet.rs",
        "use crate::{ids::{Medium, RequestId}, company::Policy};",
    );
    assert_refused(
        "crates/domain/src/rules/quiet.rs",
        "fn now() { postrider_clock::now() }",
        "a pure file uses `postrider_clock`",
    );
    assert_refused(
        "crates/domain/src/company/file.rs",
        "use crate::rules::Rule;",
        "a pure file imports `crate::rules::Rule`",
    );
    assert_refused(
        "crates/domain/src/company/mod.rs",
        "use super::rules;",
        "a pure file imports `crate::rules`",
    );
    assert_clean(
        "crates/domain/src/company/file.rs",
        "use crate::job::{self, Medium};\nuse super::policy::Policy;",
    );
    assert_clean("crates/domain/src/company/mod.rs", "mod tests {\n    use super::*;\n}");
}

#[test]
fn a_providers_pure_file_never_sees_a_client() {
    assert_clean("crates/providers/src/twilio/wire.rs", "use crate::{Outcome, twilio::wire::Call};");
    assert_refused(
        "crates/providers/src/twilio/wire.rs",
        "use super::client::Twilio;",
        "a pure file imports `crate::twilio::client::Twilio`",
    );
    assert_refused(
        "crates/providers/src/twilio/wire.rs",
        "use postrider_ledger::Facts;",
        "a pure file uses `postrider_ledger`",
    );
    assert_refused("crates/providers/src/token.rs", "use tokio::time;", "a pure file uses `tokio`");
    assert_clean("crates/providers/src/email.rs", "use lettre::{Address, message::Mailbox};");
    assert_refused(
        "crates/providers/src/email.rs",
        "use lettre::AsyncSmtpTransport;",
        "a pure file uses `lettre::AsyncSmtpTransport`",
    );
    assert_refused(
        "crates/providers/src/smtp/wire.rs",
        "use lettre::Message;",
        "a pure file uses `lettre::Message`",
    );
}

#[test]
fn a_connectors_pure_file_never_sees_a_client() {
    assert_clean(
        "src/connectors/crm/wire.rs",
        "use crate::connectors::crm::wire::Told;\nuse postrider_domain::company::Recipe;",
    );
    assert_refused(
        "src/connectors/crm/wire.rs",
        "use super::client::Asking;",
        "a pure file imports `crate::connectors::crm::client::Asking`",
    );
    assert_refused(
        "src/connectors/crm/wire.rs",
        "use crate::intake::InboundJob;",
        "a pure file imports `crate::intake::InboundJob`",
    );
    assert_clean("src/connectors/crm/wire.rs", "pub(in crate::intake) fn f() {}");
}

#[test]
fn a_pure_file_neither_waits_nor_logs_nor_reads() {
    assert_refused("crates/domain/src/content/link.rs", "async fn shorten() {}", "a pure file has `async`");
    assert_refused(
        "crates/domain/src/content/link.rs",
        "fn f() { tracing::info!(\"x\"); }",
        "a pure file uses `tracing`",
    );
    assert_refused("crates/domain/src/content/link.rs", "use std::{fmt, fs};", "a pure file uses `std::fs`");
    assert_clean(
        "crates/domain/src/content/link.rs",
        "// async tracing::info std::fs\nconst A: &str = \"async tokio::spawn\";",
    );
}

#[test]
fn a_file_that_calls_itself_pure_is_held_to_it() {
    let planted = Source::new("src/telemetry/redact.rs", "//! Redaction.\n//! PURE.\nuse crate::api;\n");
    let found: Vec<_> = check(&[planted]).into_iter().map(|violation| violation.problem).collect();
    assert_eq!(found, ["a pure file imports `crate::api`"]);
}

#[test]
fn every_library_stays_in_its_homes() {
    assert_clean("src/worker/mod.rs", "use sqlx::PgPool;");
    assert_clean("crates/ledger/src/accept.rs", "use sqlx::PgPool;");
    assert_refused("src/intake/batch.rs", "use sqlx::PgPool;", "imports `sqlx`");
    assert_refused("src/dispatch/call.rs", "fn f(c: &lapin::Channel) {}", "imports `lapin`");
    assert_refused("src/cli/why.rs", "use lapin as broker;", "imports `lapin`");
    assert_clean("src/amqp/publish.rs", "use lapin::Connection;");
    assert_refused("src/webhooks/mod.rs", "use reqwest::Client;", "imports `reqwest`");
    assert_refused("src/dispatch/mod.rs", "use hyper::Request;", "imports `hyper`");
    assert_clean("crates/providers/src/http/line.rs", "use hyper::Request;");
    assert_clean("src/connectors/kustomer/client.rs", "use reqwest::Client;");
    assert_refused("src/connectors/kustomer/mod.rs", "use reqwest::Client;", "imports `reqwest`");
    assert_refused("src/api/mail.rs", "use lettre::Message;", "imports `lettre`");
    assert_refused("src/telemetry/log.rs", "use axum::Router;", "imports `axum`");
    assert_clean("src/telemetry/http.rs", "use axum::Router;");
}

#[test]
fn a_file_is_short_and_says_what_it_owns() {
    let long = "fn f() {}\n".repeat(LINES_MAX - OPENING_LINES_MIN);
    assert_clean("src/clock.rs", &long);
    assert_eq!(
        problems("src/clock.rs", &format!("{long}fn g() {{}}\n")),
        [(401, "401 lines, 400 is the most".to_owned())]
    );
    let bare =
        check(&[Source::new("tests/it/mod.rs", "//! One line.\nfn f() {}\n"), Source::new("src/a.rs", "")]);
    let bare: Vec<_> = bare.iter().map(|violation| violation.problem.as_str()).collect();
    assert_eq!(bare, ["0 opening `//!` lines", "1 opening `//!` lines"]);
}

#[test]
fn lints_and_tests_are_not_switched_off() {
    assert_refused("src/clock.rs", "#[allow(dead_code)]\nfn f() {}", "`allow`");
    assert_refused("src/clock.rs", "#![allow(dead_code)]", "`allow`");
    assert_refused("tests/it/main.rs", "#[ignore = \"slow\"]\nfn f() {}", "an ignored test");
    assert_refused("src/clock.rs", "#[expect(dead_code)]\nfn f() {}", "`expect` without a reason");
    assert_clean(
        "src/clock.rs",
        "#[expect(\n    dead_code,\n    reason = \"read by the next stage\"\n)]\nfn f() {}",
    );
    assert_clean("src/clock.rs", "// #[allow(dead_code)]\nconst A: &str = r#\"#[ignore] \"#;");
}

#[test]
fn a_test_waits_for_a_condition_instead_of_sleeping() {
    assert_refused("tests/it/intake.rs", "fn f() { std::thread::sleep(SECOND); }", "a test sleeps");
    assert_refused("tests/it/intake.rs", "async fn f() { sleep_until(then).await; }", "a test sleeps");
    assert_clean("tests/it/support/wait.rs", "async fn f() { sleep(TICK).await; }");
    assert_clean("tests/it/intake.rs", "fn f() { no_sleep(1); let c = '\"'; let sleep = 'a'; }");
}

#[test]
fn sql_stands_in_the_ledger_only() {
    for text in
        ["SELECT 1", "insert into request values ($1)", "DELETE FROM due", "\\n  update due set at = $1"]
    {
        let text = text.replace("\\n", "");
        assert_refused(
            "src/dispatch/claim.rs",
            &format!("const A: &str = \"{text}\";"),
            "SQL outside the ledger",
        );
        assert_clean("crates/demo/src/database.rs", &format!("const A: &str = \"{text}\";"));
        assert_refused(
            "crates/demo/src/seeds.rs",
            &format!("const A: &str = \"{text}\";"),
            "SQL outside the ledger",
        );
        assert_clean("crates/ledger/src/claim.rs", &format!("const A: &str = \"{text}\";"));
        assert_clean("tests/it/claim.rs", &format!("const A: &str = \"{text}\";"));
    }
    assert_refused(
        "src/api/list.rs",
        "const A: &str = r#\"\n  SELECT id\n  FROM request\"#;",
        "SQL outside the ledger",
    );
    assert_clean("src/api/list.rs", "const A: &str = \"select a team member from the list\"; // SELECT 1");
}
