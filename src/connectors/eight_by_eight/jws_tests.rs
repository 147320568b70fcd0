//! Signatures as 8x8 documents them, forged in every part that can be forged.
//!
//! The vector's headers and body are those of 8x8's own example; it was signed with OpenSSL and a key of
//! ours; its JWK is the fixture.

use super::*;
use proptest::prelude::*;

const BODY: &[u8] = br#"{"eventType":"AGENT_JOINED","messageType":"SYSTEM","conversationId":"Aka5NMHU8MtIG7lUQOxI0DTOvM4","agentId":"cmalutan","agentName":"Cosmin,Malutan","timestamp":1629804577002}"#;
const SIGNATURE: &str = "eyJiNjQiOmZhbHNlLCJjcml0IjpbImI2NCJdLCJraWQiOiJrZXkxIiwiYWxnIjoiUlMyNTYifQ..nsrUxtrB55L2exf5fmcYqYTA9kXgQeJM0GEry294toRAV7rD6Fm7yWuDDewsJxsIrSLHMpkiFso7k7t6J_gqigg4W7H4VS5JYIUcKbqk_lOUG6y7soDlG8mGmmtmrocRQ756lJ2UP3Q4un3k6WEt_fFZRObG9LeQioxyHkqrl0InnR8KKXXjZkdoHDwrfaIwZOEnmce247Zizwca-297rwI-waNWxyTrhKPillFaoZji6Z0dhxUU6z1IwrJMhdhklZnUJTnc0FpcStQDvPA2FcuMlwgfL5Ig0l6JxMeVObtzAq-vP08BxfTACI7vlTO3EKDku4pNmA3GmK7p-89yTA";
const SENT: i64 = 1_629_804_577_296;

fn keys() -> Vec<PublicKey> {
    let jwk: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/fixtures/recipes/8x8_key.jwk.json")).expect("JSON");
    let part = |name: &str| jwk[name].as_str().expect("a JWK of RSA").to_owned();
    vec![PublicKey { kid: part("kid"), n: part("n"), e: part("e") }]
}

fn headers() -> SignedHeaders<'static> {
    SignedHeaders {
        signature: Some(SIGNATURE),
        customer_id: Some("vccC8ProdChecksUS"),
        event_id: Some("g4nqGuj8TpCa6tiZ3DeeNw"),
        retry: Some("0"),
        tenant_id: Some("vccC8ProdChecksUS"),
        transmission_time: Some("1629804577296"),
    }
}

fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).expect("a time")
}

fn verified(headers: &SignedHeaders, body: &[u8]) -> Result<(), SignatureError> {
    verify(&keys(), headers, body, at(SENT + 500))
}

/// The vector's signature under another JOSE header.
fn under(jose: &str) -> String {
    let (_, signature) = SIGNATURE.split_once("..").expect("detached");
    format!("{}..{signature}", URL_SAFE_NO_PAD.encode(jose))
}

#[test]
fn a_delivery_signed_as_documented_is_believed() {
    assert_eq!(verified(&headers(), BODY), Ok(()));
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926, "the check value of CRC-32");
}

#[test]
fn what_was_not_signed_is_not_believed() {
    let bad = Err(SignatureError::BadSignature);
    assert_eq!(verified(&headers(), &BODY[1..]), bad, "another body");
    for changed in [
        SignedHeaders { customer_id: Some("other"), ..headers() },
        SignedHeaders { event_id: Some("other"), ..headers() },
        SignedHeaders { retry: Some("1"), ..headers() },
        SignedHeaders { tenant_id: Some("other"), ..headers() },
        SignedHeaders { transmission_time: Some("1629804577297"), ..headers() },
        SignedHeaders { transmission_time: None, ..headers() },
        SignedHeaders { event_id: Some("a\",\"eid\":\"b"), ..headers() },
        SignedHeaders { signature: None, ..headers() },
        SignedHeaders { signature: Some(&SIGNATURE[..SIGNATURE.len() - 2]), ..headers() },
        SignedHeaders { signature: Some(&SIGNATURE.replace("..", ".e30.")), ..headers() },
    ] {
        assert_eq!(verified(&changed, BODY), bad, "{changed:?}");
    }
    let other = PublicKey { kid: "key2".to_owned(), ..keys().remove(0) };
    assert_eq!(verify(&[other], &headers(), BODY, at(SENT)), bad, "a key that the recipe does not have");
    assert_eq!(verify(&[], &headers(), BODY, at(SENT)), bad);
}

#[test]
fn the_header_of_a_signature_chooses_no_algorithm() {
    for jose in [
        r#"{"b64":false,"crit":["b64"],"kid":"key1","alg":"none"}"#,
        r#"{"b64":false,"crit":["b64"],"kid":"key1","alg":"HS256"}"#,
        r#"{"b64":false,"crit":["b64"],"kid":"key1","alg":"rs256"}"#,
        r#"{"b64":true,"crit":["b64"],"kid":"key1","alg":"RS256"}"#,
        r#"{"b64":false,"crit":[],"kid":"key1","alg":"RS256"}"#,
        r#"{"b64":false,"crit":["b64","exp"],"kid":"key1","alg":"RS256"}"#,
        r#"{"kid":"key1","alg":"RS256"}"#,
        "no JSON",
    ] {
        let forged = under(jose);
        let changed = SignedHeaders { signature: Some(&forged), ..headers() };
        assert_eq!(verified(&changed, BODY), Err(SignatureError::BadSignature), "{jose}");
    }
}

#[test]
fn the_id_of_a_key_is_told_only_where_the_signature_is_of_the_documented_kind() {
    let told = |signature: &str| kid(&SignedHeaders { signature: Some(signature), ..headers() });
    assert_eq!(told(SIGNATURE).as_deref(), Some("key1"));
    let others = [
        "",
        "..",
        &SIGNATURE.replace("..", ".e30.")[..],
        &under(r#"{"b64":false,"crit":["b64"],"kid":"key1","alg":"HS256"}"#)[..],
        &under(r#"{"b64":false,"crit":["b64"],"alg":"RS256"}"#)[..],
    ]
    .map(told);
    assert!(others.iter().all(Option::is_none), "{others:?}");
    assert_eq!(kid(&SignedHeaders { signature: None, ..headers() }), None);
}

#[test]
fn a_delivery_is_good_for_minutes_only() {
    let told = |millis: i64| verify(&keys(), &headers(), BODY, at(SENT + millis));
    assert_eq!((told(9 * 60_000), told(-60_000)), (Ok(()), Ok(())));
    assert_eq!(told(11 * 60_000), Err(SignatureError::OutOfTime));
    assert_eq!(told(-3 * 60_000), Err(SignatureError::OutOfTime));
}

proptest! {
    #[test]
    fn no_header_panics_and_none_is_believed_by_accident(
        signature in "[a-zA-Z0-9_.-]{0,200}", id in ".{0,20}", time in "[0-9-]{0,22}"
    ) {
        let headers = SignedHeaders {
            signature: Some(&signature),
            customer_id: Some(&id),
            event_id: Some(&id),
            transmission_time: Some(&time),
            ..headers()
        };
        prop_assert!(verified(&headers, BODY).is_err());
    }
}
