//! Checks that every document must pass: no key twice, no NUL, no carriage return.
//!
//! PURE. Two readers of one document must see the same values; Postgres stores no NUL; a line break is one
//! character, or it ends up in a header. Used for HTTP callers, which can fix the document at once. Jobs over the
//! broker are cleaned instead where that loses nothing (`text`).

use std::collections::HashSet;

use crate::document::{Problem, fields::Problems, node::Node, text::shown_name};

/// Every key that stands twice and every forbidden character, by path.
#[must_use]
pub fn check(node: &Node) -> Vec<Problem> {
    let mut problems = Problems::default();
    check_node("", node, true, &mut problems);
    problems.settle(Some(())).err().unwrap_or_default()
}

/// Adds only the forbidden characters, for a document that `fields` has read already; a path that has a problem
/// gets no second one.
pub fn check_characters(node: &Node, problems: &mut Problems) {
    check_node("", node, false, problems);
}

fn check_node(path: &str, node: &Node, keys_once: bool, problems: &mut Problems) {
    match node {
        Node::Text(text) => {
            if let Some(flaw) = flaw(text)
                && !problems.names(path)
            {
                problems.add(path, "control_character", format!("the text holds {flaw}"));
            }
        }
        Node::List(items) => {
            for (place, item) in items.iter().enumerate() {
                check_node(&format!("{path}[{place}]"), item, keys_once, problems);
            }
        }
        Node::Object(entries) => {
            let mut seen = HashSet::new();
            for (key, value) in entries {
                let name = shown_name(key);
                let at = if path.is_empty() { name } else { format!("{path}.{name}") };
                if let Some(flaw) = flaw(key) {
                    problems.add(path, "control_character", format!("a key holds {flaw}"));
                } else if keys_once && !seen.insert(key) {
                    problems.add(at, "duplicate_field", "the field is given twice, keep one");
                } else {
                    check_node(&at, value, keys_once, problems);
                }
            }
        }
        Node::Null | Node::Flag(_) | Node::Integer(_) | Node::Number | Node::Date => {}
    }
}

/// The forbidden character that `text` holds, with the remedy.
fn flaw(text: &str) -> Option<&'static str> {
    if text.contains('\0') {
        return Some("a NUL, take it out");
    }
    text.contains('\r').then_some("a carriage return (\\r), take it out; lines are broken by \\n alone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(problems: &[Problem]) -> Vec<(&str, &str)> {
        problems.iter().map(|problem| (problem.path.as_str(), problem.code.as_str())).collect()
    }

    #[test]
    fn a_key_twice_a_nul_and_a_carriage_return_are_named_by_path() {
        let document =
            r#"{"a":{"b":1,"b":2},"c":["x","y\u0000"],"\u0000":1,"d":[{"e":"z\r\n"}],"fine":"1\n2"}"#;
        let found = check(&serde_json::from_str(document).expect("is JSON"));
        assert_eq!(
            named(&found),
            [
                ("a.b", "duplicate_field"),
                ("c[1]", "control_character"),
                ("", "control_character"),
                ("d[0].e", "control_character")
            ]
        );
    }

    #[test]
    fn what_is_named_already_is_not_named_again() {
        let document = serde_json::from_str(r#"{"a":"1\r","b":"2\r"}"#).expect("is JSON");
        let mut problems = Problems::default();
        problems.add("a", "bad_address", "give another");
        check_characters(&document, &mut problems);
        let found = problems.settle(None::<()>).expect_err("two are wrong");
        assert_eq!(named(&found), [("a", "bad_address"), ("b", "control_character")]);
    }
}
