//! Each rule about files and imports sees its planted violation, and nothing in a clean file.
//!
//! The other rules are tried beside their code. Next: `files.rs`, `imports.rs`.

use super::{check_files_and_imports, source::Source};

const OPENING: &str = "//! What it owns.\n//! Where to read next.\n";

/// The problems that one planted file has, with their lines.
fn problems(path: &str, body: &str) -> Vec<(usize, String)> {
    let source = Source::new(path, &format!("{OPENING}{body}"));
    check_files_and_imports(&[source])
        .into_iter()
        .map(|violation| (violation.line, violation.problem))
        .collect()
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
    let found: Vec<_> =
        check_files_and_imports(&[planted]).into_iter().map(|violation| violation.problem).collect();
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
    assert_clean("crates/providers/src/http/http_connection.rs", "use hyper::Request;");
    assert_clean("src/connectors/kustomer/client.rs", "use reqwest::Client;");
    assert_refused("src/connectors/kustomer/mod.rs", "use reqwest::Client;", "imports `reqwest`");
    assert_refused("src/api/mail.rs", "use lettre::Message;", "imports `lettre`");
    assert_refused("src/telemetry/log.rs", "use axum::Router;", "imports `axum`");
    assert_clean("src/telemetry/http.rs", "use axum::Router;");
}

#[test]
fn a_file_is_short_and_says_what_it_owns() {
    let long = "fn f() {}\n".repeat(400 - OPENING.lines().count());
    assert_clean("src/clock.rs", &long);
    assert_eq!(
        problems("src/clock.rs", &format!("{long}fn g() {{}}\n")),
        [(401, "401 lines, 400 is the most".to_owned())]
    );
    let bare = check_files_and_imports(&[
        Source::new("tests/it/mod.rs", "//! One line.\nfn f() {}\n"),
        Source::new("src/a.rs", ""),
    ]);
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
    assert_refused("tests/it/intake.rs", "async fn f() { wait::elapse(SECOND).await; }", "a test sleeps");
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
