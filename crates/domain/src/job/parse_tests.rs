//! Promises to producers about their jobs: the seeds' bodies, every kind of problem, and the
//! properties of parsing. The corpus follows rows 65 to 70 of the fault catalogue.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const SEEDS: [(&str, &str); 9] = [
    ("1_simple", include_str!("../../../../tests/fixtures/seeds/1_simple.json")),
    ("2_custom_ids", include_str!("../../../../tests/fixtures/seeds/2_custom_ids.json")),
    ("3_ticket_url", include_str!("../../../../tests/fixtures/seeds/3_ticket_url.json")),
    ("4_tags", include_str!("../../../../tests/fixtures/seeds/4_tags.json")),
    ("5_brand", include_str!("../../../../tests/fixtures/seeds/5_brand.json")),
    ("6_do_not_send", include_str!("../../../../tests/fixtures/seeds/6_do_not_send.json")),
    ("7_language", include_str!("../../../../tests/fixtures/seeds/7_language.json")),
    ("kustomer_voice", include_str!("../../../../tests/fixtures/seeds/kustomer_voice.json")),
    ("kustomer_other", include_str!("../../../../tests/fixtures/seeds/kustomer_other.json")),
];

/// The simple job with `changes` laid over it (objects are merged).
fn with(changes: Value) -> Value {
    let mut job = json!({
        "customer": {"email": "jane@example.com"},
        "employee": {"email": "paul@example.com"},
        "channel": "phone",
    });
    merge(&mut job, changes);
    job
}

fn merge(target: &mut Value, changes: Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (name, change) in changes {
                merge(target.entry(name).or_insert(Value::Null), change);
            }
        }
        (target, change) => *target = change,
    }
}

fn read(job: &Value) -> Result<Job, Vec<Problem>> {
    parse(job.to_string().as_bytes())
}

/// `path code` of every problem.
fn problems(job: &Value) -> Vec<String> {
    let problems = read(job).expect_err("the job should be refused");
    problems.iter().map(|problem| format!("{} {}", problem.path, problem.code)).collect()
}

#[test]
fn the_bodies_of_the_seeds_are_accepted_as_printed() {
    for (name, body) in SEEDS {
        let job = parse(body.as_bytes()).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        let email = job.customer.as_ref().and_then(|customer| customer.email.as_deref());
        assert_eq!(email, Some("janecustomer@example.com"), "{name}");
        assert_eq!(job.employee.email.as_deref(), Some("paulagent@blancapeak.com"), "{name}");
    }
    let job = |index: usize| parse(SEEDS[index].1.as_bytes()).unwrap();
    assert_eq!(job(1).employee.custom_id.as_deref(), Some("ABC789"));
    assert_eq!(job(2).external_url.as_deref(), Some("www.samplecrm.com/caseid=123456"));
    assert_eq!(job(3).tags, ["exchange", "backorder"]);
    assert_eq!(job(4).brand.as_deref(), Some("blancagold"));
    assert!(job(5).do_not_send);
    assert_eq!((job(6).language.as_deref(), job(6).country.as_deref()), (Some("fr-CA"), Some("CA")));
    assert!(!job(7).do_not_send, "null is absent");
}

#[test]
fn the_eighth_body_is_refused_at_its_stray_quote_and_accepted_without_it() {
    let printed = include_str!("../../../../tests/fixtures/seeds/8_recovery.json");
    let problems = parse(printed.as_bytes()).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "not_json");
    assert!(problems[0].message.contains("line 11 column 50"), "{}", problems[0].message);

    let mended = include_str!("../../../../tests/fixtures/seeds/8_recovery_mended.json");
    assert_eq!(printed.replace("\"\"\n", "\"\n"), mended);
    let job = parse(mended.as_bytes()).unwrap();
    assert_eq!((job.customer, job.channel), (None, None));
    let initial = job.initial_feedback_request_id.map(|id| id.to_string());
    assert_eq!(initial.as_deref(), Some("54bd2af9-28cb-48df-8c60-cd27de080cd4"));
}

