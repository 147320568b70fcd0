//! The schema of a job, for the API description and for `postrider schema`.
//!
//! `job::parse` in the crate `postrider-domain` reads jobs; a test keeps its fields and this schema equal. `null` means
//! absent everywhere.

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

/// A job: ask one customer for feedback about one interaction.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Job, title = "Job", example = json!({
    "customer": { "name": "Jane", "email": "janecustomer@example.com" },
    "ext_interaction_id": "123456",
    "employee": { "email": "paulagent@blancapeak.com" },
    "channel": "phone"
}))]
pub struct JobBody {
    /// The customer to ask. Optional for a service recovery only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerBody>,
    /// The team member that served the customer.
    pub employee: EmployeeBody,
    /// Channel of the interaction, such as phone: one of the company's. Optional for a service recovery only.
    #[schema(min_length = 1, max_length = 255)]
    pub channel: Option<String>,
    /// Id of the interaction in the producer's system; need not be unique.
    #[schema(min_length = 1, max_length = 255)]
    pub ext_interaction_id: Option<String>,
    /// Link to the ticket in the producer's system: stored and displayed, never fetched.
    #[schema(min_length = 1, max_length = 2000)]
    pub external_url: Option<String>,
    /// Described by `tags_schema`.
    #[schema(schema_with = tags_schema)]
    pub tags: Option<Vec<Option<String>>>,
    /// Label of a brand of the company; optional if the company has one brand or a default.
    #[schema(min_length = 1, max_length = 255)]
    pub brand: Option<String>,
    /// BCP 47, as in en or fr-CA.
    #[schema(min_length = 1, max_length = 35)]
    pub language: Option<String>,
    /// ISO 3166-1 alpha-2, as in CA.
    #[schema(min_length = 2, max_length = 2, pattern = "^[A-Za-z]{2}$")]
    pub country: Option<String>,
    /// True stores the request and never sends it.
    pub do_not_send: Option<bool>,
    /// Makes the job a service recovery of an earlier request, named by its id or `former_id`; absent fields are
    /// inherited from it.
    #[schema(value_type = Option<String>, format = "uuid", min_length = 32)]
    pub initial_feedback_request_id: Option<Uuid>,
    /// Described by `properties_schema`.
    #[schema(schema_with = properties_schema)]
    pub custom_properties: Option<BTreeMap<String, Option<String>>>,
    /// `email` or `sms`; absent: the preference of the company decides.
    #[schema(value_type = Option<MediumBody>)]
    pub medium: Option<Medium>,
    /// Earliest time of sending; a past time means now. With `delay_secs`, the later of both counts.
    #[schema(value_type = Option<String>, format = "date-time", min_length = 20)]
    pub send_after: Option<DateTime<Utc>>,
    /// Seconds to wait before sending.
    #[schema(minimum = 0, maximum = 31_622_400)]
    pub delay_secs: Option<u32>,
    /// Seconds after the due time at which the request expires.
    #[schema(minimum = 0, maximum = 31_622_400)]
    pub expires_after_secs: Option<u32>,
    /// Repeats of a job with the same key become one request, for as long as that is stored. Takes precedence over
    /// the header `Idempotency-Key` and the AMQP message id.
    #[schema(min_length = 1, max_length = 255)]
    pub idempotency_key: Option<String>,
    /// Id of this request in another system; unique in the company.
    #[schema(value_type = Option<String>, format = "uuid", min_length = 32)]
    pub former_id: Option<Uuid>,
    /// Name or email address of the person that asks. Makes the job a manual request. Over HTTP only.
    #[schema(min_length = 1, max_length = 200)]
    pub requested_by: Option<String>,
    /// Role of that person, as stated by the caller. A company administrator asks on behalf of others only if the
    /// company allows it.
    #[schema(value_type = Option<RequesterRoleBody>)]
    pub requested_by_role: Option<RequesterRole>,
    /// Overrides the suppression period, never a block. Needs `requested_by` and a key with the scope `manage`.
    #[serde(rename = "override")]
    pub override_: Option<OverrideBody>,
}

/// A customer with at least one address, unless `do_not_send` is true or the customer is known by `custom_id`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Customer, title = "Customer")]
pub struct CustomerBody {
    /// The customer's id in the producer's system.
    #[schema(min_length = 1, max_length = 255)]
    pub custom_id: Option<String>,
    #[schema(max_length = 255)]
    pub name: Option<String>,
    #[schema(max_length = 254, format = "email")]
    pub email: Option<String>,
    /// E.164, or a national number if the job names its country.
    #[schema(min_length = 1, max_length = 255)]
    pub phone: Option<String>,
}

