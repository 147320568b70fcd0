//! AUTH PLAIN and AUTH LOGIN (RFC 4954), with or without an initial response.
//!
//! A user whose name chooses `misconfigured` is always refused. Nothing is remembered here: the
//! session keeps whether it is authenticated.

use std::io;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::line_stream::Wire;
use crate::{recipient_fault::RecipientFault, state::SimulatorState};

/// Carries the exchange out and answers it; true when the credentials are right.
pub(super) async fn authenticate(
    wire: &mut Wire,
    house: &SimulatorState,
    argument: &str,
) -> io::Result<bool> {
    let (mechanism, initial) = argument.split_once(' ').unwrap_or((argument, ""));
    let initial = (!initial.is_empty()).then(|| initial.to_owned());
    let given = match mechanism.to_ascii_uppercase().as_str() {
        "PLAIN" => plain(&response(wire, initial, "334 ").await?),
        "LOGIN" => {
            let user = response(wire, initial, "334 VXNlcm5hbWU6").await?;
            let password = response(wire, None, "334 UGFzc3dvcmQ6").await?;
            decode(&user).zip(decode(&password))
        }
        _unknown_mechanism => {
            wire.reply("504 5.5.4 Unrecognized authentication type").await?;
            return Ok(false);
        }
    };
    let right = given
        .as_ref()
        .is_some_and(|(user, _)| RecipientFault::of_email(user) != RecipientFault::Misconfigured)
        && given == house.fixed.smtp_credentials;
    let reply =
        if right { "235 2.7.0 Authentication successful" } else { "535 5.7.8 Error: authentication failed" };
    wire.reply(reply).await?;
    Ok(right)
}

async fn response(wire: &mut Wire, initial: Option<String>, prompt: &str) -> io::Result<String> {
    match initial {
        Some(initial) => Ok(initial),
        None => {
            wire.reply(prompt).await?;
            Ok(wire.command().await?.unwrap_or_default())
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
