-- The requests that these responses complete, as far as they are known by now: the first response of a
-- request holds. A service recovery is answered by its own id only: its interaction is its root's, whose
-- answer came before it. An id that names more requests than $2 is no interaction's; the latest count.
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
            -- Else the latest are looked for among all requests there are.
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
