//! Names of states in the tests' SQL: `{Waiting}` stands for the number that `State::Waiting` is stored as.
//!
//! Every statement of a test that compares or writes states goes through `with_states`; parameters stay parameters.

use postrider_domain::lifecycle::State;
use sqlx::AssertSqlSafe;

/// The statement with a number for each name. A misspelt name is left, and is refused by the database.
pub fn with_states(statement: &str) -> AssertSqlSafe<String> {
    let numbered = State::ALL.into_iter().fold(statement.to_owned(), |text, state| {
        text.replace(&format!("{{{state:?}}}"), &state.code().to_string())
    });
    AssertSqlSafe(numbered)
}
