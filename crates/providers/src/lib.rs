//! Providers: how a rendered message leaves the house and what came of the call.
//!
//! Each provider is one folder with the same files: `wire.rs` (PURE: build the call, classify the answer
//! by its error table, verify and parse webhooks), `client.rs` (the call itself) and, where the provider
//! can be asked later, `look_up.rs` (PURE: the questions and their answers). `email` is the MIME that
//! both email providers send. A provider's refusal is an `Outcome`, never an `Err`. Calls hold no
//! database connection; who may call is decided in `dispatch`.

pub mod answer;
pub mod connect;
pub mod correlation;
pub mod email;
pub mod enhanced;
mod http;
pub mod look_up;
pub mod mailgun;
pub mod receipt;
#[cfg(test)]
mod scripted;
pub mod smtp;
pub mod token;
pub mod twilio;

use std::{
    future::{Future, ready},
    pin::Pin,
    time::Duration,
};

use postrider_domain::ids::{BlockKind, MessageId};

pub use connect::{MissingCredential, Timeouts, WebhookKeys, connect, webhook_keys};
pub use http::{HttpClient, HttpClientError, asking_client, http_client, read_answer};
pub use look_up::{LookupQuery, LookupResult, Proof};
pub use receipt::{Receipt, ReceiptKind, WebhookRefusal};
pub use token::{Token, TokenKey};

/// A boxed future, so that lanes can hold any provider.
pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;
/// The same for a look-up: one answer for each attempt, in their order.
pub type LookFuture<'a> = Pin<Box<dyn Future<Output = Vec<LookupResult>> + Send + 'a>>;

/// One way out of the house.
pub trait Provider: Send + Sync {
    /// What may be done after an unknown outcome.
    fn class(&self) -> StatusSource;
    /// Whole time that one call may take, connect included.
    fn call_timeout(&self) -> Duration;
    /// Makes one call. Never retries by itself; bounded by `call_timeout`; must not panic on any
    /// content (the caller catches it all the same).
    fn send<'a>(&'a self, message: &'a Outgoing) -> CallFuture<'a>;
    /// Whole time that one look-up may take, however much it asks: one question that gets no answer
    /// leaves time for another.
    fn look_up_within(&self) -> Duration {
        self.call_timeout() * 2
    }
    /// Asks for several attempts at once; one answer each, in order. Bounded by `look_up_within`: what
    /// was not asked by then is unclear. Never sends anything.
    fn look_up<'a>(&'a self, sought: &'a [LookupQuery]) -> LookFuture<'a> {
        Box::pin(ready(vec![LookupResult::unclear("no_look_up"); sought.len()]))
    }
}

/// The outcome of a message that is not this provider's to send.
fn wrong_medium<'a>() -> CallFuture<'a> {
    Box::pin(ready(Outcome::refused(RefusalKind::Message, "wrong_medium")))
}

/// How the truth about an unknown outcome can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusSource {
    /// Receipts, and look-ups at the provider.
    Queryable,
    /// Nothing but receipts, if any.
    ReceiptsOnly,
}

/// What the call told us at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The provider took the message; its id where the answer was readable.
    Accepted { provider_id: Option<String> },
    /// Provably not sent.
    Refused(Refusal),
    /// A call was made and its answer never came, or says nothing certain.
    Unknown { code: String },
}

impl Outcome {
    /// A refusal without a hint when to come back.
    #[must_use]
    pub fn refused(kind: RefusalKind, code: impl Into<String>) -> Outcome {
        Outcome::Refused(Refusal { kind, code: code.into(), retry_after: None })
    }
}

/// Why a message was provably not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub kind: RefusalKind,
    /// The provider's own code or ours, as shown in timelines: `21610`, `http_429`, `connect`.
    pub code: String,
    /// The provider's hint; it only ever lengthens our own wait.
    pub retry_after: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// No byte of the message left: could not connect, no credentials. Does not count; the lane's
    /// breaker counts it.
    NotCalled,
    /// Refused for now (rate, greylist, full queue): try again by the schedule.
    ForNow,
    /// The account is misconfigured or suspended: does not count, opens the lane's breaker.
    Account,
    /// This content is refused for good.
    Message,
    /// This recipient is refused for good; blocked where the refusal proves the address dead.
    Recipient { block: Option<BlockKind> },
}

/// Which attempt a call makes; travels to the provider and comes back in its receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correlation {
    pub message: MessageId,
    pub attempt: i16,
    pub token: Token,
}

/// A message with everything rendered: the provider adds only its envelope.
#[derive(Debug, Clone)]
pub enum Outgoing {
    Email(OutgoingEmail),
    Sms(OutgoingSms),
}

/// Everything of an email. Texts are already free of control characters (`content::clean`).
#[derive(Debug, Clone)]
pub struct OutgoingEmail {
    pub from_name: String,
    pub from_address: String,
    pub reply_to: Option<String>,
    pub to_name: Option<String>,
    pub to_address: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    /// One-click unsubscribe (RFC 8058).
    pub unsubscribe_url: String,
    pub correlation: Correlation,
}

#[derive(Debug, Clone)]
pub struct OutgoingSms {
    /// E.164.
    pub to: String,
    pub text: String,
    /// Full public URL of the status webhook, correlation included in its query.
    pub status_callback: String,
    pub correlation: Correlation,
}
