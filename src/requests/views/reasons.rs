//! A sentence for each reason, for people.
//!
//! The word is the promise and the same everywhere; the sentence only explains it and may be reworded.

use postrider_domain::lifecycle::Reason;

/// What a reason means.
#[must_use]
pub fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::DoNotSend => "the job asked for it not to be sent",
        Reason::NoMedium => "no address that an allowed medium can use",
        Reason::Stop => "the customer answered STOP",
        Reason::Unsubscribed => "the customer unsubscribed",
        Reason::Complained => "the customer complained",
        Reason::HardBounced => "the address does not exist or takes no mail",
        Reason::BlockedByHand => "a person blocked the address",
        Reason::SuppressionPeriod => {
            "another request asks or asked this customer within the suppression period"
        }
        Reason::Overtaken => {
            "it waited past its suppression period, and a later request asked the customer instead"
        }
        Reason::Answered => "the customer answered before it was sent",
        Reason::AlreadySent => "the message that it repeats turned out to have gone out after all",
        Reason::Expired => "it was not sent within its time",
        Reason::CanceledByPerson => "a person took it back",
        Reason::RetriesExhausted => "every attempt allowed was refused",
        Reason::OutcomeUnknown => "the provider's answer was lost and nothing told the truth in time",
        Reason::RefusedByProvider => "the provider refused the message for good",
        Reason::RecipientRefused => "the provider refused the recipient for good",
        Reason::FailedAtProvider => "the provider took it and reported its failure later",
        Reason::RenderFailed => "its text could not be made",
        Reason::RefusedForNow => "the provider asked to wait",
        Reason::AccountMisconfigured => "the provider refuses the account: see its credentials and state",
        Reason::NotCalled => "no connection to the provider could be made",
        Reason::AwaitingProof => "the provider's answer was lost; nobody knows yet whether it went out",
        Reason::Quarantined => {
            "its workers died over it before any call was made, the last one while it tried nothing else"
        }
    }
}
