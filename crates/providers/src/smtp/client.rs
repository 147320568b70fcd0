//! The session with an SMTP relay: one connection for one email.
//!
//! It speaks command by command instead of using `lettre`'s transport, which cannot tell whether the final dot was
//! written, has no timeout but for connecting, and pools connections in the middle of a session. Here every failure
//! knows its phase, and a broken connection is dropped.
//!
//! Invariant: no outcome before the final dot is `Unknown`, and none after it without a reply is `Refused`.

use std::{
    iter,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use lettre::{
    address::Envelope,
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
        response::Response,
    },
};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;

use crate::{
    CallFuture, Outcome, Outgoing, OutgoingEmail, Provider, RefusalKind, StatusSource,
    email::{envelope, message_id, mime},
    provider::wrong_medium,
};
use postrider_domain::company::policy::SmtpTls;

use super::wire::{self, SessionStep};

/// Longest wait for the reply to QUIT, taken from the call's timeout.
const QUIT_MAX: Duration = Duration::from_secs(1);

/// An SMTP relay.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    /// Host name; the certificate must be valid for it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Encryption; a relay that does not offer it is refused.
    pub tls: SmtpTls,
    /// User and password; `None` for a relay without a login.
    pub login: Option<(String, SecretString)>,
    /// Domain of the Message-IDs and of EHLO.
    pub domain: String,
}

/// Sends emails through one relay.
pub struct Smtp {
    settings: SmtpSettings,
    tls: Option<TlsParameters>,
    connect_timeout: Duration,
    timeout: Duration,
}

/// The progress of a session. Only from `FinalDot` on can the email have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Connect, TLS, greeting, login.
    Opening,
    /// MAIL, RCPT, DATA and the content without its final dot.
    BeforeFinalDot,
    /// The final dot was passed to the connection.
    FinalDot,
}

/// The end of a session without a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interruption {
    /// Closed, reset, or a reply that is not SMTP.
    Reset,
    Timeout,
}

impl Interruption {
    fn as_str(self) -> &'static str {
        match self {
            Interruption::Reset => "reset",
            Interruption::Timeout => "timeout",
        }
    }
}

/// The phase, written by the session and read after the session was dropped by a timeout.
struct PhaseCell(AtomicU8);

impl PhaseCell {
    fn set(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Opening,
            1 => Phase::BeforeFinalDot,
            _ => Phase::FinalDot,
        }
    }

    /// The outcome of an interruption in this phase.
    fn outcome(&self, interruption: Interruption) -> Outcome {
        let word = interruption.as_str();
        match self.get() {
            Phase::Opening if interruption == Interruption::Timeout => {
                Outcome::refused(RefusalKind::NotCalled, "connect_timeout")
            }
            Phase::Opening => Outcome::refused(RefusalKind::NotCalled, "connect"),
            Phase::BeforeFinalDot => Outcome::refused(RefusalKind::ForNow, format!("{word}_before_data")),
            Phase::FinalDot => Outcome::unknown(format!("{word}_after_data")),
        }
    }
}

impl Smtp {
    /// `timeout` bounds a whole call, connect and QUIT included.
    #[must_use]
    pub fn new(settings: SmtpSettings, connect_timeout: Duration, timeout: Duration) -> Smtp {
        let tls = match settings.tls {
            SmtpTls::Implicit | SmtpTls::Starttls => Some(
                TlsParameters::new(settings.host.clone())
                    .expect("TLS with the built-in roots and provider can always be set up"),
            ),
            SmtpTls::None => None,
        };
        Smtp { settings, tls, connect_timeout: connect_timeout.min(timeout / 2), timeout }
    }

    async fn deliver(&self, email: &OutgoingEmail) -> Outcome {
        let id = message_id(&email.correlation, &self.settings.domain);
        let prepared =
            envelope(email).and_then(|envelope| Ok((envelope, mime(email, &id, postrider_clock::wall())?)));
        let (envelope, content) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Outcome::Refused(error.refusal()),
        };
        let phase = PhaseCell(AtomicU8::new(Phase::Opening as u8));
        let quit = QUIT_MAX.min(self.timeout / 4);
        let mut connection = None;
        let session = self.run_session(&mut connection, &envelope, &content, &phase);
        let outcome = match timeout(self.timeout - quit, session).await {
            Ok(Ok(outcome) | Err(outcome)) => outcome,
            // The connection is dropped in the middle of the session: no other end is safe.
            Err(_) => return phase.outcome(Interruption::Timeout),
        };
        if let Some(mut connection) = connection {
            // A courtesy to the relay; the outcome is final already.
            let _ = timeout(quit, connection.quit()).await;
        }
        outcome
    }

    /// Leaves a connection in `kept` only if another command can follow on it. Both `Ok` and `Err` are the call's
    /// outcome; `Err` ended the session early.
    async fn run_session(
        &self,
        kept: &mut Option<AsyncSmtpConnection>,
        envelope: &Envelope,
        content: &[u8],
        phase: &PhaseCell,
    ) -> Result<Outcome, Outcome> {
        let connection = self.open(phase).await?;
        let connection = kept.insert(connection);
        phase.set(Phase::BeforeFinalDot);
        let outcome = deliver_content(connection, envelope, content, phase).await;
        if let Ok(Outcome::Unknown { .. }) | Err(Outcome::Unknown { .. }) = &outcome {
            // Broken or out of step: QUIT would get no reply.
            *kept = None;
        }
        outcome
    }

    /// Connects, encrypts, greets and logs in.
    async fn open(&self, phase: &PhaseCell) -> Result<AsyncSmtpConnection, Outcome> {
        let settings = &self.settings;
        let hello = hello_name(&settings.domain);
        let implicit = self.tls.clone().filter(|_| settings.tls == SmtpTls::Implicit);
        let server = (settings.host.as_str(), settings.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.connect_timeout), &hello, implicit, None)
                .await
                .map_err(|error| failed(&error, SessionStep::Opening, phase))?;
        if let Some(tls) = self.tls.clone().filter(|_| settings.tls == SmtpTls::Starttls) {
            if !connection.can_starttls() {
                return Err(Outcome::refused(RefusalKind::Account, "starttls_unsupported"));
            }
            connection
                .starttls(tls, &hello)
                .await
                .map_err(|error| failed(&error, SessionStep::Opening, phase))?;
        }
        if let Some((user, password)) = &settings.login {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            if connection.server_info().get_auth_mechanism(&mechanisms).is_none() {
                return Err(Outcome::refused(RefusalKind::Account, "auth_unsupported"));
            }
            let login = Credentials::new(user.clone(), password.expose_secret().to_owned());
            connection
                .auth(&mechanisms, &login)
                .await
                .map_err(|error| failed(&error, SessionStep::Auth, phase))?;
        }
        Ok(connection)
    }
}

