//! A small interpreter of Kustomer's workflows: as much of their language as the one of the seeds uses.
//!
//! Steps and their transitions in order; conditions `eq`, `gt`, `true`, `exists`, `contains`,
//! `not-contains`; references `/#steps.…`, `/#fn:map,…`; templates `{{…}}` and `{{#each …}}`. Actions ask
//! the simulated Kustomer; calls to other hosts go where the test says, nothing else is changed.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::support::{http, kustomer};

/// A run of a workflow: what each step gave, by the step's id.
pub struct Run<'w> {
    workflow: &'w Value,
    steps: Map<String, Value>,
    /// Where each host of the workflow is found.
    hosts: BTreeMap<&'static str, String>,
    /// Calls to hosts other than Kustomer: body and answered status.
    pub posted: Vec<(Value, u16)>,
}

impl<'w> Run<'w> {
    pub fn new(workflow: &'w Value, hosts: BTreeMap<&'static str, String>) -> Run<'w> {
        Run { workflow, steps: Map::new(), hosts, posted: Vec::new() }
    }

    /// Runs it for an event: from the trigger's transition to a step without one.
    pub async fn trigger(&mut self, event: &Value) {
        let trigger = &self.workflow["trigger"];
        assert_eq!(event["name"], trigger["eventName"], "the trigger's event");
        let mut payload = flat(&event["data"]);
        payload["changes"] = event["changes"].clone();
        self.steps.insert(text(&trigger["id"]), payload);
        let mut next = self.next(&trigger["transitions"]);
        while let Some(id) = next {
            let step = self.step(&id);
            let result = self.act(&step).await;
            self.steps.insert(id, result);
            next = self.next(&step["transitions"]);
        }
    }

    fn step(&self, id: &str) -> Value {
        let steps = self.workflow["steps"].as_array().expect("steps");
        steps.iter().find(|step| step["id"] == id).unwrap_or_else(|| panic!("no step {id}")).clone()
    }

    /// The target of the first transition with a true condition.
    fn next(&self, transitions: &Value) -> Option<String> {
        let transitions = transitions.as_array().expect("transitions");
        let taken = transitions.iter().find(|transition| self.holds(&transition["condition"]))?;
        Some(text(&taken["target"]))
    }

    fn holds(&self, condition: &Value) -> bool {
        let values: Vec<Value> =
            condition["values"].as_array().expect("values").iter().map(|value| self.filled(value)).collect();
        let contains = || values[0].as_array().is_some_and(|list| list.contains(&values[1]));
        match condition["op"].as_str().expect("an op") {
            "eq" => values[0] == values[1],
            "gt" => number(&values[0]) > number(&values[1]),
            "true" => values[0] == true,
            "exists" => !values[0].is_null(),
            "contains" => contains(),
            "not-contains" => !contains(),
            other => panic!("the condition {other} is not known here"),
        }
    }

    async fn act(&mut self, step: &Value) -> Value {
        let params = self.filled(&step["params"]);
        match step["action"].as_str().expect("an action") {
            "kustomer.conversation.find-by-id" => self.find("conversations", &params["id"]).await,
            "kustomer.customer.find" => self.find("customers", &params["identifier"]).await,
            "kustomer.user.find-by-id" => self.find("users", &params["id"]).await,
            "kustomer.regex-match.generic" => {
                assert_eq!(params["regex"], "(.*)", "the one expression that is known here");
                json!({"original": params["testString"], "captures": [params["testString"]]})
            }
            "kustomer.rest-api.json" => self.call(&params).await,
            other => panic!("the action {other} is not known here"),
        }
    }

    /// A thing of Kustomer's by its id, or by the only one of a list.
    async fn find(&self, kind: &str, id: &Value) -> Value {
        let id = text(id.get(0).unwrap_or(id));
        let url = format!("{}/v1/{kind}/{id}", self.hosts["https://api.kustomerapp.com"]);
        let found = http().get(url).bearer_auth(kustomer::API_KEY).send().await.expect("answered");
        flat(&found.json::<Value>().await.expect("JSON")["data"])
    }

    async fn call(&mut self, params: &Value) -> Value {
        let uri = text(&params["uri"]);
        let (host, base) = self.hosts.iter().find(|(host, _)| uri.starts_with(**host)).expect("a known host");
        let path = uri.strip_prefix(*host).expect("it starts so");
        let method = params["method"].as_str().expect("a method").parse().expect("of HTTP");
        let mut call = http().request(method, format!("{base}{path}"));
        for (name, value) in params["headers"].as_object().expect("headers") {
            call = call.header(name, text(value));
        }
        if !params["data"].is_null() {
            call = call.body(params["data"].to_string());
        }
        let answer = call.send().await.expect("answered");
        let status = answer.status().as_u16();
        if !params["data"].is_null() {
            self.posted.push((params["data"].clone(), status));
        }
        let body: Value = serde_json::from_str(&answer.text().await.expect("read")).unwrap_or(Value::Null);
        json!({"response": {"statusCode": status, "body": body}})
    }

    /// A value with its references and templates filled in; what is not there is null.
    fn filled(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match text.strip_prefix("/#") {
                Some(reference) => self.reference(reference),
                None => Value::String(self.template(text)),
            },
            Value::Array(items) => items.iter().map(|item| self.filled(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(name, field)| (name.clone(), self.filled(field))).collect()
            }
            other => other.clone(),
        }
    }

    fn reference(&self, reference: &str) -> Value {
        match reference.strip_prefix("fn:map,") {
            None => self.look_up(reference),
            Some(arguments) => {
                let (list, path) = arguments.split_once(',').expect("a list and a path");
                let list = self.look_up(list);
                let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
                items.iter().map(|item| walk(item, path)).collect()
            }
        }
    }

    fn look_up(&self, path: &str) -> Value {
        let path = path.strip_prefix("steps.").expect("a path into steps");
        walk(&Value::Object(self.steps.clone()), path)
    }

    fn template(&self, template: &str) -> String {
        let mut filled = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            filled.push_str(before);
            let (name, after) = after.split_once("}}").expect("a closed place");
            rest = after;
            match name.strip_prefix("#each ") {
                None => filled.push_str(&text(&self.look_up(name))),
                Some(list) => {
                    let (inner, after) = rest.split_once("{{/each}}").expect("an end of each");
                    rest = after;
                    for item in self.look_up(list).as_array().expect("a list") {
                        filled.push_str(&inner.replace("{{this}}", &text(item)));
                    }
                }
            }
        }
        filled.push_str(rest);
        filled
    }
}

/// A thing as workflows see it: its attributes beside its id, and its customer's id.
fn flat(thing: &Value) -> Value {
    let mut flat = thing["attributes"].clone();
    flat["id"] = thing["id"].clone();
    flat["customer"] = thing["relationships"]["customer"]["data"]["id"].clone();
    flat
}

fn walk(from: &Value, path: &str) -> Value {
    path.split('.').fold(from.clone(), |at, part| match (&at, part.parse::<usize>()) {
        (Value::Array(items), Ok(index)) => items.get(index).cloned().unwrap_or(Value::Null),
        (Value::Array(items), Err(_)) if part == "length" => json!(items.len()),
        _ => at[part].clone(),
    })
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).expect("a number")
}
