//! The syntax of single values in a company's file: slugs, environment variables, hosts and URLs.
//!
//! PURE, and without knowledge of any field: `fields` reads the fields and names the problems. URLs and hosts
//! are held to forms that are safe to call: https, or plain http to private hosts only.

use std::net::{IpAddr, Ipv6Addr};

use url::Url;

use crate::address::is_domain;

/// `[a-z0-9-]{1,63}`: the words that may be part of a routing key and of a path.
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

/// The problem of a provider's base URL, as a remedy; `None` for a good one.
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

/// The problem of a brand's survey URL, as a remedy; `{request}` may stand in it once or more.
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
