//! Errors of the ledger, by the caller's reaction.
//!
//! SQLSTATE codes are classified here and nowhere else. A data error names no values, because they are personal.

use thiserror::Error;

/// A statement failed.
#[derive(Debug, Error)]
pub enum LedgerError {
    /// The database is unreachable, full, starting or read-only: wait and try again.
    #[error("database is unavailable: {0}")]
    Unavailable(String),
    /// The statement lost a race several times: try again.
    #[error("statement lost a race: {0}")]
    Contended(String),
    /// Another transaction took a unique value: read again, then decide again. Contains the constraint's name.
    #[error("unique constraint {0} was taken meanwhile")]
    Taken(String),
    /// The database can never store this content.
    #[error("data was refused with sqlstate {0}")]
    Data(String),
    /// A defect of the program, or a schema of another version.
    #[error("statement failed: {0}")]
    Broken(String),
}

impl LedgerError {
    /// The statement changed nothing, and a repeat reads the other transaction's rows.
    pub(crate) fn is_a_lost_race(&self) -> bool {
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
            // Serialization failure, deadlock, lock timeout.
            "40001" | "40P01" | "55P03" => LedgerError::Contended(code),
            "23505" => LedgerError::Taken(database.constraint().unwrap_or_default().to_owned()),
            // Read-only primary, statement timeout, cached plan after a migration.
            "25006" | "57014" | "0A000" => LedgerError::Unavailable(code),
            // Classes: connection, resources, operator intervention, system; then data exception.
            _ => match &code[..code.len().min(2)] {
                "08" | "53" | "57" | "58" => LedgerError::Unavailable(code),
                "22" => LedgerError::Data(code),
                _ => LedgerError::Broken(format!("{code}: {}", database.message())),
            },
        }
    }
}
