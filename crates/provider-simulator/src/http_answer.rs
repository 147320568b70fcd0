//! HTTP answers: the proper one of each provider, and the faulty ones of a plan.
//!
//! Called once the journal has the message or the refusal. `connection` cuts and resets.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    call_plan::AnswerPlan,
    connection::{Connection, Ending},
    state::{PlannedCall, SimulatorState},
};

/// Answers an accepted call by its plan; `proper` is the provider's success answer.
pub(crate) async fn answer_accepted(
    state: &SimulatorState,
    connection: &Connection,
    (plan, call): (AnswerPlan, PlannedCall),
    status: StatusCode,
    proper: Value,
) -> Response {
    match plan {
        AnswerPlan::Proper => json_response(status, &proper),
        AnswerPlan::Slow => {
            state.faults.wait_slow().await;
            json_response(status, &proper)
        }
        AnswerPlan::Hang => {
            state.faults.hang(call.releases_at_start).await;
            json_response(status, &proper)
        }
        AnswerPlan::Garbage => json_response(status, &json!({ "unexpected": ["answer", 42, null] })),
        AnswerPlan::ServerError => {
            json_response(StatusCode::INTERNAL_SERVER_ERROR, &json!({ "message": "Internal Server Error" }))
        }
        AnswerPlan::Reset => reset(connection).await,
        AnswerPlan::Cut => match connection.end(Ending::Raw(half(status, &proper))).await {},
    }
}

/// Resets the connection of the call; never returns.
pub(crate) async fn reset(connection: &Connection) -> Response {
    match connection.end(Ending::Reset).await {}
}

pub(crate) fn json_response(status: StatusCode, value: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

pub(crate) fn text_response(status: StatusCode, content_type: &'static str, text: &'static str) -> Response {
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
