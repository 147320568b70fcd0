//! A small parser of `multipart/form-data` (RFC 7578) over a whole body.
//!
//! No I/O. Every part with its field name, file name and bytes; parts are bounded in number, the body by
//! whoever read it. Nested multiparts and transfer encodings are not decoded: browsers and clients do
//! not send them.

const PARTS_MAX: usize = 200;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub name: String,
    pub file_name: Option<String>,
    pub content: &'a [u8],
}

/// The boundary of a `content-type` header, if that is multipart.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let value = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value)
    })?;
    Some(value.trim().trim_matches('"')).filter(|value| !value.is_empty() && value.len() <= 70)
}

/// None where the body is not what its boundary promises.
pub(super) fn parse<'a>(body: &'a [u8], boundary: &str) -> Option<Vec<Part<'a>>> {
    let dashed = format!("--{boundary}");
    let between = format!("\r\n{dashed}");
    let mut rest = match body.strip_prefix(dashed.as_bytes()) {
        Some(rest) => rest,
        None => &body[find(body, between.as_bytes())? + between.len()..],
    };
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        // White space may follow a boundary.
        let line_end = find(rest, b"\r\n")?;
        let part = &rest[line_end + 2..];
        let end = find(part, between.as_bytes())?;
        parts.push(parse_part(&part[..end])?);
        rest = &part[end + between.len()..];
        if parts.len() > PARTS_MAX {
            return None;
        }
    }
    Some(parts)
}

fn parse_part(part: &[u8]) -> Option<Part<'_>> {
    let head_end = find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&part[..head_end]).ok()?;
    let disposition = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    Some(Part {
        name: parameter(disposition, "name")?,
        file_name: parameter(disposition, "filename"),
        content: &part[head_end + 4..],
    })
}

/// A quoted or bare parameter of a `content-disposition`; names match whole.
fn parameter(disposition: &str, name: &str) -> Option<String> {
    let mut rest = disposition;
    while let Some((_, after)) = rest.split_once(';') {
        let (found, value) = after.split_once('=')?;
        let value = value.trim_start();
        let (text, left) = match value.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        if found.trim().eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = left;
    }
    None
}

/// The text up to the closing quote, and what follows it.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let (mut text, mut escaped) = (String::new(), false);
    for (place, letter) in quoted.char_indices() {
        match letter {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return Some((text, &quoted[place + 1..])),
            letter => {
                text.push(letter);
                escaped = false;
            }
        }
    }
    None
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(step) = haystack.get(from..)?.iter().position(|byte| *byte == first) {
        from += step;
        if haystack[from..].starts_with(needle) {
            return Some(from);
        }
        from += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use postrider_providers::mailgun::multipart as ours;

    proptest! {
        #[test]
        fn what_our_own_client_writes_comes_apart_as_it_was(
            random: u128, value in "(.|\r\n|--|postrider-){0,40}", mime: Vec<u8>,
        ) {
            let drawn = ours::boundary(Uuid::from_u128(random));
            let header = ours::content_type(&drawn);
            let body = ours::form(&drawn, &[("to", "a@b.test"), ("v:m", &value)], &mime);
            let parts = parse(&body, boundary(&header).expect("a boundary")).expect("three parts");
            let seen: Vec<_> =
                parts.iter().map(|part| (part.name.as_str(), part.file_name.as_deref(), part.content)).collect();
            prop_assert_eq!(
                seen,
                [
                    ("to", None, &b"a@b.test"[..]),
                    ("v:m", None, value.as_bytes()),
                    ("message", Some("message.eml"), &mime),
                ]
            );
        }
    }

    #[test]
    fn fields_and_files_come_apart_with_their_bytes_untouched() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\na@b.test\r\n--x\r\nContent-Type: message/rfc822\r\ncontent-disposition: form-data; filename=\"m;\\\"1.eml\"; name=message\r\n\r\nA: b\r\n\r\n--xy\r\n\r\n--x--\r\n";
        // The inner line starts with the boundary only because this body chose a bad one.
        assert!(parse(body, "x").is_none());
        let body = String::from_utf8_lossy(body).replace("--xy", "- -xy");
        let parts = parse(body.as_bytes(), "x").expect("two parts");
        assert_eq!(parts[0], Part { name: "to".into(), file_name: None, content: b"a@b.test" });
        assert_eq!(parts[1].file_name.as_deref(), Some("m;\"1.eml"));
        assert_eq!(parts[1].content, b"A: b\r\n\r\n- -xy\r\n");
    }

    #[test]
    fn a_body_cut_short_is_refused() {
        assert!(parse(b"--x\r\nContent-Disposition: form-data; name=\"to\"\r\n\r\na@b", "x").is_none());
        assert!(parse(b"", "x").is_none());
        assert_eq!(boundary("multipart/form-data; charset=a; boundary=\"q-1\""), Some("q-1"));
        assert_eq!(boundary("application/json"), None);
    }
}
