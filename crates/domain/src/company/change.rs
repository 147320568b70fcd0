//! Differences between two versions of a company, in lines for an operator, and the removals of a change.
//!
//! PURE. The lines go to the operator's terminal only, never to logs: they name team members. Fields are compared
//! in their serialised form, so that a new field is never forgotten here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::{Member, Policy};

/// Parts that the new version lacks; requests that wait may still need them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removals {
    /// Labels.
    pub brands: Vec<String>,
    /// Ids of accounts that are gone or moved to another provider: their attempts cannot be looked up any more.
    pub accounts: Vec<String>,
    /// Names.
    pub channels: Vec<String>,
}

impl Removals {
    /// Whether the change removes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Removals::default()
    }
}

/// One line for each thing that differs, such as `suppression_days 30 -> 60`.
#[must_use]
pub fn changes(old: Option<&Policy>, new: &Policy) -> Vec<String> {
    let Some(old) = old else {
        let mut lines = vec![format!("company {} added", new.slug)];
        lines.extend(list_changes(&Lists::default(), &Lists::new(new)));
        return lines;
    };
    let is_list =
        |name: &String| ["brands", "channels", "accounts", "bindings", "recipes"].contains(&name.as_str());
    let top = |policy: &Policy| {
        let mut fields = flat(policy);
        fields.retain(|name, _| !is_list(name));
        fields
    };
    let mut lines = field_changes(&top(old), &top(new));
    lines.extend(list_changes(&Lists::new(old), &Lists::new(new)));
    lines
}

/// The removals of a change of policy.
#[must_use]
pub fn removals(old: Option<&Policy>, new: &Policy) -> Removals {
    let Some(old) = old else { return Removals::default() };
    let brands = old.brands.iter().map(|brand| &brand.label);
    let channels = old.channels.iter().map(|channel| &channel.name);
    let accounts = old
        .accounts
        .iter()
        .filter(|account| new.account(&account.id).is_none_or(|kept| kept.provider() != account.provider()));
    Removals {
        brands: brands.filter(|label| new.brand(label).is_none()).cloned().collect(),
        accounts: accounts.map(|account| account.id.clone()).collect(),
        channels: channels.filter(|name| new.channel(name).is_none()).cloned().collect(),
    }
}

/// One line for each team member that was added, removed or changed. A member is known by the email
/// address, else by the custom id.
#[must_use]
pub fn member_changes(old: &[Member], new: &[Member]) -> Vec<String> {
    let mut unmatched: BTreeSet<usize> = (0..old.len()).collect();
    let mut lines = Vec::new();
    for (member, known) in new.iter().zip(matched_members(old, new)) {
        match known {
            None => lines.push(format!("member {} added", member_label(member))),
            Some(index) => {
                unmatched.remove(&index);
                let changed = field_changes(&flat(&old[index]), &flat(member));
                lines.extend(
                    changed.iter().map(|change| format!("member {}: {change}", member_label(member))),
                );
            }
        }
    }
    lines.extend(unmatched.iter().map(|index| format!("member {} removed", member_label(&old[*index]))));
    lines
}

/// The index in `old` of each new team member: by email address, else by custom id.
#[must_use]
pub fn matched_members(old: &[Member], new: &[Member]) -> Vec<Option<usize>> {
    let by_email = index_by(old, |member| member.email.as_ref().map(|email| email.to_lowercase()));
    let by_custom_id = index_by(old, |member| member.custom_id.clone());
    let mut taken = BTreeSet::new();
    let follow = |member: &Member| {
        let email = member.email.as_ref().map(|email| email.to_lowercase());
        let same_email = email.and_then(|email| by_email.get(&email));
        let same_id = member.custom_id.as_ref().and_then(|custom_id| by_custom_id.get(custom_id));
        same_email.or(same_id).copied().filter(|index| taken.insert(*index))
    };
    new.iter().map(follow).collect()
}

fn index_by(members: &[Member], key: impl Fn(&Member) -> Option<String>) -> BTreeMap<String, usize> {
    members.iter().enumerate().filter_map(|(index, member)| Some((key(member)?, index))).collect()
}

/// The email address of a team member, else the custom id.
#[must_use]
pub fn member_label(member: &Member) -> &str {
    member.email.as_deref().or(member.custom_id.as_deref()).unwrap_or_default()
}

type FlatFields = BTreeMap<String, Value>;
type Named = BTreeMap<String, FlatFields>;

