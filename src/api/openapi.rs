//! The description of the API, completed: what is true of every call is said here once.
//!
//! Handlers describe what is their own. The key, its refusals and its share, bodies that cannot be read and
//! times when nothing can be taken are added to every operation under `/v1`.

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
/// Refusals that any call may meet.
const ANY: [(&str, &str); 5] = [
    ("400", "The call is malformed"),
    ("401", "No key, or none that is known"),
    ("403", "The key has not the scope that this needs"),
    ("429", "More calls than the key's share; see Retry-After"),
    ("503", "Not just now; see Retry-After"),
];
/// Refusals that any call with a body may meet.
const WITH_BODY: [(&str, &str); 4] = [
    ("408", "The body did not come in time"),
    ("413", "The body is too large"),
    ("415", "The body is not application/json in UTF-8"),
    ("422", "What was sent is not valid; every problem is named by its field"),
];

/// Completes what the handlers say.
#[must_use]
pub fn complete(mut document: OpenApi) -> OpenApi {
    document.info = info();
    let components = document.components.get_or_insert_with(Components::new);
    for (name, schema) in
        [(Problem::name(), Problem::schema()), (FieldProblem::name(), FieldProblem::schema())]
    {
        components.schemas.insert(name.into_owned(), schema);
    }
    let key = ApiKey::Header(ApiKeyValue::with_description("x-api-key", "A key of your company"));
    components.add_security_scheme(SCHEME, SecurityScheme::ApiKey(key));
    let routes = operations_by_path(&document);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            operation.operation_id = Some(operation_id(method, path));
            if is_shadowed(path, method, &routes) {
                let word =
                    refusal("405", "The id is the word of another path, which does not take this method");
                operation.responses.responses.entry("405".to_owned()).or_insert(RefOr::T(word));
            }
            complete_operation(operation);
        }
    }
    document
}

/// Whether some id leads to a path of its own that has no such method: `GET /v1/requests/batch`.
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
        .description(Some("Dispatches customer feedback requests: whether, when and how to ask, once."))
        .build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [("GET", get), ("PUT", put), ("POST", post), ("DELETE", delete), ("PATCH", patch)]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// Handlers of several areas have one name; whatever is generated from the description needs different ones.
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
        // A handler that only names a refusal means a problem.
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

/// Names of the paths and their methods, for tests that walk them all.
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
