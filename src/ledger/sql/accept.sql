-- Accept a batch: requests, then reservations for those really inserted, then messages, then the lease
-- of what is sent at once (and its attempt, where a call slot is free) and the due rows of what waits. Arrays come sorted by key, so that two batches
-- take their locks in one order.
with job as (
    select * from unnest(
        $1::uuid[], $2::int[], $3::uuid[], $4::bool[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::int2[],
        $10::bool[], $11::int[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[],
        $18::text[], $19::text[], $20::text[], $21::text[], $22::int2[], $23::text[], $24::text[], $25::text[],
        $26::text[])
    as t(id, company, idem, idem_made, content_hash, former, root, recovery, source,
        test, policy_version, custom_id, name, email, phone, employee_email, employee_custom_id,
        channel, brand, language, country, medium, ext_interaction_id, external_url, details,
        decision)
),
plan as (
    select * from unnest($1::uuid[], $2::int[], $27::int[], $28::int2[], $29::uuid[], $30::int2[], $31::text[],
        $32::timestamptz[], $33::timestamptz[], $34::int2[])
    as t(id, company, account, medium, addr, state, reason, due_at, expires_at, hand)
),
slot as (
    select * from unnest($35::uuid[], $36::uuid[], $37::timestamptz[], $38::int[]) as t(slot, request, asked_at, window_secs)
),
inserted as (
    insert into request (id, company, idem, idem_made, content_hash, former, root, recovery, source, test,
        policy_version, customer_custom_id, customer_name, customer_email, customer_phone, employee_email,
        employee_custom_id, channel, brand, language, country, medium, ext_interaction_id, external_url, details, decision)
    select id, company, idem, idem_made, content_hash, former, root, recovery, source, test,
        policy_version, custom_id, name, email, phone, employee_email,
        employee_custom_id, channel, brand, language, country, medium, ext_interaction_id, external_url, details::jsonb,
        decision
    from job order by idem
    on conflict (idem) do nothing
    returning id
),
-- Lock what exists first, in slot order: who has lost one identity must not take another.
held as (
    select s.request, s.window_secs, c.asked_at
    from slot s join inserted i on i.id = s.request join contact c on c.slot = s.slot
    order by s.slot for no key update of c
),
lost as (
    select request from held
    where window_secs is not null and asked_at > now() - make_interval(secs => window_secs)
),
reserved as (
    insert into contact as c (slot, request, asked_at, window_secs)
    select s.slot, s.request, greatest(s.asked_at, now()), s.window_secs
    from slot s join inserted i on i.id = s.request
    where s.request not in (select l.request from lost l)
    order by s.slot
    on conflict (slot) do update set prior_request = c.request, prior_asked_at = c.asked_at,
        request = excluded.request, asked_at = excluded.asked_at, window_secs = excluded.window_secs
        where excluded.window_secs is null or c.asked_at <= now() - make_interval(secs => excluded.window_secs)
    returning c.slot, c.request
),
won as (select request, array_agg(slot order by slot) as slots, count(*) as n from reserved group by request),
wanted as (select request, count(*) as n from slot group by request),
-- The state in the end: suppressed without its reservations; begun (hand 2) if the fence of `begin` lets a
-- message pass that is a moment old: no block, not expired.
ruled as (
    select p.*, coalesce(won.slots, '{}') as slots, lost.yes as lost,
        case when lost.yes then 7
             when p.hand = 2 and p.state = 0 and p.expires_at > now()
                 and coalesce((select b.kinds from block b where b.addr = p.addr), 0) = 0 then 1
             else p.state end as final
    from plan p join inserted i on i.id = p.id
    left join wanted on wanted.request = p.id
    left join won on won.request = p.id
    cross join lateral (select wanted.n is not null and won.n is null as yes) lost
),
written as (
    insert into message (id, request, company, account, medium, addr, slots, state, epoch, attempt, reason,
        first_due_at, expires_at, begun_at, ended_at)
    select id, id, company, account, medium, addr, slots, final, 1, (final = 1)::int,
        case when lost then 'suppression_period' else reason end,
        greatest(due_at, now()), expires_at,
        case when final = 1 then now() end, case when final = 7 then now() end
    from ruled
    order by id
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
select w.id, w.state
from written w
where start_over_if((select bool_or(won.n < wanted.n) from won join wanted on wanted.request = won.request))
