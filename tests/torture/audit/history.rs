//! The way of every message: status never falls back, epochs never fall, and the last step is where it
//! stands.
//!
//! Written down here a second time on purpose: sharing the product's own table would prove nothing.

use std::collections::HashMap;

use uuid::Uuid;

use super::super::facts::{Move, state};
use super::{Class, FactIndex, Findings};

pub(super) fn check(index: &FactIndex, findings: &mut Findings) {
    let resends = index.facts.sends_max > 1;
    let mut last: HashMap<Uuid, &Move> = HashMap::new();
    for step in &index.facts.moves {
        let before = last.insert(step.message, step);
        if before.is_some_and(|before| before.state != step.previous_state) {
            findings.add(Class::Wrong, "a message was moved unseen", step.message);
        }
        if step.epoch < step.epoch_was {
            findings.add(Class::Wrong, "an epoch fell", step.message);
        }
        if step.previous_state != step.state && !may(step.previous_state, step.state, resends) {
            let who = format!("{} from {} to {}", step.message, step.previous_state, step.state);
            findings.add(Class::Wrong, "a status fell back", who);
        }
    }
    for message in &index.facts.messages {
        if last.get(&message.id).is_some_and(|step| step.state != message.state) {
            findings.add(Class::Wrong, "a message does not stand where its last step led", message.id);
        }
    }
}

/// Forward only, but for a refusal for now, and for a failure of our own making that a provider disproves.
fn may(was: i16, state: i16, resends: bool) -> bool {
    use state::{CONCLUDED, DELIVERED, FAILED, SENDING, SENT, UNKNOWN, WAITING};
    match was {
        WAITING => state != UNKNOWN,
        SENDING => state != state::SUPPRESSED && state != state::CANCELED,
        UNKNOWN => matches!(state, SENT | DELIVERED | CONCLUDED | FAILED) || (resends && state == WAITING),
        SENT => matches!(state, DELIVERED | FAILED),
        CONCLUDED => matches!(state, SENT | DELIVERED | FAILED),
        _ => false,
    }
}
