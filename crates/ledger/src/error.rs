//! What can go wrong in the ledger, by what the caller does about it.
//!
//! SQLSTATE classes are sorted here and nowhere else. A data error names no values: they are personal.

use thiserror::Error;

#[derive(Debug, Error)]
pub enum LedgerError {
    /// The database is away, full, starting or read-only: wait and try again.
    #[error("database is unavailable: {0}")]
    Unavailable(String),
    /// Lost a race that is decided by trying again.
    #[error("statement lost a race: {0}")]
    Contended(String),
    /// Somebody else took a unique value meanwhile: gather again.
    #[error("unique constraint {0} was taken meanwhile")]
    Taken(String),
    /// This content can never be stored.
    #[error("data was refused with sqlstate {0}")]
    Data(String),
    /// A bug or a schema of another version.
    #[error("statement failed: {0}")]
    Broken(String),
}

impl LedgerError {
    /// Nothing was done, and the same statement will see what it met.
    pub(super) fn is_a_lost_race(&self) -> bool {
        match self {
            LedgerError::Contended(_) => true,
            LedgerError::Taken(constraint) => constraint == "receipt_pkey",
            _ => false,
        }
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> LedgerError {
        let sqlx::Error::Database(database) = &error else {
            return match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::Protocol(_) => LedgerError::Unavailable(error.to_string()),
                other => LedgerError::Broken(other.to_string()),
            };
        };
        let code = database.code().unwrap_or_default().into_owned();
        match code.as_str() {
            "40001" | "40P01" | "55P03" => LedgerError::Contended(code),
            "23505" => LedgerError::Taken(database.constraint().unwrap_or_default().to_owned()),
            // 25006 read-only primary, 57014 timeout, 0A000 cached plan after a migration
            "25006" | "57014" | "0A000" => LedgerError::Unavailable(code),
            _ => match &code[..code.len().min(2)] {
                "08" | "53" | "57" | "58" => LedgerError::Unavailable(code),
                "22" => LedgerError::Data(code),
                _ => LedgerError::Broken(format!("{code}: {}", database.message())),
            },
        }
    }
}
