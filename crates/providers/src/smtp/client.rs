//! The conversation with an SMTP relay, one connection for one email.
//!
//! Spoken command by command instead of through `lettre`'s transport: the transport cannot tell
//! whether the final dot left, has no timeout but for connecting, and its pool hands on connections in
//! the middle of a conversation. Here every failure knows its phase, and a broken connection is
//! dropped. Invariant: no outcome before the dot is `Unknown`, none after it without a reply is refused.

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
    wrong_medium,
};
use postrider_domain::company::policy::SmtpTls;

use super::wire::{self, Step};

/// How long a relay may take to say goodbye; taken from the call's own time.
const QUIT_MAX: Duration = Duration::from_secs(1);

/// A relay, with its login where it needs one.
#[derive(Debug, Clone)]
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    /// User and password.
    pub login: Option<(String, SecretString)>,
    /// Domain of our Message-Ids and of our EHLO.
    pub domain: String,
}

/// Sends emails through one relay.
pub struct Smtp {
    settings: SmtpSettings,
    tls: Option<TlsParameters>,
    connect_timeout: Duration,
    timeout: Duration,
}

/// How far a conversation came. Only `DotSent` can have moved the email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    /// Connect, TLS, greeting, login: nothing of the message is out.
    Opening,
    /// MAIL, RCPT, DATA and the content, without its end.
    BeforeDot,
    /// The end of the content was given to the connection.
    DotSent,
}

/// How a conversation ended that nobody ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Break {
    /// Closed, reset, or not understood any more.
    Reset,
    Timeout,
}

impl Break {
    fn word(self) -> &'static str {
        match self {
            Break::Reset => "reset",
            Break::Timeout => "timeout",
        }
    }
}

/// Written by the conversation, read by whoever cut it short.
struct Progress(AtomicU8);

impl Progress {
    fn reach(&self, phase: Phase) {
        self.0.store(phase as u8, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Opening,
            1 => Phase::BeforeDot,
            _ => Phase::DotSent,
        }
    }

    /// What a break without a reply means here.
    fn broken(&self, by: Break) -> Outcome {
        match self.phase() {
            Phase::Opening if by == Break::Timeout => {
                Outcome::refused(RefusalKind::NotCalled, "connect_timeout")
            }
            Phase::Opening => Outcome::refused(RefusalKind::NotCalled, "connect"),
            Phase::BeforeDot => Outcome::refused(RefusalKind::ForNow, format!("{}_before_data", by.word())),
            Phase::DotSent => Outcome::Unknown { code: format!("{}_after_data", by.word()) },
        }
    }
}

impl Smtp {
    /// `timeout` bounds a whole call, connect and goodbye included.
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
        let progress = Progress(AtomicU8::new(Phase::Opening as u8));
        let quit = QUIT_MAX.min(self.timeout / 4);
        let mut connection = None;
        let spoken = self.converse(&mut connection, &envelope, &content, &progress);
        let outcome = match timeout(self.timeout - quit, spoken).await {
            Ok(Ok(outcome) | Err(outcome)) => outcome,
            // Dropping the connection, in the middle of whatever, is the only safe end of it.
            Err(_) => return progress.broken(Break::Timeout),
        };
        if let Some(mut connection) = connection {
            // Polite, and of no consequence: the outcome stands.
            let _ = timeout(quit, connection.quit()).await;
        }
        outcome
    }

    /// Leaves the connection behind only where it can still be spoken on. Both `Ok` and `Err` are the
    /// call's outcome; `Err` is one that ended the conversation early.
    async fn converse(
        &self,
        kept: &mut Option<AsyncSmtpConnection>,
        envelope: &Envelope,
        content: &[u8],
        progress: &Progress,
    ) -> Result<Outcome, Outcome> {
        let connection = self.open(progress).await?;
        let connection = kept.insert(connection);
        progress.reach(Phase::BeforeDot);
        let outcome = fast_path(connection, envelope, content, progress).await;
        if let Ok(Outcome::Unknown { .. }) | Err(Outcome::Unknown { .. }) = &outcome {
            // Broken or out of step: a goodbye would wait for nothing.
            *kept = None;
        }
        outcome
    }

    /// Connects, encrypts, greets and logs in.
    async fn open(&self, progress: &Progress) -> Result<AsyncSmtpConnection, Outcome> {
        let settings = &self.settings;
        let hello = hello_name(&settings.domain);
        let implicit = self.tls.clone().filter(|_| settings.tls == SmtpTls::Implicit);
        let server = (settings.host.as_str(), settings.port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, Some(self.connect_timeout), &hello, implicit, None)
                .await
                .map_err(|error| failed(&error, Step::Opening, progress))?;
        if let Some(tls) = self.tls.clone().filter(|_| settings.tls == SmtpTls::Starttls) {
            if !connection.can_starttls() {
                return Err(Outcome::refused(RefusalKind::Account, "starttls_unsupported"));
            }
            connection
                .starttls(tls, &hello)
                .await
                .map_err(|error| failed(&error, Step::Opening, progress))?;
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
                .map_err(|error| failed(&error, Step::Auth, progress))?;
        }
        Ok(connection)
    }
}

