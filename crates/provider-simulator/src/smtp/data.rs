//! The message and the reply to its dot: the point at which a relay's answers become uncertain.
//!
//! By RFC 5321 §4.2.5 the relay is responsible from its 250 on, which is why the journal is written before it.

use std::io;

use super::session::{Next, Session};
use crate::{
    accept::accept,
    call_plan::{AnswerPlan, CallPlan, Refusal},
    clock, mime,
    records::{AcceptanceDetail, Correlation, IncomingMessage, Provider},
    state::PlannedCall,
};

/// Takes the message of the current transaction and replies by the call's plan.
pub(super) async fn receive(session: &mut Session) -> io::Result<Next> {
    let (Some(sender), Some((recipient, call))) = (session.sender.take(), session.recipient.take()) else {
        return session.reply("503 5.5.1 Error: need RCPT command").await;
    };
    session.stream.reply("354 End data with <CR><LF>.<CR><LF>").await?;
    let Some(message) = session.stream.message().await? else {
        let reply = "552 5.3.4 Message too big";
        session.record_refusal(&call, reply);
        return session.reply(reply).await;
    };
    let message = incoming_message(sender, recipient, message);
    session.state.journal.change(|log| log.correlate(call.number, &message.correlation));
    session.state.faults.wait_latency().await;
    match call.plan {
        CallPlan::Reset => Ok(Next::Reset),
        CallPlan::Refuse(refusal) => {
            let reply = refusal_after_dot(refusal);
            session.record_refusal(&call, reply);
            session.reply(reply).await
        }
        CallPlan::Accept(plan) => accept_and_reply(session, message, call, plan).await,
    }
}

async fn accept_and_reply(
    session: &mut Session,
    message: IncomingMessage,
    call: PlannedCall,
    plan: AnswerPlan,
) -> io::Result<Next> {
    let proper = format!("250 2.0.0 Ok: queued as {}", message.provider_id);
    if let Err(problem) = accept(&session.state, message, call).await {
        tracing::error!(%problem, "accept simulated email");
        return session.reply("451 4.3.0 Error: queue file write error").await;
    }
    match plan {
        AnswerPlan::Proper => session.reply(&proper).await,
        AnswerPlan::Slow => {
            session.state.faults.wait_slow().await;
            session.reply(&proper).await
        }
        AnswerPlan::Hang => {
            tokio::select! {
                () = session.state.faults.hang(call.releases_at_start) => {}
                () = session.stream.disconnected() => return Ok(Next::Close),
            }
            session.reply(&proper).await
        }
        AnswerPlan::Reset => Ok(Next::Reset),
        AnswerPlan::Cut => {
            session.stream.raw(b"25").await?;
            Ok(Next::Close)
        }
        AnswerPlan::Garbage => {
            session.stream.reply("lorem ipsum dolor sit amet").await?;
            Ok(Next::Continue)
        }
        AnswerPlan::ServerError => session.reply("451 4.3.0 Error: internal error").await,
    }
}

fn incoming_message(sender: String, recipient: String, message: Vec<u8>) -> IncomingMessage {
    let message_id = mime::header(&message, "Message-ID");
    let by_id = message_id.as_deref().and_then(mime::message_id).map(Correlation::from_message_id);
    let own = mime::header(&message, "X-Postrider-Message");
    let queue_id = clock::random_id().simple().to_string().to_uppercase();
    IncomingMessage {
        provider: Provider::Smtp,
        provider_id: queue_id[..16].to_owned(),
        recipient,
        from: mime::header(&message, "From").unwrap_or(sender),
        text_or_subject: mime::header(&message, "Subject").unwrap_or_default(),
        correlation: Correlation::new(own.as_deref(), None).or(by_id.unwrap_or_default()),
        detail: AcceptanceDetail::default(),
        raw: message,
    }
}

fn refusal_after_dot(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Spam => "550 5.7.1 Message content rejected",
        Refusal::Magnificent => "554 5.6.0 Message is not what it seems",
        Refusal::Unavailable | Refusal::Error | Refusal::Outage => "451 4.3.0 Error: try again later",
        // Refused at RCPT already; here only for completeness.
        Refusal::Busy => "451 4.7.1 Greylisted, please try again later",
        Refusal::Invalid | Refusal::OptedOut | Refusal::Misconfigured => "550 5.7.1 Message refused",
    }
}
