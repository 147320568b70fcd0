//! What no document may hold, whatever it is about: a key twice, a NUL.
//!
//! PURE. Two readers of one document must see the same; Postgres keeps no NUL. `fields` checks more, for
//! jobs and companies' files.

use std::collections::HashSet;

use super::{Problem, fields::Problems, node::Node, text::shown_name};

/// Every such problem, by path.
#[must_use]
pub fn check(node: &Node) -> Vec<Problem> {
    let mut problems = Problems::default();
    look("", node, &mut problems);
    problems.settle(Some(())).err().unwrap_or_default()
}

fn look(path: &str, node: &Node, problems: &mut Problems) {
    match node {
        Node::Text(text) if text.contains('\0') => {
            problems.add(path, "control_character", "the text holds a NUL, take it out");
        }
        Node::List(items) => {
            for (place, item) in items.iter().enumerate() {
                look(&format!("{path}[{place}]"), item, problems);
            }
        }
        Node::Object(entries) => {
            let mut seen = HashSet::new();
            for (key, value) in entries {
                let name = shown_name(key);
                let at = if path.is_empty() { name } else { format!("{path}.{name}") };
                if key.contains('\0') {
                    problems.add(path, "control_character", "a key holds a NUL, take it out");
                } else if !seen.insert(key) {
                    problems.add(at, "duplicate_field", "the field is given twice, keep one");
                } else {
                    look(&at, value, problems);
                }
            }
        }
        Node::Null | Node::Flag(_) | Node::Integer(_) | Node::Number | Node::Text(_) | Node::Date => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_twice_and_a_nul_are_named_by_path() {
        let document = r#"{"a":{"b":1,"b":2},"c":["x","y\u0000"],"\u0000":1,"fine":null}"#;
        let found = check(&serde_json::from_str(document).expect("is JSON"));
        let found: Vec<(&str, &str)> =
            found.iter().map(|problem| (problem.path.as_str(), problem.code.as_str())).collect();
        assert_eq!(
            found,
            [("a.b", "duplicate_field"), ("c[1]", "control_character"), ("", "control_character")]
        );
    }
}
