//! The schema check: a database that this binary's migrations did not make is refused with its remedy.
//!
//! The check itself is the ledger's; the migrations stand in `migrations/`.

use postrider_ledger::SchemaError;

use crate::support::{TestEnv, process};

/// The error's text, as the command line prints it.
const REFUSED: &str = "this database was made by a development version";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_with_other_migrations_is_refused() {
    let env = TestEnv::new().await;
    env.ledger.check_schema().await.expect("a migrated database fits");
    env.ledger.migrate().await.expect("a second migration changes nothing");

    // The folded development schema had eleven migrations, the first with another content.
    sqlx::query("update _sqlx_migrations set checksum = 'other' where version = 1")
        .execute(&env.pool)
        .await
        .expect("changed");
    sqlx::query(
        "insert into _sqlx_migrations select 11, description, installed_on, success, checksum, execution_time
         from _sqlx_migrations where version = 1",
    )
    .execute(&env.pool)
    .await
    .expect("inserted");
    assert!(matches!(env.ledger.check_schema().await, Err(SchemaError::OtherMigrations(1))));
    assert!(matches!(env.ledger.migrate().await, Err(SchemaError::OtherMigrations(1))));
    for arguments in [&["migrate"][..], &["run"][..]] {
        let output = process::tell(&env, arguments, &[]).await;
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && printed.contains(REFUSED), "{arguments:?}: {printed}");
        assert!(printed.contains("create a new database and run `postrider migrate`"), "{printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_and_an_empty_database_are_told_to_migrate() {
    let env = TestEnv::new().await;
    sqlx::query("delete from _sqlx_migrations where version > 1").execute(&env.pool).await.expect("deleted");
    assert!(matches!(env.ledger.check_schema().await, Err(SchemaError::Outdated { found: 1, .. })));
    sqlx::query("drop table _sqlx_migrations").execute(&env.pool).await.expect("dropped");
    assert!(matches!(env.ledger.check_schema().await, Err(SchemaError::Empty)));
}
