//! Differences between two JSON documents, by path: for audits, which people read and programs filter.
//!
//! PURE. `{"brands[gold].delay_secs": {"before": 0, "after": 60}}`: objects are walked, list items are matched by
//! their own name, everything else is compared whole. Bounded: past `ENTRIES_MAX` or `BYTES_MAX` the rest is only
//! counted. Read `change` for the lines that an operator sees.

use serde_json::{Map, Value, json};

/// Most entries of one audit.
pub const ENTRIES_MAX: usize = 200;
/// Most bytes of one audit's entries: a page of audits is held in memory.
const BYTES_MAX: usize = 64 * 1024;
/// The key under which omitted entries are counted.
pub const MORE: &str = "more";
/// The fields that name an item of a list, in this order: brands, accounts, bindings, channels.
const NAMES: [&str; 4] = ["label", "id", "user", "name"];

/// Every difference; empty if there is none. A side is left out where the value was absent.
#[must_use]
pub fn difference(before: &Value, after: &Value) -> Map<String, Value> {
    let mut found = Differences::default();
    found.compare("", before, after);
    found.settle()
}

/// The differences of named pairs, such as team members.
#[must_use]
pub fn named_difference<'v>(
    pairs: impl Iterator<Item = (String, Option<&'v Value>, Option<&'v Value>)>,
) -> Map<String, Value> {
    let mut found = Differences::default();
    for (name, before, after) in pairs {
        found.compare(&name, before.unwrap_or(&Value::Null), after.unwrap_or(&Value::Null));
    }
    found.settle()
}

/// Two differences as one, within the same bounds.
#[must_use]
pub fn joined(first: Map<String, Value>, second: Map<String, Value>) -> Map<String, Value> {
    let mut found = Differences::default();
    for (path, entry) in first.into_iter().chain(second) {
        match entry.as_u64().filter(|_| path == MORE) {
            Some(more) => found.left_out = found.left_out.saturating_add(more),
            None => found.keep(path, entry),
        }
    }
    found.settle()
}

#[derive(Default)]
struct Differences {
    entries: Map<String, Value>,
    bytes: usize,
    left_out: u64,
}

impl Differences {
    fn compare(&mut self, path: &str, before: &Value, after: &Value) {
        match (before, after) {
            (Value::Object(old), Value::Object(new)) => {
                let none = Value::Null;
                for name in old.keys().chain(new.keys().filter(|name| !old.contains_key(*name))) {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.compare(&path, old.get(name).unwrap_or(&none), new.get(name).unwrap_or(&none));
                }
            }
            (Value::Array(old), Value::Array(new)) => match (by_name(old), by_name(new)) {
                (Some(old), Some(new)) => self.compare_items(path, &old, &new),
                _ => self.note(path, before, after),
            },
            _ => self.note(path, before, after),
        }
    }

    fn compare_items(&mut self, path: &str, old: &[(&str, &Value)], new: &[(&str, &Value)]) {
        let find = |items: &[(&str, &Value)], name: &str| {
            items.iter().find(|(known, _)| *known == name).map_or(Value::Null, |(_, item)| (*item).clone())
        };
        for (name, item) in old {
            self.compare(&format!("{path}[{name}]"), item, &find(new, name));
        }
        for (name, item) in new.iter().filter(|(name, _)| old.iter().all(|(known, _)| known != name)) {
            self.note(&format!("{path}[{name}]"), &Value::Null, item);
        }
        let common = |items: &[(&str, &Value)], others: &[(&str, &Value)]| -> Vec<String> {
            let kept = items.iter().filter(|(name, _)| others.iter().any(|(other, _)| other == name));
            kept.map(|(name, _)| (*name).to_owned()).collect()
        };
        // The first account of a medium is the usual one, so their order means something.
        self.note(&format!("{path} (order)"), &json!(common(old, new)), &json!(common(new, old)));
    }

    fn note(&mut self, path: &str, before: &Value, after: &Value) {
        if before == after {
            return;
        }
        let mut entry = Map::new();
        for (side, value) in [("before", before), ("after", after)] {
            if !value.is_null() {
                entry.insert(side.to_owned(), value.clone());
            }
        }
        self.keep(path.to_owned(), Value::Object(entry));
    }

