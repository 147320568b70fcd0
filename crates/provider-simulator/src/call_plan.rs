//! What one call comes to at one provider: taken or not, how answered, and which receipts follow.
//!
//! No I/O. The providers' folders ask here and only speak the result on their wire. Where a fault has no
//! like at a provider, the nearest one is chosen here and nowhere else.

use super::{
    recipient_fault::RecipientFault,
    records::{Notice, Provider},
};

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallPlan {
    /// Written to the ledger, then answered as said.
    Accept(Answer),
    /// Answered with a refusal.
    Refuse(Refusal),
    /// Neither: read whole, then the connection is reset.
    Ignore,
}

/// How an accepted call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Proper,
    Slow,
    Reset,
    Hang,
    Cut,
    Garbage,
    ServerError,
}

/// Why a call is not accepted, in words that each provider translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
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

/// How the receipts reach the webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posting {
    Once,
    Twice,
    /// All of them before the call is answered.
    Early,
    /// Recorded, so that look-ups see them, and never posted.
    Lost,
}

/// `first`: no call for this recipient came before.
pub(super) fn taking(magic: RecipientFault, provider: Provider, first: bool) -> CallPlan {
    match magic {
        RecipientFault::Busy => CallPlan::Refuse(Refusal::Busy),
        RecipientFault::Flaky if first => CallPlan::Refuse(Refusal::Busy),
        RecipientFault::Invalid => CallPlan::Refuse(Refusal::Invalid),
        // Mailgun takes mail for whom it suppresses and fails it later.
        RecipientFault::OptOut if provider != Provider::Mailgun => CallPlan::Refuse(Refusal::OptedOut),
        RecipientFault::Misconfigured => CallPlan::Refuse(Refusal::Misconfigured),
        RecipientFault::Magnificent => CallPlan::Refuse(Refusal::Magnificent),
        RecipientFault::Error => CallPlan::Refuse(Refusal::Error),
        RecipientFault::Spam if provider != Provider::Twilio => CallPlan::Refuse(Refusal::Spam),
        RecipientFault::Dot451 => CallPlan::Refuse(Refusal::Unavailable),
        RecipientFault::Reset => CallPlan::Ignore,
        RecipientFault::Slow => CallPlan::Accept(Answer::Slow),
        RecipientFault::AcceptReset | RecipientFault::DotReset => CallPlan::Accept(Answer::Reset),
        RecipientFault::Hang | RecipientFault::NoDot => CallPlan::Accept(Answer::Hang),
        RecipientFault::Cut => CallPlan::Accept(Answer::Cut),
        RecipientFault::Garbage => CallPlan::Accept(Answer::Garbage),
        RecipientFault::AcceptError => CallPlan::Accept(Answer::ServerError),
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
        | RecipientFault::RejectedLater => CallPlan::Accept(Answer::Proper),
    }
}

/// Whether what the caller is answered, if it is, proves neither an acceptance nor a refusal.
pub(super) fn is_doubtful(taking: CallPlan) -> bool {
    match taking {
        CallPlan::Accept(Answer::Proper) => false,
        CallPlan::Accept(_) | CallPlan::Ignore => true,
        CallPlan::Refuse(refusal) => match refusal {
            Refusal::Magnificent | Refusal::Error | Refusal::Unavailable | Refusal::Outage => true,
            Refusal::Busy | Refusal::Invalid | Refusal::OptedOut | Refusal::Misconfigured | Refusal::Spam => {
                false
            }
        },
    }
}

pub(super) fn posting(magic: RecipientFault) -> Posting {
    let special = [
        (RecipientFault::Twice, Posting::Twice),
        (RecipientFault::Early, Posting::Early),
        (RecipientFault::LostReceipt, Posting::Lost),
    ];
    special.into_iter().find(|(word, _)| *word == magic).map_or(Posting::Once, |(_, posting)| posting)
}

/// What is told of an accepted message afterwards, in the order of telling.
pub(super) fn notices(magic: RecipientFault, provider: Provider) -> &'static [Notice] {
    let (mail, text) = mail_and_text_notices(magic);
    match provider {
        Provider::Mailgun => mail,
        Provider::Twilio => text,
        Provider::Smtp => &[],
    }
}

fn mail_and_text_notices(magic: RecipientFault) -> (&'static [Notice], &'static [Notice]) {
    use Notice::{
        Bounced, Complained, Delivered, Failed, LateBounce, Rejected, Sent, Stopped, Suppressed,
        TemporaryFailure, Undelivered, Unsubscribed,
    };
    match magic {
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
