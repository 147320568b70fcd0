//! What every measurement needs around a row: a site, a fresh provider, and a connection that publishes.
//!
//! Made before the row's programs are started and taken down after they have ended, so that no run meets
//! another's leavings. A scene may begin with a copy of a filled database (`growth/fill`).

use anyhow::Context;
use uuid::Uuid;

use crate::{
    arguments::Medium,
    children::Program,
    growth::fill::Filled,
    provider::Provider,
    publish::{Envelope, Publisher},
    rows::Row,
    servers::Servers,
    site::Site,
    throughput::Goal,
};

pub struct Scene {
    pub site: Site,
    pub provider: Provider,
    pub publisher: Publisher,
    pub envelope: Envelope,
    /// Only requests with later ids are the run's; the others were waiting before.
    pub after: Option<Uuid>,
}

impl Scene {
    /// Everything but the programs; the row's queue is there and empty.
    pub async fn make(
        servers: &Servers,
        row: &Row,
        (medium, goal): (Medium, Goal),
        filled: Option<&Filled>,
    ) -> anyhow::Result<Scene> {
        let mut site = Site::make(servers, medium, filled.map(|filled| filled.site.name.as_str())).await?;
        let provider = Provider::start(&site, goal).await?;
        site.provider.clone_from(&provider.address);
        row.prepare(&site).await.context("prepare the row")?;
        let publisher = Publisher::connect(&site.amqp_url).await?;
        let envelope = row.envelope();
        publisher.declare(&site, &envelope).await.context("declare the queue")?;
        Ok(Scene { site, provider, publisher, envelope, after: filled.map(|filled| filled.pattern) })
    }

    /// Starts the row's programs.
    pub fn programs(&self, row: &Row) -> anyhow::Result<Vec<Program>> {
        let commands = row.programs(&self.site)?;
        commands
            .into_iter()
            .map(|(name, command)| Program::start(&name, command, &self.site.folder))
            .collect()
    }

    /// A query for how many of the run's own requests have come so far.
    pub fn count(&self, row: &Row, goal: Goal) -> String {
        let ours = self.after.map_or_else(String::new, |id| format!(" and id > '{id}'"));
        format!("{}{ours}", row.count(goal))
    }

    pub async fn take_down(self, servers: &Servers) -> anyhow::Result<()> {
        self.leave_site().await?.remove(servers).await
    }

    /// Takes down all but the database and the folder.
    pub async fn leave_site(self) -> anyhow::Result<Site> {
        self.provider.end().await?;
        self.publisher.clean_up(&self.site).await?;
        Ok(self.site)
    }
}
