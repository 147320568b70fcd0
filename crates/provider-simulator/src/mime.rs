//! The headers of a MIME message, as far as a provider reads them.
//!
//! No I/O. Unfolds headers and decodes encoded words (RFC 2047) in UTF-8; bodies are not read.

use base64::{Engine, engine::general_purpose::STANDARD};

/// The value of the first header with this name, unfolded and decoded.
pub(crate) fn header(mime: &[u8], name: &str) -> Option<String> {
    let end = mime
        .windows(2)
        .zip(mime.windows(4).map(Some).chain(std::iter::repeat(None)))
        .position(|(two, four)| two == b"\n\n" || four == Some(b"\r\n\r\n"))
        .unwrap_or(mime.len());
    let head = String::from_utf8_lossy(&mime[..end]);
    let mut lines = head.lines();
    let first = lines.by_ref().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })?;
    let folded = lines.take_while(|line| line.starts_with([' ', '\t']));
    let value = folded.fold(first, |value, line| format!("{value} {}", line.trim()));
    Some(decode_words(value.trim()))
}

/// The address in `Name <address>`, or the whole text.
pub(crate) fn address(text: &str) -> &str {
    let inner = text.rsplit_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or(text, |(address, _)| address).trim()
}

/// The id without its brackets, if it has the form `local@domain`.
pub(crate) fn message_id(text: &str) -> Option<&str> {
    let id = address(text);
    let (local, domain) = id.split_once('@')?;
    let plain = |part: &str| !part.is_empty() && !part.contains([' ', '@', '<', '>']);
    (plain(local) && plain(domain)).then_some(id)
}

fn decode_words(value: &str) -> String {
    let (mut text, mut after_encoded) = (String::new(), false);
    for word in value.split(' ') {
        let decoded = decode_word(word);
        // White space between two encoded words is not part of the text.
        let joined = after_encoded && decoded.is_some();
        if !(text.is_empty() || joined) {
            text.push(' ');
        }
        after_encoded = decoded.is_some();
        text.push_str(decoded.as_deref().unwrap_or(word));
    }
    text
}

fn decode_word(word: &str) -> Option<String> {
    let mut parts = word.strip_prefix("=?")?.strip_suffix("?=")?.splitn(3, '?');
    let (charset, encoding, text) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    let bytes =
        if encoding.eq_ignore_ascii_case("b") { STANDARD.decode(text).ok()? } else { decode_q(text)? };
    String::from_utf8(bytes).ok()
}

fn decode_q(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'_' => bytes.push(b' '),
            b'=' => {
                bytes.extend(hex::decode(after.get(..2)?).ok()?);
                rest = &after[2..];
            }
            plain => bytes.push(plain),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_unfolded_and_decoded() {
        let mime = "From: Shop <a@b.test>\r\nSubject: =?utf-8?b?SMOpIQ==?= =?utf-8?q?_you=3F?=\r\n and more\r\n\r\nSubject: not this";
        assert_eq!(header(mime.as_bytes(), "subject").as_deref(), Some("Hé! you? and more"));
        assert_eq!(header(mime.as_bytes(), "From").as_deref().map(address), Some("a@b.test"));
        assert_eq!(header(b"A: b\n\nTo: c", "to"), None);
    }

    #[test]
    fn only_a_proper_message_id_is_kept() {
        assert_eq!(message_id("<a.1@b.test>"), Some("a.1@b.test"));
        assert_eq!(message_id("<a b@c>"), None);
        assert_eq!(message_id("nothing"), None);
    }
}
