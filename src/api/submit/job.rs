//! The shape of a job, for descriptions: the API's and the one that `postrider schema` prints.
//!
//! `message::parse` is what reads jobs; a test holds the two to the same fields. `null` means absent everywhere.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type},
};
use uuid::Uuid;

use postrider_domain::{
    ids::Medium,
    job::{RequesterRole, parse},
};

/// One wish to ask one customer for feedback about one interaction.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(title = "Job", example = json!({
    "customer": { "name": "Jane", "email": "janecustomer@example.com" },
    "ext_interaction_id": "123456",
    "employee": { "email": "paulagent@blancapeak.com" },
    "channel": "phone"
}))]
pub struct JobBody {
    /// Whom to ask. Only a service recovery may leave it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerBody>,
    /// Who served the customer.
    pub employee: EmployeeBody,
    /// The interaction's channel, such as phone: one of the company's. Only a service recovery may leave it out.
    #[schema(min_length = 1, max_length = 255)]
    pub channel: Option<String>,
    /// The interaction's id in the producer's system; need not be unique.
    #[schema(min_length = 1, max_length = 255)]
    pub ext_interaction_id: Option<String>,
    /// The ticket in the producer's system: kept and shown, never fetched.
    #[schema(min_length = 1, max_length = 2000)]
    pub external_url: Option<String>,
    /// What is said of them: `tags_schema`.
    #[schema(schema_with = tags_schema)]
    pub tags: Option<Vec<Option<String>>>,
    /// A label of the company; may be left out where it has one brand or a default.
    #[schema(min_length = 1, max_length = 255)]
    pub brand: Option<String>,
    /// BCP 47, as in en or fr-CA.
    #[schema(min_length = 1, max_length = 35)]
    pub language: Option<String>,
    /// ISO 3166-1 alpha-2, as in CA.
    #[schema(min_length = 2, max_length = 2, pattern = "^[A-Za-z]{2}$")]
    pub country: Option<String>,
    /// True records the request and never sends it.
    pub do_not_send: Option<bool>,
    /// A service recovery of that earlier request, by its id here or its `former_id`; inherits what it leaves out.
    #[schema(value_type = Option<String>, format = "uuid", min_length = 32)]
    pub initial_feedback_request_id: Option<Uuid>,
    /// What is said of them: `properties_schema`.
    #[schema(schema_with = properties_schema)]
    pub custom_properties: Option<BTreeMap<String, Option<String>>>,
    /// `email` or `sms`; left out, the company's preference decides.
    #[schema(value_type = Option<MediumBody>)]
    pub medium: Option<Medium>,
    /// Not before then; in the past: now. With `delay_secs`, the later counts.
    #[schema(value_type = Option<String>, format = "date-time", min_length = 20)]
    pub send_after: Option<DateTime<Utc>>,
    /// Not before so many seconds have passed.
    #[schema(minimum = 0, maximum = 31_622_400)]
    pub delay_secs: Option<u32>,
    /// Not after so many seconds from when it was due.
    #[schema(minimum = 0, maximum = 31_622_400)]
    pub expires_after_secs: Option<u32>,
    /// Makes repeats of this job one request, for as long as that is kept; goes before a door's key.
    #[schema(min_length = 1, max_length = 255)]
    pub idempotency_key: Option<String>,
    /// The id that another system gave this request; unique in the company.
    #[schema(value_type = Option<String>, format = "uuid", min_length = 32)]
    pub former_id: Option<Uuid>,
    /// A person asks: their name or email address. Makes it a manual request. Over HTTP only.
    #[schema(min_length = 1, max_length = 200)]
    pub requested_by: Option<String>,
    /// As whoever calls says; a company administrator asks on behalf of others only where the company allows it.
    #[schema(value_type = Option<RequesterRoleBody>)]
    pub requested_by_role: Option<RequesterRole>,
    /// Passes the suppression period, never a block. Needs `requested_by` and a key with the scope `manage`.
    #[serde(rename = "override")]
    pub override_: Option<OverrideBody>,
}

/// At least one address, unless `do_not_send` is true or the customer is known by `custom_id`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(title = "Customer")]
pub struct CustomerBody {
    /// The customer's id in the producer's system.
    #[schema(min_length = 1, max_length = 255)]
    pub custom_id: Option<String>,
    #[schema(max_length = 255)]
    pub name: Option<String>,
    #[schema(max_length = 254, format = "email")]
    pub email: Option<String>,
    /// E.164, or a national number where the job names its country.
    #[schema(min_length = 1, max_length = 255)]
    pub phone: Option<String>,
}

/// One of the two; both must name the same team member.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(title = "Employee")]
pub struct EmployeeBody {
    #[schema(max_length = 254, format = "email")]
    pub email: Option<String>,
    #[schema(min_length = 1, max_length = 255)]
    pub custom_id: Option<String>,
}

/// In which role a person asks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(title = "RequesterRole")]
pub enum RequesterRoleBody {
    TeamMember,
    TeamLeader,
    CompanyAdmin,
}

