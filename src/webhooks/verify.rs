//! From a webhook's bytes to a verified receipt: signature first, then the token of the attempt.
//!
//! An unknown account is answered like a bad signature, after the same work. A receipt with a token of another
//! attempt or account is authentic but not ours: it changes nothing. Writes nothing; `batch` does.

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

/// A webhook call as received.
pub struct WebhookCall<'a> {
    pub provider: &'a str,
    /// The last part of the path: `status`, `inbound` or `events`.
    pub kind: &'a str,
    /// The URL as configured at the provider, which Twilio signs.
    pub public_url: &'a str,
    pub query: &'a str,
    pub content_type: Option<&'a str>,
    pub signature: Option<&'a str>,
    pub body: &'a [u8],
}

/// A verified call, as the ledger takes it.
#[derive(Debug)]
pub enum VerifiedCall {
    Receipt(NewReceipt),
    /// An inbound STOP or START.
    OptOut(OptOutChange),
    /// Authentic, of a kind that changes nothing.
    Irrelevant,
    /// Authentic, but its token fits no attempt through this account.
    NotOurs,
}

/// Checks that the provider sent the call, and parses its receipt.
///
/// # Errors
/// The signature is wrong or too old, or the body cannot be read.
pub fn authenticate(
    call: &WebhookCall,
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
            // The same work as with a configured key, so that the time tells nothing about accounts.
            let random_key = [SecretString::from(postrider_clock::random_id().to_string())];
            twilio::verify(&random_key, call.public_url, call.content_type, call.body, call.signature)?;
            Err(WebhookRefusal::BadSignature)
        }
    }
}

/// Checks that the receipt belongs to an attempt through this account. `watch_secs`: time until the next receipt
/// counts as missing.
#[must_use]
pub fn verify_token(
    receipt: Receipt,
    account: AccountId,
    company: &Company,
    keys: &SecretKeys,
    token_key: &TokenKey,
    watch_secs: f64,
) -> VerifiedCall {
    let key = keys.identity.receipt_hash(account, &receipt.dedupe_key);
    let inbound = |address: &str, stop| {
        let addr = keys.identity.address_hash(company.id, Medium::Sms, address);
        VerifiedCall::OptOut(OptOutChange {
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
    let Some(stored) = receipt.kind.stored_form() else { return VerifiedCall::Irrelevant };
    let Some(correlation) = receipt.correlation else { return VerifiedCall::NotOurs };
    if !token_key.verify(correlation.token, account, correlation.message, correlation.attempt) {
        return VerifiedCall::NotOurs;
    }
    VerifiedCall::Receipt(NewReceipt {
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
