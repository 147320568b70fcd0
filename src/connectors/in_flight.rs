//! The connectors that a worker works on at the moment: one task each, no connector in two tasks.
//!
//! A slow system delays the notifications of its own connector only. Reads and writes no notification: `inbox` takes
//! them and supplies the work.

use std::{collections::HashMap, future::Future};

use tokio::task::{Id, JoinSet};

use postrider_domain::ids::CompanyId;
use postrider_ledger::notifications::Notification;

/// Bound of connectors in flight.
const CONNECTORS_MAX: usize = 16;

/// A company and the id of one of its connectors.
pub(super) type ConnectorKey = (CompanyId, String);

/// Tasks by connector; dropped, it aborts them.
#[derive(Default)]
pub(super) struct InFlight {
    tasks: JoinSet<()>,
    connectors: HashMap<Id, ConnectorKey>,
}

impl InFlight {
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.connectors.len() < CONNECTORS_MAX
    }

    /// `company/connector` for each, as the ledger excludes them.
    pub(super) fn names(&self) -> Vec<String> {
        self.connectors.values().map(|(company, connector)| format!("{}/{connector}", company.0)).collect()
    }

    /// Spawns the work on a connector that is not in flight.
    pub(super) fn spawn(&mut self, key: ConnectorKey, work: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(work).id();
        self.connectors.insert(task, key);
    }

    /// Waits until the work on one connector has ended; returns at once if none is in flight.
    pub(super) async fn join_next(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((task, ()))) => drop(self.connectors.remove(&task)),
            Some(Err(error)) => {
                tracing::error!(
                    "working on notifications panicked; their leases expire and they are taken again"
                );
                self.connectors.remove(&error.id());
            }
            None => {}
        }
    }

    /// Waits until no connector is in flight.
    pub(super) async fn join_all(&mut self) {
        while !self.is_empty() {
            self.join_next().await;
        }
    }
}

/// Notifications by connector, each list in the given order.
pub(super) fn by_connector(notifications: Vec<Notification>) -> HashMap<ConnectorKey, Vec<Notification>> {
    let mut groups: HashMap<ConnectorKey, Vec<Notification>> = HashMap::new();
    for notification in notifications {
        groups.entry((notification.company, notification.connector.clone())).or_default().push(notification);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(connector: usize) -> ConnectorKey {
        (CompanyId(1), format!("r{connector}"))
    }

    #[tokio::test]
    async fn a_connector_is_in_flight_until_its_task_ends_even_by_a_panic() {
        let mut in_flight = InFlight::default();
        let (_open, hanging) = tokio::sync::oneshot::channel::<()>();
        in_flight.spawn(key(0), async { drop(hanging.await) });
        in_flight.spawn(key(1), async {});
        in_flight.join_next().await;
        assert_eq!(in_flight.names(), ["1/r0"]);
        in_flight.spawn(key(2), async { panic!("on purpose") });
        in_flight.join_next().await;
        assert_eq!(in_flight.names(), ["1/r0"]);
    }

    #[tokio::test]
    async fn connectors_in_flight_are_bounded() {
        let mut in_flight = InFlight::default();
        for connector in 0..CONNECTORS_MAX {
            assert!(in_flight.has_room(), "{connector}");
            in_flight.spawn(key(connector), async {});
        }
        assert!(!in_flight.has_room());
        in_flight.join_all().await;
        assert!(in_flight.has_room() && in_flight.is_empty() && in_flight.names().is_empty());
    }
}
