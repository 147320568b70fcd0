//! Completes the OpenAPI description with the parts that every call has in common.
//!
//! Handlers describe their own parameters, bodies and responses. The API key, its refusals and rate limit, the refusals
//! of bodies and the 503 are added here to every operation under `/v1`.

use std::collections::BTreeMap;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        Components, Content, HeaderBuilder, Info, InfoBuilder, OpenApi, RefOr, Response, ResponseBuilder,
        path::{Operation, PathItem},
        schema::{ObjectBuilder, Ref, Type},
        security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme},
    },
};

use crate::api::{Problem, problem::FieldProblem};

const SCHEME: &str = "key";
/// Refusals of any call.
const ANY: [(&str, &str); 5] = [
    ("400", "The call is malformed"),
    ("401", "The API key is missing, unknown or revoked"),
    ("403", "The API key lacks the scope that this call needs"),
    ("429", "The API key exceeded its rate limit; see Retry-After"),
    ("503", "Temporarily unavailable; see Retry-After"),
];
/// Further refusals of any call with a body.
const WITH_BODY: [(&str, &str); 4] = [
    ("408", "The body did not arrive in time"),
    ("413", "The body is too large"),
    ("415", "The body is not application/json in UTF-8"),
    ("422", "The sent fields are not valid; `problems` names each"),
];

/// Completes the description of the handlers.
#[must_use]
pub fn complete(mut document: OpenApi) -> OpenApi {
    document.info = info();
    let components = document.components.get_or_insert_with(Components::new);
    for (name, schema) in
        [(Problem::name(), Problem::schema()), (FieldProblem::name(), FieldProblem::schema())]
    {
        components.schemas.insert(name.into_owned(), schema);
    }
    let key = ApiKey::Header(ApiKeyValue::with_description("x-api-key", "An API key of your company"));
    components.add_security_scheme(SCHEME, SecurityScheme::ApiKey(key));
    let routes = operations_by_path(&document);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(method, path));
            if is_shadowed(path, method, &routes) {
                let response = refusal(
                    "405",
                    "The id equals the last part of another path, which does not accept this method",
                );
                operation.responses.responses.entry("405".to_owned()).or_insert(RefOr::T(response));
            }
            complete_operation(operation);
        }
    }
    document
}

/// Whether some value of the id matches another path without this method: `GET /v1/requests/batch`.
fn is_shadowed(path: &str, method: &str, routes: &BTreeMap<String, Vec<&'static str>>) -> bool {
    let fits = |other: &str| {
        let (mut ours, mut theirs) = (path.split('/'), other.split('/'));
        path != other
            && path.split('/').count() == other.split('/').count()
            && ours.all(|own| theirs.next().is_some_and(|word| own.starts_with('{') || own == word))
    };
    routes.iter().any(|(other, methods)| fits(other) && !methods.contains(&method))
}

fn info() -> Info {
    InfoBuilder::new()
        .title("Postrider")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Dispatches customer feedback requests: decides whether, when and how to ask, and asks once.",
        ))
        .build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [("GET", get), ("PUT", put), ("POST", post), ("DELETE", delete), ("PATCH", patch)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// An operation id by method and path: handlers of several areas share a name, generated clients need unique ones.
fn operation_id(method: &str, path: &str) -> String {
    let parts = path.trim_start_matches("/v1").split(['/', '{', '}']).filter(|part| !part.is_empty());
    parts.fold(method.to_ascii_lowercase(), |id, part| format!("{id}_{part}"))
}

fn complete_operation(operation: &mut Operation) {
    operation.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
    let with_body = operation.request_body.as_ref().map_or(&[][..], |_| &WITH_BODY[..]);
    let responses = &mut operation.responses.responses;
    for (status, meaning) in ANY.iter().chain(with_body) {
        responses.entry((*status).to_owned()).or_insert_with(|| RefOr::T(refusal(status, meaning)));
    }
    for (status, response) in responses.iter_mut().filter(|(status, _)| !status.starts_with('2')) {
        // A refusal without a body of its own has a `Problem` as its body.
        if let RefOr::T(response) = response
            && response.content.is_empty()
        {
            *response = refusal(status, &response.description.clone());
        }
    }
}

fn refusal(status: &str, meaning: &str) -> Response {
    let content = Content::new(Some(RefOr::Ref(Ref::from_schema_name(Problem::name()))));
    let response = ResponseBuilder::new().description(meaning).content("application/problem+json", content);
    match status {
        "429" | "503" => {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
            let header =
                HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait")).build();
            response.header("retry-after", header).build()
        }
        _ => response.build(),
    }
}

/// The methods of each path, for tests that call all of them.
#[must_use]
pub fn operations_by_path(document: &OpenApi) -> BTreeMap<String, Vec<&'static str>> {
    let methods = |mut item: PathItem| operations(&mut item).map(|(method, _)| method).collect();
    document.paths.paths.iter().map(|(path, item)| (path.clone(), methods(item.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::router;

    #[test]
    fn an_id_that_is_another_paths_word_is_described() {
        let mut document = router::document();
        let mut has_405 = |path: &str, method: &str| {
            let item = document.paths.paths.get_mut(path).expect("the path is there");
            let (_, operation) = operations(item).find(|(name, _)| *name == method).expect("the method too");
            operation.responses.responses.contains_key("405")
        };
        assert!(has_405("/v1/requests/{id}", "GET"), "GET /v1/requests/batch is not allowed");
        assert!(!has_405("/v1/requests/{id}/why", "GET"), "no other path looks like it");
        assert!(!has_405("/v1/requests", "GET"), "no id, no such word");
    }

    #[test]
    fn each_operation_has_an_id_of_its_own() {
        let mut document = router::document();
        let mut ids = Vec::new();
        for item in document.paths.paths.values_mut() {
            ids.extend(operations(item).filter_map(|(_, operation)| operation.operation_id.clone()));
        }
        let count = ids.len();
        assert!(count > 30, "the document has all of them");
        assert!(ids.contains(&"post_requests_id_retry".to_owned()), "{ids:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "each is there once");
    }
}
