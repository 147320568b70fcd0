//! The state of one SMTP connection, and its replies.
//!
//! `commands` drives it, `data` takes the message.

use std::{io, sync::Arc};

use super::line_stream::LineStream;
use crate::state::{PlannedCall, SimulatorState};

/// The state of the connection after a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Continue,
    Close,
    Reset,
}

#[derive(Debug)]
pub(super) struct Session {
    pub state: Arc<SimulatorState>,
    pub stream: LineStream,
    pub sender: Option<String>,
    pub recipient: Option<(String, PlannedCall)>,
    pub authenticated: bool,
}

impl Session {
    pub(super) fn new(stream: LineStream, state: Arc<SimulatorState>) -> Session {
        let authenticated = state.settings.smtp_credentials.is_none();
        Session { state, stream, sender: None, recipient: None, authenticated }
    }

    pub(super) async fn reply(&mut self, reply: &str) -> io::Result<Next> {
        self.stream.reply(reply).await?;
        Ok(Next::Continue)
    }

    pub(super) async fn close_with(&mut self, reply: &str) -> io::Result<Next> {
        self.stream.reply(reply).await?;
        Ok(Next::Close)
    }

    pub(super) fn reset_transaction(&mut self) {
        self.sender = None;
        self.recipient = None;
    }

    /// Records a refusal with the reply's code and enhanced code.
    pub(super) fn record_refusal(&self, call: &PlannedCall, reply: &str) {
        self.state.refuse_call(call, reply.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" "));
    }
}
