//! From a webhook's bytes to a verified receipt: signature first, then the token of the attempt.
//!
//! An unknown account is answered like a bad signature, after the same work. A receipt whose token does
//! not fit its attempt and this account is authentic but not ours: it changes nothing.

use postrider_domain::{
    company::Company,
    hash_keys::SecretKeys,
    ids::{AccountId, Medium},
    lifecycle::TransitionMap,
};
use postrider_ledger::{blocks::OptOutChange, receive::NewReceipt};
use postrider_providers::{
    Receipt, ReceiptKind, TokenKey, WebhookKeys, WebhookRefusal, mailgun, twilio, webhook_keys,
};
use secrecy::SecretString;
use uuid::Uuid;

/// A webhook call as it came.
pub struct Call<'a> {
    pub provider: &'a str,
    /// The last part of the path: `status`, `inbound` or `events`.
    pub kind: &'a str,
    /// As the provider was told to call it.
    pub public_url: &'a str,
    pub query: &'a str,
    pub content_type: Option<&'a str>,
    pub signature: Option<&'a str>,
    pub body: &'a [u8],
}

/// What a verified webhook asks of the ledger.
#[derive(Debug)]
pub enum Verified {
    Receipt(NewReceipt),
    Wish(OptOutChange),
    /// Authentic, and of no consequence here.
    Nothing,
    /// Authentic, but its token fits no attempt through this account.
    NotOurs,
}

/// Checks that the provider sent it.
pub fn authentic(
    call: &Call,
    account: Option<&postrider_domain::company::Account>,
) -> Result<Receipt, WebhookRefusal> {
    let secret = |name: &str| std::env::var(name).ok().map(SecretString::from);
    let keys = account
        .filter(|account| account.provider() == call.provider)
        .map(|account| webhook_keys(account, &secret));
    match keys {
        Some(Ok(WebhookKeys::Twilio { auth_tokens })) => {
            twilio::verify(&auth_tokens, call.public_url, call.content_type, call.body, call.signature)?;
            match call.kind {
                "status" => twilio::parse_status(call.query, call.body),
                "inbound" => twilio::parse_inbound(call.body),
                _ => Err(WebhookRefusal::Unreadable),
            }
        }
        Some(Ok(WebhookKeys::Mailgun { signing_keys })) => {
            let (signature, receipt) = mailgun::parse_event(call.body)?;
            mailgun::verify(&signing_keys, &signature, postrider_clock::wall())?;
            Ok(receipt)
        }
        Some(Ok(WebhookKeys::NoWebhooks) | Err(_)) | None => {
            // The same work as for a key that is there.
            let nobody = [SecretString::from(postrider_clock::random_id().to_string())];
            twilio::verify(&nobody, call.public_url, call.content_type, call.body, call.signature)?;
            Err(WebhookRefusal::BadSignature)
        }
    }
}

/// Checks that it is about an attempt of ours through this account, and says what to write.
/// `watch_secs`: until the receipt after this one is missed.
#[must_use]
pub fn verified(
    receipt: Receipt,
    account: AccountId,
    company: &Company,
    keys: &SecretKeys,
    token_key: &TokenKey,
    watch_secs: f64,
) -> Verified {
    let key = keys.identity.receipt_hash(account, &receipt.dedupe_key);
    let inbound = |address: &str, stop| {
        let addr = keys.identity.address_hash(company.id, Medium::Sms, address);
        Verified::Wish(OptOutChange {
            key,
            content: receipt.content_hash,
            account,
            company: company.id,
            address_hash: addr,
            stop,
        })
    };
    match &receipt.kind {
        ReceiptKind::Stop { address } => return inbound(address, true),
        ReceiptKind::Start { address } => return inbound(address, false),
        _ => {}
    }
    let Some(stored) = receipt.kind.stored_form() else { return Verified::Nothing };
    let Some(correlation) = receipt.correlation else { return Verified::NotOurs };
    if !token_key.verify(correlation.token, account, correlation.message, correlation.attempt) {
        return Verified::NotOurs;
    }
    Verified::Receipt(NewReceipt {
        key,
        content: receipt.content_hash,
        account,
        message: Some(correlation.message),
        attempt: Some(correlation.attempt),
        kind: stored.kind,
        code: receipt.code,
        provider_id: receipt.provider_id,
        map: stored.signal.map(TransitionMap::new),
        block: stored.block,
        looked_up: false,
        receipt_wait_secs: Some(watch_secs),
    })
}

/// The message named by an unsubscribe link, if its tag is ours.
#[must_use]
pub fn unsubscribe_target(
    keys: &SecretKeys,
    message: &str,
    tag: &str,
) -> Option<postrider_domain::ids::MessageId> {
    let message = postrider_domain::ids::MessageId(Uuid::try_parse(message).ok()?);
    let tag = hex::decode(tag).ok()?;
    keys.verify_unsubscribe(message, &tag).then_some(message)
}
