//! SMTP: the client against a scripted relay that breaks the session at every point.
//!
//! `wire` has the tests of the tables. Before the final dot nothing was sent; after it only a reply proves anything.

use std::net::SocketAddr;

use super::{Smtp, SmtpSettings};
use crate::{
    Outcome, Outgoing, Provider, RefusalKind, StatusSource, email,
    test_server::{Step, refusing_address, serve, timeouts, until_content},
};
use postrider_domain::{company::policy::SmtpTls, ids::BlockKind};

fn smtp(address: SocketAddr, steps: &[Step], tls: SmtpTls, login: bool) -> Smtp {
    let settings = SmtpSettings {
        host: address.ip().to_string(),
        port: address.port(),
        tls,
        login: login.then(|| ("user".to_owned(), "password".into())),
        domain: "mail.acme.example".to_owned(),
    };
    let timeouts = timeouts(steps);
    Smtp::new(settings, timeouts.connect, timeouts.smtp)
}

fn email() -> Outgoing {
    Outgoing::Email(email::tests::email())
}

/// The outcome, and the text that the relay received.
async fn played(steps: Vec<Step>, tls: SmtpTls, login: bool) -> (Outcome, String) {
    let (address, server) = serve(steps.clone()).await;
    let outcome = smtp(address, &steps, tls, login).send(&email()).await;
    (outcome, server.await.expect("the script was followed"))
}

async fn after(steps: Vec<Step>) -> Outcome {
    played(steps, SmtpTls::None, false).await.0
}

fn with(mut steps: Vec<Step>, more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    steps.extend(more);
    steps
}

/// A session up to and including the command, then the steps of `more`.
fn until(command: &str, more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    let mut steps = until_content();
    let here =
        steps.iter().position(|step| matches!(step, Step::Expect(start) if start.starts_with(command)));
    steps.truncate(here.expect("a command of the conversation") + 1);
    with(steps, more)
}

const BYE: [Step; 2] = [Step::Expect("QUIT"), Step::Send("221 bye\r\n")];

#[tokio::test]
async fn an_email_is_delivered_and_the_session_ends_with_quit() {
    let said = [Step::ReadContent, Step::Send("250 2.0.0 Ok: queued as 4F2A\r\n")];
    let steps = with(with(until_content(), said), BYE);
    let (outcome, received) = played(steps, SmtpTls::None, false).await;
    assert_eq!(outcome, Outcome::Accepted { provider_id: Some("Ok: queued as 4F2A".to_owned()) });
    assert!(received.starts_with("EHLO mail.acme.example\r\nMAIL FROM:<ask@acme.example>\r\n"), "{received}");
    assert!(received.contains("RCPT TO:<zoe@customer.example>\r\nDATA\r\n"), "{received}");
    assert!(received.contains("Message-ID: <00000000000000000000000000000190.2@mail.acme.example>\r\n"));
    assert!(received.contains("\r\n..\r\n"), "a line that is a dot is doubled:\n{received}");
    assert!(received.ends_with("--\r\n.\r\nQUIT\r\n"), "{received}");
}

#[tokio::test]
async fn without_a_session_nothing_was_called() {
    let not_called = Outcome::refused(RefusalKind::NotCalled, "connect");
    let outcome = smtp(refusing_address().await, &[], SmtpTls::None, false).send(&email()).await;
    assert_eq!(outcome, not_called, "refused");
    assert_eq!(after(vec![Step::Reset]).await, not_called, "reset");
    assert_eq!(after(vec![Step::Send("220 half a li")]).await, not_called, "cut greeting");
    assert_eq!(after(vec![Step::Send("HTTP/1.1 400\r\n")]).await, not_called, "no relay");
    let silent = Outcome::refused(RefusalKind::NotCalled, "connect_timeout");
    assert_eq!(after(vec![Step::Hang]).await, silent, "no greeting");
    let tls = |tls| async move { played(vec![Step::Send("220 plain\r\n")], tls, false).await.0 };
    assert_eq!(tls(SmtpTls::Implicit).await, not_called, "no TLS");
}

#[tokio::test]
async fn encryption_and_login_are_never_skipped() {
    let greeting = || vec![Step::Send("220 a\r\n"), Step::Expect("EHLO "), Step::Send("250 a\r\n")];
    let account = |code: &str| Outcome::refused(RefusalKind::Account, code);
    let (outcome, received) = played(greeting(), SmtpTls::Starttls, true).await;
    assert_eq!(outcome, account("starttls_unsupported"));
    assert!(!received.contains("AUTH") && !received.contains("MAIL"), "{received}");
    let handshake = [
        Step::Send("250-a\r\n250 STARTTLS\r\n"),
        Step::Expect("STARTTLS"),
        Step::Send("220 go\r\n250 no TLS\r\n"),
    ];
    let steps = [greeting()[..2].to_vec(), handshake.to_vec()].concat();
    let (outcome, received) = played(steps, SmtpTls::Starttls, true).await;
    assert_eq!(outcome, Outcome::refused(RefusalKind::NotCalled, "connect"));
    assert!(!received.contains("AUTH") && !received.contains("MAIL"), "{received}");
    let (outcome, received) = played(greeting(), SmtpTls::None, true).await;
    assert_eq!(outcome, account("auth_unsupported"));
    assert!(!received.contains("MAIL"), "{received}");
    let offer = || {
        vec![Step::Send("220 a\r\n"), Step::Expect("EHLO "), Step::Send("250-a\r\n250 AUTH PLAIN LOGIN\r\n")]
    };
    for (reply, expected) in [
        ("535 5.7.8 bad credentials\r\n", account("5.7.8")),
        ("534 too weak\r\n", account("smtp_534")),
        ("454 4.7.0 later\r\n", Outcome::refused(RefusalKind::ForNow, "4.7.0")),
    ] {
        let steps = with(offer(), [Step::Expect("AUTH PLAIN "), Step::Send(reply)]);
        assert_eq!(played(steps, SmtpTls::None, true).await.0, expected, "{reply}");
    }
}

