//! Blocks at the command line: the same as over the API, on record like it, with an exit status to go by.
//!
//! The meaning of a block is tested in `blocks`; reading a file is tested beside the reader.

use postrider_domain::ids::{BlockKind, Medium};
use serde_json::{Value, json};

use super::{audit, count, world};
use crate::support::{TestEnv, process};

/// The error text of a command that must fail.
async fn refused(env: &TestEnv, arguments: &[&str]) -> String {
    let ended = process::tell(env, arguments, &[]).await;
    assert_eq!(ended.status.code(), Some(1), "{arguments:?}");
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

async fn listed(env: &TestEnv, more: &[&str]) -> Vec<Value> {
    let arguments = [&["blocks", "list", "blanca", "--json"][..], more].concat();
    serde_json::from_str(&process::told(env, &arguments).await).expect("a list in JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn support_blocks_an_address_and_lifts_it_on_record() {
    let (env, worker, client) = world().await;
    env.company("other", |_| {}).await;
    let add = ["blocks", "add", "blanca", "Jane@Example.com", "--reason", "asked by telephone"];
    let added = process::tell(&env, &add, &[("SUDO_USER", "olga")]).await;
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    assert!(String::from_utf8_lossy(&added.stdout).ends_with(" is blocked\n"));
    let on_record = audit(&client).await;
    assert_eq!((&on_record["action"], &on_record["who"]["name"]), (&json!("block.add"), &json!("olga")));
    assert!(!on_record.to_string().to_lowercase().contains("jane"), "{on_record}");
    let blocks = client.get("/v1/blocks").await.json["items"].clone();
    assert_eq!((&blocks[0]["source"], &blocks[0]["reason"]), (&json!("cli"), &json!("asked by telephone")));
    assert_eq!(json!(listed(&env, &["--address", "jane@example.com"]).await), blocks);
    assert_eq!(json!(listed(&env, &["--kind", "blocked_by_hand", "--medium", "email"]).await), blocks);
    let nobody = process::told(&env, &["blocks", "list", "blanca", "--address", "joe@example.com"]).await;
    assert_eq!(nobody, "the address is not blocked\n");
    assert_eq!(process::told(&env, &["blocks", "list", "other"]).await, "no address is blocked\n");
    let again = process::told(&env, &add).await;
    assert!(again.contains("was blocked by hand before"), "{again}");

    let id = blocks[0]["id"].as_str().expect("an id");
    let foreign = refused(&env, &["blocks", "remove", "other", id, "--reason", "r"]).await;
    assert!(foreign.contains("nothing was lifted"), "{foreign}");
    let remove = ["blocks", "remove", "blanca", "JANE@example.com", "--reason", "wants them again"];
    assert_eq!(
        process::told(&env, &remove).await,
        "lifted: blocked_by_hand; the address is not blocked any more\n"
    );
    assert_eq!(audit(&client).await["reason"], "wants them again");
    refused(&env, &remove).await;
    assert_eq!(count(&env, "block").await, 0);
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_own_wish_is_lifted_only_with_an_explicit_statement() {
    let (env, worker, _client) = world().await;
    let company = env.ledger.company_id("blanca").await.expect("asked").expect("there");
    let addr = env.keys.identity.address_hash(company, Medium::Sms, "+14155552671");
    env.ledger.block_address(addr, company, Medium::Sms, BlockKind::Stop, "inbound").await.expect("blocked");
    let remove = ["blocks", "remove", "blanca", "+1 415 555 2671", "--reason", "called us", "--json"];
    let said = refused(&env, &remove).await;
    assert!(said.contains("(stop)") && said.contains("--acknowledge-opt-out"), "{said}");
    assert_eq!(count(&env, "block").await, 1);
    let lifted = process::told(&env, &[&remove[..], &["--acknowledge-opt-out"]].concat()).await;
    let lifted: Value = serde_json::from_str(&lifted).expect("JSON");
    assert_eq!(lifted, json!({ "lifted": ["stop"], "left": [] }));
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_addresses_goes_in_whole_or_not_at_all_and_comes_out_again() {
    let (env, worker, client) = world().await;
    let audits = count(&env, "audit").await;
    let file = std::env::temp_dir().join(format!("{}.blocks.csv", env.amqp_name));
    let path = file.to_str().expect("a path of letters").to_owned();
    let import = ["blocks", "import", "blanca", &path];
    std::fs::write(&file, "address,reason\na@b.example,\nx,r\n").expect("written");
    let said = refused(&env, &import).await;
    assert!(said.contains("line 2.reason") && said.contains("line 3.address"), "{said}");
    assert_eq!((count(&env, "block").await, count(&env, "audit").await), (0, audits));

    std::fs::write(&file, "address,reason\na@b.example,=1\n+14155552671,\n").expect("written");
    let with_reason = [&import[..], &["--reason", "old system"]].concat();
    let checked = process::told(&env, &[&with_reason[..], &["--dry-run"]].concat()).await;
    assert_eq!(checked, "2 addresses; nothing was changed\n");
    assert_eq!(count(&env, "block").await, 0);
    let done = process::told(&env, &with_reason).await;
    assert_eq!(done, "2 addresses are blocked, 2 of them new\n");
    let out = process::told(&env, &["blocks", "export", "blanca"]).await;
    assert_eq!(out, client.get("/v1/blocks/export").await.text);
    assert!(out.contains(",a@b.example,blocked_by_hand,'=1,import,"), "{out}");
    std::fs::write(&file, &out).expect("written");
    let again = process::told(&env, &[&import[..], &["--json"]].concat()).await;
    let again: Value = serde_json::from_str(&again).expect("JSON");
    assert_eq!(again, json!({ "dry_run": false, "rows": 2, "added": 0 }));
    let blocks = listed(&env, &[]).await;
    assert!(blocks.iter().any(|block| block["reason"] == "=1"), "{blocks:?}");
    std::fs::remove_file(&file).expect("the file was there");
    env.nothing_left(worker).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_cannot_do_is_said_and_told_by_its_status() {
    let (env, worker, _client) = world().await;
    for (arguments, word) in [
        (["blocks", "add", "blanca", "nobody", "--reason", "r"], "address: "),
        (["blocks", "add", "blanca", "a@b.example", "--reason", " "], "reason: "),
        (["blocks", "add", "nobody", "a@b.example", "--reason", "r"], "no company"),
        (["blocks", "remove", "blanca", "a@b.example", "--reason", "r"], "not blocked"),
    ] {
        let said = refused(&env, &arguments).await;
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    let unreasoned = process::tell(&env, &["blocks", "add", "blanca", "a@b.example"], &[]).await;
    assert_eq!(unreasoned.status.code(), Some(2), "a reason is needed");
    assert_eq!(count(&env, "block").await, 0);
    env.nothing_left(worker).await;
}