/// A team member, by one of the two fields; both must name the same one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Employee, title = "Employee")]
pub struct EmployeeBody {
    #[schema(max_length = 254, format = "email")]
    pub email: Option<String>,
    #[schema(min_length = 1, max_length = 255)]
    pub custom_id: Option<String>,
}

/// The role of the person that asks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RequesterRole, title = "RequesterRole")]
#[expect(dead_code, reason = "the schema of what job::parse reads")]
pub enum RequesterRoleBody {
    TeamMember,
    TeamLeader,
    CompanyAdmin,
}

/// The reason for overriding the suppression period.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Override, title = "Override")]
pub struct OverrideBody {
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// The medium of a message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Medium, title = "Medium")]
#[expect(dead_code, reason = "the schema of what job::parse reads")]
pub enum MediumBody {
    Email,
    Sms,
}

/// The schema of `tags`: the derive macro cannot state bounds of items.
fn tags_schema() -> Schema {
    let tag = ObjectBuilder::new()
        .schema_type(or_null(Type::String))
        .min_length(Some(1))
        .max_length(Some(parse::TAG_CHARS_MAX));
    let tags = ArrayBuilder::new()
        .schema_type(or_null(Type::Array))
        .description(Some("Words to find the request by; a null is ignored."))
        .items(tag)
        .max_items(Some(parse::TAGS_MAX));
    Schema::Array(tags.build())
}

/// The schema of `custom_properties`: the derive macro cannot state bounds of names and values.
fn properties_schema() -> Schema {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(parse::PROPERTY_KEY_CHARS_MAX));
    let value = ObjectBuilder::new()
        .schema_type(or_null(Type::String))
        .max_length(Some(parse::PROPERTY_VALUE_CHARS_MAX));
    let description = "Texts for templates: at most 50, names of at most 64 characters, values of at most 2,000. \
                       A null is ignored.";
    let properties = ObjectBuilder::new()
        .schema_type(or_null(Type::Object))
        .description(Some(description))
        .max_properties(Some(parse::PROPERTIES_MAX))
        .property_names(Some(name.build()))
        .additional_properties(Some(value));
    Schema::Object(properties.build())
}

fn or_null(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}

/// The JSON Schema (2020-12) of a job, for every entry point.
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
    localise_references(&mut schema);
    schema
}

/// Turns references of the API description into references within the schema.
fn localise_references(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(target)) = fields.get_mut("$ref") {
                *target = target.replace("#/components/schemas/", "#/$defs/");
            }
            // JSON Schema has `examples`, a list, instead of OpenAPI's `example`.
            if let Some(example) = fields.remove("example") {
                fields.insert("examples".to_owned(), Value::from(vec![example]));
            }
            fields.values_mut().for_each(localise_references);
        }
        Value::Array(items) => items.iter_mut().for_each(localise_references),
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
        assert_eq!(sorted(&fields(&schema["$defs"]["Customer"])), sorted(parse::CUSTOMER_FIELDS));
        assert_eq!(sorted(&fields(&schema["$defs"]["Employee"])), sorted(parse::EMPLOYEE_FIELDS));
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["required"], serde_json::json!(["employee"]));
    }

    #[test]
    fn the_schema_bounds_what_is_bounded_and_allows_null_where_null_is_absent() {
        let schema = schema();
        let property = |name: &str| &schema["properties"][name];
        let nullable = serde_json::json!(["string", "null"]);
        let tag = serde_json::json!({ "type": nullable, "minLength": 1, "maxLength": 200 });
        assert_eq!((&property("tags")["items"], &property("tags")["maxItems"]), (&tag, &Value::from(50)));
        let properties = property("custom_properties");
        let value = serde_json::json!({ "type": nullable, "maxLength": 2_000 });
        let name = serde_json::json!({ "type": "string", "minLength": 1, "maxLength": 64 });
        assert_eq!((&properties["additionalProperties"], &properties["propertyNames"]), (&value, &name));
        assert_eq!(properties["maxProperties"], 50);
        for (name, format, least) in [
            ("former_id", "uuid", 32),
            ("initial_feedback_request_id", "uuid", 32),
            ("send_after", "date-time", 20),
        ] {
            assert_eq!(property(name)["type"], nullable, "{name}");
            assert_eq!(property(name)["format"], format, "{name}");
            assert_eq!(property(name)["minLength"], least, "{name}");
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
