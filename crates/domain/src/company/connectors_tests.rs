//! Recipes as companies write them: the defaults of a small one, and every mistake at its place.
//!
//! The handling of a notification is tested in the worker, beside its connectors.

use crate::company::{ConnectorSettings, file};

const COMPANY: &str = r#"
    slug = "acme"
    name = "Acme"
    [[brands]]
    label = "acme"
    name = "Acme"
    survey_url = "https://survey.acme.example"
    [[channels]]
    name = "social"
"#;

fn problems(recipe: &str) -> Vec<String> {
    let refused = file::parse(&format!("{COMPANY}{recipe}")).expect_err("the file should be refused");
    refused.iter().map(|problem| format!("{} {}", problem.path, problem.code)).collect()
}

#[test]
fn a_small_recipe_gets_the_documented_defaults() {
    let file = file::parse(&format!(
        "{COMPANY}
        [[recipes]]
        id = \"acme-kustomer\"
        recipe = \"kustomer\"
        api_key_env = \"KEY\"
        webhook_token_env = \"TOKEN\"
        [[recipes]]
        id = \"acme-8x8\"
        recipe = \"8x8\"
        tenant_id = \"acme01\"
        [[recipes.keys]]
        kid = \"k\"
        n = \"AQAB\"
        e = \"AQAB\""
    ))
    .unwrap_or_else(|problems| panic!("{problems:#?}"));
    let [kustomer, eight] = file.policy.connectors.as_slice() else { panic!("two recipes") };
    let ConnectorSettings::Kustomer(settings) = &kustomer.settings else { panic!("Kustomer's") };
    assert_eq!(settings.base_url, "https://api.kustomerapp.com");
    assert_eq!(settings.do_not_send_attribute, "doNotSendStellaConnectRequestBool");
    let ConnectorSettings::EightByEight(settings) = &eight.settings else { panic!("8x8's") };
    assert_eq!((settings.channel.as_str(), settings.debounce_secs), ("social", 30));
    assert!(settings.social_channels.contains(&"Facebook".to_owned()));
    let stored = serde_json::to_value(&file.policy).expect("plain data");
    assert_eq!(serde_json::from_value::<crate::company::Policy>(stored).expect("readable"), file.policy);
}

#[test]
fn every_mistake_of_a_recipe_is_named_at_its_place() {
    assert_eq!(problems("[[recipes]]\nid = \"a\"\nrecipe = \"zendesk\""), ["recipes[0].recipe bad_choice"]);
    assert_eq!(
        problems("[[recipes]]\nid = \"A\"\nrecipe = \"kustomer\"\napi_key_env = \"key\"\nbrand = \"other\""),
        [
            "recipes[0].api_key_env bad_env",
            "recipes[0].webhook_token_env missing",
            "recipes[0].id bad_slug",
            "recipes[0].brand not_found",
        ]
    );
    assert_eq!(
        problems(
            "[[recipes]]\nid = \"a\"\nrecipe = \"8x8\"\nchannel = \"chat\"\ncase_url = \"crm/{id}\"\nkeys = []
            transaction_codes = { sale = \"Sale\" }"
        ),
        [
            "recipes[0].keys missing",
            "recipes[0].tenant_id missing",
            "recipes[0].case_url bad_url",
            "recipes[0].transaction_codes.sale bad_id",
            "recipes[0].channel not_found",
        ]
    );
    for url in ["http://keys.example/{kid}", "https://keys.example/{key}", "keys", "https://u@keys.example"] {
        let recipe = "[[recipes]]\nid = \"a\"\nrecipe = \"8x8\"\ntenant_id = \"acme01\"\nkeys_url = ";
        assert_eq!(problems(&format!("{recipe}\"{url}\"")), ["recipes[0].keys_url bad_url"], "{url}");
    }
}

#[test]
fn keys_that_8x8_publishes_need_not_be_copied() {
    let url = "https://api.8x8.com/chat-gateway/v1/jwk/{kid}/public";
    let file = file::parse(&format!(
        "{COMPANY}
        [[recipes]]
        id = \"acme-8x8\"
        recipe = \"8x8\"
        tenant_id = \"acme01\"
        keys_url = \"{url}\""
    ))
    .unwrap_or_else(|problems| panic!("{problems:#?}"));
    let ConnectorSettings::EightByEight(settings) = &file.policy.connectors[0].settings else {
        panic!("8x8's")
    };
    assert_eq!((settings.keys_url.as_deref(), settings.keys.len()), (Some(url), 0));
}
