//! JSON merge patch (RFC 7396): a change of parts, applied to a whole document.
//!
//! PURE. `null` removes a field, objects are merged, everything else replaces, lists included. The result is
//! checked as any other document is (`file`, `accounts`, `check`); nothing is checked here. A
//! field that a patch gives twice was refused by its reader (`document::strict`). Depth is bounded by the
//! reader too (serde_json: 128).

use crate::document::node::Node;

/// `target` with the patch applied.
#[must_use]
pub fn merge(target: Node, patch: &Node) -> Node {
    let Node::Object(changes) = patch else { return patch.clone() };
    let mut merged = match target {
        Node::Object(fields) => fields,
        _ => Vec::new(),
    };
    // The patch's names are distinct, so only what stood here before can have one of them: a patch of very
    // many names costs its length, not its square.
    let mut known = merged.len();
    for (name, change) in changes {
        let at = merged[..known].iter().position(|(known, _)| known == name);
        match (at, change) {
            (Some(at), Node::Null) => {
                drop(merged.remove(at));
                known -= 1;
            }
            (None, Node::Null) => {}
            (Some(at), _) => {
                let old = std::mem::replace(&mut merged[at].1, Node::Null);
                merged[at].1 = merge(old, change);
            }
            (None, _) => merged.push((name.clone(), merge(Node::Null, change))),
        }
    }
    Node::Object(merged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(value: &serde_json::Value) -> Node {
        serde_json::from_value(value.clone()).expect("JSON is a document")
    }

    /// Fields in the order of their names, as `Value` has them.
    fn in_order(node: Node) -> Node {
        match node {
            Node::Object(mut fields) => {
                fields.sort_by(|left, right| left.0.cmp(&right.0));
                Node::Object(fields.into_iter().map(|(name, value)| (name, in_order(value))).collect())
            }
            other => other,
        }
    }

    #[test]
    fn a_flood_of_names_is_merged_in_no_time() {
        let names = (0..200_000).map(|number| (format!("n{number}"), Node::Flag(true)));
        let mut flood: Vec<(String, Node)> = names.collect();
        flood.insert(7, ("old".to_owned(), Node::Null));
        flood.push(("kept".to_owned(), Node::Null));
        let target = node(&json!({"kept": 1, "old": 2, "untouched": 3}));
        let Node::Object(merged) = merge(target, &Node::Object(flood)) else { panic!("an object stays one") };
        assert_eq!(merged.len(), 200_001);
        assert_eq!(merged[0].0, "untouched");
    }

    #[test]
    fn every_example_of_the_rfc_comes_out_as_printed() {
        // RFC 7396, appendix A: original, patch, result.
        for (original, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let merged = merge(node(&original), &node(&patch));
            assert_eq!(in_order(merged), node(&result), "{original} with {patch}");
        }
    }
}
