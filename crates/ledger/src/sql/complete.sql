-- Marks the requests that these responses name as answered; the first response of a request counts. A service
-- recovery is answered by its own id only, because the interaction is that of its original request. An interaction
-- id that names more than $2 requests is not an interaction's; only the latest $2 count.
with asked as (
    select s.id, s.key, s.company, s.test, s.source, s.request, s.former_id_hash, s.ext_interaction_id, s.awaited_key, s.answered_at
    from unnest($1::uuid[]) u(key) join response s on s.key = u.key
),
found as (
    select n.response, n.request
    from (
        select a.id as response, coalesce(
            (select o.id from request o where o.id = a.request and o.company = a.company and o.test = a.test),
            (select o.id from request o where o.former_id_hash = a.former_id_hash and o.test = a.test)) as request
        from asked a
        offset 0
    ) n
    where n.request is not null
    union all
    select a.id, r.id
    from asked a cross join lateral (
        select i.id from (
            select o.id from request o
            where o.ext_interaction_id = a.ext_interaction_id and o.company = a.company and o.test = a.test
                and o.original_request is null
            -- Without `offset 0` the planner walks the primary key backwards over all requests.
            offset 0
        ) i
        order by i.id desc limit $2
    ) r
),
answered as (
    insert into answer (request, at, source, response)
    select distinct on (f.request) f.request, a.answered_at, a.source, a.id
    from found f join asked a on a.id = f.response
    order by f.request, a.answered_at, a.id
    on conflict (request) do nothing
),
met as (
    delete from awaited w using asked a
    where w.key = a.awaited_key and w.response = a.id and a.request is not null and a.id in (select f.response from found f)
)
select a.key as "key!", f.request as "request!" from found f join asked a on a.id = f.response