#[tokio::test]
async fn a_refusal_before_the_content_is_by_the_table() {
    let recipient = |block| RefusalKind::Recipient { block };
    for (command, reply, kind, code) in [
        ("MAIL", "451 4.3.0 later\r\n", RefusalKind::ForNow, "4.3.0"),
        ("MAIL", "550 5.7.26 unauthenticated\r\n", RefusalKind::Account, "5.7.26"),
        ("RCPT", "450 4.2.1 too fast\r\n", RefusalKind::ForNow, "4.2.1"),
        ("RCPT", "550-5.1.1 no such\r\n550 5.1.1 user\r\n", recipient(Some(BlockKind::HardBounced)), "5.1.1"),
        ("RCPT", "550 no\r\n", recipient(None), "smtp_550"),
        ("DATA", "554 5.7.1 no\r\n", RefusalKind::Message, "5.7.1"),
        ("DATA", "250 out of step\r\n", RefusalKind::ForNow, "smtp_250"),
        ("RCPT", "354 out of step\r\n", RefusalKind::ForNow, "smtp_354"),
    ] {
        let (outcome, received) =
            played(with(until(command, [Step::Send(reply)]), BYE), SmtpTls::None, false).await;
        assert_eq!(outcome, Outcome::refused(kind, code), "{command} {reply}");
        assert!(received.ends_with("QUIT\r\n") && !received.contains("Subject"), "{received}");
    }
    let banner = after(vec![Step::Send("554 5.7.1 not you\r\n")]).await;
    assert_eq!(banner, Outcome::refused(RefusalKind::Account, "5.7.1"));
    let busy = after(vec![Step::Send("421 4.3.2 busy\r\n")]).await;
    assert_eq!(busy, Outcome::refused(RefusalKind::ForNow, "4.3.2"));
}

#[tokio::test]
async fn a_session_that_breaks_before_the_content_sent_nothing() {
    for command in ["MAIL", "RCPT", "DATA"] {
        let reset = Outcome::refused(RefusalKind::ForNow, "reset_before_data");
        assert_eq!(after(until(command, [Step::Reset])).await, reset, "{command} reset");
        assert_eq!(after(until(command, [])).await, reset, "{command} closed");
        assert_eq!(after(until(command, [Step::Send("nonsense\r\n")])).await, reset, "{command} nonsense");
        let silent = Outcome::refused(RefusalKind::ForNow, "timeout_before_data");
        assert_eq!(after(until(command, [Step::Hang])).await, silent, "{command} silence");
    }
}

#[tokio::test]
async fn after_the_final_dot_only_a_reply_proves_anything() {
    let then = |more: Vec<Step>| after(with(with(until_content(), [Step::ReadContent]), more));
    assert_eq!(then(vec![Step::Hang]).await, Outcome::unknown("timeout_after_data"), "silence");
    assert_eq!(then(vec![Step::Reset]).await, Outcome::unknown("reset_after_data"), "reset");
    assert_eq!(then(vec![]).await, Outcome::unknown("reset_after_data"), "closed");
    assert_eq!(
        then(vec![Step::Send("250 half a li")]).await,
        Outcome::unknown("reset_after_data"),
        "half a line"
    );
    assert_eq!(then(vec![Step::Send("garbage\r\n")]).await, Outcome::unknown("reset_after_data"), "garbage");
    assert_eq!(then(vec![Step::Send("354 again\r\n")]).await, Outcome::unknown("smtp_354"), "out of step");
    let refused = |kind, code: &str| Outcome::refused(kind, code);
    let said = |text| [vec![Step::Send(text)], BYE.to_vec()].concat();
    assert_eq!(then(said("451 4.3.0 later\r\n")).await, refused(RefusalKind::ForNow, "4.3.0"));
    assert_eq!(then(said("554 5.6.0 spam\r\n")).await, refused(RefusalKind::Message, "5.6.0"));
}

#[tokio::test]
async fn a_relay_without_a_reply_to_quit_changes_nothing() {
    let said = [Step::ReadContent, Step::Send("250 Ok\r\n"), Step::Hang];
    let outcome = after(with(until_content(), said)).await;
    assert_eq!(outcome, Outcome::Accepted { provider_id: Some("Ok".to_owned()) });
}

#[tokio::test]
async fn content_that_broke_off_was_not_sent() {
    // More than the buffers of both sides hold: the relay stops reading, so the final dot was not written.
    let mut email = email::tests::email();
    email.text = "word ".repeat(3_200_000);
    let (address, server) = serve(with(until_content(), [Step::Reset])).await;
    let outcome = smtp(address, &[], SmtpTls::None, false).send(&Outgoing::Email(email)).await;
    let _ = server.await.expect("the script was followed");
    assert!(
        matches!(&outcome, Outcome::Refused(refusal) if refusal.kind == RefusalKind::ForNow),
        "{outcome:?}"
    );
}

#[test]
fn an_unknown_outcome_at_a_relay_cannot_be_looked_up() {
    let address = SocketAddr::from(([127, 0, 0, 1], 25));
    assert_eq!(smtp(address, &[], SmtpTls::None, false).status_source(), StatusSource::ReceiptsOnly);
}
