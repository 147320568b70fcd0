//! Verifies Twilio's webhooks (header `X-Twilio-Signature`) with the account's auth tokens.
//!
//! PURE. The signature is an HMAC-SHA1 over the configured URL of the webhook, then the form's names and values. The
//! URL comes from the configuration, never from a `Host` header. The signature covers no time: a replay is harmless
//! only because a receipt is applied once. Source: twilio.com/docs/usage/webhooks/webhooks-security; the two
//! spellings of the port come from Twilio's own validators.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::WebhookRefusal;

/// Verifies a webhook against every token (several during a rotation).
///
/// `public_url` is the whole URL of the call, query included. A body that is no form is authentic only through
/// the `bodySHA256` of that query.
///
/// # Errors
///
/// `BadSignature` if the signature is missing, malformed or made with another key.
pub fn verify(
    auth_tokens: &[SecretString],
    public_url: &str,
    content_type: Option<&str>,
    body: &[u8],
    signature: Option<&str>,
) -> Result<(), WebhookRefusal> {
    let given = signature.and_then(|text| STANDARD.decode(text).ok()).ok_or(WebhookRefusal::BadSignature)?;
    let (url, _) = public_url.split_once('#').unwrap_or((public_url, ""));
    let form = if is_form(content_type) {
        form_text(body)
    } else if body.is_empty() || matches_body_hash(url, body) {
        String::new()
    } else {
        return Err(WebhookRefusal::BadSignature);
    };
    let mut matching = Choice::from(0);
    for token in auth_tokens.iter().map(|token| token.expose_secret().as_bytes()) {
        // An empty token would accept a forgery: its signature needs no secret.
        if token.is_empty() {
            continue;
        }
        for url in port_spellings(url) {
            matching |= signed(token, &url, &form).ct_eq(&given);
        }
    }
    if bool::from(matching) { Ok(()) } else { Err(WebhookRefusal::BadSignature) }
}

fn signed(token: &[u8], url: &str, form: &str) -> [u8; 20] {
    let mut mac = Hmac::<Sha1>::new_from_slice(token).expect("HMAC takes keys of any length");
    mac.update(url.as_bytes());
    mac.update(form.as_bytes());
    mac.finalize().into_bytes().into()
}

fn is_form(content_type: Option<&str>) -> bool {
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The signed text of a form: distinct pairs in byte order, names and values concatenated; blank values count.
fn form_text(body: &[u8]) -> String {
    let mut pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(body).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs.iter().flat_map(|(name, value)| [name.as_ref(), value.as_ref()]).collect()
}

fn matches_body_hash(url: &str, body: &[u8]) -> bool {
    let Some((_, query)) = url.split_once('?') else { return false };
    let Some((_, stated)) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "bodySHA256")
    else {
        return false;
    };
    let actual = hex::encode(Sha256::digest(body));
    actual.as_bytes().ct_eq(stated.as_bytes()).into()
}

