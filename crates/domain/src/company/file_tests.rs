//! Promises to operators about the company's file: the example in `deploy/` works, defaults are
//! as documented, and every mistake is named at its place.

use super::*;
use crate::company::{ProviderSettings, member, policy::SmtpTls};
use proptest::prelude::*;

const EXAMPLE: &str = include_str!("../../../../deploy/example-company.toml");

const SMALL: &str = r#"
slug = "acme"
name = "Acme"
[[brands]]
label = "acme"
name = "Acme"
survey_url = "https://survey.acme.example"
"#;

fn problems(text: &str) -> Vec<String> {
    let problems = parse(text).expect_err("the file should be refused");
    problems.iter().map(|problem| format!("{} {}", problem.path, problem.code)).collect()
}

#[test]
fn the_example_file_is_a_whole_company() {
    let file = parse(EXAMPLE).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(file.policy.slug, "blancapeak");
    assert!(file.policy.brand("blancagold").is_some());
    assert!(file.policy.channel("phone").is_some_and(|channel| channel.automatic));
    assert!(file.members.iter().any(|member| member.email.as_deref() == Some("paulagent@blancapeak.com")));
    let providers: Vec<&str> = file.policy.accounts.iter().map(|account| account.provider()).collect();
    for provider in ["twilio", "mailgun", "smtp"] {
        assert!(providers.contains(&provider), "{provider} is not shown");
    }
}

