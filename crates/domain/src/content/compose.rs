//! Composes one message to a customer: recipient, sender and text, as the company's policy says.
//!
//! PURE. The preview and dispatch both call `compose`, so that a preview shows the message that would be sent. Dispatch
//! adds the provider's envelope; an alert carries a `PlainEmail` instead and is not composed.

use std::collections::BTreeMap;

use super::{RenderError, RenderFacts, RenderedEmail, RenderedSms, Renderer, survey_url};
use crate::{
    company::{
        Brand,
        policy::{Policy, sandbox_address},
    },
    ids::{Medium, RequestId},
};

/// The facts of one message.
#[derive(Debug, Clone, Copy)]
pub struct MessageFacts<'a> {
    /// Named by the survey link.
    pub request: RequestId,
    /// The medium of delivery.
    pub medium: Medium,
    /// A test goes to the company's test address, or to the sandbox's.
    pub test: bool,
    /// The customer's address.
    pub address: &'a str,
    /// Label of a brand of the policy.
    pub brand: &'a str,
    /// BCP 47, where the job named one.
    pub language: Option<&'a str>,
    /// Cleaned before rendering.
    pub customer_name: Option<&'a str>,
    /// http or https.
    pub unsubscribe_url: &'a str,
}

/// A message as its recipient reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct ComposedMessage<'a> {
    /// The recipient: the customer, a test address or the sandbox.
    pub to_address: String,
    /// The sending brand, of the policy.
    pub brand: &'a Brand,
    /// The rendered text with its sender.
    pub text: ComposedText,
}

/// The text of a message, by medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComposedText {
    /// An email.
    Email {
        /// Sender, as `local@domain`.
        from_address: String,
        /// Subject, text and HTML.
        email: RenderedEmail,
    },
    /// A text message; the account has the sender.
    Sms(RenderedSms),
}

/// The reason for which a message cannot be composed; another try does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    /// The policy has no brand with this label any more.
    #[error("the brand is gone")]
    BrandRemoved,
    /// The brand has no sender address for email.
    #[error("the brand has no email_from; set it in the company's file")]
    NoEmailFrom,
    /// The text could not be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl ComposeError {
    /// The stored word, without personal data.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            ComposeError::BrandRemoved => "brand_removed",
            ComposeError::NoEmailFrom => "no_email_from",
            ComposeError::Render(_) => "render",
        }
    }
}

/// The sender of a brand's email.
///
/// # Errors
/// `NoEmailFrom`.
pub fn email_sender(brand: &Brand) -> Result<String, ComposeError> {
    brand.email_from.clone().ok_or(ComposeError::NoEmailFrom)
}

/// Composes one message.
///
/// # Errors
/// A brand that is gone or cannot send email, or a text that cannot be rendered.
pub fn compose<'a>(
    renderer: &Renderer,
    policy: &'a Policy,
    facts: &MessageFacts<'_>,
) -> Result<ComposedMessage<'a>, ComposeError> {
    let brand = policy.brand(facts.brand).ok_or(ComposeError::BrandRemoved)?;
    let to_address = match facts.test {
        true => policy.test_address(facts.medium).unwrap_or(sandbox_address(facts.medium)),
        false => facts.address,
    };
    let (survey, no_properties) = (survey_url(&brand.survey_url, facts.request), BTreeMap::new());
    let values = RenderFacts {
        language: facts.language,
        fallback_language: &brand.language,
        brand_name: &brand.name,
        customer_name: facts.customer_name,
        survey_url: &survey,
        unsubscribe_url: facts.unsubscribe_url,
        postal_address: brand.postal_address.as_deref(),
        custom_properties: &no_properties,
    };
    let text = match facts.medium {
        Medium::Email => {
            ComposedText::Email { from_address: email_sender(brand)?, email: renderer.render_email(&values)? }
        }
        Medium::Sms => ComposedText::Sms(renderer.render_sms(&values)?),
    };
    Ok(ComposedMessage { to_address: to_address.to_owned(), brand, text })
}
