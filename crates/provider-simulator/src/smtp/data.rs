//! The message and what follows its dot: the point where a relay's answers become uncertain.
//!
//! Everything after the message was read is here: accepted or not, answered or not. RFC 5321 §4.2.5:
//! the responsibility changes hands with the 250, which is why the ledger is written before it.

use std::io;

use super::session::{Next, Session, refused};
use crate::{
    accept::Parcel,
    call_plan::{Answer, CallPlan, Refusal},
    mime,
    records::{Correlation, Detail, Provider},
    state::Verdicted,
};

pub(super) async fn data(session: &mut Session) -> io::Result<Next> {
    let (Some(sender), Some((recipient, decided))) = (session.sender.take(), session.recipient.take()) else {
        return session.say("503 5.5.1 Error: need RCPT command").await;
    };
    session.wire.reply("354 End data with <CR><LF>.<CR><LF>").await?;
    let Some(message) = session.wire.message().await? else {
        let reply = "552 5.3.4 Message too big";
        session.house.settle(decided.call, refused(reply));
        return session.say(reply).await;
    };
    let parcel = parcel(sender, recipient, message);
    session.house.change(|book| book.correlate(decided.call, &parcel.correlation));
    session.house.take_time().await;
    match decided.taking {
        CallPlan::Ignore => Ok(Next::Reset),
        CallPlan::Refuse(refusal) => {
            let reply = refusal_after_dot(refusal);
            session.house.settle(decided.call, refused(reply));
            session.say(reply).await
        }
        CallPlan::Accept(how) => accept(session, parcel, decided, how).await,
    }
}

async fn accept(session: &mut Session, parcel: Parcel, decided: Verdicted, how: Answer) -> io::Result<Next> {
    let proper = format!("250 2.0.0 Ok: queued as {}", parcel.provider_id);
    if let Err(problem) = session.house.accept(parcel, decided).await {
        tracing::error!(%problem, "accept simulated mail");
        return session.say("451 4.3.0 Error: queue file write error").await;
    }
    match how {
        Answer::Proper => session.say(&proper).await,
        Answer::Slow => {
            session.house.take_long().await;
            session.say(&proper).await
        }
        Answer::Hang => {
            tokio::select! {
                () = session.house.hang(decided) => {}
                () = session.wire.left() => return Ok(Next::Close),
            }
            session.say(&proper).await
        }
        Answer::Reset => Ok(Next::Reset),
        Answer::Cut => {
            session.wire.raw(b"25").await?;
            Ok(Next::Close)
        }
        Answer::Garbage => {
            session.wire.reply("lorem ipsum dolor sit amet").await?;
            Ok(Next::Continue)
        }
        Answer::ServerError => session.say("451 4.3.0 Error: internal error").await,
    }
}

fn parcel(sender: String, recipient: String, message: Vec<u8>) -> Parcel {
    let message_id = mime::header(&message, "Message-ID");
    let by_id = message_id.as_deref().and_then(mime::message_id).map(Correlation::from_message_id);
    let own = mime::header(&message, "X-Postrider-Message");
    let queue_id = postrider_clock::random_id().simple().to_string().to_uppercase();
    Parcel {
        provider: Provider::Smtp,
        provider_id: queue_id[..16].to_owned(),
        recipient,
        from: mime::header(&message, "From").unwrap_or(sender),
        text_or_subject: mime::header(&message, "Subject").unwrap_or_default(),
        correlation: Correlation::new(own.as_deref(), None).or(by_id.unwrap_or_default()),
        detail: Detail::default(),
        raw: message,
    }
}

fn refusal_after_dot(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Spam => "550 5.7.1 Message content rejected",
        Refusal::Magnificent => "554 5.6.0 Message is not what it seems",
        Refusal::Unavailable | Refusal::Error | Refusal::Outage => "451 4.3.0 Error: try again later",
        // Refused at RCPT already; said again should that ever change.
        Refusal::Busy => "451 4.7.1 Greylisted, please try again later",
        Refusal::Invalid | Refusal::OptedOut | Refusal::Misconfigured => "550 5.7.1 Message refused",
    }
}