/// Why the suppression period is not to hold this request back.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(title = "Override")]
pub struct OverrideBody {
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// How the customer is reached.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(title = "Medium")]
pub enum MediumBody {
    Email,
    Sms,
}

/// Bounds of items are nothing that the macro can say.
fn tags_schema() -> Schema {
    let tag = ObjectBuilder::new()
        .schema_type(or_null(Type::String))
        .min_length(Some(1))
        .max_length(Some(parse::TAG_CHARS_MAX));
    let tags = ArrayBuilder::new()
        .schema_type(or_null(Type::Array))
        .description(Some("Words to find the request by; one that is null is absent."))
        .items(tag)
        .max_items(Some(parse::TAGS_MAX));
    Schema::Array(tags.build())
}

/// Nor are those of names and values.
fn properties_schema() -> Schema {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(parse::PROPERTY_KEY_CHARS_MAX));
    let value = ObjectBuilder::new()
        .schema_type(or_null(Type::String))
        .max_length(Some(parse::PROPERTY_VALUE_CHARS_MAX));
    let said = "Texts to use in templates: at most 50, names of at most 64 characters, values of at most 2,000. \
                One that is null is absent.";
    let properties = ObjectBuilder::new()
        .schema_type(or_null(Type::Object))
        .description(Some(said))
        .max_properties(Some(parse::PROPERTIES_MAX))
        .property_names(Some(name.build()))
        .additional_properties(Some(value));
    Schema::Object(properties.build())
}

fn or_null(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}

/// The JSON Schema (2020-12) of a job, on every entrance.
#[must_use]
pub fn schema() -> Value {
    let mut shapes = Vec::new();
    JobBody::schemas(&mut shapes);
    let mut schema = serde_json::to_value(JobBody::schema()).expect("a schema is plain data");
    let definitions: Map<String, Value> = shapes
        .into_iter()
        .map(|(name, shape)| (name, serde_json::to_value(shape).expect("a schema is plain data")))
        .collect();
    schema["$schema"] = Value::from("https://json-schema.org/draft/2020-12/schema");
    schema["$defs"] = Value::Object(definitions);
    localised(&mut schema);
    schema
}

/// References of the API's description become references within the schema.
fn localised(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get_mut("$ref") {
                *target = target.replace("#/components/schemas/", "#/$defs/");
            }
            // OpenAPI's word; JSON Schema's takes a list.
            if let Some(example) = fields.remove("example") {
                fields.insert("examples".to_owned(), Value::from(vec![example]));
            }
            fields.values_mut().for_each(localised);
        }
        Value::Array(items) => items.iter_mut().for_each(localised),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(schema: &Value) -> Vec<&str> {
        schema["properties"].as_object().expect("an object").keys().map(String::as_str).collect()
    }

    fn sorted<'a>(names: &[&'a str]) -> Vec<&'a str> {
        let mut names = names.to_vec();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_schema_names_the_fields_that_are_read_and_no_others() {
        let schema = schema();
        assert_eq!(sorted(&fields(&schema)), sorted(parse::JOB_FIELDS));
        assert_eq!(sorted(&fields(&schema["$defs"]["CustomerBody"])), sorted(parse::CUSTOMER_FIELDS));
        assert_eq!(sorted(&fields(&schema["$defs"]["EmployeeBody"])), sorted(parse::EMPLOYEE_FIELDS));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], serde_json::json!(["employee"]));
    }

    #[test]
    fn the_schema_bounds_what_is_bounded_and_allows_null_where_null_is_absent() {
        let schema = schema();
        let of = |name: &str| &schema["properties"][name];
        let nullable = serde_json::json!(["string", "null"]);
        let tag = serde_json::json!({ "type": nullable, "minLength": 1, "maxLength": 200 });
        assert_eq!((&of("tags")["items"], &of("tags")["maxItems"]), (&tag, &Value::from(50)));
        let properties = of("custom_properties");
        let value = serde_json::json!({ "type": nullable, "maxLength": 2_000 });
        let name = serde_json::json!({ "type": "string", "minLength": 1, "maxLength": 64 });
        assert_eq!((&properties["additionalProperties"], &properties["propertyNames"]), (&value, &name));
        assert_eq!(properties["maxProperties"], 50);
        for (name, format, least) in [
            ("former_id", "uuid", 32),
            ("initial_feedback_request_id", "uuid", 32),
            ("send_after", "date-time", 20),
        ] {
            assert_eq!(of(name)["type"], nullable, "{name}");
            assert_eq!(of(name)["format"], format, "{name}");
            assert_eq!(of(name)["minLength"], least, "{name}");
        }
    }

    #[test]
    fn every_reference_of_the_schema_is_within_it() {
        let schema = schema();
        let text = schema.to_string();
        for target in text.split("\"$ref\":\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let name = target.strip_prefix("#/$defs/").expect("is local");
            assert!(schema["$defs"].get(name).is_some(), "{target}");
        }
    }

    #[test]
    fn the_schema_is_as_released() {
        insta::assert_snapshot!("job_schema", serde_json::to_string_pretty(&schema()).expect("JSON"));
    }
}
