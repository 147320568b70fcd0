//! The contestants: what each needs before a run, what it starts, and how its table says that it is done.
//!
//! `limit` and `postrider` are ours; `external` takes any program that its file describes, with the setting
//! that `sweep` finds best.

mod external;
mod limit;
mod postrider;

use std::process::Command;

use anyhow::bail;

use crate::{
    arguments::Arguments,
    publish::Envelope,
    report::{Goal, LIMIT, POSTRIDER},
    workspace::Workspace,
};

pub use external::External;

#[derive(Debug, Clone)]
pub struct Row {
    pub name: String,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Limit,
    Postrider,
    External(External),
}

/// The rows that were asked for, in that order.
pub fn chosen(arguments: &Arguments) -> anyhow::Result<Vec<Row>> {
    let mut known = vec![
        Row { name: LIMIT.to_owned(), kind: Kind::Limit },
        Row { name: POSTRIDER.to_owned(), kind: Kind::Postrider },
    ];
    for file in &arguments.external {
        for (name, external) in external::read(file)? {
            known.push(Row { name, kind: Kind::External(external) });
        }
    }
    let mut chosen = Vec::new();
    for name in &arguments.rows {
        let Some(place) = known.iter().position(|row| row.name == *name) else {
            bail!("there is no row {name}, or it was named twice");
        };
        chosen.push(known.remove(place));
    }
    Ok(chosen)
}

impl Row {
    /// `None` of our own rows.
    pub fn external(&self) -> Option<&External> {
        match &self.kind {
            Kind::Limit | Kind::Postrider => None,
            Kind::External(external) => Some(external),
        }
    }

    pub fn with(&self, external: External) -> Row {
        Row { name: self.name.clone(), kind: Kind::External(external) }
    }

    /// Tables and whatever else must be there before the programs start.
    pub async fn prepare(&self, site: &Workspace) -> anyhow::Result<()> {
        match &self.kind {
            Kind::Limit => Ok(()),
            Kind::Postrider => postrider::prepare(site).await,
            Kind::External(external) => external.prepare(site).await,
        }
    }

    pub fn envelope(&self) -> Envelope {
        match &self.kind {
            Kind::Limit => Envelope::Plain,
            Kind::Postrider => Envelope::Postrider,
            Kind::External(external) => external.envelope(),
        }
    }

    /// Name and command of each process to start; those before the last must listen on the site's port.
    pub fn programs(&self, site: &Workspace) -> anyhow::Result<Vec<(String, Command)>> {
        match &self.kind {
            Kind::Limit => limit::programs(site),
            Kind::Postrider => Ok(postrider::programs(site)),
            Kind::External(external) => external.programs(site),
        }
    }

    /// A query for the number of requests that have come so far.
    pub fn count(&self, goal: Goal) -> String {
        let condition = match &self.kind {
            Kind::Limit => limit::reached(goal).to_owned(),
            Kind::Postrider => postrider::reached(goal),
            Kind::External(external) => external.reached(goal).to_owned(),
        };
        format!("select /* bench */ count(*) from {condition}")
    }
}
