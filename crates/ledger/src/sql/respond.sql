-- Stores responses, each once. A response awaits its request if the request is not known yet; one that names an
-- interaction awaits in any case, because more requests about the interaction may follow.
with named as (
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::bool[], $6::text[], $7::text[], $8::uuid[],
        $9::uuid[], $10::text[], $11::timestamptz[], $12::text[], $13::uuid[])
    as t(id, key, content_hash, company, test, source, response_id, request, former_id_hash, ext_interaction_id, answered_at,
        details, awaited_key)
),
kept as (
    insert into response (id, key, content_hash, company, test, source, response_id, request, former_id_hash,
        ext_interaction_id, awaited_key, answered_at, details)
    select id, key, content_hash, company, test, source, response_id, request, former_id_hash,
        ext_interaction_id, awaited_key, least(coalesce(answered_at, now()), now()), details::jsonb
    from named order by key
    on conflict (key) do nothing
    returning id
)
insert into awaited (key, response, check_at, until)
select n.awaited_key, n.id, now() + interval '1 second', now() + make_interval(secs => $14)
from named n
where n.id in (select k.id from kept k)
    and (n.request is null or coalesce(
        (select r.id from request r where r.id = n.request and r.company = n.company and r.test = n.test),
        (select r.id from request r where r.former_id_hash = n.former_id_hash and r.test = n.test)) is null)
