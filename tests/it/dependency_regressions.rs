//! Hazards of our dependencies, each with the guard against it (docs/dependency-hazards.md).
//!
//! Found by experiment; a new version of a library that changes one of them fails here first.

use std::time::Duration;

use crate::support::{TestEnv, company};
use postrider::{
    amqp::{probe::io_threads, session::connect},
    worker::{Purpose, pool},
};
use postrider_ledger::Ledger;

/// docs/dependency-hazards.md#f1: sqlx returns a connection with an open transaction to the pool when a `begin`
/// is dropped on its way; the next user's autocommit insert would vanish. The ledger opens transactions only on
/// connections that are never used again.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_was_cut_leaves_no_connection_behind() {
    let env = TestEnv::new().await;
    let policy = company::standard("blanca", env.providers());
    let members = [company::paul()];
    let config = env.config("");
    let pool = pool(&config.database, Purpose::Hot, 1).expect("a pool");
    let ledger = Ledger::bounded(pool, Duration::from_secs(10));
    for times in 1..=20 {
        // At another place each time: the answer to BEGIN, to one of the statements, to COMMIT.
        let applied = ledger.apply_company(&policy, &members, &env.keys.identity);
        drop(tokio::time::timeout(Duration::from_micros(300 * times), applied).await);
        env.writes_visibly(&ledger).await;
    }
    ledger.close().await;
}

/// docs/dependency-hazards.md#f5: a connect that times out inside lapin leaks a thread; the preflight finds a
/// silent peer before lapin connects.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_broker_is_found_out_before_lapin_connects() {
    let env = TestEnv::new().await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listening");
    let address = silent.local_addr().expect("an address");
    let config = env.config(&format!("amqp.url = \"amqp://guest:guest@{address}/%2f\""));
    let before = io_threads();
    let error = connect(&config.amqp, "a test").await.expect_err("no answer");
    assert!(format!("{error:#}").contains("does not answer"), "{error:#}");
    // Other tests connect meanwhile, so only a runaway would show; the preflight's error is the proof.
    assert!(io_threads() < before + 50);
}

/// The password is never in an error.
#[tokio::test(flavor = "multi_thread")]
async fn no_error_about_an_address_quotes_its_password() {
    let env = TestEnv::new().await;
    let config = env
        .config("amqp.url = \"amqp:/guest:hunter2@nowhere\"\ndatabase.url = \"postgres//u:hunter2@nowhere\"");
    let broker = connect(&config.amqp, "a test").await.expect_err("no address");
    let database = pool(&config.database, Purpose::Hot, 1).expect_err("no address");
    let said = format!("{broker:#} {database:#}");
    assert!(!said.contains("hunter2"), "{said}");
}
