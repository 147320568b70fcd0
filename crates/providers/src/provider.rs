//! The one trait of all providers: send a message, look up messages with an unknown outcome.
//!
//! The futures are boxed, so that a lane holds any provider as `Box<dyn Provider>`. Read `outgoing` for the input,
//! `outcome` and `lookup` for the results, `from_account` for the construction.

use std::{
    future::{Future, ready},
    pin::Pin,
    time::Duration,
};

use super::{LookupQuery, LookupResult, Outcome, Outgoing, RefusalKind};

/// The future of `Provider::send`.
pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;
/// The future of `Provider::lookup`: one result for each query, in their order.
pub type LookupFuture<'a> = Pin<Box<dyn Future<Output = Vec<LookupResult>> + Send + 'a>>;

/// One account at one provider.
pub trait Provider: Send + Sync {
    /// The sources of news about a message with an unknown outcome.
    fn status_source(&self) -> StatusSource;

    /// Longest duration of one `send`, connect included.
    fn call_timeout(&self) -> Duration;

    /// Makes one call, within `call_timeout`. Never retries, and must not panic on any content (the caller
    /// catches a panic all the same).
    fn send<'a>(&'a self, message: &'a Outgoing) -> CallFuture<'a>;

    /// Longest duration of one `lookup`, however many requests it needs: twice `call_timeout`, so that one request
    /// without a response leaves time for another.
    fn lookup_timeout(&self) -> Duration {
        self.call_timeout() * 2
    }

    /// Queries the provider about several attempts, within `lookup_timeout`; an attempt that it did not get to is
    /// `Unclear`. Never sends a message.
    fn lookup<'a>(&'a self, queries: &'a [LookupQuery]) -> LookupFuture<'a> {
        Box::pin(ready(vec![LookupResult::unclear("no_look_up"); queries.len()]))
    }
}

/// The outcome of a message of a medium that the provider does not send.
pub(crate) fn wrong_medium<'a>() -> CallFuture<'a> {
    Box::pin(ready(Outcome::refused(RefusalKind::Message, "wrong_medium")))
}

/// The sources of news about a message after its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusSource {
    /// Receipts, and look-ups at the provider.
    Queryable,
    /// Receipts only, if the provider sends any.
    ReceiptsOnly,
}

/// Longest durations of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Name resolution, TCP and TLS.
    pub connect: Duration,
    /// A whole HTTP call, connect included. Twilio itself gives up after up to 26 s.
    pub http: Duration,
    /// A whole SMTP session, connect included.
    pub smtp: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            connect: Duration::from_secs(5),
            http: Duration::from_secs(30),
            smtp: Duration::from_secs(60),
        }
    }
}
