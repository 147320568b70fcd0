//! The rules between the parts of a company's file: unique names, and references to brands, accounts and
//! channels that must exist.
//!
//! PURE. Runs last, over a whole policy. An empty text was already refused where it was read and is not named
//! again. The rules for one value are in `syntax`; read `file` for the shape of the file.

use std::collections::BTreeSet;

use crate::{document::fields::Problems, ids::Medium};

use super::{ConnectorSettings, Member, Policy, policy::Brand};

/// Adds every problem between the parts of a company's file.
pub(super) fn check(policy: &Policy, members: &[Member], problems: &mut Problems) {
    if policy.brands.is_empty() {
        problems.add("brands", "missing", "a company needs at least one [[brands]]");
    }
    let default_brand = policy.default_brand.as_deref().filter(|label| !label.is_empty());
    if default_brand.is_some_and(|label| policy.brand(label).is_none()) && !policy.brands.is_empty() {
        problems.add("default_brand", "not_found", "no brand has this label, give the label of one");
    }
    let labels = policy.brands.iter().map(|brand| Some(brand.label.as_str()));
    check_unique("brands", "label", labels, problems);
    let names = policy.channels.iter().map(|channel| Some(channel.name.as_str()));
    check_unique("channels", "name", names, problems);
    let ids = policy.accounts.iter().map(|account| Some(account.id.as_str()));
    check_unique("accounts", "id", ids, problems);
    let ids = policy.connectors.iter().map(|connector| Some(connector.id.as_str()));
    check_unique("recipes", "id", ids, problems);
    let users = policy.bindings.iter().map(|binding| Some(binding.user.as_str()));
    check_unique("bindings", "user", users, problems);
    let emails: Vec<_> =
        members.iter().map(|member| member.email.as_ref().map(|email| email.to_lowercase())).collect();
    check_unique("members", "email", emails.iter().map(Option::as_deref), problems);
    let custom_ids = members.iter().map(|member| member.custom_id.as_deref());
    check_unique("members", "custom_id", custom_ids, problems);
    if !policy.alerts.emails.is_empty() && policy.alerting_brand().is_none() {
        let message = "no brand can send email; give one an email_from and the company an email account";
        problems.add("alerts.emails", "no_sender", message);
    }
    for (index, brand) in policy.brands.iter().enumerate() {
        check_brand(policy, brand, &format!("brands[{index}]"), problems);
    }
    check_connectors(policy, problems);
}

fn check_unique<'v>(
    list: &str,
    field: &str,
    values: impl Iterator<Item = Option<&'v str>>,
    problems: &mut Problems,
) {
    let mut seen = BTreeSet::new();
    for (index, value) in values.enumerate() {
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        if !seen.insert(value) {
            let message = format!("another of the {list} has the same {field}, each needs its own");
            problems.add(format!("{list}[{index}].{field}"), "duplicate", message);
        }
    }
}

fn check_brand(policy: &Policy, brand: &Brand, path: &str, problems: &mut Problems) {
    for (field, named, medium) in [
        ("email_account", &brand.email_account, Medium::Email),
        ("sms_account", &brand.sms_account, Medium::Sms),
    ] {
        let Some(id) = named else { continue };
        let place = format!("{path}.{field}");
        match policy.account(id) {
            None => problems.add(place, "not_found", "no account has this id, give the id of one"),
            Some(account) if account.medium() != medium => {
                let message = format!("the account is no {} account, name one that is", medium.as_str());
                problems.add(place, "wrong_medium", message);
            }
            Some(_) => {}
        }
    }
    if brand.email_from.is_none() && policy.account_for(brand, Medium::Email).is_some() {
        let message = "the brand can send by email and needs a sender address, give email_from";
        problems.add(format!("{path}.email_from"), "missing", message);
    }
}

/// Adds the problems of connectors that name a brand or a channel of their company.
fn check_connectors(policy: &Policy, problems: &mut Problems) {
    for (index, connector) in policy.connectors.iter().enumerate() {
        let path = format!("recipes[{index}]");
        if connector.brand.as_deref().is_some_and(|label| policy.brand(label).is_none()) {
            problems.add(
                format!("{path}.brand"),
                "not_found",
                "no brand has this label, give the label of one",
            );
        }
        if let ConnectorSettings::EightByEight(settings) = &connector.settings
            && policy.channel(&settings.channel).is_none()
        {
            let message = format!("the company has no channel {}; add it or name another", settings.channel);
            problems.add(format!("{path}.channel"), "not_found", message);
        }
    }
}
