//! The demo's own database on the server of the configuration: created at the start, dropped at the end.
//!
//! The product's binary has neither statement. Names are checked because they cannot be bound as parameters.

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Executor};

use postrider::{
    config::Database,
    worker::{Purpose, pool},
};

/// Creates an empty database on the server of `config`; gives its URL.
pub async fn create(config: &Database, name: &str) -> anyhow::Result<SecretString> {
    let server = pool(config, Purpose::Admin, 1)?;
    let done = server.execute(AssertSqlSafe(format!("create database {}", plain_name(name)?))).await;
    server.close().await;
    done.with_context(|| format!("create database {name}"))?;
    // The parser's error could quote the URL, password included.
    let mut url: url::Url =
        config.url.expose_secret().parse().map_err(|_| anyhow::anyhow!("database.url is not a URL"))?;
    url.set_path(name);
    Ok(SecretString::from(String::from(url)))
}

/// Drops a database of that server and closes its connections.
pub async fn drop(config: &Database, name: &str) -> anyhow::Result<()> {
    let server = pool(config, Purpose::Admin, 1)?;
    let done = server
        .execute(AssertSqlSafe(format!("drop database if exists {} with (force)", plain_name(name)?)))
        .await;
    server.close().await;
    done.with_context(|| format!("drop database {name}"))?;
    Ok(())
}

/// A name that needs no quotes: names cannot be bound as parameters.
fn plain_name(name: &str) -> anyhow::Result<&str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let starts = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !starts || name.len() > 63 || !name.bytes().all(plain) {
        bail!(
            "a database's name is made of a-z, 0-9 and _, starts with a letter and has at most 63 characters"
        );
    }
    Ok(name)
}
