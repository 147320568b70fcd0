//! Forged webhooks about real messages: a signature that is wrong, a token that is wrong, an account that
//! is not the message's.
//!
//! Each claims a failure that never was, because a forged delivery could hide behind a true one. Whether
//! one was believed shows the audit: a failure that no provider told.

use postrider_domain::ids::MessageId;
use postrider_provider_simulator::{Accepted, Provider};
use postrider_providers::TokenKey;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::watch;

use super::{Tally, is_over};
use crate::{
    dice::Dice,
    plan::Lane,
    support::{
        wait::elapse,
        webhook::{self, Attempt, Post},
    },
    world::World,
};

pub const KINDS: [&str; 3] = ["forged_signature", "forged_token", "forged_account"];

pub async fn run(world: Arc<World>, tally: Arc<Tally>, calm: watch::Receiver<bool>) {
    let mut dice = Dice::new(world.plan.seed, "forged");
    let mut turn = 0;
    while !is_over(&calm) {
        elapse(dice.millis(300, 900)).await;
        let Some(target) = latest(&world).await else { continue };
        let fault = KINDS[turn % KINDS.len()];
        turn += 1;
        let Some(post) = forged(&world, &target, fault).await else { continue };
        tally.during(fault, send(&world, post)).await;
    }
}

/// The newest acceptance of a provider that has webhooks.
async fn latest(world: &World) -> Option<Accepted> {
    let found = std::sync::Mutex::new(None);
    let look = |accepted: &[Accepted]| {
        let newest = accepted.iter().rev().take(50).find(|one| one.provider != Provider::Smtp);
        *found.lock().expect("no panic while locked") = newest.cloned();
        true
    };
    world.env.simulator.wait_until(look, std::time::Duration::from_secs(1)).await;
    found.into_inner().expect("no panic while locked")
}

async fn forged(world: &World, target: &Accepted, fault: &str) -> Option<Post> {
    let message = target.correlation.as_deref()?.parse().ok()?;
    let attempt = target.attempt?;
    let key = TokenKey::new(vec![world.env.keys.token]);
    // The other company's account, as the ledger numbers it.
    let (own, other) = match target.provider {
        Provider::Twilio => (Lane::Text, Lane::Mail),
        Provider::Mailgun | Provider::Smtp => (Lane::Mail, Lane::Text),
    };
    let account = account_id(world, own).await?;
    let token = match fault {
        "forged_token" => postrider_clock::random_id().simple().to_string(),
        _ => key.sign(account, MessageId(message), attempt).to_hex(),
    };
    let of = Attempt { message, attempt, token, provider_id: target.provider_id.clone() };
    let lane = if fault == "forged_account" { other } else { own };
    let mut post = match lane {
        Lane::Text => webhook::twilio_status(&world.env, lane.account(), &of, "undelivered", Some("30005")),
        Lane::Mail | Lane::Relay => {
            webhook::mailgun_event(lane.account(), &of, "failed", webhook::hard_bounce())
        }
    };
    if fault == "forged_signature" {
        match lane {
            Lane::Text => post.signature = Some("AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned()),
            Lane::Mail | Lane::Relay => {
                let mut signature = webhook::mailgun_signature(0);
                signature["signature"] = json!("0".repeat(64));
                let data = webhook::mailgun_data(&of, "failed", webhook::hard_bounce());
                post = webhook::mailgun_post(lane.account(), &signature, &data);
            }
        }
    }
    Some(post)
}

async fn account_id(world: &World, lane: Lane) -> Option<postrider_domain::ids::AccountId> {
    let row: Result<(i32,), _> = sqlx::query_as("select id from account where name = $1")
        .bind(lane.account())
        .fetch_one(&world.env.pool)
        .await;
    row.ok().map(|(id,)| postrider_domain::ids::AccountId(id))
}

/// Posts to whichever worker takes it; gives the status, if one did.
pub async fn send(world: &World, post: Post) -> Option<u16> {
    let url = format!("{}{}", webhook::base(&world.env), post.path);
    let mut request = world.http.post(url).header("content-type", post.content_type);
    if let Some(signature) = &post.signature {
        request = request.header("x-twilio-signature", signature);
    }
    let answer = request.body(post.body).send().await.ok()?;
    Some(answer.status().as_u16())
}
