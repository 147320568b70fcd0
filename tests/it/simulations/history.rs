//! A rich history, made by the real worker: phases of jobs, between which everything grows days older.
//!
//! Ageing moves every time in the ledger, those in ids and decisions included. Read `mod` for what is asked of it.

use chrono::{DateTime, Duration, Utc};
use postrider::{
    intake::{AcceptOutcome, InboundJob, inbound::EntryPoint},
    worker::Worker,
};
use postrider_domain::{
    ids::{BlockKind, CompanyId, Medium, MessageId},
    rules::Decision,
};
use postrider_ledger::requests::ActionOrigin;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{TestEnv, job, sql::with_states, wait};

/// Repeatable chance.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.below(sides) == 0
    }
}

/// The companies that get the same jobs, with what is needed to hand them in.
pub struct History<'b> {
    pub env: &'b TestEnv,
    pub worker: &'b Worker,
    pub slugs: Vec<&'static str>,
    pub companies: Vec<CompanyId>,
    pub dice: Dice,
    jobs: u64,
}

impl<'b> History<'b> {
    pub fn new(
        env: &'b TestEnv,
        worker: &'b Worker,
        companies: &[(&'static str, CompanyId)],
        seed: u64,
    ) -> Self {
        let (slugs, companies) = companies.iter().copied().unzip();
        History { env, worker, slugs, companies, dice: Dice(seed), jobs: 0 }
    }

    /// Jobs of all kinds over some months.
    pub async fn unfold(&mut self) {
        for phase in 0..9 {
            for _ in 0..12 {
                let job = self.any_job();
                self.hand_in(&job, false).await;
            }
            let test = self.job_of(1);
            self.hand_in(&test, true).await;
            if phase % 3 == 2 {
                self.recover_one().await;
            }
            if phase == 4 {
                self.block(3, Medium::Email, BlockKind::Unsubscribed).await;
                self.block(4, Medium::Sms, BlockKind::Stop).await;
            }
            self.crowd(phase).await;
            self.rest().await;
            let days = 1 + self.dice.below(4) as i64;
            grow_older(self.env, Duration::days(days)).await;
        }
        self.be_overtaken().await;
        self.rest().await;
    }

    /// Jobs that every policy of a test sends or suppresses by itself; those without delays are begun when due,
    /// under each policy.
    pub async fn plain(&mut self, delays: bool) {
        for _ in 0..7 {
            for _ in 0..8 {
                let mut job = self.any_job();
                if job["customer"].get("phone").is_none() {
                    job["customer"]["phone"] = json!("+14155553999");
                }
                job.as_object_mut().expect("an object").remove("medium");
                if !delays {
                    job["channel"] = json!("phone");
                    for delay in ["delay_secs", "send_after", "expires_after_secs"] {
                        job.as_object_mut().expect("an object").remove(delay);
                    }
                }
                self.hand_in(&job, false).await;
            }
            self.rest().await;
            let days = 1 + self.dice.below(4) as i64;
            grow_older(self.env, Duration::days(days)).await;
        }
        self.rest().await;
    }

    /// One that expires while it waits.
    pub async fn expire_one(&mut self) {
        let mut job = self.job_of(50);
        job["delay_secs"] = json!(3_600);
        self.hand_in(&job, false).await;
        grow_older(self.env, Duration::days(10)).await;
        self.rest().await;
    }

    fn job_of(&mut self, person: u64) -> Value {
        self.jobs += 1;
        let customer = json!({
            "custom_id": format!("person-{person}"),
            "email": format!("person{person}@customers.example"),
            "phone": format!("+1415555{:04}", 3_000 + person),
        });
        job::keyed(job::to(customer), &format!("job {}", self.jobs))
    }

    fn any_job(&mut self) -> Value {
        let person = self.dice.below(14);
        let mut job = self.job_of(person);
        let named = match self.dice.below(4) {
            0 => &["custom_id"][..],
            1 => &["custom_id", "phone"],
            2 => &["email"],
            _ => &[],
        };
        for identity in named {
            job["customer"].as_object_mut().expect("an object").remove(*identity);
        }
        // Their one address refuses for good: they were never asked, whatever was planned.
        if person < 2 {
            job["customer"].as_object_mut().expect("an object").remove("email");
            job["customer"]["phone"] = json!(format!("+1415555{:04}", 3_000 + person));
        }
        job["brand"] = json!(if self.dice.one_in(3) { "blancagold" } else { "blanca" });
        job["channel"] = json!(if self.dice.one_in(4) { "chat" } else { "phone" });
        job["do_not_send"] = json!(self.dice.one_in(12));
        match self.dice.below(8) {
            0 => job["delay_secs"] = json!(86_400),
            1 => job["delay_secs"] = json!(3 * 86_400),
            2 => {
                job["delay_secs"] = json!(43_200);
                job["expires_after_secs"] = json!(600);
            }
            3 => job["send_after"] = json!((postrider_clock::wall() + Duration::days(2)).to_rfc3339()),
            4 if job["customer"].get("email").is_some() => job["medium"] = json!("email"),
            _ => {}
        }
        job
    }

    /// Hands a job in at every company; gives the first one's answer.
    async fn hand_in(&self, job: &Value, test: bool) -> AcceptOutcome {
        let mut first = None;
        for slug in &self.slugs {
            let answer = self.accept(slug, job, test).await;
            first.get_or_insert(answer);
        }
        first.expect("there is a company")
    }

    async fn accept(&self, slug: &str, job: &Value, test: bool) -> AcceptOutcome {
        let user = Some(format!("{slug}-{}", if test { "staging" } else { "crm" }));
        let inbound = InboundJob {
            entry_point: EntryPoint::Amqp { user },
            ..job::inbound(slug, job.to_string().as_bytes())
        };
        let acceptor = self.worker.acceptor.as_ref().expect("this worker takes jobs");
        acceptor.accept(&[inbound]).await.expect("the ledger answers").remove(0)
    }

    /// Many jobs for one new person at once: all but one lose, some of them in the instant of writing.
    async fn crowd(&mut self, phase: u64) {
        let jobs: Vec<Value> = (0..6).map(|_| self.job_of(100 + phase)).collect();
        for slug in self.slugs.clone() {
            futures_util::future::join_all(jobs.iter().map(|job| self.accept(slug, job, false))).await;
        }
    }

    /// A service recovery of a request that the first company delivered.
    async fn recover_one(&mut self) {
        let rows: Vec<(Uuid, Uuid)> = sqlx::query_as(with_states(
            "select r.id, r.idempotency_hash from request r join message m on m.id = r.id
             where r.company = $1 and m.state = {Delivered} and r.original_request is null and not r.test
                 and not exists (select 1 from request o where o.original_request = r.id)
             order by r.created_at desc limit 1",
        ))
        .bind(self.companies[0].0)
        .fetch_all(&self.env.pool)
        .await
        .expect("asked");
        let Some((root, _)) = rows.first() else { return };
        let (key,): (i64,) = sqlx::query_as("select count(*) from request where company = $1 and id <= $2")
            .bind(self.companies[0].0)
            .bind(root)
            .fetch_one(&self.env.pool)
            .await
            .expect("asked");
        self.jobs += 1;
        let job = json!({
            "employee": { "email": "paulagent@blancapeak.com" },
            "initial_feedback_request_id": root,
            "idempotency_key": format!("recovery {key} {}", self.jobs),
        });
        let answer = self.accept(self.slugs[0], &job, false).await;
        assert!(matches!(answer, AcceptOutcome::Accepted { .. }), "{answer:?}");
    }

    async fn block(&self, person: u64, medium: Medium, kind: BlockKind) {
        let address = match medium {
            Medium::Email => format!("person{person}@customers.example"),
            Medium::Sms => format!("+1415555{:04}", 3_000 + person),
        };
        for company in &self.companies {
            let addr = self.env.keys.identity.address_hash(*company, medium, &address);
            self.env.ledger.block_address(addr, *company, medium, kind, "test").await.expect("blocked");
        }
    }

    /// One is paused until another asks its person.
    async fn be_overtaken(&mut self) {
        let mut waiting = self.job_of(200);
        waiting["delay_secs"] = json!(3_600);
        waiting["expires_after_secs"] = json!(60 * 86_400);
        let mut paused = Vec::new();
        for slug in self.slugs.clone() {
            let AcceptOutcome::Accepted { id, .. } = self.accept(slug, &waiting, false).await else {
                panic!("it is accepted")
            };
            self.env
                .ledger
                .pause(MessageId(id), ActionOrigin::PROGRAM)
                .await
                .expect("paused")
                .expect("it waits");
            paused.push(id);
        }
        let older = Duration::days(20);
        grow_older(self.env, older).await;
        let overtaker = self.job_of(200);
        self.hand_in(&overtaker, false).await;
        for id in paused {
            let id = aged(id, older);
            self.env
                .ledger
                .resume(MessageId(id), ActionOrigin::PROGRAM)
                .await
                .expect("resumed")
                .expect("it was paused");
        }
        // The clock of its delay stood still meanwhile.
        self.rest().await;
        grow_older(self.env, Duration::hours(2)).await;
    }

    /// Nothing is under way and nothing is due.
    async fn rest(&self) {
        wait::until("everything rests", || async {
            let (busy,): (i64,) = sqlx::query_as(with_states(
                "select count(*) from message where state in ({Sending}, {Unknown}, {Sent})
                 or (state = {Waiting} and first_due_at <= now() and paused_at is null)",
            ))
            .fetch_one(&self.env.pool)
            .await
            .expect("asked");
            busy == 0
        })
        .await;
    }
}

/// The id that was made so much earlier.
fn aged(id: Uuid, by: Duration) -> Uuid {
    let millis = (id.as_u128() >> 80) - by.num_milliseconds().unsigned_abs() as u128;
    Uuid::from_u128(millis << 80 | (id.as_u128() & ((1 << 80) - 1)))
}

/// As if everything had been so much earlier: all times, those in ids and in decisions included.
pub async fn grow_older(env: &TestEnv, by: Duration) {
    let mut transaction = env.pool.begin().await.expect("begun");
    let rows: Vec<(Uuid, String)> =
        sqlx::query_as("select id, decision from request").fetch_all(&mut *transaction).await.expect("asked");
    for (id, decision) in rows {
        let mut decision: Decision = serde_json::from_str(&decision).expect("a decision");
        let earlier = |at: DateTime<Utc>| at - by;
        decision.due_at = earlier(decision.due_at);
        decision.expires_at = earlier(decision.expires_at);
        decision.decided_at = earlier(decision.decided_at);
        decision.inputs.send_after = decision.inputs.send_after.map(earlier);
        for finding in &mut decision.trail {
            finding.passes_at = finding.passes_at.map(earlier);
            let holder = finding.note.split(' ').find_map(|word| Uuid::try_parse(word).ok());
            if let Some(holder) = holder {
                finding.note = finding.note.replace(&holder.to_string(), &aged(holder, by).to_string());
            }
        }
        let decision = serde_json::to_string(&decision).expect("plain data");
        sqlx::query("update request set id = $2, decision = $3 where id = $1")
            .bind(id)
            .bind(aged(id, by))
            .bind(decision)
            .execute(&mut *transaction)
            .await
            .expect("aged");
    }
    sqlx::raw_sql(
        "create or replace function aged(id uuid, ms bigint) returns uuid language sql as $$
            select (lpad(to_hex(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint - ms), 12, '0')
                || right(replace(id::text, '-', ''), 20))::uuid $$",
    )
    .execute(&mut *transaction)
    .await
    .expect("made");
    for change in [
        "request set original_request = aged(original_request, $1), created_at = created_at - $2",
        "message set id = aged(id, $1), request = aged(request, $1), first_due_at = first_due_at - $2,
            expires_at = expires_at - $2, paused_at = paused_at - $2, begun_at = begun_at - $2,
            settled_at = settled_at - $2, delivered_at = delivered_at - $2, ended_at = ended_at - $2",
        "attempt_past set message = aged(message, $1), begun_at = begun_at - $2, settled_at = settled_at - $2",
        "reservation set request = aged(request, $1), asked_at = asked_at - $2,
            prior_request = aged(prior_request, $1), prior_asked_at = prior_asked_at - $2",
        // Overdue messages get a due time just ahead: claims do not look back at once.
        "due set message = aged(message, $1), expires_at = expires_at - $2,
            at = case when kind = 1 then at - $2 else greatest(at - $2, clock_timestamp() + interval '1 second') end",
        "ending set request = aged(request, $1), ended_at = ended_at - $2",
        "block set changed_at = changed_at - $2",
    ] {
        sqlx::query(sqlx::AssertSqlSafe(format!("update {change} where $1 > 0 and $2 > interval '0'")))
            .bind(by.num_milliseconds())
            .bind(by)
            .execute(&mut *transaction)
            .await
            .unwrap_or_else(|error| panic!("{change}: {error}"));
    }
    transaction.commit().await.expect("committed");
}
