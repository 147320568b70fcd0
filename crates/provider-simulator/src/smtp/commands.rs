//! The SMTP conversation up to DATA: one task a connection, one recipient a message.
//!
//! Refusals that a plan makes at the recipient are replied to RCPT; the others wait for the dot (`data`).

use std::{io, sync::Arc};

use tokio::net::TcpStream;

use super::{
    auth, data,
    line_stream::{LineStream, MESSAGE_BYTES_MAX},
    session::{Next, Session},
};
use crate::{
    call_plan::{CallPlan, Refusal},
    records::{Correlation, Provider},
    state::SimulatorState,
};

const COMMANDS_MAX: usize = 100_000;

/// Serves one connection until the client or the simulator ends it.
pub(crate) async fn serve(stream: TcpStream, state: Arc<SimulatorState>) {
    let mut session = Session::new(LineStream::new(stream), state);
    match session.run().await {
        Ok(Next::Reset) => session.stream.reset(),
        // An error means that the client left in the middle, which is ordinary.
        Ok(Next::Continue | Next::Close) | Err(_) => session.stream.close().await,
    }
}

impl Session {
    async fn run(&mut self) -> io::Result<Next> {
        if self.state.faults.is_out(Provider::Smtp) {
            return self.close_with("421 4.3.2 Service not available, closing transmission channel").await;
        }
        self.stream.reply("220 relay.simulator.test ESMTP").await?;
        for _ in 0..COMMANDS_MAX {
            let Some(line) = self.stream.command().await? else { return Ok(Next::Close) };
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            let next = self.execute(&verb.to_ascii_uppercase(), argument.trim()).await?;
            if next != Next::Continue {
                return Ok(next);
            }
        }
        self.close_with("421 4.7.0 Too many commands").await
    }

    async fn execute(&mut self, verb: &str, argument: &str) -> io::Result<Next> {
        match verb {
            "EHLO" => self.ehlo().await,
            "HELO" => {
                self.reset_transaction();
                self.reply("250 relay.simulator.test").await
            }
            "AUTH" if self.state.settings.smtp_credentials.is_none() => {
                self.reply("502 5.5.1 Error: authentication not enabled").await
            }
            "AUTH" => {
                self.authenticated = auth::authenticate(&mut self.stream, &self.state, argument).await?;
                Ok(Next::Continue)
            }
            "MAIL" => self.mail(argument).await,
            "RCPT" => self.rcpt(argument).await,
            "DATA" => data::receive(self).await,
            "RSET" => {
                self.reset_transaction();
                self.reply("250 2.0.0 Ok").await
            }
            "NOOP" => self.reply("250 2.0.0 Ok").await,
            "QUIT" => self.close_with("221 2.0.0 Bye").await,
            "STARTTLS" => self.reply("502 5.5.1 Error: TLS not available").await,
            _unknown => self.reply("500 5.5.2 Error: command not recognized").await,
        }
    }

    async fn ehlo(&mut self) -> io::Result<Next> {
        self.reset_transaction();
        let auth =
            if self.state.settings.smtp_credentials.is_some() { "250-AUTH PLAIN LOGIN\r\n" } else { "" };
        let reply = format!(
            "250-relay.simulator.test\r\n{auth}250-SIZE {MESSAGE_BYTES_MAX}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES"
        );
        self.reply(&reply).await
    }

    async fn mail(&mut self, argument: &str) -> io::Result<Next> {
        if self.state.faults.is_out(Provider::Smtp) {
            return self.close_with("421 4.3.2 Service not available, closing transmission channel").await;
        }
        if !self.authenticated {
            return self.reply("530 5.7.0 Authentication required").await;
        }
        let Some(sender) = path(argument, "FROM:") else {
            return self.reply("501 5.5.4 Syntax: MAIL FROM:<address>").await;
        };
        self.reset_transaction();
        self.sender = Some(sender);
        self.reply("250 2.1.0 Ok").await
    }

    async fn rcpt(&mut self, argument: &str) -> io::Result<Next> {
        if self.sender.is_none() {
            return self.reply("503 5.5.1 Error: need MAIL command").await;
        }
        if self.recipient.is_some() {
            return self.reply("452 4.5.3 Error: the simulator takes one recipient a message").await;
        }
        let Some(recipient) = path(argument, "TO:").filter(|address| address.contains('@')) else {
            return self.reply("501 5.1.3 Bad recipient address syntax").await;
        };
        let call = self.state.begin_call(Provider::Smtp, &recipient, &Correlation::default());
        let reply = match call.plan {
            CallPlan::Refuse(refusal) => refusal_at_rcpt(refusal),
            CallPlan::Accept(_) | CallPlan::Reset => None,
        };
        let Some(reply) = reply else {
            self.recipient = Some((recipient, call));
            return self.reply("250 2.1.5 Ok").await;
        };
        self.record_refusal(&call, reply);
        if reply.starts_with("421") { self.close_with(reply).await } else { self.reply(reply).await }
    }
}

/// The reply to RCPT; `None` for a refusal after the dot.
fn refusal_at_rcpt(refusal: Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::Busy => Some("451 4.7.1 Greylisted, please try again later"),
        Refusal::Invalid => Some("550 5.1.1 The email account does not exist"),
        Refusal::OptedOut => Some("550 5.7.1 Recipient refuses mail from this sender"),
        Refusal::Misconfigured => Some("550 5.7.26 Sender is unauthenticated"),
        Refusal::Error => Some("421 4.3.0 Internal error"),
        Refusal::Outage => Some("421 4.3.2 Service not available, closing transmission channel"),
        Refusal::Spam | Refusal::Magnificent | Refusal::Unavailable => None,
    }
}

/// The address in `FROM:<address> PARAMETERS`; the empty address of a bounce is valid.
fn path(argument: &str, keyword: &str) -> Option<String> {
    let start = argument.get(..keyword.len())?;
    let rest = argument[keyword.len()..].trim_start().strip_prefix('<')?;
    let (address, _parameters) = rest.split_once('>')?;
    start.eq_ignore_ascii_case(keyword).then(|| address.to_owned())
}