/// The lists of a policy, by the singular word and each item's own name.
#[derive(Default)]
struct Lists(BTreeMap<&'static str, Named>);

impl Lists {
    fn new(policy: &Policy) -> Lists {
        let brands = policy.brands.iter().map(|brand| (brand.label.clone(), flat(brand)));
        let channels = policy.channels.iter().map(|channel| (channel.name.clone(), flat(channel)));
        let accounts = policy.accounts.iter().map(|account| (account.id.clone(), flat(account)));
        let bindings = policy.bindings.iter().map(|binding| (binding.user.clone(), flat(binding)));
        let connectors = policy.connectors.iter().map(|connector| (connector.id.clone(), flat(connector)));
        Lists(BTreeMap::from([
            ("brand", brands.collect()),
            ("channel", channels.collect()),
            ("account", accounts.collect()),
            ("binding", bindings.collect()),
            ("recipe", connectors.collect()),
        ]))
    }
}

fn list_changes(old: &Lists, new: &Lists) -> Vec<String> {
    let none = Named::new();
    let mut lines = Vec::new();
    for (word, items) in &new.0 {
        let before = old.0.get(word).unwrap_or(&none);
        for (name, fields) in items {
            match before.get(name) {
                None => lines.push(format!("{word} {name} added")),
                Some(known) => {
                    let changed = field_changes(known, fields);
                    lines.extend(changed.iter().map(|change| format!("{word} {name}: {change}")));
                }
            }
        }
        let gone = before.keys().filter(|name| !items.contains_key(*name));
        lines.extend(gone.map(|name| format!("{word} {name} removed")));
    }
    lines
}

fn field_changes(old: &FlatFields, new: &FlatFields) -> Vec<String> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differing = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differing.map(|name| format!("{name} {} -> {}", shown(old.get(name)), shown(new.get(name)))).collect()
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.replace('\n', "\\n"),
        Some(Value::Array(items)) => {
            items.iter().map(|item| shown(Some(item))).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}

/// The fields of a value; those of nested objects stand among them (an account's settings).
fn flat(value: &impl Serialize) -> FlatFields {
    let value = serde_json::to_value(value).expect("policies and members hold plain values");
    let mut fields = FlatFields::new();
    spread(value, &mut fields);
    fields
}

fn spread(value: Value, fields: &mut FlatFields) {
    let Value::Object(entries) = value else { return };
    for (name, value) in entries {
        if value.is_object() {
            spread(value, fields);
        } else {
            fields.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::company::file::{self, CompanyFile};

    const EXAMPLE: &str = include_str!("../../../../deploy/example-company.toml");

    fn read(text: &str) -> CompanyFile {
        file::parse(text).expect("the example is a valid company file")
    }

    #[test]
    fn the_same_file_twice_changes_nothing() {
        let file = read(EXAMPLE);
        assert_eq!(changes(Some(&file.policy), &file.policy), Vec::<String>::new());
        assert!(removals(Some(&file.policy), &file.policy).is_empty());
        assert_eq!(member_changes(&file.members, &file.members), Vec::<String>::new());
    }

    #[test]
    fn a_new_company_is_listed_with_what_it_brings() {
        let lines = changes(None, &read(EXAMPLE).policy);
        assert_eq!(lines[0], "company blancapeak added");
        assert!(lines.contains(&"brand blancagold added".to_owned()), "{lines:?}");
        assert!(removals(None, &read(EXAMPLE).policy).is_empty());
    }

    #[test]
    fn every_change_is_one_line_and_losses_are_named() {
        let old = read(EXAMPLE).policy;
        let mut new = old.clone();
        new.suppression_days = 60;
        new.accounts.retain(|account| account.medium() == crate::ids::Medium::Sms);
        new.accounts[0].rate_per_sec = 20;
        new.brands.retain(|brand| brand.label != "blancagold");
        new.brands[0].delay_secs = Some(60);
        new.channels.retain(|channel| channel.name != "chat");
        let lines = changes(Some(&old), &new);
        for line in [
            "suppression_days 30 -> 60",
            "account blancapeak-sms: rate_per_sec 100 -> 20",
            "account blancapeak-mail removed",
            "brand blancagold removed",
            "brand blancapeak: delay_secs none -> 60",
            "channel chat removed",
        ] {
            assert!(lines.contains(&line.to_owned()), "{line} is not in {lines:?}");
        }
        let taken = removals(Some(&old), &new);
        assert_eq!(taken.brands, ["blancagold"]);
        assert!(taken.accounts.contains(&"blancapeak-mail".to_owned()));
        assert_eq!(taken.channels, ["chat"]);
    }

    #[test]
    fn an_account_that_moves_to_another_provider_counts_as_taken_away() {
        let old = read(EXAMPLE).policy;
        let mut new = old.clone();
        new.accounts[0].settings = old.accounts[1].settings.clone();
        assert_eq!(removals(Some(&old), &new).accounts, [old.accounts[0].id.clone()]);
    }

    #[test]
    fn members_are_followed_by_email_and_then_by_custom_id() {
        let old = read(EXAMPLE).members;
        let mut new = old.clone();
        new[0].approved = !new[0].approved;
        let moved = new.last_mut().expect("the example has members");
        moved.email = Some("new@blancapeak.com".to_owned());
        let lines = member_changes(&old, &new);
        assert_eq!(lines[0], "member paulagent@blancapeak.com: approved true -> false");
        assert!(lines[1].starts_with("member new@blancapeak.com: email "), "{lines:?}");
        assert_eq!(member_changes(&old, &[])[0], "member paulagent@blancapeak.com removed");
        assert_eq!(member_changes(&[], &old).len(), old.len());
    }
}
