//! The audit on trial: three lies, each told to it alone, and each must be found.
//!
//! A row deleted and a status set back, in a transaction that is never committed; a ledger line doubled in
//! the collected facts. An audit that finds nothing here has found nothing before.

use crate::support::sql::with_states;
use anyhow::Context;
use sqlx::Connection;
use uuid::Uuid;

use crate::{
    audit::{Class, Finding, audit},
    collect,
    facts::{Facts, Fate, state},
    world::World,
};

/// A lie, and whether it was found.
#[derive(Debug, serde::Serialize)]
pub struct Trial {
    pub lie: &'static str,
    pub found: bool,
}

/// Tells all three; the facts are those of a run in which everything adds up.
pub async fn run(world: &World, facts: &Facts) -> anyhow::Result<Vec<Trial>> {
    let victim = facts
        .messages
        .iter()
        .filter(|message| message.state == state::DELIVERED)
        .find(|message| facts.jobs.iter().any(|job| job.key == message.key && job.fate == Fate::Confirmed))
        .context("no message was delivered: there is nothing to lie about")?;
    let deleted = lied(
        world,
        facts,
        victim.id,
        &["delete from message where id = $1", "delete from request where id = $1"],
    )
    .await?;
    let set_back = lied(
        world,
        facts,
        victim.id,
        &[
            "alter table message disable trigger message_transition",
            "update message set state = {Waiting} where id = $1",
        ],
    )
    .await?;
    let mut doubled = facts.clone();
    doubled.acceptances.extend(facts.acceptances.iter().find(|one| one.message == Some(victim.id)).cloned());
    let has = |findings: &[Finding], class, rule: &str| {
        findings.iter().any(|finding| finding.class == class && finding.rule == rule)
    };
    Ok(vec![
        Trial {
            lie: "a row deleted from the ledger",
            found: has(&deleted, Class::Lost, "a confirmed job is nowhere"),
        },
        Trial {
            lie: "a line doubled in a provider's journal",
            found: has(&audit(&doubled), Class::Duplicated, "a message was sent more than once"),
        },
        Trial {
            lie: "a delivered message set back by SQL",
            found: has(&set_back, Class::Wrong, "a status fell back"),
        },
    ])
}

/// The audit's findings after these statements, which are rolled back.
async fn lied(
    world: &World,
    facts: &Facts,
    victim: Uuid,
    statements: &[&'static str],
) -> anyhow::Result<Vec<Finding>> {
    let mut connection = sqlx::PgConnection::connect(&world.env.database_url).await?;
    let mut transaction = connection.begin().await?;
    for statement in statements {
        let query = sqlx::query(with_states(statement));
        let query = if statement.contains("$1") { query.bind(victim) } else { query };
        query.execute(&mut *transaction).await.with_context(|| (*statement).to_owned())?;
    }
    let mut lied = facts.clone();
    collect::ledger(&mut transaction, &mut lied).await?;
    transaction.rollback().await?;
    connection.close().await?;
    Ok(audit(&lied))
}
