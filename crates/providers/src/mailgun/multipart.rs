//! Writes the body of a call as `multipart/form-data` (RFC 7578).
//!
//! PURE. Field names are our own constants and need no escaping. Values are written unchanged: the format allows
//! every byte sequence but the boundary. Deliberately absent: files other than the message. `reqwest` has such a
//! writer, but messages are not posted by `reqwest` (see `http`).

use uuid::Uuid;

/// Upper bound of a part's head, with the longest field name.
const PART_HEAD_BYTES: usize = 160;

/// The boundary. `random` keeps it out of the content: 122 random bits, drawn after the content was made.
pub fn boundary(random: Uuid) -> String {
    format!("postrider-{}", random.simple())
}

/// The value of the header `Content-Type`.
pub fn content_type(boundary: &str) -> String {
    format!("multipart/form-data; boundary={boundary}")
}

/// The fields in their order, then the finished message as a file part. Mailgun ignores a file part without a
/// file name.
pub fn form<V: AsRef<str>>(boundary: &str, fields: &[(&str, V)], mime: &[u8]) -> Vec<u8> {
    let values: usize = fields.iter().map(|(_, value)| value.as_ref().len()).sum();
    let mut body = Vec::with_capacity((fields.len() + 2) * PART_HEAD_BYTES + values + mime.len());
    let mut write = |pieces: &[&[u8]]| pieces.iter().for_each(|piece| body.extend_from_slice(piece));
    let dashed = format!("--{boundary}");
    let dashed = dashed.as_bytes();
    for (name, value) in fields {
        let disposition = b"\r\nContent-Disposition: form-data; name=\"";
        write(&[dashed, disposition, name.as_bytes(), b"\"\r\n\r\n", value.as_ref().as_bytes(), b"\r\n"]);
    }
    let file = b"\r\nContent-Disposition: form-data; name=\"message\"; filename=\"message.eml\"\r\n\
        Content-Type: message/rfc822\r\n\r\n";
    write(&[dashed, file, mime, b"\r\n", dashed, b"--\r\n"]);
    body
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_and_message_stand_in_their_order_between_boundaries() {
        let body = form("b", &[("to", "zoe@x.example"), ("v:m", "1")], b"A: b\r\n\r\nc");
        let expected = "--b\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\nzoe@x.example\r\n\
            --b\r\nContent-Disposition: form-data; name=\"v:m\"\r\n\r\n1\r\n\
            --b\r\nContent-Disposition: form-data; name=\"message\"; filename=\"message.eml\"\r\n\
            Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nc\r\n--b--\r\n";
        assert_eq!(String::from_utf8_lossy(&body), expected);
        assert_eq!(content_type("b"), "multipart/form-data; boundary=b");
    }

    proptest! {
        #[test]
        fn no_content_ends_its_own_part(
            random: u128, another: u128, text in "(.|\r\n|--|postrider-){0,80}", mime: Vec<u8>,
        ) {
            let boundary = boundary(Uuid::from_u128(random));
            prop_assert!(boundary.len() <= 70, "RFC 2046");
            // The closest that content can come: the boundary of another call.
            let old = format!("\r\n--{}--\r\n", self::boundary(Uuid::from_u128(another)));
            let mime = [&mime, old.as_bytes(), text.as_bytes()].concat();
            let body = form(&boundary, &[("to", &text)], &mime);
            let dashed = format!("--{boundary}");
            let found = body.windows(dashed.len()).filter(|window| *window == dashed.as_bytes()).count();
            prop_assert!(random == another || found == 3, "one for each part and one for the end");
            let whole = [&b"message/rfc822\r\n\r\n"[..], &mime, b"\r\n", dashed.as_bytes(), b"--\r\n"].concat();
            prop_assert!(body.ends_with(&whole));
        }
    }
}
