//! From a claim to the message that a provider receives: text, links, and the token that receipts return.
//!
//! `content::compose` makes the text, as it does for a preview; this file adds the attempt's envelope. No I/O, so that
//! it runs just before begin.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{
    dispatch::{Claim, DispatchContext, Lane},
    failpoint,
    telemetry::names,
};
use postrider_domain::{
    content::{
        PlainEmail,
        compose::{ComposeError, ComposedText, MessageFacts, compose, email_sender},
    },
    ids::RequestId,
};
use postrider_providers::{Correlation, Outgoing, OutgoingEmail, OutgoingSms};

/// Composes the claim's next attempt. A caller holds the isolation gate. A panic over one customer's name fails that
/// message only (docs/dependency-hazards.md#f8). `Err`: a code for the timeline, without personal data.
pub fn outgoing_guarded(context: &DispatchContext, lane: &Lane, claim: &Claim) -> Result<Outgoing, String> {
    let composed = catch_unwind(AssertUnwindSafe(|| {
        failpoint::on_word("compose", claim.customer_name.as_deref());
        outgoing(context, lane, claim).map_err(|error| error.code().to_owned())
    }));
    composed.unwrap_or_else(|_| {
        metrics::counter!(names::PANICS, "place" => "compose").increment(1);
        Err("panic".to_owned())
    })
}

/// Composes the claim's next attempt.
///
/// # Errors
/// Those of `content::compose`.
pub fn outgoing(context: &DispatchContext, lane: &Lane, claim: &Claim) -> Result<Outgoing, ComposeError> {
    let policy = &lane.company.policy;
    let attempt = claim.attempt + 1;
    let token = context.token_key.sign(lane.account, claim.message, attempt);
    let correlation = Correlation { message: claim.message, attempt, token };
    let unsubscribe_url = unsubscribe_url(context, claim);
    if let Some(letter) = &claim.letter {
        let brand = policy.brand(&claim.brand).ok_or(ComposeError::BrandRemoved)?;
        let (from_name, from_address) = (brand.name.clone(), email_sender(brand)?);
        return Ok(Outgoing::Email(alert(
            claim,
            letter,
            (from_name, from_address),
            unsubscribe_url,
            correlation,
        )));
    }
    let facts = MessageFacts {
        request: RequestId(claim.request),
        medium: claim.medium,
        test: claim.test,
        address: &claim.address,
        brand: &claim.brand,
        language: claim.language.as_deref(),
        customer_name: claim.customer_name.as_deref(),
        unsubscribe_url: &unsubscribe_url,
    };
    let message = compose(&context.renderer, policy, &facts)?;
    Ok(match message.text {
        ComposedText::Email { from_address, email } => Outgoing::Email(OutgoingEmail {
            from_name: message.brand.name.clone(),
            from_address,
            reply_to: message.brand.reply_to.clone(),
            to_name: claim.customer_name.clone(),
            to_address: message.to_address,
            subject: email.subject,
            text: email.text,
            html: email.html,
            unsubscribe_url,
            correlation,
        }),
        ComposedText::Sms(sms) => Outgoing::Sms(OutgoingSms {
            to: message.to_address,
            text: sms.text,
            status_callback: status_callback(context, lane, correlation),
            correlation,
        }),
    })
}

/// An alert to the company's own people: its letter, as it was stored.
fn alert(
    claim: &Claim,
    letter: &PlainEmail,
    (from_name, from_address): (String, String),
    unsubscribe_url: String,
    correlation: Correlation,
) -> OutgoingEmail {
    OutgoingEmail {
        from_name,
        from_address,
        reply_to: None,
        to_name: None,
        to_address: claim.address.clone(),
        subject: letter.subject.clone(),
        text: letter.text.clone(),
        html: letter.html(),
        unsubscribe_url,
        correlation,
    }
}

/// The signed URL to which the provider reports this attempt's status.
fn status_callback(context: &DispatchContext, lane: &Lane, correlation: Correlation) -> String {
    format!(
        "{}/webhooks/{}/{}/status?{}",
        context.public_base_url,
        lane.settings.provider(),
        lane.settings.id,
        correlation.to_query()
    )
}

fn unsubscribe_url(context: &DispatchContext, claim: &Claim) -> String {
    let tag = context.keys.unsubscribe_tag(claim.message);
    format!("{}/unsubscribe/{}/{}", context.public_base_url, claim.message.0.simple(), hex::encode(tag))
}
