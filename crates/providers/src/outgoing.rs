//! A finished message on its way to a provider: all texts rendered, all addresses chosen.
//!
//! PURE. The worker's `dispatch::compose` makes it; each provider adds its envelope only.

use super::Correlation;

/// One message; the variant must fit the provider, or the call is refused with the code `wrong_medium`.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// Sent by `Mailgun` and `Smtp`.
    Email(OutgoingEmail),
    /// Sent by `Twilio`.
    Sms(OutgoingSms),
}

/// An email before it becomes MIME. Its texts are free of control characters (`content::clean` of the domain).
#[derive(Debug, Clone)]
pub struct OutgoingEmail {
    /// Display name of the sender.
    pub from_name: String,
    /// Address of the sender.
    pub from_address: String,
    /// Address for replies, if it differs from `from_address`.
    pub reply_to: Option<String>,
    /// Display name of the customer.
    pub to_name: Option<String>,
    /// Address of the customer.
    pub to_address: String,
    /// Plain text of one line.
    pub subject: String,
    /// The plain text part.
    pub text: String,
    /// The HTML part, the same content as `text`.
    pub html: String,
    /// Target of the one-click unsubscribe (RFC 8058).
    pub unsubscribe_url: String,
    /// The attempt that this call makes.
    pub correlation: Correlation,
}

/// A text message.
#[derive(Debug, Clone)]
pub struct OutgoingSms {
    /// E.164 number of the customer.
    pub to: String,
    /// The whole text, survey link included.
    pub text: String,
    /// Public URL of the status webhook, `correlation` included in its query.
    pub status_callback: String,
    /// The attempt that this call makes.
    pub correlation: Correlation,
}
