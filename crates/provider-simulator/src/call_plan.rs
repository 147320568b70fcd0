//! The plan of one call at one provider: accepted or refused, the form of its answer, and the events that follow.
//!
//! No I/O. The providers' folders read the plan and only speak it on their wire. Where a fault has no
//! equivalent at a provider, this file, and no other, chooses the nearest one.

use crate::{
    recipient_fault::RecipientFault,
    records::{Provider, StatusEvent},
};

/// The result of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallPlan {
    /// Written to the journal, then answered.
    Accept(AnswerPlan),
    /// Answered with a refusal.
    Refuse(Refusal),
    /// Read whole and not accepted; then the connection is reset.
    Reset,
}

/// The answer to an accepted call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerPlan {
    Proper,
    Slow,
    Reset,
    Hang,
    Cut,
    Garbage,
    ServerError,
}

/// The cause of a refusal; each provider maps it to its own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Busy,
    Invalid,
    OptedOut,
    Misconfigured,
    Spam,
    /// A success status over a page that is no answer.
    Magnificent,
    Error,
    /// 503; over SMTP a 451 after the dot.
    Unavailable,
    /// The provider is down: 503 and the connection closed.
    Outage,
}

/// How a message's status events reach the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebhookPosting {
    Once,
    Twice,
    /// All events are posted before the call is answered.
    BeforeAnswer,
    /// Recorded, so that lookups show the events, and never posted.
    Lost,
}

impl CallPlan {
    /// The plan for a recipient's fault at one provider; `is_first`: the recipient's first call there.
    pub(crate) fn new(fault: RecipientFault, provider: Provider, is_first: bool) -> CallPlan {
        match fault {
            RecipientFault::Busy => CallPlan::Refuse(Refusal::Busy),
            RecipientFault::Flaky if is_first => CallPlan::Refuse(Refusal::Busy),
            RecipientFault::Invalid => CallPlan::Refuse(Refusal::Invalid),
            // Mailgun accepts mail for suppressed recipients and reports the failure later.
            RecipientFault::OptOut if provider != Provider::Mailgun => CallPlan::Refuse(Refusal::OptedOut),
            RecipientFault::Misconfigured => CallPlan::Refuse(Refusal::Misconfigured),
            RecipientFault::Magnificent => CallPlan::Refuse(Refusal::Magnificent),
            RecipientFault::Error => CallPlan::Refuse(Refusal::Error),
            RecipientFault::Spam if provider != Provider::Twilio => CallPlan::Refuse(Refusal::Spam),
            RecipientFault::Dot451 => CallPlan::Refuse(Refusal::Unavailable),
            RecipientFault::Reset => CallPlan::Reset,
            RecipientFault::Slow => CallPlan::Accept(AnswerPlan::Slow),
            RecipientFault::AcceptReset | RecipientFault::DotReset => CallPlan::Accept(AnswerPlan::Reset),
            RecipientFault::Hang | RecipientFault::NoDot => CallPlan::Accept(AnswerPlan::Hang),
            RecipientFault::Cut => CallPlan::Accept(AnswerPlan::Cut),
            RecipientFault::Garbage => CallPlan::Accept(AnswerPlan::Garbage),
            RecipientFault::AcceptError => CallPlan::Accept(AnswerPlan::ServerError),
            RecipientFault::Ok
            | RecipientFault::Flaky
            | RecipientFault::OptOut
            | RecipientFault::Spam
            | RecipientFault::Bounce
            | RecipientFault::SoftBounce
            | RecipientFault::Complain
            | RecipientFault::Unsubscribe
            | RecipientFault::Silent
            | RecipientFault::Early
            | RecipientFault::Twice
            | RecipientFault::Shuffled
            | RecipientFault::LateBounce
            | RecipientFault::LostReceipt
            | RecipientFault::RejectedLater => CallPlan::Accept(AnswerPlan::Proper),
        }
    }

    /// Whether the answer, if the caller gets one, proves neither an acceptance nor a refusal.
    pub(crate) fn is_doubtful(self) -> bool {
        match self {
            CallPlan::Accept(AnswerPlan::Proper) => false,
            CallPlan::Accept(_) | CallPlan::Reset => true,
            CallPlan::Refuse(refusal) => match refusal {
                Refusal::Magnificent | Refusal::Error | Refusal::Unavailable | Refusal::Outage => true,
                Refusal::Busy
                | Refusal::Invalid
                | Refusal::OptedOut
                | Refusal::Misconfigured
                | Refusal::Spam => false,
            },
        }
    }
}

/// How the webhooks of a recipient's messages are posted.
pub(crate) fn webhook_posting(fault: RecipientFault) -> WebhookPosting {
    match fault {
        RecipientFault::Twice => WebhookPosting::Twice,
        RecipientFault::Early => WebhookPosting::BeforeAnswer,
        RecipientFault::LostReceipt => WebhookPosting::Lost,
        _ => WebhookPosting::Once,
    }
}

/// The status events that follow an accepted message, in their order.
pub(crate) fn status_events(fault: RecipientFault, provider: Provider) -> &'static [StatusEvent] {
    let (mail, text) = mail_and_text_events(fault);
    match provider {
        Provider::Mailgun => mail,
        Provider::Twilio => text,
        Provider::Smtp => &[],
    }
}

fn mail_and_text_events(fault: RecipientFault) -> (&'static [StatusEvent], &'static [StatusEvent]) {
    use StatusEvent::{
        Bounced, Complained, Delivered, Failed, LateBounce, Rejected, Sent, Stopped, Suppressed,
        TemporaryFailure, Undelivered, Unsubscribed,
    };
    match fault {
        RecipientFault::Silent => (&[], &[]),
        RecipientFault::OptOut => (&[Suppressed], &[]),
        RecipientFault::Bounce => (&[Bounced], &[Sent, Undelivered { code: 30005 }]),
        RecipientFault::SoftBounce => (&[TemporaryFailure, Delivered], &[Sent, Delivered]),
        RecipientFault::Shuffled => (&[Delivered, TemporaryFailure], &[Delivered, Sent]),
        RecipientFault::Complain => (&[Delivered, Complained], &[Sent, Delivered, Stopped { typed: false }]),
        RecipientFault::Unsubscribe => {
            (&[Delivered, Unsubscribed], &[Sent, Delivered, Stopped { typed: true }])
        }
        RecipientFault::LateBounce => {
            (&[Delivered, LateBounce], &[Sent, Delivered, Undelivered { code: 30005 }])
        }
        RecipientFault::Spam => (&[], &[Sent, Undelivered { code: 30007 }]),
        RecipientFault::RejectedLater => (&[Rejected], &[Failed { code: 30003 }]),
        RecipientFault::Ok
        | RecipientFault::Busy
        | RecipientFault::Flaky
        | RecipientFault::Invalid
        | RecipientFault::Misconfigured
        | RecipientFault::Slow
        | RecipientFault::Reset
        | RecipientFault::AcceptReset
        | RecipientFault::Hang
        | RecipientFault::Cut
        | RecipientFault::Garbage
        | RecipientFault::Magnificent
        | RecipientFault::Error
        | RecipientFault::AcceptError
        | RecipientFault::Early
        | RecipientFault::Twice
        | RecipientFault::NoDot
        | RecipientFault::DotReset
        | RecipientFault::Dot451
        | RecipientFault::LostReceipt => (&[Delivered], &[Sent, Delivered]),
    }
}
