//! A sentence for each reason, for people.
//!
//! The reason word is stable and the same everywhere; the sentence only explains it and may change.

use postrider_domain::lifecycle::Reason;

/// The meaning of a reason.
#[must_use]
pub fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::DoNotSend => "the job asked not to send it (do_not_send)",
        Reason::NoMedium => "the customer has no address for an allowed medium",
        Reason::Stop => "the customer answered STOP",
        Reason::Unsubscribed => "the customer unsubscribed",
        Reason::Complained => "the customer complained",
        Reason::HardBounced => "the address does not exist or accepts no mail",
        Reason::BlockedByHand => "a person blocked the address",
        Reason::SuppressionPeriod => {
            "another request asks or asked this customer within the suppression period"
        }
        Reason::Overtaken => {
            "it waited past its suppression period, and a later request asked the customer instead"
        }
        Reason::Answered => "the customer answered before it was sent",
        Reason::AlreadySent => "the message that it repeats turned out to have been sent",
        Reason::Expired => "it was not sent before it expired",
        Reason::CanceledByPerson => "a person canceled it",
        Reason::RetriesExhausted => "every allowed attempt was refused",
        Reason::OutcomeUnknown => {
            "the provider's answer was lost, and no receipt or status query gave the result in time"
        }
        Reason::RefusedByProvider => "the provider refused the message permanently",
        Reason::RecipientRefused => "the provider refused the recipient permanently",
        Reason::FailedAtProvider => "the provider accepted it and reported its failure later",
        Reason::RenderFailed => "its text could not be rendered",
        Reason::RefusedForNow => "the provider refused it temporarily",
        Reason::AccountMisconfigured => "the provider refuses the account; check its credentials and state",
        Reason::NotCalled => "no connection to the provider could be made",
        Reason::AwaitingProof => "the provider's answer was lost; it is not known yet whether it was sent",
        Reason::Quarantined => {
            "its workers crashed on it before any call was made, the last one while it processed nothing else"
        }
    }
}