#[test]
fn the_example_file_shows_every_key() {
    let shown = |key: &&&str| {
        let ways = [format!("{key} ="), format!("[{key}]"), format!("recipes.{key}]")];
        !ways.iter().any(|way| EXAMPLE.contains(way))
    };
    for known in
        [COMPANY_FIELDS, BRAND_FIELDS, CHANNEL_FIELDS, member::FIELDS, BINDING_FIELDS, alerts::FIELDS]
            .into_iter()
            .chain(connectors::FIELDS)
    {
        assert_eq!(known.iter().filter(shown).collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}

#[test]
fn a_small_file_gets_the_documented_defaults() {
    let policy = parse(SMALL).unwrap().policy;
    assert_eq!(policy.default_brand.as_deref(), Some("acme"), "the only brand is the default");
    assert_eq!((policy.suppression_days, policy.suppression_scope), (30, SuppressionScope::Company));
    assert_eq!(policy.medium_preference, [Medium::Email, Medium::Sms]);
    assert_eq!((policy.delay_secs, policy.expires_after_secs), (0, 259_200));
    assert!(policy.require_approved);
    assert_eq!(policy.brands[0].language, "en");
}

#[test]
fn alerts_need_addresses_that_are_some_and_a_brand_that_can_send_them() {
    assert_eq!(parse(SMALL).unwrap().policy.alerts, Default::default(), "nobody is alerted unasked");
    let with =
        |alerts: &str| problems(&SMALL.replacen("slug =", &format!("alerts = {{ {alerts} }}\nslug ="), 1));
    let wrong =
        r#"emails = ["a@b", "Ops@x.example", "ops@x.example"], rejected_share_percent = 0, color = 1"#;
    assert_eq!(
        with(wrong),
        [
            "alerts.color unknown_field",
            "alerts.emails[0] bad_address",
            "alerts.emails[2] duplicate",
            "alerts.rejected_share_percent out_of_range",
            "alerts.emails no_sender",
        ]
    );
}

#[test]
fn accounts_get_their_providers_usual_settings() {
    let text = format!(
        "{SMALL}email_from = \"ask@acme.example\"\n
        [[accounts]]\nid = \"sms\"\nprovider = \"twilio\"\naccount_sid = \"AC1\"\nauth_token_env = \"TOKEN\"
        from = \"+14155552671\"
        [[accounts]]\nid = \"mail\"\nprovider = \"mailgun\"\ndomain = \"MG.acme.example\"\napi_key_env = \"KEY\"
        signing_key_env = \"SIGN\"
        [[accounts]]\nid = \"relay\"\nprovider = \"smtp\"\nhost = \"mail.acme.example\"\ndomain = \"acme.example\""
    );
    let accounts = parse(&text).unwrap_or_else(|problems| panic!("{problems:#?}")).policy.accounts;
    let limits: Vec<_> = accounts.iter().map(|account| (account.rate_per_sec, account.concurrency)).collect();
    assert_eq!(limits, [(100, 64), (100, 64), (50, 16)]);
    let ProviderSettings::Twilio { base_url, api_secret_env, .. } = &accounts[0].settings else {
        panic!("the first account is Twilio's")
    };
    assert_eq!((base_url.as_str(), api_secret_env.as_str()), ("https://api.twilio.com", "TOKEN"));
    let ProviderSettings::Mailgun { base_url, domain, .. } = &accounts[1].settings else {
        panic!("the second account is Mailgun's")
    };
    assert_eq!((base_url.as_str(), domain.as_str()), ("https://api.mailgun.net", "mg.acme.example"));
    let ProviderSettings::Smtp { port, tls, .. } = &accounts[2].settings else {
        panic!("the third account is a relay")
    };
    assert_eq!((*port, *tls), (587, SmtpTls::Starttls));
}

const MISTAKES: &str = r#"
slug = "Acme Inc"
default_brand = "gold"
suppression_days = 400
suppression_scope = "person"
medium_preference = ["email", "fax", "email"]
delay_secs = -1
require_approved = "yes"
suppresion_days = 3
brands = [
  { label = "a", name = "A", survey_url = "javascript:alert(1)", email_account = "sms", sms_account = "none" },
  { label = "a", name = 7, survey_url = "https://x.example/{req}", language = "??", email_from = "a@b" },
]
channels = [{ name = "phone" }, { name = "phone", manual = 1 }]
members = [{ name = "Nobody" }, { email = "a@b.example" }, { email = "A@b.example", role = "boss" }]
bindings = [{ user = "crm" }, { user = "crm" }]
[[accounts]]
id = "sms"
provider = "twilio"
account_sid = "AC/../1"
auth_token_env = "my secret"
rate_per_sec = 0
base_url = "http://api.example.com"
[[accounts]]
id = "mail"
provider = "smtp"
host = "mail.example.com"
tls = "none"
domain = "nodot"
username = "u"
api_key_env = "KEY"
[[accounts]]
id = "x/y"
provider = "pigeon"
"#;

#[test]
fn every_mistake_of_a_file_is_named_at_its_place() {
    let mut expected = vec![
        "suppresion_days unknown_field",
        "slug bad_slug",
        "name missing",
        "default_brand not_found",
        "suppression_days out_of_range",
        "suppression_scope bad_choice",
        "medium_preference too_many",
        "delay_secs out_of_range",
        "require_approved wrong_type",
        "brands[0].survey_url bad_url",
        "brands[0].email_account wrong_medium",
        "brands[0].sms_account not_found",
        "brands[1].label duplicate",
        "brands[1].name wrong_type",
        "brands[1].survey_url bad_url",
        "brands[1].language bad_language",
        "brands[1].email_from bad_address",
        "brands[1].email_from missing",
        "brands[0].email_from missing",
        "channels[1].name duplicate",
        "channels[1].manual wrong_type",
        "members[0] missing",
        "members[2].email duplicate",
        "members[2].role bad_choice",
        "bindings[1].user duplicate",
        "accounts[0] missing",
        "accounts[0].account_sid bad_id",
        "accounts[0].auth_token_env bad_env",
        "accounts[0].rate_per_sec out_of_range",
        "accounts[0].base_url bad_url",
        "accounts[1] missing",
        "accounts[1].tls insecure",
        "accounts[1].domain bad_host",
        "accounts[1].api_key_env unknown_field",
        "accounts[2].id bad_slug",
        "accounts[2].provider bad_choice",
    ];
    let mut found = problems(MISTAKES);
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_file_that_is_no_toml_is_refused_with_its_line() {
    let refused = parse("slug = \"a\"\nname = \"unfinished").unwrap_err();
    assert_eq!(refused[0].code, "not_toml");
    assert!(refused[0].message.ends_with("in line 2"), "{}", refused[0].message);
    assert_eq!(problems(""), ["slug missing", "name missing", "brands missing"]);
}

#[test]
fn the_company_of_the_compose_file_is_valid() {
    let text = include_str!("../../../../deploy/compose-company.toml");
    let file = super::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(file.policy.accounts.len(), 2);
}

#[test]
fn plain_connections_stay_on_the_machine_or_the_private_network() {
    use crate::company::syntax::{base_url_problem, is_private_host};
    for host in ["localhost", "127.0.0.1", "::1", "10.1.2.3", "mailhog", "smtp.mail.svc", "fd00::1"] {
        assert!(is_private_host(host), "{host}");
    }
    for host in ["example.com", "8.8.8.8", "2001:db8::1", "localhost.example.com"] {
        assert!(!is_private_host(host), "{host}");
    }
    for url in ["https://api.eu.mailgun.net", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost:9"]
    {
        assert_eq!(base_url_problem(url), None, "{url}");
    }
    assert_eq!(base_url_problem("http://simulate-providers:8025"), None, "a host of the private network");
    for url in
        ["http://example.com", "ftp://x.example", "api.twilio.com", "https://u:p@x.example", "https://x?a"]
    {
        assert!(base_url_problem(url).is_some(), "{url}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<String>(), value in "[\\[\\]{}\"=a-z0-9.]{0,12}", field in 0..COMPANY_FIELDS.len()) {
        let _ = parse(&text);
        let _ = parse(&format!("{} = {value}\n", COMPANY_FIELDS[field]));
    }
}
