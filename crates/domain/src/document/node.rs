//! A JSON or TOML document as it was written, before any rule: duplicate keys are still there.
//!
//! PURE. The usual maps keep the last of two equal keys silently, and two readers of one job may then
//! disagree; a `Node` keeps both so that `fields` can refuse them by path. Depth is bounded by
//! serde_json (128). Read `fields` next.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// 2^32: below it a float with a fraction of zero is exact even where a parser is off by the last bit.
const EXACT_BELOW: f64 = 4_294_967_296.0;

/// One value of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// `null`; `Fields` treats it as absent.
    Null,
    /// A boolean.
    Flag(bool),
    /// A whole number: 3600, 3600.0 and 3.6e3 are the same number, as in JSON Schema.
    Integer(i64),
    /// A number with a fraction, or one too large to be held exactly.
    Number,
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Node>),
    /// An object's entries in the document's order, duplicates included.
    Object(Vec<(String, Node)>),
    /// A TOML date or time.
    Date,
}

impl Node {
    /// The name of this kind of value in problem messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Flag(_) => "a boolean",
            Node::Integer(_) => "a whole number",
            Node::Number => "a number with a fraction or one too large",
            Node::Text(_) => "a string",
            Node::List(_) => "a list",
            Node::Object(_) => "an object",
            Node::Date => "a date",
        }
    }

    fn from_float(number: f64) -> Node {
        match number.fract() == 0.0 && number.abs() < EXACT_BELOW {
            true => Node::Integer(number as i64),
            false => Node::Number,
        }
    }
}

impl From<toml::Value> for Node {
    fn from(value: toml::Value) -> Node {
        match value {
            toml::Value::String(text) => Node::Text(text),
            toml::Value::Integer(number) => Node::Integer(number),
            toml::Value::Float(number) => Node::from_float(number),
            toml::Value::Boolean(flag) => Node::Flag(flag),
            toml::Value::Datetime(_) => Node::Date,
            toml::Value::Array(items) => Node::List(items.into_iter().map(Node::from).collect()),
            toml::Value::Table(table) => {
                Node::Object(table.into_iter().map(|(key, value)| (key, Node::from(value))).collect())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Flag(flag))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Node, E> {
        Ok(i64::try_from(number).map_or(Node::Number, Node::Integer))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Node, E> {
        Ok(Node::from_float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Node, E> {
        Ok(Node::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Node::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_however_it_is_written_as_far_as_it_is_exact() {
        let read = |json: &str| serde_json::from_str::<Node>(json).expect("the test writes JSON");
        for (json, number) in [
            ("3600", 3_600),
            ("3600.0", 3_600),
            ("3.6e3", 3_600),
            ("-0.0", 0),
            ("-7.00", -7),
            ("4294967295.0", 4_294_967_295),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(read(json), Node::Integer(number), "{json}");
        }
        for json in ["1.5", "1e-3", "4294967296.0", "1e300", "-1e18", "18446744073709551615"] {
            assert_eq!(read(json), Node::Number, "{json}");
        }
        let file: toml::Value = toml::from_str("secs = 3600.0").expect("the test writes TOML");
        assert_eq!(Node::from(file), Node::Object(vec![("secs".to_owned(), Node::Integer(3_600))]));
        for float in [f64::NAN, f64::INFINITY] {
            assert_eq!(Node::from(toml::Value::Float(float)), Node::Number, "{float}");
        }
    }
}
