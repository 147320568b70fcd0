//! The signatures that Twilio and Mailgun put on their webhooks.
//!
//! No I/O. Written from the published algorithms and tested with published vectors. Invariant: the product
//! verifies with code of its own; shared code would hide one mistake on both sides.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// `X-Twilio-Signature` (base64) over the webhook URL (its fragment removed) and the form's parameters.
#[must_use]
pub fn twilio(auth_token: &str, url: &str, params: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = params.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut mac = Hmac::<Sha1>::new_from_slice(auth_token.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(url.split('#').next().unwrap_or_default().as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    STANDARD.encode(mac.finalize().into_bytes())
}

/// The `signature.signature` of a Mailgun webhook: lower-case hex over timestamp and token.
#[must_use]
pub fn mailgun(signing_key: &str, timestamp: &str, token: &str) -> String {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(signing_key.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(timestamp.as_bytes());
    mac.update(token.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: &str =
        "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212";

    fn params(form: &str) -> Vec<(String, String)> {
        form_urlencoded::parse(form.as_bytes()).into_owned().collect()
    }

    #[test]
    fn twilio_signs_the_url_with_its_port_as_told() {
        for (base, signature) in [
            ("https://mycompany.com", "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
            ("https://mycompany.com:443", "kvajT1Ptam85bY51eRf/AJRuM3w="),
            ("http://mycompany.com:80", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
            ("http://mycompany.com", "OyGYPqTF6ztdbRNCvuQO/oPvqQ4="),
            ("https://mycompany.com:1234", "CYn1h0gLBdNxDGkKJg6hYohgeD8="),
        ] {
            let url = format!("{base}/myapp.php?foo=1&bar=2");
            assert_eq!(twilio("12345", &url, &params(CALL)), signature, "{base}");
            assert_eq!(
                twilio("12345", &format!("{url}#rc=3"), &params(CALL)),
                signature,
                "fragment of {base}"
            );
        }
    }

    #[test]
    fn twilio_signs_repeated_parameters_once_and_sorted() {
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        let form = params("Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234");
        assert_eq!(twilio("12345", url, &form), "IK+Dwps556ElfBT0I3Rgjkr1wJU=");
        let form = params("b=2&B=1&a=3");
        assert_eq!(twilio("k", "https://e.test/", &form), "EUqsNwqvL5ZFEgCZ05xP2v6AxdM=");
    }

    #[test]
    fn twilio_signs_status_callbacks_and_inbound_texts() {
        let token = "postrider-test-auth-token-0000000000";
        let url =
            "https://hooks.example.test/v1/webhooks/twilio/status?rid=0190f6e2-7c1a-7b3e-8f00-1234567890ab";
        let form = "AccountSid=AC00000000000000000000000000000000&ApiVersion=2010-04-01&From=%2B15005550006&MessageSid=SM11111111111111111111111111111111&MessageStatus=undelivered&ErrorCode=30003&SmsSid=SM11111111111111111111111111111111&SmsStatus=undelivered&To=%2B14155552671";
        assert_eq!(twilio(token, url, &params(form)), "+E6flriHAoQm1lto4PphAMPljPU=");
        let url = "https://hooks.example.test/v1/webhooks/twilio/inbound";
        let form = "AccountSid=AC00000000000000000000000000000000&ApiVersion=2010-04-01&Body=Stop%2C+%C3%A9+%E2%9C%93+%26+thanks&From=%2B14155552671&FromCity=&MessageSid=SM22222222222222222222222222222222&NumMedia=0&NumSegments=1&OptOutType=STOP&SmsMessageSid=SM22222222222222222222222222222222&SmsSid=SM22222222222222222222222222222222&SmsStatus=received&To=%2B15005550006";
        assert_eq!(twilio(token, url, &params(form)), "8cFQYRy4dVgZtRRl4R39hIaYIcc=");
        let without_blank: Vec<_> = params(form).into_iter().filter(|(_, value)| !value.is_empty()).collect();
        assert_ne!(twilio(token, url, &without_blank), "8cFQYRy4dVgZtRRl4R39hIaYIcc=");
    }

    #[test]
    fn mailgun_signs_timestamp_and_token() {
        for (key, timestamp, token, signature) in [
            (
                "TEST_WEBHOOK_SIGNING_KEY",
                "1534108637",
                "651869375b9df3c98fc15c4889b102119add1235c38fc92824",
                "2a75affe24846ead9e37e614a5e7643a04abf4d5b49b34d224ede9af23a00ccc",
            ),
            (
                "TEST_WEBHOOK_SIGNING_KEY",
                "1529006854",
                "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0",
                "d715b4facdb68e32a3bf6c28d9f005fa348e252f96db49bdbba95169c391ea69",
            ),
            (
                "postrider-mailgun-signing-key",
                "1700000000",
                "0123456789abcdef0123456789abcdef0123456789abcdef01",
                "3363e7e34af651ce18c3867aa990faf6ff0d1b5577de851e28c2fb1bdc10c1c0",
            ),
        ] {
            assert_eq!(mailgun(key, timestamp, token), signature, "{token}");
        }
    }
}
