//! From a claim to what the provider is given: texts, links, and the token that its receipts bring back.
//!
//! Pure but for what it is handed: no I/O, so that it can run just before begin.

use std::collections::BTreeMap;

use postrider_domain::{
    company::{Brand, policy::simulated_address},
    content::{Letter, RenderFacts, survey_url},
    ids::{Medium, RequestId},
};
use postrider_providers::{Correlation, Outgoing, OutgoingEmail, OutgoingSms, correlation};

use crate::dispatch::{Claim, DispatchContext, Lane};

/// The next attempt's message; the error is a code for the timeline, without personal data.
pub fn outgoing(shared: &DispatchContext, lane: &Lane, claim: &Claim) -> Result<Outgoing, String> {
    let policy = &lane.company.policy;
    let brand = policy.brand(&claim.brand).ok_or("brand_removed")?;
    let attempt = claim.attempt + 1;
    let token = shared.token_key.sign(lane.account, claim.message, attempt);
    let correlation = Correlation { message: claim.message, attempt, token };
    let survey = survey_url(&brand.survey_url, RequestId(claim.request));
    let unsubscribe = unsubscribe_url(shared, claim);
    if let Some(letter) = &claim.letter {
        return Ok(Outgoing::Email(notified(brand, claim, letter, unsubscribe, correlation)?));
    }
    let to_address = match claim.test {
        // Without an address the message goes to the built-in simulator.
        true => policy.test_address(claim.medium).unwrap_or(simulated_address(claim.medium)).to_owned(),
        false => claim.address.clone(),
    };
    let no_properties = BTreeMap::new();
    let facts = RenderFacts {
        language: claim.language.as_deref(),
        fallback_language: &brand.language,
        brand_name: &brand.name,
        customer_name: claim.customer_name.as_deref(),
        survey_url: &survey,
        unsubscribe_url: &unsubscribe,
        postal_address: brand.postal_address.as_deref(),
        custom_properties: &no_properties,
    };
    match claim.medium {
        Medium::Email => {
            let text = shared.renderer.render_email(&facts).map_err(|_| "render".to_owned())?;
            Ok(Outgoing::Email(OutgoingEmail {
                from_name: brand.name.clone(),
                from_address: brand.email_from.clone().ok_or("no_email_from")?,
                reply_to: brand.reply_to.clone(),
                to_name: claim.customer_name.clone(),
                to_address,
                subject: text.subject,
                text: text.text,
                html: text.html,
                unsubscribe_url: unsubscribe,
                correlation,
            }))
        }
        Medium::Sms => {
            let text = shared.renderer.render_sms(&facts).map_err(|_| "render".to_owned())?;
            Ok(Outgoing::Sms(OutgoingSms {
                to: to_address,
                text: text.text,
                status_callback: status_callback(shared, lane, correlation),
                correlation,
            }))
        }
    }
}

/// An alert to the company's own people.
fn notified(
    brand: &Brand,
    claim: &Claim,
    letter: &Letter,
    unsubscribe_url: String,
    correlation: Correlation,
) -> Result<OutgoingEmail, String> {
    Ok(OutgoingEmail {
        from_name: brand.name.clone(),
        from_address: brand.email_from.clone().ok_or("no_email_from")?,
        reply_to: None,
        to_name: None,
        to_address: claim.address.clone(),
        subject: letter.subject.clone(),
        text: letter.text.clone(),
        html: letter.html(),
        unsubscribe_url,
        correlation,
    })
}

/// Where the provider reports to: the signed URL names the attempt.
fn status_callback(shared: &DispatchContext, lane: &Lane, correlation: Correlation) -> String {
    format!(
        "{}/webhooks/{}/{}/status?{}",
        shared.public_base_url,
        lane.settings.provider(),
        lane.settings.id,
        correlation::query(&correlation)
    )
}

fn unsubscribe_url(shared: &DispatchContext, claim: &Claim) -> String {
    let tag = shared.keys.unsubscribe(claim.message);
    format!("{}/unsubscribe/{}/{}", shared.public_base_url, claim.message.0.simple(), hex::encode(tag))
}
