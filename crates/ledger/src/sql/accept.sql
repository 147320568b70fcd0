-- Accepts a batch in one statement: requests, then reservations for the requests really inserted, then messages, then
-- the lease of the messages that are sent at once (with their attempt, where a call slot is free) and the due rows of
-- those that wait. A request that is not returned has a duplicate that committed since the look-up.
--
-- Parameters: $1..$26 columns of request, $27..$34 columns of message, $43..$45 its reservation keys (three at most);
-- one element per request, sorted by idempotency hash. $35..$38 reservations (key, request, asked_at, window_secs),
-- sorted by key. $39..$41 lease (id, worker, seconds). $42 keys of trial records to delete.
-- Sorted arrays make two batches take their locks in one order. A violation of a unique key repeats the whole
-- statement, which then reads the other transaction's rows.
--
-- Numbers (a test compares them with the code): state 0 waiting, 1 sending, 7 suppressed; initial_dispatch 0 deferred,
-- 1 leased, 2 started; due kind 0 an attempt is due.
--
-- `offset 0` and scalar subqueries leave the planner only key look-ups, whatever the table statistics say. unnest() in
-- the select list needs no tuple store per column, unnest() in FROM does.
with job as (
    select unnest($1::uuid[]) as id, unnest($2::int[]) as company, unnest($3::uuid[]) as idempotency_hash,
        unnest($4::bool[]) as key_is_derived, unnest($5::uuid[]) as content_hash, unnest($6::uuid[]) as former_id_hash,
        unnest($7::uuid[]) as original_request, unnest($8::uuid[]) as recovery_hash, unnest($9::int2[]) as source,
        unnest($10::bool[]) as test, unnest($11::int[]) as policy_version, unnest($12::text[]) as custom_id,
        unnest($13::text[]) as name, unnest($14::text[]) as email, unnest($15::text[]) as phone,
        unnest($16::text[]) as employee_email, unnest($17::text[]) as employee_custom_id, unnest($18::text[]) as channel,
        unnest($19::text[]) as brand, unnest($20::text[]) as language, unnest($21::text[]) as country,
        unnest($22::int2[]) as medium, unnest($23::text[]) as ext_interaction_id, unnest($24::text[]) as external_url,
        unnest($25::text[]) as details, unnest($26::text[]) as decision
),
plan as (
    select unnest($1::uuid[]) as id, unnest($2::int[]) as company, unnest($27::int[]) as account,
        unnest($28::int2[]) as medium, unnest($29::uuid[]) as address_hash, unnest($30::int2[]) as state,
        unnest($31::text[]) as reason, unnest($32::timestamptz[]) as due_at, unnest($33::timestamptz[]) as expires_at,
        unnest($34::int2[]) as initial_dispatch,
        array_remove(array[unnest($43::uuid[]), unnest($44::uuid[]), unnest($45::uuid[])], null) as reservation_keys
),
inserted as (
    insert into request (id, company, idempotency_hash, key_is_derived, content_hash, former_id_hash, original_request,
        recovery_hash, source, test, policy_version, customer_custom_id, customer_name, customer_email, customer_phone,
        employee_email, employee_custom_id, channel, brand, language, country, medium, ext_interaction_id, external_url,
        details, decision)
    select id, company, idempotency_hash, key_is_derived, content_hash, former_id_hash, original_request, recovery_hash,
        source, test, policy_version, custom_id, name, email, phone, employee_email,
        employee_custom_id, channel, brand, language, country, medium, ext_interaction_id, external_url, details::jsonb,
        decision
    from job
    where (select r.id from request r where r.idempotency_hash = job.idempotency_hash) is null
    returning id
),
-- Existing reservations are locked first, in key order: a request that lost one key must not take another.
wanted as (
    select s.key, s.request, s.asked_at, s.window_secs, c.key is not null as held,
        s.window_secs is not null and c.asked_at > now() - make_interval(secs => s.window_secs) as lost
    from (select unnest($35::uuid[]) as key, unnest($36::uuid[]) as request, unnest($37::timestamptz[]) as asked_at,
        unnest($38::int[]) as window_secs) s
    left join lateral (
        select c.key, c.asked_at from reservation c where c.key = s.key for no key update offset 0) c on true
    where s.request in (select i.id from inserted i)
),
loser as (select distinct request from wanted where lost),
-- Keys found free above use a plain INSERT: ON CONFLICT repeats the index probe and writes twice (7 % of accept's
-- time). If another transaction wins the key, 23505 makes the caller repeat the batch.
reserved as (
    insert into reservation (key, request, asked_at, window_secs)
    select s.key, s.request, greatest(s.asked_at, now()), s.window_secs from wanted s
    where not s.held and s.request not in (select l.request from loser l)
),
taken_over as (
    update reservation c set prior_request = c.request, prior_asked_at = c.asked_at,
        request = w.request, asked_at = greatest(w.asked_at, now()), window_secs = w.window_secs
    from (select * from wanted s where s.held and s.request not in (select l.request from loser l) offset 0) w
    where c.key = w.key
),
-- `final` is the state to store: suppressed without the reservations; sending (initial_dispatch 2) if begin's fence
-- lets a message pass that is a moment old: no block, not expired.
ruled as (
    select p.id, p.company, p.account, p.medium, p.address_hash, p.initial_dispatch, p.final, p.expires_at,
        greatest(p.due_at, now()) as due_at,
        case when p.final = 7 then '{}' else p.reservation_keys end as reservation_keys,
        case when p.final = 7 and p.state <> 7 then 'suppression_period' else p.reason end as reason
    from (
        select q.*, case
            when q.id in (select l.request from loser l) then 7
            when q.initial_dispatch = 2 and q.state = 0 and q.expires_at > now()
                and coalesce((select b.kinds from block b where b.address_hash = q.address_hash), 0) = 0 then 1
            else q.state end as final
        from plan q
        where q.id in (select i.id from inserted i)
        offset 0
    ) p
),
written as (
    insert into message (id, request, company, account, medium, address_hash, reservation_keys, state, epoch, attempt,
        reason, first_due_at, expires_at, begun_at, ended_at)
    select id, id, company, account, medium, address_hash, reservation_keys, final, 1, (final = 1)::int, reason, due_at,
        expires_at, case when final = 1 then now() end, case when final = 7 then now() end
    from ruled
),
leased as (
    insert into lease (id, worker, until, messages, epochs)
    select $39, $40, now() + make_interval(secs => $41), array_agg(id order by id), array_agg(1)
    from ruled where final in (0, 1) and initial_dispatch > 0
    having count(*) > 0
),
waiting as (
    insert into due (message, kind, lane, at, expires_at)
    select id, 0, account, due_at, expires_at from ruled where final = 0 and initial_dispatch = 0
),
ended as (
    insert into ending (company, state, request) select company, final, id from ruled where final = 7
),
-- The jobs under an exclusive trial did not crash their worker.
cleared as (
    delete from trial_record where key = any($42::uuid[])
)
select id as "id!", final::int2 as "state!" from ruled
