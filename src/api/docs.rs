//! `/docs`: the API description as a page for people, rendered from the same document as `/openapi.json`.
//!
//! The page is plain HTML without scripts and without foreign resources: it works behind any firewall and discloses
//! its readers to no third party.

use std::fmt::Write as _;

use serde_json::Value;
use utoipa::openapi::OpenApi;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;\
color:#1b1f24}h2{margin-top:2em;border-bottom:1px solid #d0d7de}code,pre{font-family:ui-monospace,monospace;\
font-size:.9em}pre{background:#f6f8fa;padding:.8em;overflow:auto}table{border-collapse:collapse;width:100%}\
td,th{border-bottom:1px solid #d0d7de;padding:.3em .6em .3em 0;text-align:left;vertical-align:top}\
details{margin:.6em 0}summary{cursor:pointer;padding:.3em 0}.m{display:inline-block;min-width:4.5em;\
font-weight:700}a{color:#0550ae}@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}\
pre{background:#161b22}a{color:#58a6ff}}";

/// Renders the page as HTML.
#[must_use]
pub fn page(document: &OpenApi) -> String {
    let document = serde_json::to_value(document).expect("a description is plain data");
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Postrider: the API</title><style>{STYLE}</style><body>\
         <h1>Postrider: the API</h1><p>{}</p><p>Every call carries an API key of its company in the header \
         <code>x-api-key</code>. Every refusal is answered as <code>application/problem+json</code>. For \
         programs: <a href=\"/openapi.json\">/openapi.json</a>.</p>",
        text(&document["info"]["description"])
    );
    for tag in tags(&document) {
        let _ = write!(html, "<h2 id=\"{tag}\">{tag}</h2>");
        for (path, method, operation) in operations(&document).filter(|(.., one)| tag_of(one) == tag) {
            operation_details(&mut html, path, method, operation);
        }
    }
    html.push_str("<h2 id=\"schemas\">Schemas</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        schema_details(&mut html, name, schema);
    }
    html.push_str("</body></html>\n");
    html
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flatten();
        methods
            .filter(|(_, operation)| operation.get("responses").is_some())
            .map(|(method, operation)| (path.as_str(), method.as_str(), operation))
    })
}

fn tag_of(operation: &Value) -> &str {
    operation["tags"][0].as_str().unwrap_or("other")
}

/// The tags in the order of their paths.
fn tags(document: &Value) -> Vec<&str> {
    let mut tags: Vec<&str> = Vec::new();
    for (.., operation) in operations(document) {
        let tag = tag_of(operation);
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

fn operation_details(html: &mut String, path: &str, method: &str, operation: &Value) {
    let _ = write!(
        html,
        "<details><summary><span class=\"m\">{}</span> <code>{}</code> {}</summary><p>{}</p>",
        method.to_uppercase(),
        escaped(path),
        text(&operation["summary"]),
        text(&operation["description"])
    );
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    if !parameters.is_empty() {
        html.push_str("<table><tr><th>parameter<th>in<th>type<th>meaning");
        for one in parameters {
            let needed = if one["required"] == true { "" } else { " (optional)" };
            let (name, place) = (text(&one["name"]), text(&one["in"]));
            let (kind, meaning) = (type_of(&one["schema"]), text(&one["description"]));
            let _ = write!(html, "<tr><td><code>{name}</code>{needed}<td>{place}<td>{kind}<td>{meaning}");
        }
        html.push_str("</table>");
    }
    for (kind, media) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
        let _ = write!(html, "<p>Body, {}: {}</p>", escaped(kind), type_of(&media["schema"]));
    }
    html.push_str("<table><tr><th>answer<th>meaning<th>body");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let contents = response["content"].as_object().into_iter().flatten();
        let bodies: Vec<String> = contents.map(|(_, media)| type_of(&media["schema"])).collect();
        let meaning = text(&response["description"]);
        let _ = write!(html, "<tr><td>{}<td>{meaning}<td>{}", escaped(status), bodies.join(", "));
    }
    html.push_str("</table></details>");
}

fn schema_details(html: &mut String, name: &str, schema: &Value) {
    let name = escaped(name);
    let _ = write!(html, "<details id=\"schema-{name}\"><summary><code>{name}</code></summary>");
    let _ = write!(html, "<p>{}</p>", text(&schema["description"]));
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let fields: Vec<_> = schema["properties"].as_object().into_iter().flatten().collect();
    if fields.is_empty() {
        let _ = write!(html, "<p>{}</p>", type_of(schema));
    } else {
        html.push_str("<table><tr><th>field<th>type<th>meaning");
        for (field, inside) in fields {
            let needed = if required.iter().any(|one| one == field) { "" } else { " (optional)" };
            let (kind, meaning) = (type_of(inside), text(&inside["description"]));
            let _ = write!(html, "<tr><td><code>{}</code>{needed}<td>{kind}<td>{meaning}", escaped(field));
        }
        html.push_str("</table>");
    }
    if let Some(example) = schema.get("example") {
        let example = serde_json::to_string_pretty(example).unwrap_or_default();
        let _ = write!(html, "<pre>{}</pre>", escaped(&example));
    }
    html.push_str("</details>");
}

/// A short description of a schema, with links to the schemas that it refers to.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#schema-{0}\">{0}</a>", escaped(name));
    }
    let any = ["oneOf", "anyOf", "allOf"].into_iter().find_map(|word| schema[word].as_array());
    if let Some(options) = any {
        return options.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().map(|word| format!("<code>{}</code>", text(word)));
        return words.collect::<Vec<_>>().join(", ");
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    let kinds: Vec<String> = kinds
        .into_iter()
        .map(|kind| match (kind, schema["format"].as_str()) {
            ("array", _) => format!("list of {}", type_of(&schema["items"])),
            ("object", _) if schema.get("additionalProperties").is_some_and(Value::is_object) => {
                format!("map of {}", type_of(&schema["additionalProperties"]))
            }
            (kind, Some(format)) => format!("{} ({})", escaped(kind), escaped(format)),
            (kind, None) => escaped(kind),
        })
        .collect();
    kinds.join(" or ")
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or(""))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_every_operation_and_needs_nothing_from_elsewhere() {
        let document = crate::api::router::document();
        let page = page(&document);
        let value = serde_json::to_value(&document).expect("JSON");
        assert!(operations(&value).count() > 2);
        for (path, ..) in operations(&value) {
            assert!(page.contains(&format!("<code>{}</code>", escaped(path))), "{path}");
        }
        for foreign in ["src=", "<script", "<link", "@import", "url(", "//"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        for link in page.split("href=\"#").skip(1) {
            let target = link.split('"').next().unwrap_or("");
            assert!(page.contains(&format!("id=\"{target}\"")), "{target} is on the page");
        }
    }

    #[test]
    fn what_the_code_says_cannot_break_the_page() {
        assert_eq!(escaped("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
    }
}
