//! The surroundings of a row in every measurement: a workspace, a fresh provider, and a connection that
//! publishes.
//!
//! Made before the row's programs are started and taken down after they have ended, also where the measurement
//! failed, so that no run meets another's remains. A fixture may begin with a copy of a filled database
//! (`growth/fill`), and may have a relay before Postgres.

use anyhow::Context;
use uuid::Uuid;

use crate::{
    children::Program,
    provider::Provider,
    publish::{Envelope, Publisher},
    relay::Relay,
    report::{Goal, Medium},
    rows::Row,
    servers::Servers,
    workspace::Workspace,
};

/// A filled database to begin with a copy of.
#[derive(Debug, Clone)]
pub struct Template {
    pub database: String,
    /// The last request in it; requests of a run have later ids.
    pub after: Uuid,
}

pub struct Fixture {
    pub site: Workspace,
    pub provider: Provider,
    pub publisher: Publisher,
    pub envelope: Envelope,
    /// Only requests with later ids are the run's; the others were waiting before.
    pub after: Option<Uuid>,
    relay: Option<Relay>,
}

impl Fixture {
    /// Everything but the programs; the row's queue is there and empty.
    pub async fn make(
        servers: &Servers,
        row: &Row,
        (medium, goal): (Medium, Goal),
        template: Option<&Template>,
    ) -> anyhow::Result<Fixture> {
        let mut site =
            Workspace::make(servers, medium, template.map(|template| template.database.as_str())).await?;
        match set(&mut site, row, goal).await {
            Ok((provider, publisher, envelope)) => {
                let after = template.map(|template| template.after);
                Ok(Fixture { site, provider, publisher, envelope, after, relay: None })
            }
            Err(error) => {
                site.remove(servers).await?;
                Err(error)
            }
        }
    }

    /// From now on the row's programs ask Postgres through a relay that counts.
    pub async fn put_relay(&mut self) -> anyhow::Result<()> {
        let relay = Relay::start(&self.site.database_url).await?;
        self.site.database_url.clone_from(&relay.database_url);
        self.relay = Some(relay);
        Ok(())
    }

    /// How often the programs asked, where a relay counted.
    pub fn asked(&self) -> Option<u64> {
        self.relay.as_ref().map(Relay::asked)
    }

    /// Starts the row's programs. A separate listener for webhooks starts before the worker and is waited for:
    /// its start counts as no work.
    pub async fn programs(&self, row: &Row) -> anyhow::Result<Vec<Program>> {
        let mut programs = Vec::new();
        let mut commands = row.programs(&self.site)?.into_iter().peekable();
        while let Some((name, command)) = commands.next() {
            let mut program = Program::start(&name, command, &self.site.folder)?;
            if commands.peek().is_some() {
                program.must_listen(self.site.port).await?;
            }
            programs.push(program);
        }
        Ok(programs)
    }

    /// A query for how many of the run's own requests have come so far.
    pub fn count(&self, row: &Row, goal: Goal) -> String {
        let ours = self.after.map_or_else(String::new, |id| format!(" and id > '{id}'"));
        format!("{}{ours}", row.count(goal))
    }

    /// Takes it down, whatever came of its use.
    pub async fn take_down<T>(self, servers: &Servers, outcome: anyhow::Result<T>) -> anyhow::Result<T> {
        let taken_down = async { self.leave_site().await?.remove(servers).await };
        let taken_down = taken_down.await.context("take the fixture down");
        let outcome = outcome?;
        taken_down?;
        Ok(outcome)
    }

    /// Takes down all but the database and the folder.
    pub async fn leave_site(self) -> anyhow::Result<Workspace> {
        self.provider.end().await?;
        self.publisher.clean_up(&self.site, &self.envelope).await.context("clean the broker up")?;
        Ok(self.site)
    }
}

async fn set(site: &mut Workspace, row: &Row, goal: Goal) -> anyhow::Result<(Provider, Publisher, Envelope)> {
    let provider = Provider::start(site, goal).await?;
    site.provider.clone_from(&provider.address);
    row.prepare(site).await.context("prepare the row")?;
    let publisher = Publisher::connect(&site.amqp_url).await?;
    let envelope = row.envelope();
    publisher.declare(site, &envelope).await.context("declare the queue")?;
    Ok((provider, publisher, envelope))
}
