//! The relay's replies to each fault.
//!
//! The tests speak SMTP over a bare socket, because a mail client would hide the relay's exact replies. Behaviour
//! that all providers share is tested in `http`.

use super::support::{DEADLINE, message_id, mime, simulator, simulator_with, submit};
use crate::Verdict;

#[tokio::test]
async fn an_ordinary_mail_is_queued_with_its_dots_unstuffed() {
    let simulator = simulator().await;
    let replies = submit(&simulator, "jo@example.test", &["NOOP", "RSET"]).await.expect("a conversation");
    let accepted = simulator.accepted().remove(0);
    assert_eq!(replies.last(), Some(&format!("250 2.0.0 Ok: queued as {}", accepted.provider_id)));
    assert_eq!(accepted.raw, [&mime("jo@example.test")[..], b".stuffed\r\n"].concat());
    assert_eq!((accepted.correlation.clone(), accepted.attempt), (Some(message_id().to_string()), Some(2)));
    assert_eq!(simulator.calls()[0].correlation, accepted.correlation);
    simulator.shutdown().await;
}

#[tokio::test]
async fn refusals_at_the_recipient_and_after_the_dot_accept_nothing() {
    let simulator = simulator().await;
    for (word, reply) in [
        ("busy", "451 4.7.1"),
        ("flaky", "451 4.7.1"),
        ("invalid", "550 5.1.1"),
        ("optout", "550 5.7.1"),
        ("misconfigured", "550 5.7.26"),
        ("error", "421 4.3.0"),
        ("spam", "550 5.7.1"),
        ("dot451", "451 4.3.0"),
        ("magnificent", "554 5.6.0"),
    ] {
        let replies = submit(&simulator, &format!("{word}@example.test"), &[]).await.expect("a conversation");
        assert!(replies.last().is_some_and(|last| last.starts_with(reply)), "{word}: {replies:?}");
        let after_dot = matches!(word, "spam" | "dot451" | "magnificent");
        assert_eq!(replies.iter().any(|reply| reply.starts_with("354")), after_dot, "{word}");
        let verdict = simulator.calls().pop().expect("a call").verdict;
        assert_eq!(verdict, Verdict::Refused(reply.to_owned()), "{word}");
    }
    assert!(simulator.accepted().is_empty());
    submit(&simulator, "flaky@example.test", &[]).await.expect("a conversation");
    assert_eq!(simulator.accepted().len(), 1, "flaky is accepted the second time");
}

#[tokio::test]
async fn a_reset_after_the_dot_leaves_the_caller_without_an_answer() {
    let simulator = simulator().await;
    for word in ["reset", "acceptreset", "dotreset"] {
        let problem = submit(&simulator, &format!("{word}@example.test"), &[]).await;
        let kind = problem.expect_err("the connection is reset").kind();
        assert_eq!(kind, std::io::ErrorKind::ConnectionReset, "{word}");
    }
    let recipients: Vec<_> = simulator.accepted().into_iter().map(|accepted| accepted.recipient).collect();
    assert_eq!(recipients, ["acceptreset@example.test", "dotreset@example.test"]);
}

#[tokio::test]
async fn cut_and_garbled_replies_come_after_the_mail_was_accepted() {
    let simulator = simulator().await;
    for (word, reply) in [
        ("cut", "25"),
        ("garbage", "lorem ipsum dolor sit amet"),
        ("accepterror", "451 4.3.0 Error: internal error"),
    ] {
        let replies = submit(&simulator, &format!("{word}@example.test"), &[]).await.expect("a conversation");
        assert_eq!(replies.last().map(String::as_str), Some(reply), "{word}");
    }
    assert_eq!(simulator.accepted().len(), 3);
}

#[tokio::test]
async fn silence_after_the_dot_ends_with_the_release() {
    for word in ["hang", "nodot"] {
        let simulator = simulator().await;
        let recipient = format!("{word}@example.test");
        let submitting = submit(&simulator, &recipient, &[]);
        let releasing = async {
            assert!(simulator.wait_until(|accepted| accepted.len() == 1, DEADLINE).await);
            simulator.release_hung();
        };
        let (replies, ()) = tokio::join!(submitting, releasing);
        let replies = replies.expect("a conversation");
        assert!(replies.last().is_some_and(|last| last.starts_with("250 2.0.0")), "{word}: {replies:?}");
    }
}

#[tokio::test]
async fn a_relay_with_credentials_refuses_missing_and_wrong_ones() {
    let simulator = simulator_with(|config| {
        config.smtp_username = Some("user".to_owned());
        config.smtp_password = Some("secret".to_owned());
    })
    .await;
    let last = async |before: &[&str]| {
        let replies = submit(&simulator, "jo@example.test", before).await.expect("a conversation");
        replies.last().cloned().unwrap_or_default()
    };
    assert!(last(&[]).await.starts_with("530 5.7.0"));
    // NUL user NUL wrong, then NUL user NUL secret.
    assert!(last(&["AUTH PLAIN AHVzZXIAd3Jvbmc="]).await.starts_with("535 5.7.8"));
    assert!(last(&["AUTH PLAIN AHVzZXIAc2VjcmV0"]).await.starts_with("250 2.0.0"));
    assert!(last(&["AUTH LOGIN", "dXNlcg==", "c2VjcmV0"]).await.starts_with("250 2.0.0"));
    assert_eq!(simulator.accepted().len(), 2);
}