/// MAIL, RCPT, DATA and the content, for one recipient.
async fn fast_path(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    content: &[u8],
    progress: &Progress,
) -> Result<Outcome, Outcome> {
    let options = mail_options(connection, envelope, content)?;
    let reply = connection.command(Mail::new(envelope.from().cloned(), options)).await;
    expect(reply, Step::Sender, 2, progress)?;
    for recipient in envelope.to() {
        let reply = connection.command(Rcpt::new(recipient.clone(), Vec::new())).await;
        expect(reply, Step::Recipient, 2, progress)?;
    }
    expect(connection.command(Data).await, Step::Recipient, 3, progress)?;
    // The content ends with a line break of its own; the end of data brings another.
    let content = content.strip_suffix(b"\r\n").unwrap_or(content);
    // Asked for more only after the whole content was written, and just before the dot is: the one
    // place where the two can be told apart.
    let before_dot = iter::from_fn(|| {
        progress.reach(Phase::DotSent);
        None
    });
    match connection.message_iter(iter::once(content).chain(before_dot)).await {
        Ok(reply) => Ok(wire::after_content(u16::from(reply.code()), &text(&reply))),
        Err(error) => Err(failed(&error, Step::Recipient, progress)),
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

/// Goes on only with a reply of the expected class: any other positive one answers something else.
fn expect(
    reply: Result<Response, lettre::transport::smtp::Error>,
    step: Step,
    class: u16,
    progress: &Progress,
) -> Result<(), Outcome> {
    let code = match reply {
        Ok(reply) => u16::from(reply.code()),
        Err(error) => return Err(failed(&error, step, progress)),
    };
    if code / 100 == class {
        Ok(())
    } else {
        Err(Outcome::refused(RefusalKind::ForNow, format!("smtp_{code}")))
    }
}

/// A negative reply is a refusal at every step; all else depends on how far the conversation came.
fn failed(error: &lettre::transport::smtp::Error, step: Step, progress: &Progress) -> Outcome {
    match error.status() {
        Some(code) => {
            let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
            Outcome::Refused(wire::refusal(step, u16::from(code), &text))
        }
        None => progress.broken(Break::Reset),
    }
}

fn text(reply: &Response) -> String {
    reply.message().collect::<Vec<_>>().join(" ")
}

/// Relays refuse names without a dot, which a container's host name is; the domain is never that.
fn hello_name(domain: &str) -> ClientId {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    if !domain.is_empty() && domain.bytes().all(plain) {
        ClientId::Domain(domain.to_owned())
    } else {
        ClientId::default()
    }
}

impl Provider for Smtp {
    fn class(&self) -> StatusSource {
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
