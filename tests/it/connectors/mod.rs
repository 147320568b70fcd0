//! Recipes end to end: real notices over HTTP, the other system simulated, a running worker between.
//!
//! `workflow` is Kustomer's own workflow posting to us, `kustomer` its webhook, `eight_by_eight` the notices
//! of 8x8, `public_keys` where those of 8x8 are found, `lease_expiry` for slow workers, `customers`
//! jobs that name a customer without an address.

mod customers;
mod eight_by_eight;
mod interpreter;
mod kustomer;
mod lease_expiry;
mod public_keys;
mod workflow;

use serde_json::Value;

use postrider_domain::{
    company::{Channel, Connector, ConnectorSettings, EightByEightSettings, KustomerSettings, Policy},
    ids::CompanyId,
};

use crate::support::{TestEnv, eight_by_eight as simulated_8x8, kustomer as simulated_kustomer};

const KUSTOMER: &str = "blanca-kustomer";
const EIGHT: &str = "blanca-8x8";

fn recipe(id: &str, settings: ConnectorSettings) -> Connector {
    Connector { id: id.to_owned(), brand: None, test: false, settings }
}

/// The recipe for a simulated Kustomer.
fn kustomer_recipe(id: &str, kustomer: &simulated_kustomer::Kustomer) -> Connector {
    let settings = KustomerSettings {
        base_url: format!("http://{}", kustomer.addr),
        api_key_env: simulated_kustomer::API_KEY_ENV.to_owned(),
        webhook_token_env: simulated_kustomer::TOKEN_ENV.to_owned(),
        conversation_url: Some(
            "https://blancapeak.kustomerapp.com/app/customers/{customer}/event/{conversation}".to_owned(),
        ),
        do_not_send_attribute: "doNotSendStellaConnectRequestBool".to_owned(),
    };
    recipe(id, ConnectorSettings::Kustomer(settings))
}

/// The standard company with the recipe for Kustomer.
async fn with_kustomer(env: &TestEnv, kustomer: &simulated_kustomer::Kustomer) -> CompanyId {
    let recipe = kustomer_recipe(KUSTOMER, kustomer);
    env.company("blanca", |policy| policy.connectors = vec![recipe]).await
}

/// The standard company with the recipe for 8x8.
async fn with_8x8(env: &TestEnv, change: impl FnOnce(&mut Policy)) -> CompanyId {
    let settings = EightByEightSettings {
        tenant_id: simulated_8x8::TENANT.to_owned(),
        channel: "social".to_owned(),
        social_channels: vec!["Facebook".to_owned()],
        case_url: Some("https://crm.example.com/case/{case}".to_owned()),
        debounce_secs: 0,
        transaction_codes: [("5|12".to_owned(), "exchange".to_owned())].into(),
        keys: vec![simulated_8x8::key()],
        keys_url: None,
    };
    let recipe = recipe(EIGHT, ConnectorSettings::EightByEight(settings));
    env.company("blanca", |policy| {
        policy.connectors = vec![recipe];
        policy.channels.push(Channel {
            name: "social".to_owned(),
            automatic: true,
            manual: false,
            delay_secs: None,
        });
        change(policy);
    })
    .await
}

/// The requests as their jobs said, oldest first.
async fn jobs(env: &TestEnv) -> Vec<Value> {
    sqlx::query_scalar(
        "select jsonb_strip_nulls(jsonb_build_object('name', customer_name, 'email', customer_email,
            'phone', customer_phone, 'custom_id', customer_custom_id, 'employee', coalesce(employee_email, employee_custom_id),
            'channel', channel, 'interaction', ext_interaction_id, 'url', external_url, 'tags', details->'tags',
            'source', source, 'test', nullif(test, false)))
         from request order by id",
    )
    .fetch_all(&env.pool)
    .await
    .expect("asked")
}

/// The end of each notification, and whether anything personal is left in it.
async fn notices(env: &TestEnv) -> Vec<(Option<String>, bool)> {
    sqlx::query_as(
        "select outcome, body is not null or job is not null from notification order by received_at, key",
    )
    .fetch_all(&env.pool)
    .await
    .expect("asked")
}