/// The URL without and with its scheme's default port, because Twilio signs either; unchanged with another port.
fn port_spellings(url: &str) -> Vec<Cow<'_, str>> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![Cow::Borrowed(url)] };
    let port = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    if let Some(host) = authority.strip_suffix(port) {
        return vec![Cow::Borrowed(url), Cow::Owned(format!("{scheme}://{host}{path}"))];
    }
    // The colons of an IPv6 address stand before its bracket.
    let has_port = authority.rfind(':') > authority.rfind(']');
    if has_port {
        return vec![Cow::Borrowed(url)];
    }
    vec![Cow::Borrowed(url), Cow::Owned(format!("{scheme}://{authority}{port}{path}"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORM: Option<&str> = Some("application/x-www-form-urlencoded; charset=UTF-8");
    const JSON: Option<&str> = Some("application/json");
    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";
    const T1: &str = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309\
                      &To=%2B18005551212";
    const TOKEN: &str = "postrider-test-auth-token-0000000000";
    const T4_URL: &str =
        "https://hooks.example.test/v1/webhooks/twilio/status?rid=0190f6e2-7c1a-7b3e-8f00-1234567890ab";
    const T4: &str = "AccountSid=AC00000000000000000000000000000000&ApiVersion=2010-04-01\
                      &From=%2B15005550006&MessageSid=SM11111111111111111111111111111111\
                      &MessageStatus=undelivered&ErrorCode=30003\
                      &SmsSid=SM11111111111111111111111111111111&SmsStatus=undelivered&To=%2B14155552671";
    const T5_URL: &str = "https://hooks.example.test/v1/webhooks/twilio/inbound";
    const T5: &str = "AccountSid=AC00000000000000000000000000000000&ApiVersion=2010-04-01\
                      &Body=Stop%2C+%C3%A9+%E2%9C%93+%26+thanks&From=%2B14155552671&FromCity=\
                      &MessageSid=SM22222222222222222222222222222222&NumMedia=0&NumSegments=1\
                      &OptOutType=STOP&SmsMessageSid=SM22222222222222222222222222222222\
                      &SmsSid=SM22222222222222222222222222222222&SmsStatus=received&To=%2B15005550006";
    const T5_SIGNATURE: &str = "8cFQYRy4dVgZtRRl4R39hIaYIcc=";

    fn holds(token: &str, url: &str, kind: Option<&str>, body: &str, signature: &str) -> bool {
        verify(&[SecretString::from(token)], url, kind, body.as_bytes(), Some(signature)).is_ok()
    }

    #[test]
    fn the_signatures_of_twilios_own_tests_hold() {
        assert!(holds("12345", URL, FORM, T1, "RSOYDt4T1cUTdK1PDd93/VVr8B8="), "T1");
        assert!(holds("12345", URL, None, "", "zYQTYrRWXE7LtzbG4PfP7/bkkGo="), "T7");
        let t2 = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234";
        assert!(holds("12345", URL, FORM, t2, "IK+Dwps556ElfBT0I3Rgjkr1wJU="), "T2, duplicates");
        assert!(holds("k", "https://e.test/", FORM, "b=2&B=1&a=3", "EUqsNwqvL5ZFEgCZ05xP2v6AxdM="), "T6");
    }

    #[test]
    fn the_default_port_may_be_there_or_not_and_another_port_must_match() {
        let plain = "http://mycompany.com/myapp.php?foo=1&bar=2";
        let with = |port: &str| URL.replace(".com", &format!(".com:{port}"));
        for url in [URL, &with("443")] {
            assert!(holds("12345", url, FORM, T1, "RSOYDt4T1cUTdK1PDd93/VVr8B8="), "T1 {url}");
            assert!(holds("12345", url, FORM, T1, "kvajT1Ptam85bY51eRf/AJRuM3w="), "T1a {url}");
        }
        assert!(holds("12345", plain, FORM, T1, "0ZXoZLH/DfblKGATFgpif+LLRf4="), "T1b");
        assert!(holds("12345", plain, FORM, T1, "OyGYPqTF6ztdbRNCvuQO/oPvqQ4="), "T1c");
        assert!(holds("12345", &with("1234"), FORM, T1, "CYn1h0gLBdNxDGkKJg6hYohgeD8="), "T1d");
        assert!(!holds("12345", URL, FORM, T1, "CYn1h0gLBdNxDGkKJg6hYohgeD8="), "another port");
        assert_eq!(port_spellings("https://[::1]/x"), ["https://[::1]/x", "https://[::1]:443/x"]);
        assert_eq!(port_spellings("https://[::1]:9/x"), ["https://[::1]:9/x"]);
    }

    #[test]
    fn a_json_body_is_authentic_only_through_its_hash_in_the_url() {
        let body = r#"{"property": "value", "boolean": true}"#;
        let hash = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620";
        let url = format!("{URL}&bodySHA256={hash}");
        let signature = "a9nBmqA0ju/hNViExpshrM61xv4=";
        assert!(holds("12345", &url, JSON, body, signature), "T3");
        assert!(!holds("12345", &url, JSON, r#"{"property": "other"}"#, signature), "another body");
        assert!(!holds("12345", URL, JSON, body, "zYQTYrRWXE7LtzbG4PfP7/bkkGo="), "no hash in the URL");
        assert!(!holds("12345", &url, FORM, body, signature), "called a form");
    }

    #[test]
    fn status_and_inbound_calls_verify_with_blank_values_and_escapes() {
        assert!(holds(TOKEN, T4_URL, FORM, T4, "+E6flriHAoQm1lto4PphAMPljPU="), "T4");
        assert!(holds(TOKEN, &format!("{T4_URL}#rc=3&rp=all"), FORM, T4, "+E6flriHAoQm1lto4PphAMPljPU="));
        assert!(holds(TOKEN, T5_URL, FORM, T5, T5_SIGNATURE), "T5");
        assert!(!holds(TOKEN, T5_URL, FORM, &T5.replace("&FromCity=", ""), T5_SIGNATURE), "blank dropped");
        assert!(!holds(TOKEN, T5_URL, FORM, &T5.replace("Stop", "Go"), T5_SIGNATURE), "changed");
        assert!(!holds(TOKEN, &format!("{T5_URL}/"), FORM, T5, T5_SIGNATURE), "a slash matters");
    }

    #[test]
    fn any_listed_token_verifies_and_an_empty_one_never_does() {
        let check = |tokens: &[&str], signature: Option<&str>| {
            let tokens: Vec<SecretString> = tokens.iter().map(|token| SecretString::from(*token)).collect();
            verify(&tokens, T5_URL, FORM, T5.as_bytes(), signature)
        };
        assert_eq!(check(&["newer", TOKEN], Some(T5_SIGNATURE)), Ok(()));
        for (tokens, signature) in [
            (vec!["newer"], Some(T5_SIGNATURE)),
            (vec![], Some(T5_SIGNATURE)),
            (vec![TOKEN], None),
            (vec![TOKEN], Some("")),
            (vec![TOKEN], Some("8cFQYRy4")),
            (vec![TOKEN], Some("not base64!")),
        ] {
            assert_eq!(check(&tokens, signature), Err(WebhookRefusal::BadSignature), "{signature:?}");
        }
        let with_empty_key = STANDARD.encode(signed(b"", T5_URL, &form_text(T5.as_bytes())));
        assert_eq!(check(&[""], Some(&with_empty_key)), Err(WebhookRefusal::BadSignature));
    }

    proptest! {
        #[test]
        fn no_call_panics_and_none_is_authentic_by_chance(
            url in ".*", kind in ".*", body: Vec<u8>, signature in ".*",
        ) {
            let tokens = [SecretString::from(TOKEN)];
            for kind in [FORM, JSON, None, Some(kind.as_str())] {
                prop_assert!(verify(&tokens, &url, kind, &body, Some(&signature)).is_err());
            }
        }
    }
}
