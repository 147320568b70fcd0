//! AUTH PLAIN and AUTH LOGIN (RFC 4954), with or without an initial response.
//!
//! A user name with the fault `misconfigured` is always refused. `session` keeps the result.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::line_stream::LineStream;
use crate::{recipient_fault::RecipientFault, state::SimulatorState};

/// Runs the exchange and replies; true if the credentials are right.
pub(super) async fn authenticate(
    stream: &mut LineStream,
    state: &SimulatorState,
    argument: &str,
) -> io::Result<bool> {
    let (mechanism, initial) = argument.split_once(' ').unwrap_or((argument, ""));
    let initial = (!initial.is_empty()).then(|| initial.to_owned());
    let given = match mechanism.to_ascii_uppercase().as_str() {
        "PLAIN" => plain(&response(stream, initial, "334 ").await?),
        "LOGIN" => {
            let user = response(stream, initial, "334 VXNlcm5hbWU6").await?;
            let password = response(stream, None, "334 UGFzc3dvcmQ6").await?;
            decode(&user).zip(decode(&password))
        }
        _unknown_mechanism => {
            stream.reply("504 5.5.4 Unrecognized authentication type").await?;
            return Ok(false);
        }
    };
    let right = given
        .as_ref()
        .is_some_and(|(user, _)| RecipientFault::from_email(user) != RecipientFault::Misconfigured)
        && given == state.settings.smtp_credentials;
    let reply =
        if right { "235 2.7.0 Authentication successful" } else { "535 5.7.8 Error: authentication failed" };
    stream.reply(reply).await?;
    Ok(right)
}

async fn response(stream: &mut LineStream, initial: Option<String>, prompt: &str) -> io::Result<String> {
    match initial {
        Some(initial) => Ok(initial),
        None => {
            stream.reply(prompt).await?;
            Ok(stream.command().await?.unwrap_or_default())
        }
    }
}

/// `identity NUL user NUL password`.
fn plain(text: &str) -> Option<(String, String)> {
    let decoded = decode(text)?;
    let mut parts = decoded.splitn(3, '\0').skip(1);
    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()
}
