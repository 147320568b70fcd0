//! A company as its file writes it, in JSON: the API's representation.
//!
//! PURE. Reading what was written gives the same policy and members again (a property of this file's
//! tests), so that "get, change, put back" changes what was changed and nothing else. There is no secret
//! in it: accounts name environment variables, as they do in the file.

use serde_json::{Map, Value};

use crate::document::{Problem, node::Node};

use super::{CompanyFile, Member, Policy, file, member, merge::merge};

/// The document of a policy; with members only where they are given.
#[must_use]
pub fn document(policy: &Policy, members: Option<&[Member]>) -> Value {
    let mut document = plain(serde_json::to_value(policy));
    for item in document.values_mut().filter_map(Value::as_array_mut).flatten() {
        let Some(item) = item.as_object_mut() else { continue };
        // The file has the settings of a provider beside the common fields.
        if let Some(Value::Object(settings)) = item.remove("settings") {
            item.extend(settings);
        }
    }
    if let Some(members) = members {
        document.insert("members".to_owned(), members.iter().map(member_document).collect());
    }
    without_nulls(Value::Object(document))
}

/// A team member as the file writes it.
#[must_use]
pub fn member_document(member: &Member) -> Value {
    without_nulls(Value::Object(plain(serde_json::to_value(member))))
}

/// Reads the document that a merge patch makes of the one in force, as `file::read` reads a whole one.
///
/// # Errors
/// Every problem of the document that would come out, by path.
pub fn read_patched(
    policy: &Policy,
    members: Option<&[Member]>,
    patch: &Node,
) -> Result<CompanyFile, Vec<Problem>> {
    file::read(&patched(document(policy, members), patch)?)
}

/// Reads the team member that a merge patch makes of one.
///
/// # Errors
/// Every problem of the member that would come out, by path.
pub fn read_patched_member(member: &Member, patch: &Node) -> Result<Member, Vec<Problem>> {
    member::read_one_member(&patched(member_document(member), patch)?)
}

/// Whether a patch sets team members; `null` removes them.
#[must_use]
pub fn patch_sets_members(patch: &Node) -> bool {
    matches!(patch, Node::Object(fields) if fields.iter().any(|(name, _)| name == "members"))
}

/// Whether a whole document has team members: there `null` is absent, as everywhere.
#[must_use]
pub fn document_sets_members(document: &Node) -> bool {
    let given = |(name, node): &(String, Node)| name == "members" && *node != Node::Null;
    matches!(document, Node::Object(fields) if fields.iter().any(given))
}

fn patched(document: Value, patch: &Node) -> Result<Node, Vec<Problem>> {
    if !matches!(patch, Node::Object(_)) {
        let message = format!("expected an object, found {}", patch.kind());
        return Err(vec![Problem::new("", "wrong_type", message)]);
    }
    let document = serde_json::from_value(document).expect("a JSON value is a document");
    Ok(merge(document, patch))
}

fn plain(value: serde_json::Result<Value>) -> Map<String, Value> {
    match value {
        Ok(Value::Object(fields)) => fields,
        _ => unreachable!("policies and members are plain objects"),
    }
}

/// Leaves out absent fields.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(json: &str) -> Node {
        serde_json::from_str(json).expect("the test writes JSON")
    }

    fn example() -> CompanyFile {
        file::parse(include_str!("../../../../deploy/example-company.toml")).expect("the example is valid")
    }

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let file = example();
        let written = document(&file.policy, Some(&file.members)).to_string();
        assert_eq!(file::read(&node(&written)).expect("is valid"), file);
        let without = document(&file.policy, None).to_string();
        assert_eq!(file::read(&node(&without)).expect("is valid").policy, file.policy);
        assert!(!patch_sets_members(&node(&without)) && patch_sets_members(&node(&written)));
        assert!(!document_sets_members(&node(&without)) && document_sets_members(&node(&written)));
        let null = node(r#"{"members": null}"#);
        assert!(patch_sets_members(&null) && !document_sets_members(&null));
    }

    #[test]
    fn an_empty_patch_changes_nothing_and_a_small_one_only_its_part() {
        let file = example();
        let patched = |patch: &str| read_patched(&file.policy, Some(&file.members), &node(patch));
        assert_eq!(patched("{}").expect("is valid"), file);
        let mut wanted = file.clone();
        wanted.policy.suppression_days = 60;
        wanted.policy.test_phone = Some("+14155552671".to_owned());
        let patch = r#"{"suppression_days": 60, "test_phone": "+14155552671"}"#;
        assert_eq!(patched(patch).expect("is valid"), wanted);
        assert_eq!(patched(r#"{"members": null}"#).expect("is valid").members, Vec::new());
    }

    #[test]
    fn every_problem_of_what_a_patch_makes_is_named_by_its_path() {
        let file = example();
        let patch =
            r#"{"suppression_days": -1, "default_brand": "nobody", "color": "red", "channels": [{}]}"#;
        let problems = read_patched(&file.policy, None, &node(patch)).expect_err("is refused");
        let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
        for path in ["suppression_days", "default_brand", "color", "channels[0].name"] {
            assert!(paths.contains(&path), "{path} is not in {paths:?}");
        }
        for nonsense in ["[]", "null", "\"x\"", "1"] {
            assert!(read_patched(&file.policy, None, &node(nonsense)).is_err(), "{nonsense}");
        }
    }

    #[test]
    fn a_member_is_read_and_patched_by_the_same_rules() {
        let member = example().members.remove(0);
        let written = member_document(&member).to_string();
        assert_eq!(member::read_one_member(&node(&written)).expect("is valid"), member);
        let changed = read_patched_member(&member, &node(r#"{"approved": false, "name": null}"#));
        let changed = changed.expect("is valid");
        assert_eq!(changed, Member { approved: false, name: None, ..member.clone() });
        let nobody = read_patched_member(&member, &node(r#"{"email": null, "custom_id": null}"#));
        assert_eq!(nobody.expect_err("is refused")[0].code, "missing");
    }
}
