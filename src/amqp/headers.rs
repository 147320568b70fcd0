//! Values of AMQP headers, as the broker sets them.
//!
//! Brokers of different versions write one header in different types; these functions accept all of them.

use lapin::{message::Delivery, types::AMQPValue};

/// Number of deliveries before this one; `None`: the broker has not counted any.
pub(super) fn delivery_count(delivery: &Delivery) -> Option<i64> {
    let headers = delivery.properties.headers().as_ref()?;
    headers.inner().get("x-delivery-count").and_then(number)
}

/// A header of any integer type that fits.
pub(super) fn number(value: &AMQPValue) -> Option<i64> {
    match value {
        AMQPValue::LongLongInt(number) => Some(*number),
        AMQPValue::LongInt(number) => Some(i64::from(*number)),
        AMQPValue::LongUInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortInt(number) => Some(i64::from(*number)),
        AMQPValue::ShortShortUInt(number) => Some(i64::from(*number)),
        _ => None,
    }
}

/// A header of either text type, if it is UTF-8.
pub(super) fn text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}
