//! Changes that only an operator may make: everything that reaches beyond one company.
//!
//! PURE. A company's file is the operator's; a key of the API is the company's. An account names the environment
//! variable of a secret and the host that gets it, so a writer of both could read every secret of the installation;
//! a binding grants a broker user the right to publish. Over the API accounts and connectors may be tuned or
//! removed, never added or redirected, and bindings stay.

use serde_json::Value;

use crate::document::{Problem, fields::Problems};

use super::{Policy, json::document};

/// Lists with items that name secrets; an item is identified by its `id`.
const LISTS: [&str; 2] = ["accounts", "recipes"];
/// Fields that decide, beside the variables' names, on the target of a secret and the identity it is used for:
/// one secret often serves several domains or accounts of a provider.
const TARGET_FIELDS: [&str; 12] = [
    "provider",
    "recipe",
    "base_url",
    "keys_url",
    "host",
    "port",
    "tls",
    "domain",
    "account_sid",
    "api_key_sid",
    "username",
    "tenant_id",
];

const REMEDY: &str = "only an operator may change it, by postrider company apply";

/// Everything in `new` that only an operator may change, by path.
#[must_use]
pub fn reserved(old: &Policy, new: &Policy) -> Vec<Problem> {
    let mut problems = Problems::default();
    if old.slug != new.slug {
        problems.add("slug", "operators_only", "a company keeps its slug");
    }
    if old.bindings != new.bindings {
        problems.add("bindings", "operators_only", format!("users of the broker: {REMEDY}"));
    }
    let (old, new) = (document(old, None), document(new, None));
    for list in LISTS {
        for (index, item) in items(&new, list).iter().enumerate() {
            let path = format!("{list}[{index}]");
            match items(&old, list).iter().find(|known| known.get("id") == item.get("id")) {
                Some(known) => compare(&path, known, item, &mut problems),
                None => problems.add(path, "operators_only", format!("a new one: {REMEDY}")),
            }
        }
    }
    problems.settle(Some(())).err().unwrap_or_default()
}

/// One environment variable that a company's settings name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// As in `accounts[mail].api_key_env`.
    pub field: String,
    /// Name of the environment variable.
    pub variable: String,
}

/// Every environment variable that a policy names.
#[must_use]
pub fn secrets(policy: &Policy) -> Vec<Secret> {
    let document = document(policy, None);
    let mut found = Vec::new();
    for list in LISTS {
        for item in items(&document, list) {
            let id = item.get("id").and_then(Value::as_str).unwrap_or_default();
            let fields = item.as_object().into_iter().flatten().filter(|(name, _)| name.ends_with("_env"));
            found.extend(fields.filter_map(|(name, value)| {
                Some(Secret { field: format!("{list}[{id}].{name}"), variable: value.as_str()?.to_owned() })
            }));
        }
    }
    found
}

fn compare(path: &str, old: &Value, new: &Value, problems: &mut Problems) {
    let names = |item: &Value| -> Vec<String> {
        item.as_object().map(|fields| fields.keys().cloned().collect()).unwrap_or_default()
    };
    let mut fields = names(old);
    fields.extend(names(new));
    fields.sort();
    fields.dedup();
    let reserved = |name: &String| name.ends_with("_env") || TARGET_FIELDS.contains(&name.as_str());
    for name in fields.iter().filter(|name| reserved(name) && old.get(*name) != new.get(*name)) {
        let message =
            format!("it says where a secret is, or where a worker's calls go and as whom: {REMEDY}");
        problems.add(format!("{path}.{name}"), "operators_only", message);
    }
}

fn items<'d>(document: &'d Value, list: &str) -> &'d [Value] {
    document.get(list).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::company::{Account, ConnectorSettings, ProviderSettings, file};

    fn example() -> Policy {
        file::parse(include_str!("../../../../deploy/example-company.toml"))
            .expect("the example is valid")
            .policy
    }

    fn paths(old: &Policy, new: &Policy) -> Vec<String> {
        reserved(old, new).into_iter().map(|problem| problem.path).collect()
    }

    #[test]
    fn a_company_tunes_its_accounts_and_everything_else_of_its_own() {
        let (old, mut new) = (example(), example());
        new.suppression_days = 60;
        new.brands[0].survey_url = "https://elsewhere.example/{request}".to_owned();
        new.accounts[0].rate_per_sec = 1;
        new.accounts.remove(2);
        assert_eq!(paths(&old, &new), Vec::<String>::new());
    }

    #[test]
    fn no_key_makes_an_account_or_points_a_secret_elsewhere() {
        let old = example();
        let mut new = old.clone();
        new.slug = "another".to_owned();
        new.bindings.clear();
        new.accounts.push(Account { id: "mine".to_owned(), ..old.accounts[1].clone() });
        let ProviderSettings::Mailgun { base_url, domain, api_key_env, signing_key_env, .. } =
            &mut new.accounts[1].settings
        else {
            panic!("the second account of the example is Mailgun's")
        };
        *base_url = "https://collect.example".to_owned();
        *domain = "mg.of-another-company.example".to_owned();
        *api_key_env = "POSTRIDER_SECRET".to_owned();
        *signing_key_env = "DATABASE_URL".to_owned();
        new.accounts[2].settings = old.accounts[1].settings.clone();
        let ConnectorSettings::EightByEight(settings) = &mut new.connectors[1].settings else {
            panic!("the second recipe of the example is 8x8's")
        };
        settings.keys_url = Some("http://10.0.0.1/{kid}".to_owned());
        let found = paths(&old, &new);
        for path in [
            "slug",
            "bindings",
            "accounts[1].base_url",
            "accounts[1].domain",
            "accounts[1].api_key_env",
            "accounts[1].signing_key_env",
            "accounts[2].provider",
            "accounts[2].host",
            "accounts[3]",
            "recipes[1].keys_url",
        ] {
            assert!(found.contains(&path.to_owned()), "{path} is not in {found:?}");
        }
    }

    #[test]
    fn every_variable_that_a_policy_names_is_told() {
        let policy = example();
        let text = serde_json::to_string(&policy).expect("a policy is plain data");
        let found = secrets(&policy);
        assert_eq!(text.matches("_env\":\"").count(), found.len(), "{found:?}");
        let field = "accounts[blancapeak-mail].api_key_env".to_owned();
        let variable = "BLANCAPEAK_MAILGUN_API_KEY".to_owned();
        assert!(found.contains(&Secret { field, variable }));
    }
}