    fn keep(&mut self, path: String, entry: Value) {
        if self.entries.len() >= ENTRIES_MAX {
            self.left_out += 1;
            return;
        }
        let bytes = self.bytes + path.len() + entry.to_string().len();
        if bytes > BYTES_MAX {
            self.left_out += 1;
            return;
        }
        self.bytes = bytes;
        self.entries.insert(path, entry);
    }

    fn settle(mut self) -> Map<String, Value> {
        if self.left_out > 0 {
            self.entries.insert(MORE.to_owned(), json!(self.left_out));
        }
        self.entries
    }
}

/// The items with their names; `None` where one has none, or two share one.
fn by_name(items: &[Value]) -> Option<Vec<(&str, &Value)>> {
    let mut named: Vec<(&str, &Value)> = Vec::with_capacity(items.len());
    for item in items {
        let name = NAMES.iter().find_map(|field| item.get(field)?.as_str())?;
        named.push((name, item));
    }
    let mut names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    (names.len() == named.len()).then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_documents_differ_in_nothing() {
        let document = json!({"a": [1, 2], "brands": [{"label": "x", "name": "X"}]});
        assert_eq!(difference(&document, &document), Map::new());
    }

    #[test]
    fn what_differs_is_named_by_its_path_with_both_sides() {
        let before = json!({"days": 30, "media": ["email", "sms"], "brands": [
            {"label": "gold", "name": "Gold", "settings": {"delay": null}}, {"label": "gone", "name": "Gone"}]});
        let after = json!({"days": 60, "media": ["sms"], "brands": [
            {"label": "gold", "name": "Gold", "settings": {"delay": 5}}, {"label": "new", "name": "New"}]});
        let found = difference(&before, &after);
        assert_eq!(found["days"], json!({"before": 30, "after": 60}));
        assert_eq!(found["media"], json!({"before": ["email", "sms"], "after": ["sms"]}));
        assert_eq!(found["brands[gold].settings.delay"], json!({"after": 5}));
        assert_eq!(found["brands[gone]"], json!({"before": {"label": "gone", "name": "Gone"}}));
        assert_eq!(found["brands[new]"], json!({"after": {"label": "new", "name": "New"}}));
        assert_eq!(found.len(), 5);
    }

    #[test]
    fn another_order_of_the_same_items_is_a_difference() {
        let before = json!({"accounts": [{"id": "a"}, {"id": "b"}]});
        let after = json!({"accounts": [{"id": "b"}, {"id": "a"}]});
        let found = difference(&before, &after);
        assert_eq!(found["accounts (order)"], json!({"before": ["a", "b"], "after": ["b", "a"]}));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_flood_of_differences_is_counted_not_listed() {
        let value = json!(1);
        let found = named_difference((0..500).map(|number| (format!("m{number:03}"), None, Some(&value))));
        assert_eq!(found.len(), ENTRIES_MAX + 1);
        assert_eq!(found[MORE], json!(300));
    }

    #[test]
    fn what_is_too_much_to_keep_is_counted_and_the_rest_is_kept() {
        let before = json!({"a": "short", "b": "x".repeat(BYTES_MAX), "c": 1});
        let found = difference(&before, &json!({"a": "other", "b": "", "c": 2}));
        assert_eq!(found["a"], json!({"before": "short", "after": "other"}));
        assert_eq!((found.contains_key("b"), &found[MORE]), (false, &json!(1)));
        assert!(found.contains_key("c"));
    }

    #[test]
    fn two_differences_are_one_within_the_same_bounds() {
        let value = json!(1);
        let flood = |letter: &str, count: usize| {
            named_difference((0..count).map(|number| (format!("{letter}{number:03}"), None, Some(&value))))
        };
        let both = joined(flood("a", 201), flood("b", 150));
        assert_eq!((both.len(), &both[MORE]), (ENTRIES_MAX + 1, &json!(151)));
        assert_eq!(joined(flood("a", 2), flood("b", 3)).len(), 5);
    }
}
