//! The conversation up to DATA: one task a connection, one recipient a message.
//!
//! What a recipient's word refuses at once is refused at RCPT; the rest waits for the dot (`data`).

use std::{io, sync::Arc, time::Duration};

use tokio::net::{TcpListener, TcpStream};

use super::{auth, data, line_stream::MESSAGE_BYTES_MAX, line_stream::Wire};
use crate::{
    call_plan::{CallPlan, Refusal},
    records::{Correlation, Provider, Verdict},
    state::{SimulatorState, Verdicted},
};

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const COMMANDS_MAX: usize = 100_000;

/// Accepts until the simulator ends.
pub(crate) async fn listen(listener: TcpListener, house: Arc<SimulatorState>) {
    let _alive = house.life.alive.clone();
    let ended = house.life.clone().ended();
    tokio::pin!(ended);
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&house.connections).acquire_owned() => permit,
            () = &mut ended => return,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut ended => return,
        };
        let Ok((stream, _peer)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            let (_permit, _alive) = (permit, house.life.alive.clone());
            tokio::select! {
                () = converse(stream, Arc::clone(&house)) => {}
                () = house.life.clone().ended() => {}
            }
        });
    }
}

/// What a command leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Continue,
    Close,
    Reset,
}

#[derive(Debug)]
pub(super) struct Session {
    pub house: Arc<SimulatorState>,
    pub wire: Wire,
    pub sender: Option<String>,
    pub recipient: Option<(String, Verdicted)>,
    authenticated: bool,
}

async fn converse(stream: TcpStream, house: Arc<SimulatorState>) {
    let wire = Wire::new(stream);
    let authenticated = house.fixed.smtp_credentials.is_none();
    let mut session = Session { house, wire, sender: None, recipient: None, authenticated };
    match session.run().await {
        Ok(Next::Reset) => session.wire.reset(),
        // A client that leaves in the middle is an everyday end.
        Ok(Next::Continue | Next::Close) | Err(_) => session.wire.close().await,
    }
}

impl Session {
    async fn run(&mut self) -> io::Result<Next> {
        if self.house.is_out(Provider::Smtp) {
            return self.close_with("421 4.3.2 Service not available, closing transmission channel").await;
        }
        self.wire.reply("220 relay.simulator.test ESMTP").await?;
        for _ in 0..COMMANDS_MAX {
            let Some(line) = self.wire.command().await? else { return Ok(Next::Close) };
            let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
            let next = self.obey(&verb.to_ascii_uppercase(), argument.trim()).await?;
            if next != Next::Continue {
                return Ok(next);
            }
        }
        self.close_with("421 4.7.0 Too many commands").await
    }

    async fn obey(&mut self, verb: &str, argument: &str) -> io::Result<Next> {
        match verb {
            "EHLO" => self.greet().await,
            "HELO" => {
                self.forget();
                self.say("250 relay.simulator.test").await
            }
            "AUTH" if self.house.fixed.smtp_credentials.is_none() => {
                self.say("502 5.5.1 Error: authentication not enabled").await
            }
            "AUTH" => {
                self.authenticated = auth::authenticate(&mut self.wire, &self.house, argument).await?;
                Ok(Next::Continue)
            }
            "MAIL" => self.mail(argument).await,
            "RCPT" => self.rcpt(argument).await,
            "DATA" => data::data(self).await,
            "RSET" => {
                self.forget();
                self.say("250 2.0.0 Ok").await
            }
            "NOOP" => self.say("250 2.0.0 Ok").await,
            "QUIT" => self.close_with("221 2.0.0 Bye").await,
            "STARTTLS" => self.say("502 5.5.1 Error: TLS not available").await,
            _unknown => self.say("500 5.5.2 Error: command not recognized").await,
        }
    }

    pub(super) async fn say(&mut self, reply: &str) -> io::Result<Next> {
        self.wire.reply(reply).await?;
        Ok(Next::Continue)
    }

    pub(super) async fn close_with(&mut self, reply: &str) -> io::Result<Next> {
        self.wire.reply(reply).await?;
        Ok(Next::Close)
    }

    pub(super) fn forget(&mut self) {
        self.sender = None;
        self.recipient = None;
    }

    async fn greet(&mut self) -> io::Result<Next> {
        self.forget();
        let auth = if self.house.fixed.smtp_credentials.is_some() { "250-AUTH PLAIN LOGIN\r\n" } else { "" };
        let reply = format!(
            "250-relay.simulator.test\r\n{auth}250-SIZE {MESSAGE_BYTES_MAX}\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES"
        );
        self.say(&reply).await
    }

    async fn mail(&mut self, argument: &str) -> io::Result<Next> {
        if self.house.is_out(Provider::Smtp) {
            return self.close_with("421 4.3.2 Service not available, closing transmission channel").await;
        }
        if !self.authenticated {
            return self.say("530 5.7.0 Authentication required").await;
        }
        let Some(sender) = path(argument, "FROM:") else {
            return self.say("501 5.5.4 Syntax: MAIL FROM:<address>").await;
        };
        self.forget();
        self.sender = Some(sender);
        self.say("250 2.1.0 Ok").await
    }

    async fn rcpt(&mut self, argument: &str) -> io::Result<Next> {
        if self.sender.is_none() {
            return self.say("503 5.5.1 Error: need MAIL command").await;
        }
        if self.recipient.is_some() {
            return self.say("452 4.5.3 Error: the simulator takes one recipient a message").await;
        }
        let Some(recipient) = path(argument, "TO:").filter(|address| address.contains('@')) else {
            return self.say("501 5.1.3 Bad recipient address syntax").await;
        };
        let decided = self.house.begin(Provider::Smtp, &recipient, &Correlation::default());
        let reply = match decided.taking {
            CallPlan::Refuse(refusal) => refusal_at_rcpt(refusal),
            CallPlan::Accept(_) | CallPlan::Ignore => None,
        };
        let Some(reply) = reply else {
            self.recipient = Some((recipient, decided));
            return self.say("250 2.1.5 Ok").await;
        };
        self.house.settle(decided.call, refused(reply));
        if reply.starts_with("421") { self.close_with(reply).await } else { self.say(reply).await }
    }
}

/// Code and enhanced code of a reply, for the books.
pub(super) fn refused(reply: &str) -> Verdict {
    Verdict::Refused(reply.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" "))
}

/// None for what is only refused after the dot.
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

/// The address in `FROM:<address> PARAMETERS`; the empty one of a bounce is fine.
fn path(argument: &str, keyword: &str) -> Option<String> {
    let start = argument.get(..keyword.len())?;
    let rest = argument[keyword.len()..].trim_start().strip_prefix('<')?;
    let (address, _parameters) = rest.split_once('>')?;
    start.eq_ignore_ascii_case(keyword).then(|| address.to_owned())
}
