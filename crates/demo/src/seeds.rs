//! The seed jobs: the bodies of the product's specification, each with its expected end.
//!
//! No I/O. All are for the same customer: each goes to a company of its own, and then all go to one company, which
//! must ask the customer once. The recovery needs its first request delivered before, so it comes in the
//! second wave.

use serde_json::Value;

use super::jobs::DemoJob;

/// The company that gets every body.
pub const SHARED_COMPANY: &str = "demo-together";
/// The id that the recovery of the seeds names.
const FORMER_ID: &str = "54bd2af9-28cb-48df-8c60-cd27de080cd4";

/// One request of the seeds.
#[derive(Debug, Clone)]
pub struct Seed {
    pub shows: &'static str,
    pub job: DemoJob,
}

const ONE: &[u8] = include_bytes!("../../../tests/fixtures/seeds/1_simple.json");
const EIGHT: &[u8] = include_bytes!("../../../tests/fixtures/seeds/8_recovery.json");
const EIGHT_MENDED: &[u8] = include_bytes!("../../../tests/fixtures/seeds/8_recovery_mended.json");

/// Name, body, what it shows, its end alone, its end after another for the same customer.
const BODIES: &[(&str, &[u8], &str, &str, &str)] = &[
    ("1-simple", ONE, "a customer and a team member", "delivered", PERIOD),
    (
        "2-custom-ids",
        include_bytes!("../../../tests/fixtures/seeds/2_custom_ids.json"),
        "the team member's own id",
        "delivered",
        PERIOD,
    ),
    (
        "3-ticket-url",
        include_bytes!("../../../tests/fixtures/seeds/3_ticket_url.json"),
        "a link to the ticket",
        "delivered",
        PERIOD,
    ),
    ("4-tags", include_bytes!("../../../tests/fixtures/seeds/4_tags.json"), "tags", "delivered", PERIOD),
    (
        "5-brand",
        include_bytes!("../../../tests/fixtures/seeds/5_brand.json"),
        "another brand",
        "delivered",
        PERIOD,
    ),
    (
        "6-do-not-send",
        include_bytes!("../../../tests/fixtures/seeds/6_do_not_send.json"),
        "recorded, never sent",
        "suppressed: do_not_send",
        "suppressed: do_not_send",
    ),
    (
        "7-language",
        include_bytes!("../../../tests/fixtures/seeds/7_language.json"),
        "Canadian French",
        "delivered",
        PERIOD,
    ),
    (
        "kustomer-voice",
        include_bytes!("../../../tests/fixtures/seeds/kustomer_voice.json"),
        "the workflow's call",
        "delivered",
        PERIOD,
    ),
    (
        "kustomer-other",
        include_bytes!("../../../tests/fixtures/seeds/kustomer_other.json"),
        "the workflow's chat",
        "delivered",
        PERIOD,
    ),
];
const PERIOD: &str = "suppressed: suppression_period";

/// The companies of the seeds.
pub fn companies() -> Vec<String> {
    let own = BODIES.iter().map(|(name, ..)| company(name));
    own.chain([company("8-recovery"), SHARED_COMPANY.to_owned()]).collect()
}

/// The first wave: each body to its own company, and the original requests of the recoveries.
pub fn first_wave() -> Vec<Seed> {
    let own =
        BODIES.iter().map(|(name, body, shows, alone, _)| seed(&company(name), name, body, shows, alone));
    let eight = company("8-recovery");
    own.chain([
        seed(&eight, "8-first", &with_former_id(ONE), "what the recovery is about", "delivered"),
        seed(&eight, "8-as-printed", EIGHT, "a stray quote: refused by position", "rejected: not_json"),
        seed(SHARED_COMPANY, "1-simple", &with_former_id(ONE), "all to one company: asked once", "delivered"),
    ])
    .collect()
}

/// The second wave, published after the first has ended.
pub fn second_wave() -> Vec<Seed> {
    let eight = company("8-recovery");
    let own = [seed(&eight, "8-mended", EIGHT_MENDED, "a service recovery inherits", "delivered")];
    let again = BODIES
        .iter()
        .filter(|(name, ..)| *name != "1-simple")
        .map(|(name, body, _, _, after)| seed(SHARED_COMPANY, name, body, "the same customer again", after));
    let last = seed(SHARED_COMPANY, "8-mended", EIGHT_MENDED, "a recovery may ask again", "delivered");
    own.into_iter().chain(again).chain([last]).collect()
}

fn company(name: &str) -> String {
    format!("demo-{name}")
}

fn seed(company: &str, name: &str, body: &[u8], shows: &'static str, end: &'static str) -> Seed {
    let job =
        DemoJob { company: company.to_owned(), key: name.to_owned(), body: body.to_vec(), ends: vec![end] };
    Seed { shows, job }
}

fn with_former_id(body: &[u8]) -> Vec<u8> {
    let mut body: Value = serde_json::from_slice(body).expect("the first body of the seeds is JSON");
    body["former_id"] = FORMER_ID.into();
    body.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_body_goes_to_a_company_of_its_own_and_then_to_one_together() {
        let (first, second) = (first_wave(), second_wave());
        let together = first.iter().chain(&second).filter(|seed| seed.job.company == SHARED_COMPANY).count();
        assert_eq!(together, BODIES.len() + 1, "all nine bodies and the mended recovery");
        let companies: BTreeSet<_> = first.iter().map(|seed| seed.job.company.as_str()).collect();
        assert_eq!(companies.len(), super::companies().len());
    }

    #[test]
    fn no_key_of_a_company_is_used_twice() {
        let seeds: Vec<Seed> = first_wave().into_iter().chain(second_wave()).collect();
        let keys: BTreeSet<_> = seeds.iter().map(|seed| (&seed.job.company, &seed.job.key)).collect();
        assert_eq!(keys.len(), seeds.len());
    }
}
