//! What one field of a company's file cannot tell alone: names that must be unique, accounts that must
//! exist, URLs and hosts that must be safe to use.
//!
//! PURE. A text that is empty here was already refused where it was read and is not named again. Read
//! `file` for the shape of the file.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr},
};

use url::Url;

use crate::{address::is_domain, ids::Medium, job::fields::Problems};

use super::{Policy, file::Member, policy::Brand, recipes};

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
    let ids = policy.recipes.iter().map(|recipe| Some(recipe.id.as_str()));
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
    recipes::check(policy, problems);
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
                let message = format!("the account is no {} account, name one that is", medium.word());
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

/// `[a-z0-9-]{1,63}`: what may be part of a routing key and of a path.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// `[A-Z_][A-Z0-9_]*`
#[must_use]
pub fn is_env_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    text.bytes().next().is_some_and(is_letter)
        && text.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

/// A host name or an IP address, without brackets and port.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let is_label = |label: &str| is_domain(&format!("{label}.example"));
    text.parse::<IpAddr>().is_ok() || is_domain(text) || (!text.contains('.') && is_label(text))
}

/// Whether plain SMTP to this host stays on the machine or on a private network: loopback, private
/// ranges, names without a dot (containers, services) and the private suffixes.
#[must_use]
pub fn is_private_host(text: &str) -> bool {
    let Ok(address) = text.parse::<IpAddr>() else {
        let private = [".internal", ".local", ".localhost", ".svc", ".home.arpa"];
        return !text.contains('.') || private.iter().any(|suffix| text.ends_with(suffix));
    };
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address == Ipv6Addr::LOCALHOST || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

/// What is wrong with a provider's base URL.
#[must_use]
pub fn base_url_problem(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else {
        return Some("give a whole URL, as in https://api.example.com");
    };
    if !is_web(&url) {
        return Some("give an https URL without a user name");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Some("leave out everything from ? or # on");
    }
    let is_private = url.host_str().is_some_and(|host| is_private_host(host.trim_matches(['[', ']'])));
    let problem = "plain http is only for loopback and private hosts, use https";
    (url.scheme() == "http" && !is_private).then_some(problem)
}

/// What is wrong with a brand's survey URL; `{request}` may stand in it once or more.
#[must_use]
pub fn survey_url_problem(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return None;
    }
    let filled = text.replace("{request}", "0");
    if !filled.is_ascii() || filled.contains([' ', '"', '<', '>', '\\', '`', '\'']) {
        return Some("write spaces, quotes and letters beyond ASCII in their % form");
    }
    if filled.contains(['{', '}']) {
        return Some("only {request} may stand in braces");
    }
    match Url::parse(&filled) {
        Ok(url) if is_web(&url) => None,
        Ok(_) | Err(_) => Some("give an http or https URL, as in https://survey.example.com/{request}"),
    }
}

fn is_web(url: &Url) -> bool {
    let is_http = matches!(url.scheme(), "http" | "https");
    is_http && url.has_host() && url.username().is_empty() && url.password().is_none()
}