/// MAIL, RCPT, DATA and the content, for one recipient.
async fn deliver_content(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    content: &[u8],
    phase: &PhaseCell,
) -> Result<Outcome, Outcome> {
    let options = mail_options(connection, envelope, content)?;
    let reply = connection.command(Mail::new(envelope.from().cloned(), options)).await;
    expect(reply, SessionStep::Sender, 2, phase)?;
    for recipient in envelope.to() {
        let reply = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
        expect(reply, SessionStep::Recipient, 2, phase)?;
    }
    expect(connection.command(Data).await, SessionStep::Recipient, 3, phase)?;
    // The content ends with a line break, and the end of data adds one.
    let content = content.strip_suffix(b"\r\n").unwrap_or(content);
    // `lettre` asks the iterator for more after the whole content was written and right before the final dot is:
    // the only place where the two phases can be distinguished.
    let before_final_dot = iter::from_fn(|| {
        phase.set(Phase::FinalDot);
        None
    });
    match connection.message_iter(iter::once(content).chain(before_final_dot)).await {
        Ok(reply) => Ok(wire::after_content(u16::from(reply.code()), &text(&reply))),
        Err(error) => Err(failed(&error, SessionStep::Recipient, phase)),
    }
}

fn mail_options(
    connection: &AsyncSmtpConnection,
    envelope: &Envelope,
    content: &[u8],
) -> Result<Vec<MailParameter>, Outcome> {
    let server = connection.server_info();
    let mut options = Vec::new();
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    if !addresses.all(|address| address.to_string().is_ascii()) {
        if !server.supports_feature(Extension::SmtpUtfEight) {
            return Err(Outcome::refused(RefusalKind::Recipient { block: None }, "smtputf8_unsupported"));
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    if !content.is_ascii() {
        if !server.supports_feature(Extension::EightBitMime) {
            return Err(Outcome::refused(RefusalKind::Message, "8bitmime_unsupported"));
        }
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(options)
}

/// Accepts only a positive reply of the expected class: any other one answers another command.
fn expect(
    reply: Result<Response, lettre::transport::smtp::Error>,
    step: SessionStep,
    class: u16,
    phase: &PhaseCell,
) -> Result<(), Outcome> {
    let code = match reply {
        Ok(reply) => u16::from(reply.code()),
        Err(error) => return Err(failed(&error, step, phase)),
    };
    if code / 100 == class {
        Ok(())
    } else {
        Err(Outcome::refused(RefusalKind::ForNow, format!("smtp_{code}")))
    }
}

/// A negative reply is a refusal in every phase; without a reply the phase decides.
fn failed(error: &lettre::transport::smtp::Error, step: SessionStep, phase: &PhaseCell) -> Outcome {
    match error.status() {
        Some(code) => {
            let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            Outcome::Refused(wire::refusal(step, u16::from(code), &text))
        }
        None => phase.outcome(Interruption::Reset),
    }
}

fn text(reply: &Response) -> String {
    reply.message().collect::<Vec<_>>().join(" ")
}

/// The name in EHLO. Relays refuse names without a dot, and the host name of a container has none.
fn hello_name(domain: &str) -> ClientId {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if !domain.is_empty() && domain.bytes().all(is_plain) {
        ClientId::Domain(domain.to_owned())
    } else {
        ClientId::default()
    }
}

impl Provider for Smtp {
    fn status_source(&self) -> StatusSource {
        StatusSource::ReceiptsOnly
    }

    fn call_timeout(&self) -> Duration {
        self.timeout
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> CallFuture<'a> {
        match message {
            Outgoing::Email(email) => Box::pin(self.deliver(email)),
            Outgoing::Sms(_) => wrong_medium(),
        }
    }
}
