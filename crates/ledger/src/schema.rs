//! The schema: applies migrations, and checks that a database fits this binary before a worker uses it.
//!
//! `migrations/README.md` says how to add a migration. `self_test` belongs here because it checks the same
//! connection at the same moment.

use futures_util::future::try_join_all;
use sqlx::migrate::Migrator;
use thiserror::Error;

use super::{Ledger, LedgerError};

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");

/// Statements in flight at once during the self-test; fewer find a statement-swapping pooler less reliably.
const SELF_TEST_STATEMENTS: i32 = 50;

/// The database does not fit this binary; each text names the remedy.
#[derive(Debug, Error)]
pub enum SchemaError {
    #[error("the database has no tables yet; run `postrider migrate`")]
    Empty,
    #[error("the schema is at version {found}, this binary needs {wanted}; run `postrider migrate`")]
    Outdated { found: i64, wanted: i64 },
    /// An applied migration has another checksum than this binary's.
    #[error(
        "this database was made by a development version (its migration {0} is not this binary's); create a new \
         database and run `postrider migrate`"
    )]
    OtherMigrations(i64),
    #[error("migrations failed: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A transaction pooler shares one session between clients (docs/dependency-hazards.md#f2).
    #[error("{0}; connect without a transaction pooler in between")]
    Pooler(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<sqlx::Error> for SchemaError {
    fn from(error: sqlx::Error) -> SchemaError {
        SchemaError::Ledger(error.into())
    }
}

impl Ledger {
    /// Applies the migrations that are missing, in order, each in one transaction.
    ///
    /// # Errors
    /// `OtherMigrations` before anything is changed; `Migrate` if a migration fails.
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        match self.applied_version().await {
            Ok(_) | Err(SchemaError::Empty) => {}
            Err(error) => return Err(error),
        }
        Ok(MIGRATIONS.run(self.pool.for_migrations()).await?)
    }

    /// Checks that all migrations of this binary are applied; a database of a newer version passes.
    ///
    /// # Errors
    /// `Empty`, `Outdated` and `OtherMigrations` name the remedy.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        let wanted = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
        match self.applied_version().await? {
            found if found >= wanted => Ok(()),
            found => Err(SchemaError::Outdated { found, wanted }),
        }
    }

    /// The highest applied version; the checksums of all versions that this binary has must be equal.
    async fn applied_version(&self) -> Result<i64, SchemaError> {
        let applied: Result<Vec<(i64, Vec<u8>)>, sqlx::Error> =
            sqlx::query_as("select version, checksum from _sqlx_migrations where success order by version")
                .fetch_all(&self.pool)
                .await;
        let applied = match applied {
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => {
                return Err(SchemaError::Empty);
            }
            applied => applied?,
        };
        for migration in MIGRATIONS.iter() {
            let differs = |(version, checksum): &&(i64, Vec<u8>)| {
                *version == migration.version && checksum[..] != migration.checksum[..]
            };
            if let Some((version, _)) = applied.iter().find(differs) {
                return Err(SchemaError::OtherMigrations(*version));
            }
        }
        Ok(applied.last().map_or(0, |(version, _)| *version))
    }

    /// Checks that each result belongs to its statement: a transaction pooler can swap prepared statements of
    /// different clients without any error (docs/dependency-hazards.md#f2).
    ///
    /// # Errors
    /// `Pooler` if a result is another statement's, or a prepared statement is missing or exists already.
    pub async fn self_test(&self) -> Result<(), SchemaError> {
        let statements = (0..SELF_TEST_STATEMENTS).map(|sent| async move {
            let statement = sqlx::query_scalar!(r#"select $1::int4 as "received!""#, sent);
            match statement.fetch_one(&self.pool).await {
                Ok(received) if received == sent => Ok(()),
                Ok(_) => {
                    Err(SchemaError::Pooler("the database returned the result of another statement".into()))
                }
                // The prepared statement exists already (42P05) or not at all (26000): a shared session.
                Err(sqlx::Error::Database(error))
                    if matches!(error.code().as_deref(), Some("42P05" | "26000")) =>
                {
                    Err(SchemaError::Pooler(error.to_string()))
                }
                Err(error) => Err(error.into()),
            }
        });
        try_join_all(statements).await?;
        Ok(())
    }
}
