//! The recipes whose notices a worker works off right now: each in a task of its own, none twice at once.
//!
//! One company's slow system holds up its own notices and no others. Nothing here reads or writes a notice;
//! `inbox` takes them, and hands over what is to be done with those of one recipe.

use std::{collections::HashMap, future::Future};

use tokio::task::{Id, JoinSet};

use postrider_domain::ids::CompanyId;
use postrider_ledger::notifications::Notification;

/// Further notices are taken while fewer recipes than this are under way.
const RECIPES_MAX: usize = 16;

/// A recipe and whose it is.
pub(super) type Whose = (CompanyId, String);

/// Tasks by recipe; those that are left end when this is dropped.
#[derive(Default)]
pub(super) struct UnderWay {
    tasks: JoinSet<()>,
    recipes: HashMap<Id, Whose>,
}

impl UnderWay {
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn has_room(&self) -> bool {
        self.recipes.len() < RECIPES_MAX
    }

    /// `company/recipe` each, as the ledger tells them apart.
    pub(super) fn names(&self) -> Vec<String> {
        self.recipes.values().map(|(company, recipe)| format!("{}/{recipe}", company.0)).collect()
    }

    /// Begins with the notices of a recipe that is not under way.
    pub(super) fn begin(&mut self, whose: Whose, work: impl Future<Output = ()> + Send + 'static) {
        let task = self.tasks.spawn(work).id();
        self.recipes.insert(task, whose);
    }

    /// Waits until one recipe's notices are through; at once where none is under way.
    pub(super) async fn one_ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((task, ()))) => drop(self.recipes.remove(&task)),
            Some(Err(error)) => {
                tracing::error!(%error, "notices cannot be worked off; their leases run out");
                self.recipes.remove(&error.id());
            }
            None => {}
        }
    }

    /// Waits for all of them.
    pub(super) async fn all_ended(&mut self) {
        while !self.is_empty() {
            self.one_ended().await;
        }
    }
}

/// Notices apart by recipe, each in the order in which it came.
pub(super) fn by_recipe(notices: Vec<Notification>) -> HashMap<Whose, Vec<Notification>> {
    let mut apart: HashMap<Whose, Vec<Notification>> = HashMap::new();
    for notice in notices {
        apart.entry((notice.company, notice.connector.clone())).or_default().push(notice);
    }
    apart
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(recipe: usize) -> Whose {
        (CompanyId(1), format!("r{recipe}"))
    }

    #[tokio::test]
    async fn a_recipe_is_under_way_until_its_task_ends_however_it_ends() {
        let mut under_way = UnderWay::default();
        let (_open, hanging) = tokio::sync::oneshot::channel::<()>();
        under_way.begin(whose(0), async { drop(hanging.await) });
        under_way.begin(whose(1), async {});
        under_way.one_ended().await;
        assert_eq!(under_way.names(), ["1/r0"]);
        under_way.begin(whose(2), async { panic!("on purpose") });
        under_way.one_ended().await;
        assert_eq!(under_way.names(), ["1/r0"]);
    }

    #[tokio::test]
    async fn so_many_recipes_at_once_and_then_no_more() {
        let mut under_way = UnderWay::default();
        for recipe in 0..RECIPES_MAX {
            assert!(under_way.has_room(), "{recipe}");
            under_way.begin(whose(recipe), async {});
        }
        assert!(!under_way.has_room());
        under_way.all_ended().await;
        assert!(under_way.has_room() && under_way.is_empty() && under_way.names().is_empty());
    }
}
