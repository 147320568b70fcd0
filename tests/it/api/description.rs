//! The description of the API: served as it is made, and the same as released.
//!
//! One snapshot for each path and each shape, so that a change shows where it is. After a change that is
//! meant, run with `INSTA_UPDATE=always` and look at what changed.

use std::{collections::BTreeSet, fs, path::PathBuf};

use postrider::api::{docs, router};
use serde_json::Value;

use crate::support::{TestEnv, api::Client};

fn document() -> Value {
    serde_json::to_value(router::document()).expect("a description is plain data")
}

/// `/v1/requests/{id}` becomes `v1_requests_id`.
fn file_name(path: &str) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    let name: String = path.chars().map(plain).collect();
    name.split('_').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("_")
}

#[test]
fn the_description_is_as_released() {
    let document = document();
    let mut folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    folder.push("tests/it/api/openapi");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut written = BTreeSet::new();
    settings.bind(|| {
        for (kind, parts) in [("path", &document["paths"]), ("shape", &document["components"]["schemas"])] {
            for (name, part) in parts.as_object().expect("an object") {
                let name = format!("{kind}_{}", file_name(name));
                let text = serde_json::to_string_pretty(part).expect("JSON");
                assert!(written.insert(format!("{name}.snap")), "two parts share the file {name}");
                insta::assert_snapshot!(name, text);
            }
        }
    });
    let kept = fs::read_dir(&folder).expect("the snapshots").filter_map(Result::ok);
    for file in kept.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        assert!(written.contains(&file), "{file} describes nothing any more; remove it");
    }
}

#[test]
fn every_operation_has_a_summary_a_tag_and_a_problem_for_every_refusal() {
    let document = document();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let at = format!("{method} {path}");
            assert!(operation["summary"].is_string(), "{at} says what it does");
            assert!(operation["tags"][0].is_string(), "{at} has a tag");
            assert_eq!(operation["security"][0]["key"], serde_json::json!([]), "{at} needs a key");
            for (status, response) in operation["responses"].as_object().expect("responses") {
                let problem = response["content"].get("application/problem+json").is_some();
                assert_eq!(problem, !status.starts_with('2'), "{at} {status}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_and_the_page_are_served_without_a_key() {
    let env = TestEnv::new().await;
    let worker = env.worker().await;
    let nobody = Client { base: format!("http://127.0.0.1:{}", env.public_port), key: String::new() };
    let described = nobody.get("/openapi.json").await;
    assert_eq!((described.status, &described.json), (200, &document()));
    assert_eq!(described.json["openapi"], "3.1.0");
    let page = nobody.get("/docs").await;
    assert_eq!((page.status, page.text), (200, docs::page(&router::document())));
    assert!(
        page.headers["content-security-policy"].to_str().expect("text").starts_with("default-src 'none'")
    );
    env.nothing_left(worker).await;
}
