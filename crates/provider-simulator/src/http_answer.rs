//! Answers over HTTP: the proper one, and the ways in which a provider fails to give it.
//!
//! Called after the ledger has the message (or refused it). What a proper answer says is each
//! provider's matter; `connection` does the cutting and resetting.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    call_plan::Answer,
    connection::{Connection, Ending},
    state::{SimulatorState, Verdicted},
};

/// Answers an accepted call as its plan says.
pub(super) async fn give(
    house: &SimulatorState,
    connection: &Connection,
    (how, decided): (Answer, Verdicted),
    status: StatusCode,
    proper: Value,
) -> Response {
    match how {
        Answer::Proper => json_response(status, &proper),
        Answer::Slow => {
            house.take_long().await;
            json_response(status, &proper)
        }
        Answer::Hang => {
            house.hang(decided).await;
            json_response(status, &proper)
        }
        Answer::Garbage => json_response(status, &json!({ "unexpected": ["answer", 42, null] })),
        Answer::ServerError => {
            json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "message": "Internal Server Error" }))
        }
        Answer::Reset => reset(connection).await,
        Answer::Cut => match connection.end(Ending::Raw(half(status, &proper))).await {},
    }
}

/// Resets the connection that the call came by.
pub(super) async fn reset(connection: &Connection) -> Response {
    match connection.end(Ending::Reset).await {}
}

pub(super) fn json_response(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

pub(super) fn text_response(status: StatusCode, content_type: &'static str, text: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, content_type)], text).into_response()
}

/// A whole head that promises more body than follows.
fn half(status: StatusCode, proper: &Value) -> Vec<u8> {
    let body = proper.to_string();
    let mut bytes = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(&body.as_bytes()[..body.len() / 2]);
    bytes
}