#[test]
fn every_problem_of_a_job_is_named_at_once() {
    let mut job = with(json!({
        "customer": {"name": 7, "email": "jane", "phone": "555", "emial": "x", "custom_id": ""},
        "employee": {"email": null},
        "channel": "a\u{0}b",
        "tags": ["ok", 3, "", "x".repeat(201), "a\tb"],
        "language": "not a language", "country": "UK",
        "do_not_send": "true",
        "custom_properties": {"foo": 1, "bar": "\u{0}", "": "x", "list": []},
        "medium": "fax", "send_after": "2026-01-01T00:00:00",
        "delay_secs": 1.5, "expires_after_secs": 31_622_401,
        "former_id": "7", "idempotency_key": [],
        "Brand": "gold", "nonsense": true,
    }));
    job["ext_interaction_id"] = json!("é".repeat(256));
    let mut expected = vec![
        "Brand unknown_field",
        "nonsense unknown_field",
        "country bad_country",
        "do_not_send wrong_type",
        "medium bad_choice",
        "customer.emial unknown_field",
        "customer.phone bad_address",
        "customer.custom_id empty",
        "customer.name wrong_type",
        "customer.email bad_address",
        "employee missing",
        "channel control_character",
        "ext_interaction_id too_long",
        "tags[1] wrong_type",
        "tags[2] empty",
        "tags[3] too_long",
        "tags[4] control_character",
        "language bad_language",
        "custom_properties empty",
        "custom_properties.bar control_character",
        "custom_properties.foo wrong_type",
        "custom_properties.list wrong_type",
        "send_after bad_time",
        "delay_secs wrong_type",
        "expires_after_secs out_of_range",
        "idempotency_key wrong_type",
        "former_id bad_id",
    ];
    let mut found = problems(&job);
    found.sort();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn no_message_repeats_what_the_customer_is_called_or_reached_by() {
    let job = with(json!({
        "customer": {"name": ["Secretname"], "email": "secret@", "phone": "Secretphone"},
        "tags": "secret", "channel": {"secret": 1}, "country": "secret",
    }));
    for problem in read(&job).unwrap_err() {
        assert!(!problem.message.to_lowercase().contains("secret"), "{problem:?}");
    }
}

#[test]
fn who_and_where_may_be_left_out_only_by_a_service_recovery() {
    let employee = json!({"employee": {"custom_id": "A1"}});
    assert_eq!(problems(&employee), ["channel missing", "customer missing"]);
    let mut recovery = employee.clone();
    recovery["initial_feedback_request_id"] = json!("54BD2AF928CB48DF8C60CD27DE080CD4");
    assert_eq!(read(&recovery).map(|job| job.customer), Ok(None));
    recovery["customer"] = json!({"name": null});
    assert_eq!(read(&recovery).map(|job| job.customer), Ok(None), "an empty customer is inherited");
    assert_eq!(problems(&json!({})), ["channel missing", "customer missing", "employee missing"]);
}

#[test]
fn a_customer_needs_an_address_or_an_id_by_which_they_may_be_known_unless_nothing_is_to_be_sent() {
    let name_only = json!({"customer": {"email": null, "name": "Jane"}});
    assert_eq!(problems(&with(name_only.clone())), ["customer no_address"]);
    assert!(read(&with(json!({"customer": {"email": null, "custom_id": "c1"}}))).is_ok());
    let mut silent = with(name_only);
    silent["do_not_send"] = json!(true);
    assert!(read(&silent).unwrap().do_not_send);
    assert_eq!(problems(&with(json!({"medium": "sms"}))), ["customer.phone no_address"]);
}

#[test]
fn national_phone_numbers_are_read_as_the_jobs_country() {
    let job = with(json!({"customer": {"phone": "(415) 555-2671"}, "country": "us"}));
    let customer = read(&job).unwrap().customer.unwrap();
    assert_eq!(customer.phone.as_deref(), Some("+14155552671"));
    assert_eq!(problems(&with(json!({"customer": {"phone": "4155552671"}}))), ["customer.phone bad_address"]);
}

#[test]
fn names_arrive_harmless_whatever_they_were() {
    for (written, kept) in [
        ("Bob\r\nBcc: x@example.com", Some("Bob Bcc: x@example.com")),
        ("\u{202e}Bob\u{0}\u{200b}", Some("Bob")),
        ("", None),
        ("\u{0}\n", None),
        ("{{7*7}}<script>'; DROP =cmd", Some("{{7*7}}<script>'; DROP =cmd")),
    ] {
        let job = read(&with(json!({"customer": {"name": written}}))).unwrap();
        assert_eq!(job.customer.unwrap().name.as_deref(), kept, "{written:?}");
    }
    let long = with(json!({"customer": {"name": "x".repeat(256)}}));
    assert_eq!(problems(&long), ["customer.name too_long"]);
}

#[test]
fn property_values_keep_their_lines_and_lose_other_controls() {
    let job = read(&with(json!({"custom_properties": {"note": "a\r\n\tb\u{7}", "blank": "", "no": null}})));
    let properties = job.unwrap().custom_properties;
    assert_eq!(properties["note"], "a\n\tb");
    assert_eq!(properties["blank"], "");
    assert!(!properties.contains_key("no"));
}

#[test]
fn times_and_spans_keep_their_bounds() {
    let job = with(json!({"send_after": "2026-03-01T09:00:00+01:00", "delay_secs": 31_622_400}));
    let job = read(&job).unwrap();
    assert_eq!(job.send_after.map(|time| time.to_rfc3339()).as_deref(), Some("2026-03-01T08:00:00+00:00"));
    assert_eq!(job.delay_secs, Some(31_622_400));
    for wrong in ["2026-03-01", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-12:00", "10000-01-01T00:00:00Z"]
    {
        assert_eq!(problems(&with(json!({"send_after": wrong}))), ["send_after bad_time"], "{wrong}");
    }
    for wrong in [json!(-1), json!(31_622_401), json!(i64::MAX)] {
        assert_eq!(problems(&with(json!({"delay_secs": wrong}))), ["delay_secs out_of_range"]);
    }
    assert_eq!(problems(&with(json!({"delay_secs": u64::MAX}))), ["delay_secs wrong_type"]);
}

#[test]
fn spans_are_whole_numbers_with_or_without_a_point() {
    let body = |secs: &str| {
        let job = with(json!({"delay_secs": 1_111, "expires_after_secs": 1_111})).to_string();
        job.replace("1111", secs).into_bytes()
    };
    for secs in ["3600", "3600.0", "36e2"] {
        for job in [parse(&body(secs)), parse_manual(&body(secs)), parse_call(&body(secs))] {
            let job = job.expect("it is fine");
            assert_eq!((job.delay_secs, job.expires_after_secs), (Some(3_600), Some(3_600)), "{secs}");
        }
    }
    for (secs, code) in [("3600.5", "wrong_type"), ("31622401.0", "out_of_range"), ("1e300", "wrong_type")] {
        let found = parse(&body(secs)).expect_err("it is refused");
        let codes: Vec<&str> = found.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes, [code, code], "{secs}");
    }
}

#[test]
fn bodies_that_are_no_job_are_refused_whole() {
    let deep = "[".repeat(10_000);
    let long = format!("\"{}\"", "x".repeat(BODY_BYTES_MAX));
    for (body, code) in [
        (&b""[..], "not_json"),
        (b"  \n", "not_json"),
        (b"hello", "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b"{\"channel\": \"\xff\"}", "not_json"),
        (b"{\"channel\": \"\\ud800\"}", "not_json"),
        (b"{} {}", "not_json"),
        (b"\x1f\x8b\x08", "not_json"),
        (b"{\"delay_secs\": 1e999}", "not_json"),
        (b"[]", "wrong_type"),
        (b"null", "wrong_type"),
        (deep.as_bytes(), "not_json"),
        (long.as_bytes(), "too_long"),
    ] {
        let problems = parse(body).unwrap_err();
        assert_eq!((problems.len(), problems[0].code.as_str()), (1, code));
        assert_eq!(problems[0].path, "");
    }
}

#[test]
fn fields_given_twice_are_refused_at_every_level() {
    let body = br#"{"customer":{"email":"a@b.example","email":"c@d.example"},
        "employee":{"custom_id":"1"},"channel":"phone","channel":"chat",
        "custom_properties":{"a":"1","a":"1"}}"#;
    let found: Vec<String> = parse(body).unwrap_err().into_iter().map(|problem| problem.path).collect();
    assert_eq!(found, ["channel", "customer.email", "custom_properties.a"]);
}

fn any_job() -> impl Strategy<Value = Value> {
    let label = "[a-zA-Z0-9 é_-]{0,8}[a-z]";
    let who = (label, any::<String>(), prop::option::of("[a-z]{1,9}@[A-Z]{1,9}\\.example"));
    let extra = (
        prop::collection::vec(label, 0..4),
        prop::collection::btree_map("[a-z.]{1,9}", "[^\u{0}]{0,20}", 0..4),
        prop::option::of(0u32..=31_622_400),
        prop::option::of(any::<u128>()),
        prop::option::of(0i64..4_000_000_000),
        any::<bool>(),
    );
    (who, extra).prop_map(|((id, name, email), (tags, properties, delay, former, after, silent))| {
        json!({
            "customer": {"custom_id": id, "name": name, "email": email, "phone": "+1 415 555 2671"},
            "employee": {"custom_id": id}, "channel": id, "tags": tags, "do_not_send": silent,
            "custom_properties": properties, "delay_secs": delay, "idempotency_key": id,
            "former_id": former.map(|former| Uuid::from_u128(former).to_string().to_uppercase()),
            "send_after": after.and_then(|secs| DateTime::from_timestamp(secs, 0)), "language": "FR_ca",
        })
    })
}

/// The same document with its keys in reverse and white space between.
fn respelled(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().rev();
            let fields: Vec<_> =
                fields.map(|(key, value)| format!("{} :\n {}", json!(key), respelled(value))).collect();
            format!("{{ {} }}", fields.join(" ,\t"))
        }
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "[\\[\\]{}\":,0-9eE.a\\\\-]{0,60}") {
        let _ = parse(&bytes);
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn a_parsed_job_reads_as_itself(job in any_job()) {
        let job = read(&job).unwrap();
        let written = serde_json::to_vec(&job).unwrap();
        prop_assert_eq!(parse(&written), Ok(job));
    }

    #[test]
    fn key_order_and_white_space_are_no_content(job in any_job()) {
        let other = parse(respelled(&job).as_bytes()).unwrap();
        prop_assert_eq!(read(&job).unwrap().content_bytes(), other.content_bytes());
    }

    #[test]
    fn every_unknown_field_is_named(names in prop::collection::btree_set("x[a-z]{1,12}", 1..20)) {
        let mut job = with(json!({}));
        for name in &names {
            job[name] = json!(1);
            job["customer"][name] = json!(1);
        }
        let found = problems(&job);
        prop_assert_eq!(found.len(), names.len() * 2);
        for name in &names {
            let top = format!("{name} unknown_field");
            let nested = format!("customer.{name} unknown_field");
            prop_assert!(found.contains(&top) && found.contains(&nested));
        }
    }

    #[test]
    fn any_value_in_any_field_is_read_or_refused(field in 0..JOB_FIELDS.len(), text in any::<String>(), number in any::<f64>()) {
        for value in [json!(text), json!(number), json!([text]), json!({text.clone(): text}), Value::Null] {
            let mut job = with(json!({}));
            job[JOB_FIELDS[field]] = value;
            let _ = read(&job);
        }
    }
}
