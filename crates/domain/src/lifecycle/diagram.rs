//! The diagram of a message's life in docs/concepts.md, made from the transition table.
//!
//! PURE. Shows the words that users see: the six statuses, with the details of *queued* inside it.
//! A state of ours that shares its word with another (the two kinds of *failed*) is not told apart, so
//! their edges are joined. `tests/docs.rs` keeps the page equal to this.

use std::fmt::Write;

use super::{
    Signal, State, Status,
    transition::{state_changes, transition},
};

/// Mermaid's `stateDiagram-v2`, without the fence around it; ends with a line break.
#[must_use]
pub fn states() -> String {
    let mut text = String::from("stateDiagram-v2\n");
    line(&mut text, "[*] --> queued: accepted");
    line(&mut text, "[*] --> suppressed: kept back by a rule");
    let details: Vec<&str> = State::ALL.into_iter().filter_map(State::detail).collect();
    line(&mut text, "state queued {");
    line(&mut text, &format!("    [*] --> {}", details[0]));
    let (inner, outer): (Vec<Edge>, Vec<Edge>) = edges().into_iter().partition(|edge| edge.to.is_detail);
    for edge in inner {
        line(&mut text, &format!("    {}", edge.arrow()));
    }
    line(&mut text, "}");
    for edge in outer {
        line(&mut text, &edge.arrow());
    }
    for status in Status::ALL.into_iter().filter(|status| is_final(*status)) {
        line(&mut text, &format!("{} --> [*]", status.as_str()));
    }
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "    {line}").expect("a string takes every line");
}

/// A box of the diagram: a status, or a detail within *queued*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct DiagramBox {
    word: &'static str,
    is_detail: bool,
}

impl DiagramBox {
    fn new(state: State) -> DiagramBox {
        let detail = state.detail();
        DiagramBox { word: detail.unwrap_or_else(|| state.status().as_str()), is_detail: detail.is_some() }
    }
}

struct Edge {
    from: DiagramBox,
    to: DiagramBox,
    signals: Vec<Signal>,
}

impl Edge {
    fn arrow(&self) -> String {
        let words: Vec<&str> = self.signals.iter().map(|signal| signal.label()).collect();
        format!("{} --> {}: {}", self.from.word, self.to.word, words.join(", "))
    }
}

/// One edge for each pair of boxes between which some signal moves a message, in the table's order.
fn edges() -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    for (old, new) in state_changes() {
        let (from, to) = (DiagramBox::new(old), DiagramBox::new(new));
        if from == to {
            continue;
        }
        let signals = Signal::ALL.into_iter().filter(|signal| transition(old, *signal) == new);
        let place = edges.iter().position(|edge| (edge.from, edge.to) == (from, to)).unwrap_or_else(|| {
            edges.push(Edge { from, to, signals: Vec::new() });
            edges.len() - 1
        });
        for signal in signals {
            if !edges[place].signals.contains(&signal) {
                edges[place].signals.push(signal);
            }
        }
    }
    edges
}

/// Whether no signal moves a message from this status to another.
fn is_final(status: Status) -> bool {
    state_changes().into_iter().all(|(old, new)| old.status() != status || new.status() == status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diagram_shows_every_status_every_detail_and_every_change() {
        let diagram = states();
        for status in Status::ALL {
            assert!(diagram.contains(status.as_str()), "{} is missing", status.as_str());
        }
        for (old, new) in state_changes() {
            let (from, to) = (DiagramBox::new(old), DiagramBox::new(new));
            let arrow = format!("{} --> {}: ", from.word, to.word);
            assert!(from == to || diagram.contains(&arrow), "{arrow}is missing");
        }
        for signal in Signal::ALL {
            assert!(diagram.contains(signal.label()), "{signal:?} is missing");
        }
    }

    #[test]
    fn only_ends_that_no_proof_can_move_lead_out() {
        let diagram = states();
        for status in [Status::Delivered, Status::Suppressed, Status::Canceled] {
            assert!(diagram.contains(&format!("{} --> [*]", status.as_str())));
        }
        for status in [Status::Queued, Status::Sent, Status::Failed] {
            assert!(!diagram.contains(&format!("{} --> [*]", status.as_str())), "{}", status.as_str());
        }
    }
}
