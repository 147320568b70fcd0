-- Accept a batch: requests, then reservations for those really inserted, then messages, then the lease
-- of what is sent at once (and its attempt, where a call slot is free) and the due rows of what waits. Arrays come sorted by key, so that two batches
-- take their locks in one order.
-- `offset 0` and scalar subqueries leave the planner no choice but key look-ups, whatever it believes about
-- the size of a table; unnest in the select list costs no tuple store a column, as it does in from.
with job as (
    select unnest($1::uuid[]) as id, unnest($2::int[]) as company, unnest($3::uuid[]) as idem, unnest($4::bool[]) as idem_made,
        unnest($5::uuid[]) as content_hash, unnest($6::uuid[]) as former, unnest($7::uuid[]) as root,
        unnest($8::uuid[]) as recovery, unnest($9::int2[]) as source, unnest($10::bool[]) as test,
        unnest($11::int[]) as policy_version, unnest($12::text[]) as custom_id, unnest($13::text[]) as name,
        unnest($14::text[]) as email, unnest($15::text[]) as phone, unnest($16::text[]) as employee_email,
        unnest($17::text[]) as employee_custom_id, unnest($18::text[]) as channel, unnest($19::text[]) as brand,
        unnest($20::text[]) as language, unnest($21::text[]) as country, unnest($22::int2[]) as medium,
        unnest($23::text[]) as ext_interaction_id, unnest($24::text[]) as external_url, unnest($25::text[]) as details,
        unnest($26::text[]) as decision
),
plan as (
    select unnest($1::uuid[]) as id, unnest($2::int[]) as company, unnest($27::int[]) as account, unnest($28::int2[]) as medium,
        unnest($29::uuid[]) as addr, unnest($30::int2[]) as state, unnest($31::text[]) as reason,
        unnest($32::timestamptz[]) as due_at, unnest($33::timestamptz[]) as expires_at, unnest($34::int2[]) as hand,
        array_remove(array[unnest($43::uuid[]), unnest($44::uuid[]), unnest($45::uuid[])], null) as slots
),
inserted as (
    insert into request (id, company, idem, idem_made, content_hash, former, root, recovery, source, test,
        policy_version, customer_custom_id, customer_name, customer_email, customer_phone, employee_email,
        employee_custom_id, channel, brand, language, country, medium, ext_interaction_id, external_url, details, decision)
    select id, company, idem, idem_made, content_hash, former, root, recovery, source, test,
        policy_version, custom_id, name, email, phone, employee_email,
        employee_custom_id, channel, brand, language, country, medium, ext_interaction_id, external_url, details::jsonb,
        decision
    from job
    where (select r.id from request r where r.idem = job.idem) is null
    returning id
),
-- Lock what exists first, in slot order: who has lost one identity must not take another.
slot as (
    select s.slot, s.request, s.asked_at, s.window_secs,
        s.window_secs is not null and c.asked_at > now() - make_interval(secs => s.window_secs) as lost
    from (select unnest($35::uuid[]) as slot, unnest($36::uuid[]) as request, unnest($37::timestamptz[]) as asked_at,
        unnest($38::int[]) as window_secs) s
    left join lateral (
        select c.asked_at from contact c where c.slot = s.slot for no key update offset 0) c on true
    where s.request in (select i.id from inserted i)
),
loser as (select distinct request from slot where lost),
winner as (
    select s.slot, s.request, s.asked_at, s.window_secs from slot s
    where s.request not in (select l.request from loser l)
),
reserved as (
    insert into contact as c (slot, request, asked_at, window_secs)
    select w.slot, w.request, greatest(w.asked_at, now()), w.window_secs from winner w
    on conflict (slot) do update set prior_request = c.request, prior_asked_at = c.asked_at,
        request = excluded.request, asked_at = excluded.asked_at, window_secs = excluded.window_secs
        where excluded.window_secs is null or c.asked_at <= now() - make_interval(secs => excluded.window_secs)
    returning 1
),
-- The state in the end: suppressed without its reservations; begun (hand 2) if the fence of `begin` lets a
-- message pass that is a moment old: no block, not expired.
ruled as (
    select p.*, case
        when p.id in (select l.request from loser l) then 7
        when p.hand = 2 and p.state = 0 and p.expires_at > now()
            and coalesce((select b.kinds from block b where b.addr = p.addr), 0) = 0 then 1
        else p.state end as final
    from plan p
    where p.id in (select i.id from inserted i)
    offset 0
),
written as (
    insert into message (id, request, company, account, medium, addr, slots, state, epoch, attempt, reason,
        first_due_at, expires_at, begun_at, ended_at)
    select id, id, company, account, medium, addr, case when final = 7 then '{}' else slots end, final, 1,
        (final = 1)::int, case when final = 7 and state <> 7 then 'suppression_period' else reason end,
        greatest(due_at, now()), expires_at,
        case when final = 1 then now() end, case when final = 7 then now() end
    from ruled
    returning id, company, state, account, first_due_at, expires_at
),
leased as (
    insert into lease (id, worker, until, members, epochs)
    select $39, $40, now() + make_interval(secs => $41), array_agg(w.id order by w.id), array_agg(1)
    from written w join plan p on p.id = w.id
    where w.state in (0, 1) and p.hand > 0
    having count(*) > 0
),
waiting as (
    insert into due (message, kind, lane, at, expires_at)
    select w.id, 0, w.account, w.first_due_at, w.expires_at
    from written w join plan p on p.id = w.id
    where w.state = 0 and p.hand = 0
),
ended as (
    insert into ending (company, state, request)
    select company, state, id from written where state = 7
),
-- What was tried alone did not kill its worker.
cleared as (
    delete from suspect where key = any($42::uuid[])
)
-- Who found somebody faster than its own look starts over, and then sees the other's rows: a reservation that
-- was taken in between, or a key (a violation of its uniqueness).
select w.id, w.state from written w
where start_over_if((select count(*) from reserved) < (select count(*) from winner))
