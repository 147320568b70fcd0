//! What one call comes to at one provider: taken or not, how answered, and which receipts follow.
//!
//! No I/O. The providers' folders ask here and only speak the result on their wire. Where a fault has no
//! like at a provider, the nearest one is chosen here and nowhere else.

use super::{
    entry::{Notice, Provider},
    magic::Magic,
};

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taking {
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
pub(super) fn taking(magic: Magic, provider: Provider, first: bool) -> Taking {
    match magic {
        Magic::Busy => Taking::Refuse(Refusal::Busy),
        Magic::Flaky if first => Taking::Refuse(Refusal::Busy),
        Magic::Invalid => Taking::Refuse(Refusal::Invalid),
        // Mailgun takes mail for whom it suppresses and fails it later.
        Magic::OptOut if provider != Provider::Mailgun => Taking::Refuse(Refusal::OptedOut),
        Magic::Misconfigured => Taking::Refuse(Refusal::Misconfigured),
        Magic::Magnificent => Taking::Refuse(Refusal::Magnificent),
        Magic::Error => Taking::Refuse(Refusal::Error),
        Magic::Spam if provider != Provider::Twilio => Taking::Refuse(Refusal::Spam),
        Magic::Dot451 => Taking::Refuse(Refusal::Unavailable),
        Magic::Reset => Taking::Ignore,
        Magic::Slow => Taking::Accept(Answer::Slow),
        Magic::AcceptReset | Magic::DotReset => Taking::Accept(Answer::Reset),
        Magic::Hang | Magic::NoDot => Taking::Accept(Answer::Hang),
        Magic::Cut => Taking::Accept(Answer::Cut),
        Magic::Garbage => Taking::Accept(Answer::Garbage),
        Magic::AcceptError => Taking::Accept(Answer::ServerError),
        Magic::Ok
        | Magic::Flaky
        | Magic::OptOut
        | Magic::Spam
        | Magic::Bounce
        | Magic::SoftBounce
        | Magic::Complain
        | Magic::Unsubscribe
        | Magic::Silent
        | Magic::Early
        | Magic::Twice
        | Magic::Shuffled
        | Magic::LateBounce
        | Magic::LostReceipt
        | Magic::RejectedLater => Taking::Accept(Answer::Proper),
    }
}

/// Whether what the caller is answered, if it is, proves neither an acceptance nor a refusal.
pub(super) fn is_doubtful(taking: Taking) -> bool {
    match taking {
        Taking::Accept(Answer::Proper) => false,
        Taking::Accept(_) | Taking::Ignore => true,
        Taking::Refuse(refusal) => match refusal {
            Refusal::Magnificent | Refusal::Error | Refusal::Unavailable | Refusal::Outage => true,
            Refusal::Busy | Refusal::Invalid | Refusal::OptedOut | Refusal::Misconfigured | Refusal::Spam => {
                false
            }
        },
    }
}

pub(super) fn posting(magic: Magic) -> Posting {
    let special =
        [(Magic::Twice, Posting::Twice), (Magic::Early, Posting::Early), (Magic::LostReceipt, Posting::Lost)];
    special.into_iter().find(|(word, _)| *word == magic).map_or(Posting::Once, |(_, posting)| posting)
}

/// What is told of an accepted message afterwards, in the order of telling.
pub(super) fn notices(magic: Magic, provider: Provider) -> &'static [Notice] {
    let (mail, text) = mail_and_text_notices(magic);
    match provider {
        Provider::Mailgun => mail,
        Provider::Twilio => text,
        Provider::Smtp => &[],
    }
}

fn mail_and_text_notices(magic: Magic) -> (&'static [Notice], &'static [Notice]) {
    use Notice::{
        Bounced, Complained, Delivered, Failed, LateBounce, Rejected, Sent, Stopped, Suppressed,
        TemporaryFailure, Undelivered, Unsubscribed,
    };
    match magic {
        Magic::Silent => (&[], &[]),
        Magic::OptOut => (&[Suppressed], &[]),
        Magic::Bounce => (&[Bounced], &[Sent, Undelivered { code: 30005 }]),
        Magic::SoftBounce => (&[TemporaryFailure, Delivered], &[Sent, Delivered]),
        Magic::Shuffled => (&[Delivered, TemporaryFailure], &[Delivered, Sent]),
        Magic::Complain => (&[Delivered, Complained], &[Sent, Delivered, Stopped { typed: false }]),
        Magic::Unsubscribe => (&[Delivered, Unsubscribed], &[Sent, Delivered, Stopped { typed: true }]),
        Magic::LateBounce => (&[Delivered, LateBounce], &[Sent, Delivered, Undelivered { code: 30005 }]),
        Magic::Spam => (&[], &[Sent, Undelivered { code: 30007 }]),
        Magic::RejectedLater => (&[Rejected], &[Failed { code: 30003 }]),
        Magic::Ok
        | Magic::Busy
        | Magic::Flaky
        | Magic::Invalid
        | Magic::Misconfigured
        | Magic::Slow
        | Magic::Reset
        | Magic::AcceptReset
        | Magic::Hang
        | Magic::Cut
        | Magic::Garbage
        | Magic::Magnificent
        | Magic::Error
        | Magic::AcceptError
        | Magic::Early
        | Magic::Twice
        | Magic::NoDot
        | Magic::DotReset
        | Magic::Dot451
        | Magic::LostReceipt => (&[Delivered], &[Sent, Delivered]),
    }
}
