//! The keys that 8x8 signs with, found where 8x8 publishes them: asked for once, and for made-up ids seldom.
//!
//! The place is simulated over real HTTP; notices are signed as in `eight_by_eight`.

use futures_util::future::join_all;
use postrider_domain::company::{ConnectorSettings, EightByEightSettings};
use serde_json::json;

use super::{EIGHT, with_8x8};
use crate::support::{
    TestEnv,
    eight_by_eight::{Delivery, KeyHouse, event, handled},
};

/// The standard company, with a recipe that was given no key.
async fn without_keys(env: &TestEnv, house: &KeyHouse) {
    with_8x8(env, |policy| {
        let ConnectorSettings::EightByEight(EightByEightSettings { keys, keys_url, .. }) =
            &mut policy.connectors[0].settings
        else {
            panic!("8x8's recipe");
        };
        keys.clear();
        *keys_url = Some(house.url());
    })
    .await;
}

/// A delivery that says it is signed by another key.
fn by(kid: &str) -> Delivery {
    let mut delivery = Delivery::of(&event("InteractionAccepted", "ABC789", 8));
    delivery.jose["kid"] = json!(kid);
    delivery
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_8x8_publishes_is_asked_for_once_and_believed() {
    let env = TestEnv::new().await;
    let house = KeyHouse::start().await;
    without_keys(&env, &house).await;
    let worker = env.worker().await;
    let (first, rest) = handled().split_first().map(|(first, rest)| (first.clone(), rest.to_vec())).unwrap();
    let repeats: Vec<Delivery> = (0..20).map(|_| Delivery::of(&first)).collect();
    let at_once = join_all(repeats.iter().map(|repeat| repeat.post(&env, EIGHT))).await;
    assert!(at_once.iter().all(|status| *status == 200), "{at_once:?}");
    for notice in rest {
        assert_eq!(Delivery::of(&notice).post(&env, EIGHT).await, 200, "{notice}");
    }
    assert_eq!(house.asked(), ["key1"]);
    env.all_are(1, "delivered").await;
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_asked_for_is_no_refusal_and_one_that_is_not_there_is() {
    let env = TestEnv::new().await;
    let house = KeyHouse::start().await;
    without_keys(&env, &house).await;
    let worker = env.worker().await;
    house.set_failing(Some(500));
    assert_eq!(by("key1").post(&env, EIGHT).await, 503, "8x8 repeats what was not taken");
    house.set_failing(None);
    assert_eq!(by("key2").post(&env, EIGHT).await, 403);
    assert_eq!(by("key2").post(&env, EIGHT).await, 403);
    assert_eq!(by("../key1").post(&env, EIGHT).await, 403, "an id that would lead elsewhere");
    assert_eq!(by("key1").post(&env, EIGHT).await, 200);
    house.set_failing(Some(500));
    assert_eq!(by("key1").post(&env, EIGHT).await, 200, "it is known by now");
    assert_eq!(house.asked(), ["key1", "key2", "key1"], "what is not there is remembered as well");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_ids_cause_few_calls_to_8x8_and_keep_no_other_key_out() {
    let env = TestEnv::new().await;
    let house = KeyHouse::start().await;
    without_keys(&env, &house).await;
    let worker = env.worker().await;
    assert_eq!(by("key1").post(&env, EIGHT).await, 200);
    let other_tenant = Delivery { tenant: "tenant02".to_owned(), ..by("unasked") };
    assert_eq!(other_tenant.post(&env, EIGHT).await, 403);
    let forged: Vec<Delivery> = (0..100).map(|place| by(&format!("made-up-{place}"))).collect();
    let answers = join_all(forged.iter().map(|forged| forged.post(&env, EIGHT))).await;
    assert!(answers.iter().all(|status| matches!(*status, 403 | 503)), "{answers:?}");
    // Ten a minute; the test may run over the end of one.
    assert!(house.asked().len() <= 20, "{:?}", house.asked());
    assert!(!house.asked().contains(&"unasked".to_owned()), "another tenant's call leads to no question");
    assert_eq!(by("key1").post(&env, EIGHT).await, 200, "a known key needs no question");
    env.nothing_left(worker).await;
}
